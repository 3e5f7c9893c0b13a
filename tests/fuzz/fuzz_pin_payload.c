/* A QR code that anybody may have printed. What is accepted has one spelling: its parts,
 * written anew, are the same text. */
#include "base/core/text.h"
#include "device/pin_payload.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_place(const struct address *place, struct buffer *text)
{
    char host[ADDRESS_TEXT_CAPACITY];
    char label[64];
    struct lanname_address address;
    address_host_text(place, host);
    if (!lanname_address_parse(host, &address)) {
        abort();
    }
    if (address.family == 4) {
        lanname_address_text(&address, label);
    } else {
        lanname_write_label(&address, label);
    }
    buffer_printf(text, "/a%s:%u", label, (unsigned)address_port(place));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pin_payload payload;
    char reason[PIN_PAYLOAD_REASON_CAPACITY];
    char base32[64];
    if (pin_payload_parse((const char *)data, size, &payload, reason) != 0) {
        return 0;
    }
    struct buffer text = buffer_init(QR_PAYLOAD_CAPACITY + 16);
    text_base32(payload.hash, sizeof(payload.hash), base32);
    buffer_printf(&text, "latchkey:1/k%s", base32);
    for (size_t i = 0; i < payload.place_count; i++) {
        write_place(&payload.places[i], &text);
    }
    if (payload.has_invitation) {
        text_base32(payload.invitation, sizeof(payload.invitation), base32);
        buffer_printf(&text, "/t%s", base32);
    }
    /* But for the port 443, which may be left out. */
    const char *ours = buffer_text(&text);
    size_t at = 0;
    for (; *ours != '\0'; ours++) {
        if (text_starts_with(ours, ":443") && (ours[4] == '/' || ours[4] == '\0') &&
            (at == size || data[at] == '/')) {
            ours += 3;
            continue;
        }
        char upper = *ours >= 'a' && *ours <= 'z' ? (char)(*ours - 'a' + 'A') : *ours;
        if (at == size || data[at] != (uint8_t)upper) {
            abort();
        }
        at++;
    }
    if (at != size || text.error != 0) {
        abort();
    }
    buffer_free(&text);
    return 0;
}

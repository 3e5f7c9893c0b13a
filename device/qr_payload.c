/* The text apart from its drawings: liblatchkey writes it without libqrencode. */
#include "device/qr.h"

#include "base/core/text.h"

#include <string.h>

enum { HTTPS_PORT = 443 };

static void upper(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'a' && *text <= 'z') {
            *text = (char)(*text - 'a' + 'A');
        }
    }
}

int qr_payload(const char *pin, const struct own_addresses *addresses, uint16_t port,
               char ret_text[static QR_PAYLOAD_CAPACITY])
{
    struct buffer text = buffer_init(QR_PAYLOAD_CAPACITY - 1);
    buffer_printf(&text, "LATCHKEY:1/K%s", pin);
    for (size_t i = 0; i < addresses->count && i < QR_ADDRESSES_MAX; i++) {
        char one[64];
        if (addresses->at[i].family == 4) {
            lanname_address_text(&addresses->at[i], one);
        } else {
            lanname_write_label(&addresses->at[i], one);
        }
        buffer_printf(&text, "/A%s", one);
        if (port != HTTPS_PORT) {
            buffer_printf(&text, ":%u", (unsigned)port);
        }
    }
    int error = text.error;
    if (error == 0) {
        text_copy(ret_text, QR_PAYLOAD_CAPACITY, buffer_text(&text));
        upper(ret_text);
    }
    buffer_free(&text);
    return error;
}

int qr_payload_invite(const uint8_t invitation[static QR_INVITATION_SIZE],
                      char ret_text[static QR_PAYLOAD_CAPACITY])
{
    char field[2 + TEXT_BASE32_SIZE(QR_INVITATION_SIZE) + 1] = "/T";
    size_t size = strlen(ret_text);
    text_base32(invitation, QR_INVITATION_SIZE, field + 2);
    upper(field);
    bool fits = text_copy(ret_text + size, QR_PAYLOAD_CAPACITY - size, field);
    explicit_bzero(field, sizeof(field));
    return fits ? 0 : ERROR_LIMIT;
}

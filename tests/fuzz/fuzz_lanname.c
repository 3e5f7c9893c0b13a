/* The label codec: whatever is read as an address must be written as the very same label
 * (in lower case), an address-shaped label is never publishable, and identifiers read
 * back as they were made. */
#include "base/lanname.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lanname_address address = {0};
    char label[LANNAME_ADDRESS_LABEL_MAX + 1];
    char text[260];
    char id[LANNAME_ID_SIZE + 1];
    bool wildcard = false;
    enum lanname_label kind = lanname_parse_label(data, size, &address);
    bool host = lanname_is_host_label(data, size);
    if (kind == LANNAME_ADDRESS) {
        lanname_write_label(&address, label);
        check(strlen(label) == size);
        for (size_t i = 0; i < size; i++) {
            check(data[i] == (uint8_t)label[i] || (data[i] | 0x20) == (uint8_t)label[i]);
        }
        lanname_address_text(&address, text);
        check(strlen(text) > 1);
    }
    check(!host || (kind == LANNAME_NOT_ADDRESS && size >= 1 && size <= 32));
    if (size < sizeof(text)) {
        memcpy(text, data, size);
        text[size] = '\0';
        (void)lanname_address_parse(text, &address);
        if (lanname_parse_identifier(text, "z", id, &wildcard)) {
            char again[64];
            check(lanname_device_name(id, "z", again, sizeof(again)));
            check(strcmp(again, wildcard ? text + 2 : text) == 0);
        }
    }
    return 0;
}

/* What anybody may post at a page, as both kinds of form. The first byte chooses. */
#include "device/page_form.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer value = buffer_init(4096);
    if (size == 0) {
        return 0;
    }
    struct bytes body = {data + 1, size - 1};
    const char *type = data[0] % 2 == 0 ? "application/x-www-form-urlencoded"
                                        : "multipart/form-data; boundary=xx";
    if (page_form_value(type, body, "csrf", &value) == 0 && value.size > size) {
        abort();
    }
    buffer_free(&value);
    return 0;
}

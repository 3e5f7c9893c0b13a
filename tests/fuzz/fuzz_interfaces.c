/* The kernel's answers are its own, but a parser of lengths and offsets is one. */
#include "device/interfaces.h"

#include "tests/fuzz/require.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct interfaces interfaces;
    bool more = false;
    interfaces = (struct interfaces){.count = 0};
    /* Twice: links are only taken when there are addresses. */
    for (int i = 0; i < 2; i++) {
        int error = interfaces_take(&interfaces, data, size, &more);
        REQUIRE(error == 0 || error == ERROR_SYNTAX || error == ERROR_BUSY ||
                error == ERROR_IO);
    }
    REQUIRE(interfaces.count <= LIMIT_DEVICE_INTERFACES &&
            interfaces.address_count <= LIMIT_DEVICE_INTERFACE_ADDRESSES);
    for (size_t i = 0; i < interfaces.count; i++) {
        REQUIRE(memchr(interfaces.at[i].name, 0, sizeof(interfaces.at[i].name)) != NULL);
        REQUIRE(memchr(interfaces.at[i].kind, 0, sizeof(interfaces.at[i].kind)) != NULL);
    }
    return 0;
}

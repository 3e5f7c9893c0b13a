#include "base/crypto/random.h"

#include "base/crypto/openssl.h"

#include <limits.h>
#include <openssl/rand.h>

int random_bytes(void *ret_data, size_t size)
{
    if (size > INT_MAX) {
        return ERROR_LIMIT;
    }
    return RAND_bytes(ret_data, (int)size) == 1 ? 0 : openssl_error(ERROR_CRYPTO);
}

uint64_t random_below(uint64_t below)
{
    /* Values of the last, incomplete run of BELOW are drawn again; at worst every other
     * one. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % below;
    for (int i = 0; i < 128; i++) {
        uint64_t value = 0;
        if (random_bytes(&value, sizeof(value)) != 0) {
            return 0;
        }
        if (value < limit) {
            return value % below;
        }
    }
    return 0;
}

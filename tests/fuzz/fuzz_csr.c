/* Certificate requests: whatever is accepted has a key and plain, sorted names; whatever
 * is not, has a reason. */
#include "base/core/limits.h"
#include "base/crypto/csr.h"

#include "tests/fuzz/require.h"

#include <openssl/err.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csr csr;
    char reason[LIMIT_DETAIL_BYTES];
    int error = csr_parse(data, size, &csr, reason, sizeof(reason));
    REQUIRE(ERR_peek_error() == 0);
    REQUIRE((error == 0) == (reason[0] == '\0'));
    if (error == 0) {
        REQUIRE(csr.key != NULL && !key_is_private(csr.key));
        REQUIRE(csr.name_count >= 1 && csr.name_count <= LIMIT_ORDER_NAMES);
        for (size_t i = 0; i < csr.name_count; i++) {
            const char *plain = "abcdefghijklmnopqrstuvwxyz0123456789-.*";
            size_t length = strlen(csr.names[i]);
            REQUIRE(length > 0 && length <= 253);
            REQUIRE(strspn(csr.names[i], plain) == length);
            REQUIRE(i == 0 || strcmp(csr.names[i - 1], csr.names[i]) < 0);
        }
    }
    csr_free(&csr);
    return 0;
}

/* What a server may answer to an app. Only the device's own text is accepted, and no input is
 * that: the pin is of no key. */
#include "device/endorsement.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zero[32] = {0};
    char reason[200] = "";
    int64_t counter = 0;
    struct endorsement_rules rules = {
        .pin = zero, .tls_hash = zero, .name = "home.abc.lan.example.com"};
    if (endorsement_check(data, size, &rules, &counter, reason, sizeof(reason)) == 0 ||
        reason[0] == '\0') {
        abort();
    }
    return 0;
}

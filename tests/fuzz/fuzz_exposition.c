/* What somebody answers on a role's status listener: numbers are bounded, labels are cut. */
#include "relay/admin/exposition.h"

#include "tests/fuzz/require.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void note(const char *first, const char *second, double value, void *arg)
{
    (void)arg;
    REQUIRE(strlen(first) < EXPOSITION_LABEL_CAPACITY);
    REQUIRE(strlen(second) < EXPOSITION_LABEL_CAPACITY);
    REQUIRE(fabs(value) <= EXPOSITION_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    double value = 0;
    REQUIRE(copy != NULL);
    memcpy(copy, data, size);
    struct bytes text = {copy, size};
    exposition_each(text, "q", note, NULL);
    if (exposition_value(text, "x", &value)) {
        REQUIRE(fabs(value) <= EXPOSITION_MAX);
    }
    free(copy);
    return 0;
}

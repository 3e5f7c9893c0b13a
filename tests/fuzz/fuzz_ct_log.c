/* What a CT monitor answers: serials are hex of whole octets, texts printable. */
#include "relay/admin/ct_log.h"

#include "tests/fuzz/require.h"

#include <string.h>

static int note(const struct ct_log_entry *entry, void *arg)
{
    size_t size = strlen(entry->serial);
    (void)arg;
    REQUIRE(size > 0 && size % 2 == 0 && size < CT_LOG_SERIAL_CAPACITY);
    REQUIRE(strspn(entry->serial, "0123456789abcdef") == size);
    for (const char *at = entry->names; *at != '\0'; at++) {
        REQUIRE(*at >= 0x20 && *at < 0x7f);
    }
    for (const char *at = entry->issuer; *at != '\0'; at++) {
        REQUIRE(*at >= 0x20 && *at < 0x7f);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)!ct_log_read(data, size, note, NULL);
    return 0;
}

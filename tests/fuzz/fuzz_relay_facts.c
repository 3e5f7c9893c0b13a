/* What a captured worker may say of the relay: whatever is taken is a zone that fits into names, a
 * key with its pin, and an address at the relay. */
#include "device/relay_facts.h"

#include "tests/fuzz/require.h"

#include <string.h>

#define DIRECTORY "https://r/acme/directory"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct relay_known known = {.pin = "", .remembered = "", .zone = "a.b"};
    struct relay_facts facts = {.key = NULL};
    char reason[256] = "";
    json_t *message = NULL;
    if (json_parse(data, size, 1 << 16, &message) != 0) {
        return 0;
    }
    if (relay_facts_read(message, DIRECTORY, &facts, reason, sizeof(reason)) == 0) {
        REQUIRE(relay_facts_is_zone(facts.zone));
        REQUIRE((facts.key == NULL) == (facts.pin[0] == '\0'));
        REQUIRE(facts.pin[0] == '\0' || statement_is_pin(facts.pin));
        REQUIRE(facts.time_url[0] == '\0' ||
                strncmp(facts.time_url, "https://r/", 10) == 0);
        enum relay_verdict verdict =
            relay_facts_judge(&facts, &known, reason, sizeof(reason));
        REQUIRE(verdict == RELAY_ITSELF || verdict == RELAY_ZONE_CHANGED);
        relay_facts_free(&facts);
    } else {
        REQUIRE(reason[0] != '\0');
    }
    json_decref(message);
    return 0;
}

/* JSON text: what is accepted, dumped and read again is the same value. */
#include "base/core/json.h"
#include "base/core/limits.h"

#include "tests/fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *value = NULL;
    json_t *again = NULL;
    struct buffer dump = buffer_init(LIMIT_JSON_BYTES * 6);
    if (json_parse(data, size, LIMIT_JSON_BYTES, &value) != 0) {
        REQUIRE(value == NULL);
        return 0;
    }
    REQUIRE(json_dump(value, &dump) == 0);
    REQUIRE(json_parse(dump.data, dump.size, SIZE_MAX, &again) == 0);
    REQUIRE(json_equal(value, again));
    (void)json_get_text(value, "a");
    (void)json_get_i64(value, "a", 0);
    json_decref(value);
    json_decref(again);
    buffer_free(&dump);
    return 0;
}

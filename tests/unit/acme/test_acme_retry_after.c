/* Retry-After in all its forms. */
#include "acme/acme_retry_after.h"

#include "tests/unit/vector.h"

enum { NOW = 1800000000 }; /* Fri, 15 Jan 2027 08:00:00 GMT */

static void test_all_forms(void **state)
{
    static const struct {
        const char *value;
        int64_t expected_s;
    } rows[] = {
        {"7", 7},
        {" 7 ", 7},
        {"007", 7},
        {"0", 1},
        {"-5", 1},
        {"86400", 86400},
        {"86401", 86400},
        {"99999999", 86400},
        {"99999999999999999999999999", 86400},
        {"-99999999999999999999999999", 42},
        {"Fri, 15 Jan 2027 08:00:30 GMT", 30},
        {"Friday, 15-Jan-27 08:00:30 GMT", 30},
        {"Fri Jan 15 08:00:30 2027", 30},
        {"Fri, 15 Jan 2027 07:00:00 GMT", 1},
        {"Fri, 15 Jan 2037 08:00:00 GMT", 86400},
        {"Fri, 15 Jan 1970 08:00:00 GMT", 1},
        {NULL, 42},
        {"", 42},
        {"   ", 42},
        {"soon", 42},
        {"7s", 42},
        {"1.5", 42},
        {"7, 8", 42},
        {"0x10", 42},
        {"Fri, 32 Jan 2027 08:00:30 GMT", 42},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         42},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t at = acme_retry_after_at(rows[i].value, NOW, 42);

        if (at != NOW + rows[i].expected_s)
            fail_msg("'%s': %lld", rows[i].value, (long long)(at - NOW));
    }
    assert_int_equal(acme_retry_after_at(NULL, NOW, 0), NOW + 1);
    assert_int_equal(acme_retry_after_at(NULL, NOW, 1000000), NOW + 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_forms)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

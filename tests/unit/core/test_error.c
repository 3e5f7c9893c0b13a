#include "tests/unit/vector.h"

static void each_error_has_its_own_text(void **state)
{
    (void)state;
    for (int a = 0; a >= ERROR_INTERNAL; a--) {
        assert_non_null(error_text(a));
        assert_true(strlen(error_text(a)) > 0);
        assert_string_not_equal(error_text(a), "unknown error");
        for (int b = 0; b > a; b--) {
            assert_string_not_equal(error_text(a), error_text(b));
        }
    }
}

static void foreign_numbers_have_a_text(void **state)
{
    (void)state;
    assert_string_equal(error_text(1), "unknown error");
    assert_string_equal(error_text(ERROR_INTERNAL - 1), "unknown error");
    assert_string_equal(error_text(-2147483647 - 1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_own_text),
        cmocka_unit_test(foreign_numbers_have_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "device/diagnosis.h"

#include "base/core/file.h"
#include "device/router_mends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_words_are_unique(void **state)
{
    (void)state;
    for (int i = 0; i < DIAGNOSIS_CODE_COUNT; i++) {
        enum diagnosis_code code = DIAGNOSIS_CODE_COUNT;
        assert_true(
            diagnosis_code_of(diagnosis_code_word((enum diagnosis_code)i), &code));
        assert_int_equal(code, i);
        assert_true(strlen(diagnosis_code_text(code)) > 10);
    }
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        enum diagnosis_check check = DIAGNOSIS_CHECK_COUNT;
        assert_true(
            diagnosis_check_of(diagnosis_check_word((enum diagnosis_check)i), &check));
        assert_int_equal(check, i);
    }
    enum diagnosis_code unknown = DIAGNOSIS_CODE_COUNT;
    assert_false(diagnosis_code_of("no-such", &unknown));
    assert_false(diagnosis_code_of("", &unknown));
}

/* What is wrong comes with what helps, and what is right with nothing. */
static void test_mends(void **state)
{
    (void)state;
    for (int i = 0; i < DIAGNOSIS_CODE_COUNT; i++) {
        enum diagnosis_code code = (enum diagnosis_code)i;
        enum diagnosis_level level = diagnosis_code_level(code);
        bool is_wrong = level == DIAGNOSIS_WARN || level == DIAGNOSIS_FAIL;
        assert_int_equal(diagnosis_code_mend(code)[0] != '\0', is_wrong);
        assert_true(is_wrong || !diagnosis_code_has_settings(code));
    }
}

/* docs/DOCTOR.md has a section for each code, under its check, and no other. */
static void test_documented(void **state)
{
    struct buffer text = buffer_init(256 << 10);
    enum diagnosis_check check = DIAGNOSIS_CHECK_COUNT;
    unsigned seen[DIAGNOSIS_CODE_COUNT] = {0};
    (void)state;
    assert_int_equal(file_read(DOCTOR_MD, &text), 0);
    char *rest = (char *)text.data;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        enum diagnosis_code code = DIAGNOSIS_CODE_COUNT;
        if (strncmp(line, "### ", 4) == 0) {
            if (!diagnosis_code_of(line + 4, &code)) {
                fail_msg("docs/DOCTOR.md: '%s' is no code", line + 4);
            }
            assert_int_equal(diagnosis_code_check(code), check);
            seen[code]++;
        } else if (strncmp(line, "## ", 3) == 0 && strchr(line, ':') != NULL) {
            *strchr(line, ':') = '\0';
            if (!diagnosis_check_of(line + 3, &check)) {
                check = DIAGNOSIS_CHECK_COUNT;
            }
        }
    }
    for (int i = 0; i < DIAGNOSIS_CODE_COUNT; i++) {
        if (seen[i] != 1) {
            fail_msg("docs/DOCTOR.md: %u sections for '%s'", seen[i],
                     diagnosis_code_word((enum diagnosis_code)i));
        }
    }
    buffer_free(&text);
}

static void test_verdicts_travel(void **state)
{
    struct diagnosis sent;
    struct diagnosis received;
    char line[DIAGNOSIS_LINE_BYTES];
    (void)state;
    diagnosis_init(&sent);
    diagnosis_init(&received);
    sent.router = DIAGNOSIS_ROUTER_KNOT;
    diagnosis_set(&sent, DIAGNOSIS_CHECK_PRIVATE, DIAGNOSIS_REBINDING_FILTER);
    diagnosis_add(&sent, DIAGNOSIS_CHECK_PRIVATE, "one %d", 1);
    diagnosis_add(&sent, DIAGNOSIS_CHECK_PRIVATE, "two\nlines\x1b[2J");
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        struct buffer text = buffer_init(4096);
        assert_int_equal(diagnosis_write_verdict(&sent, (enum diagnosis_check)i, &text),
                         0);
        assert_int_equal(diagnosis_take_verdict(&received, buffer_text(&text)), 0);
        buffer_free(&text);
    }
    const struct verdict *verdict = &received.verdicts[DIAGNOSIS_CHECK_PRIVATE];
    assert_int_equal(verdict->code, DIAGNOSIS_REBINDING_FILTER);
    assert_int_equal(received.router, DIAGNOSIS_ROUTER_KNOT);
    assert_true(diagnosis_line(verdict, 0, line));
    assert_string_equal(line, "one 1");
    assert_true(diagnosis_line(verdict, 1, line));
    assert_string_equal(line, "two?lines?[2J");
    assert_false(diagnosis_line(verdict, 2, line));
    assert_int_equal(diagnosis_worst(&received), DIAGNOSIS_FAIL);
}

static void test_what_a_captured_worker_may_say(void **state)
{
    static const char *const bad[] = {
        "",
        "clock",
        "clock clock-right",
        "clock clock-right any",
        "clock relay-down any\n", /* a code of another check */
        "clocks clock-right any\n",
        "clock no-such any\n",
        "clock clock-right someone\n",
        "clock  clock-right any\n",
    };
    struct diagnosis diagnosis;
    (void)state;
    diagnosis_init(&diagnosis);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(diagnosis_take_verdict(&diagnosis, bad[i]), ERROR_SYNTAX);
    }
    assert_int_equal(diagnosis.verdicts[DIAGNOSIS_CHECK_CLOCK].code,
                     DIAGNOSIS_NOT_CHECKED);
    /* More detail than there is room for is left out, by whole lines. */
    struct buffer text = buffer_init(8192);
    buffer_printf(&text, "clock clock-right any\n");
    for (int i = 0; i < 60; i++) {
        buffer_printf(&text, "%040d\n", i);
    }
    assert_int_equal(diagnosis_take_verdict(&diagnosis, buffer_text(&text)), 0);
    const struct verdict *verdict = &diagnosis.verdicts[DIAGNOSIS_CHECK_CLOCK];
    size_t size = strlen(verdict->detail);
    assert_true(size < DIAGNOSIS_DETAIL_BYTES && size % 41 == 0 && size > 0);
    buffer_free(&text);
    /* Its own bug does not become a lie. */
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_CLOCK, DIAGNOSIS_RELAY_DOWN);
    assert_int_equal(diagnosis.verdicts[DIAGNOSIS_CHECK_CLOCK].code, DIAGNOSIS_NOT_KNOWN);
}

static void test_worst(void **state)
{
    struct diagnosis diagnosis;
    (void)state;
    diagnosis_init(&diagnosis);
    assert_int_equal(diagnosis_worst(&diagnosis), DIAGNOSIS_OK);
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_CLOCK, DIAGNOSIS_NOT_KNOWN);
    assert_int_equal(diagnosis_worst(&diagnosis), DIAGNOSIS_UNKNOWN);
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_NAMES, DIAGNOSIS_NAMES_OLD);
    assert_int_equal(diagnosis_worst(&diagnosis), DIAGNOSIS_WARN);
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_ROUTE, DIAGNOSIS_ROUTE_NONE);
    assert_int_equal(diagnosis_worst(&diagnosis), DIAGNOSIS_FAIL);
}

static void test_json(void **state)
{
    struct diagnosis diagnosis;
    json_t *object = NULL;
    (void)state;
    diagnosis_init(&diagnosis);
    diagnosis.at = 1795000000;
    snprintf(diagnosis.zone, sizeof(diagnosis.zone), "lan.example.com");
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_PRIVATE, DIAGNOSIS_REBINDING_FILTER);
    diagnosis_add(&diagnosis, DIAGNOSIS_CHECK_PRIVATE, "a fact");
    assert_int_equal(diagnosis_to_json(&diagnosis, &object), 0);
    assert_string_equal(json_get_text(object, "worst"), "fail");
    const json_t *list = json_get_array(object, "verdicts");
    assert_int_equal(json_array_size(list), DIAGNOSIS_CHECK_COUNT);
    const json_t *verdict = json_array_get(list, DIAGNOSIS_CHECK_PRIVATE);
    assert_string_equal(json_get_text(verdict, "code"), "rebinding-filter");
    assert_int_equal(json_array_size(json_get_array(verdict, "detail")), 1);
    /* Nobody knows which router it is: all of them are listed. */
    assert_int_equal(json_array_size(json_get_array(verdict, "settings")),
                     router_mends_count());
    verdict = json_array_get(list, DIAGNOSIS_CHECK_CLOCK);
    assert_null(json_object_get(verdict, "settings"));
    assert_null(json_object_get(verdict, "mend"));
    json_decref(object);
    /* Without a zone there is nothing to write anywhere. */
    diagnosis.zone[0] = '\0';
    assert_int_equal(diagnosis_to_json(&diagnosis, &object), 0);
    verdict = json_array_get(json_get_array(object, "verdicts"), DIAGNOSIS_CHECK_PRIVATE);
    assert_null(json_object_get(verdict, "settings"));
    json_decref(object);
}

/* Each system has the zone in one of its lines, but those that know no exception. */
static void test_router_mends(void **state)
{
    char line[ROUTER_MENDS_LINE_BYTES];
    (void)state;
    assert_null(router_mends_at(router_mends_count()));
    for (size_t i = 0; i < router_mends_count(); i++) {
        const struct router_mend *mend = router_mends_at(i);
        bool has_zone = false;
        for (size_t j = 0; router_mends_line(mend, j, "lan.example.com", line); j++) {
            assert_null(strchr(line, '{'));
            has_zone |= strstr(line, "lan.example.com") != NULL;
        }
        assert_true(has_zone || strstr(mend->system, "Knot") != NULL ||
                    strstr(mend->system, "Google") != NULL);
        assert_true(router_mends_fits(mend, DIAGNOSIS_ROUTER_ANY));
    }
    for (int i = DIAGNOSIS_ROUTER_ANY + 1; i < DIAGNOSIS_ROUTER_COUNT; i++) {
        unsigned fitting = 0;
        for (size_t j = 0; j < router_mends_count(); j++) {
            fitting += router_mends_fits(router_mends_at(j), (enum diagnosis_router)i);
        }
        assert_true(fitting > 0 && fitting < router_mends_count());
    }
    assert_true(router_mends_line(router_mends_at(0), 0, "x.example", line));
    assert_string_equal(line, "uci add_list dhcp.@dnsmasq[0].rebind_domain='x.example'");
    assert_false(router_mends_line(router_mends_at(0), 3, "x.example", line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_unique),
        cmocka_unit_test(test_mends),
        cmocka_unit_test(test_documented),
        cmocka_unit_test(test_verdicts_travel),
        cmocka_unit_test(test_what_a_captured_worker_may_say),
        cmocka_unit_test(test_worst),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_router_mends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

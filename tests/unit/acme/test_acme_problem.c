/* Problem documents: both ways, and whatever a CA or a proxy sends instead. */
#include "acme/acme_problem.h"

#include "base/core/json.h"
#include "tests/unit/vector.h"

static void test_each_type_goes_there_and_back(void **state)
{
    (void)state;
    for (int type = ACME_PROBLEM_NONE; type < ACME_PROBLEM_COUNT; type++) {
        struct acme_problem made, read;
        struct buffer body = buffer_init(4096);

        acme_problem_set(&made, (enum acme_problem_type)type, "no %s", "way");
        acme_problem_add(&made, ACME_PROBLEM_CAA, "a.test", "sub %d", 1);
        assert_int_equal(acme_problem_dump(&made, &body), 0);
        acme_problem_parse(made.status, body.data, body.size, &read);
        assert_int_equal(read.type, type);
        assert_string_equal(read.detail, "no way");
        assert_int_equal(read.subproblem_count, 1);
        assert_int_equal(read.subproblems[0].type, ACME_PROBLEM_CAA);
        assert_string_equal(read.subproblems[0].identifier, "a.test");
        assert_string_equal(read.subproblems[0].detail, "sub 1");
        assert_true(made.status >= 400 && made.status <= 599);
        buffer_free(&body);
    }
}

static void test_lists_the_algorithms(void **state)
{
    struct acme_problem problem;
    json_t *value = NULL;

    (void)state;
    acme_problem_set(&problem, ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM, "no");
    assert_int_equal(acme_problem_to_json(&problem, &value), 0);
    assert_int_equal(json_array_size(json_get_array(value, "algorithms")), 4);
    assert_string_equal(
        json_string_value(json_array_get(json_get_array(value, "algorithms"), 0)),
        "ES256");
    json_decref(value);
}

static void test_anything_else_is_no_problem_document(void **state)
{
    static const char *const rows[] = {
        "",
        "<html><h1>503</h1></html>",
        "[]",
        "\"x\"",
        "{",
        "{\"type\":7}",
        "[[[[[[[[",
        "{\"type\":\"about:blank\"}",
        "{\"type\":\"urn:ietf:params:acme:error:new\"}",
        "{\"type\":\"urn:ietf:params:acme:error:\"}",
        "{\"detail\":[1]}",
        "{\"type\":\"urn:ietf:params:acme:error:caa\",\"type\":\"x\"}",
        "{\"subproblems\":{}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct acme_problem problem;

        acme_problem_parse(503, rows[i], strlen(rows[i]), &problem);
        assert_int_equal(problem.type, ACME_PROBLEM_NONE);
        assert_int_equal(problem.status, 503);
        assert_string_equal(problem.detail, "");
        assert_int_equal(problem.subproblem_count, 0);
    }
}

static void test_remote_text_becomes_printable_and_short(void **state)
{
    static const char hostile[] =
        "{\"type\":\"urn:ietf:params:acme:error:dns\",\"detail\":\"a\\u001b["
        "31m\\nb\\u00e4\","
        "\"instance\":\"https://x/\\r\\n\",\"subproblems\":[7,{\"detail\":\"\\u0007\"},"
        "{},{},{},{},{}]}";
    struct acme_problem problem;
    struct buffer body = buffer_init(1 << 16);

    (void)state;
    acme_problem_parse(400, hostile, strlen(hostile), &problem);
    assert_int_equal(problem.type, ACME_PROBLEM_DNS);
    assert_true(strncmp(problem.detail, "a?[31m?b?", 9) == 0);
    assert_string_equal(problem.instance, "https://x/??");
    assert_int_equal(problem.subproblem_count, ACME_SUBPROBLEMS_MAX);
    assert_string_equal(problem.subproblems[0].detail, "?");
    (void)buffer_append_text(&body, "{\"detail\":\"");
    for (int i = 0; i < 5000; i++)
        (void)buffer_append_text(&body, "x");
    assert_int_equal(buffer_append_text(&body, "\"}"), 0);
    acme_problem_parse(400, body.data, body.size, &problem);
    assert_int_equal(strlen(problem.detail), LIMIT_DETAIL_BYTES - 1);
    buffer_free(&body);
}

static void test_a_status_inside_counts_only_without_another(void **state)
{
    json_t *value = json_object();
    struct acme_problem problem;

    (void)state;
    assert_int_equal(json_set_i64(value, "status", 403), 0);
    acme_problem_from_json(value, 0, &problem);
    assert_int_equal(problem.status, 403);
    acme_problem_from_json(value, 400, &problem);
    assert_int_equal(problem.status, 400);
    assert_int_equal(json_set_i64(value, "status", 4000000000), 0);
    acme_problem_from_json(value, 0, &problem);
    assert_int_equal(problem.status, 0);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_goes_there_and_back),
        cmocka_unit_test(test_lists_the_algorithms),
        cmocka_unit_test(test_anything_else_is_no_problem_document),
        cmocka_unit_test(test_remote_text_becomes_printable_and_short),
        cmocka_unit_test(test_a_status_inside_counts_only_without_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

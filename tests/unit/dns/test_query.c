/* What the parser says of good queries; test_answer_wire.c has the bad ones. */
#include "dns/query.h"

#include "tests/unit/dns/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_fields(void **state)
{
    uint8_t query[512];
    struct dns_query parsed;
    size_t size = fixture_query("a.bc.example", DNS_TYPE_CAA, 1400, query);
    (void)state;
    query[size - 4] = 0x80; /* DO */
    assert_int_equal(dns_query_parse((struct bytes){query, size}, &parsed),
                     DNS_QUERY_GOOD);
    assert_int_equal(parsed.type, DNS_TYPE_CAA);
    assert_int_equal(parsed.class, DNS_CLASS_IN);
    assert_int_equal(parsed.name_size, 2 + 3 + 8 + 1);
    assert_int_equal(parsed.question_size, parsed.name_size + 4);
    assert_int_equal(parsed.label_count, 3);
    assert_int_equal(parsed.labels[0], 0);
    assert_int_equal(parsed.labels[1], 2);
    assert_int_equal(parsed.labels[2], 5);
    assert_true(parsed.edns);
    assert_true(parsed.dnssec_ok);
    assert_int_equal(parsed.edns_version, 0);
    assert_int_equal(parsed.payload_bytes, 1400);
}

static void test_root_without_edns(void **state)
{
    uint8_t query[512];
    struct dns_query parsed;
    size_t size = fixture_query(".", DNS_TYPE_NS, 0, query);
    (void)state;
    assert_int_equal(dns_query_parse((struct bytes){query, size}, &parsed),
                     DNS_QUERY_GOOD);
    assert_int_equal(parsed.name_size, 1);
    assert_int_equal(parsed.label_count, 0);
    assert_false(parsed.edns);
}

/* 127 labels of one octet are the most that a name holds. */
static void test_most_labels(void **state)
{
    uint8_t query[512] = {0, 1, 0, 0, 0, 1};
    struct dns_query parsed;
    size_t at = DNS_HEADER_SIZE;
    (void)state;
    for (int i = 0; i < DNS_LABELS_MAX; i++) {
        query[at++] = 1;
        query[at++] = 'a';
    }
    query[at++] = 0;
    at += 4;
    assert_int_equal(dns_query_parse((struct bytes){query, at}, &parsed), DNS_QUERY_GOOD);
    assert_int_equal(parsed.label_count, DNS_LABELS_MAX);
    assert_int_equal(parsed.name_size, DNS_NAME_MAX);
    assert_int_equal(parsed.labels[DNS_LABELS_MAX - 1], 252);
}

/* What stands in the result of a failure may be relied on for the answer to it. */
static void test_what_is_left_of_bad_ones(void **state)
{
    uint8_t query[512];
    struct dns_query parsed;
    size_t size = fixture_query(FIXTURE_ZONE, DNS_TYPE_A, 1232, query);
    (void)state;
    assert_int_equal(dns_query_parse((struct bytes){query, size - 1}, &parsed),
                     DNS_QUERY_MALFORMED);
    assert_true(parsed.question_size > 0);
    assert_false(parsed.edns);
    query[size] = 0;
    assert_int_equal(dns_query_parse((struct bytes){query, size + 1}, &parsed),
                     DNS_QUERY_MALFORMED);
    assert_false(parsed.edns);
    query[2] |= 0x28; /* UPDATE */
    assert_int_equal(dns_query_parse((struct bytes){query, size}, &parsed),
                     DNS_QUERY_OPCODE);
    assert_int_equal(parsed.question_size, 0);
    query[2] |= 0x80;
    assert_int_equal(dns_query_parse((struct bytes){query, size}, &parsed),
                     DNS_QUERY_DROP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_root_without_edns),
        cmocka_unit_test(test_most_labels),
        cmocka_unit_test(test_what_is_left_of_bad_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

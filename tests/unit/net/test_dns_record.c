#include "base/net/dns_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGE_BYTES = 512 };

static void test_query(void **state)
{
    static const uint8_t expected[] = {0x12, 0x34, 0,  0,   0,    1,   0,   0, 0, 0, 0, 1,
                                       1,    'A',  4,  't', 'e',  's', 't', 0, 0, 2, 0, 1,
                                       0,    0,    41, 4,   0xd0, 0,   0,   0, 0, 0, 0};
    uint8_t data[MESSAGE_BYTES];
    struct writer writer = writer_init(data, sizeof(data));
    (void)state;
    assert_int_equal(
        dns_record_write_query("A.test", DNS_RECORD_TYPE_NS, 0x1234, false, &writer), 0);
    assert_int_equal(writer_size(&writer), sizeof(expected));
    assert_memory_equal(data, expected, sizeof(expected));
    writer = writer_init(data, 20);
    assert_int_equal(dns_record_write_query("a.test", 2, 0, true, &writer), ERROR_LIMIT);
}

static void test_names_that_are_none(void **state)
{
    static const char *const bad[] = {
        "", ".", "a..b", ".a",
        "a.0123456789012345678901234567890123456789012345678901234567890123"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t data[MESSAGE_BYTES];
        struct writer writer = writer_init(data, sizeof(data));
        assert_int_equal(dns_record_write_query(bad[i], 1, 0, true, &writer),
                         ERROR_SYNTAX);
    }
}

/* What a parent says of lan.test: NS in AUTHORITY, glue in ADDITIONAL, names compressed. */
static const uint8_t referral[] = {
    0, 7, 0x80, 0, 0, 1, 0, 0, 0, 1, 0, 2,
    /* 12: lAn.test NS IN */
    3, 'l', 'A', 'n', 4, 't', 'e', 's', 't', 0, 0, 2, 0, 1,
    /* 26: lan.test NS ns.lan.test */
    0xc0, 12, 0, 2, 0, 1, 0, 0, 0, 60, 0, 5, 2, 'n', 's', 0xc0, 12,
    /* 43: ns.lan.test A 192.0.2.1, its name by two pointers */
    0xc0, 38, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1,
    /* OPT */
    0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0};

static void test_referral(void **state)
{
    struct dns_records records;
    struct dns_record record;
    char name[DNS_RECORD_NAME_CAPACITY];
    (void)state;
    assert_int_equal(dns_record_open(referral, sizeof(referral), &records), 0);
    assert_int_equal(records.id, 7);
    assert_false(records.is_authoritative);
    assert_int_equal(records.question.size, 14);
    assert_memory_equal(records.question.data, "\003lAn\004test\0\0\002\0\001", 14);
    assert_int_equal(dns_record_next(&records, &record), 0);
    assert_int_equal(record.section, DNS_RECORD_AUTHORITY);
    assert_string_equal(record.name, "lan.test");
    assert_int_equal(record.type, DNS_RECORD_TYPE_NS);
    assert_int_equal(record.ttl, 60);
    assert_int_equal(dns_record_name(&records, &record, name), 0);
    assert_string_equal(name, "ns.lan.test");
    assert_int_equal(dns_record_next(&records, &record), 0);
    assert_int_equal(record.section, DNS_RECORD_ADDITIONAL);
    assert_string_equal(record.name, "ns.lan.test");
    assert_memory_equal(record.data.data, "\300\0\002\001", 4);
    assert_int_equal(dns_record_next(&records, &record), 0);
    assert_int_equal(record.type, DNS_RECORD_TYPE_OPT);
    assert_string_equal(record.name, "");
    assert_int_equal(dns_record_next(&records, &record), ERROR_NOT_FOUND);
    assert_int_equal(dns_record_next(&records, &record), ERROR_NOT_FOUND);
}

static int read_all(const uint8_t *data, size_t size)
{
    struct dns_records records;
    struct dns_record record;
    int error = dns_record_open(data, size, &records);
    while (error == 0) {
        error = dns_record_next(&records, &record);
    }
    return error;
}

static void test_cut_short(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(referral); size++) {
        assert_int_equal(read_all(referral, size), ERROR_SYNTAX);
    }
}

/* A pointer to itself, forward, and two that point at each other: each is refused at once. */
static void test_pointers_that_loop(void **state)
{
    static const uint8_t targets[] = {26, 40, 200};
    uint8_t data[sizeof(referral)];
    (void)state;
    for (size_t i = 0; i < sizeof(targets); i++) {
        memcpy(data, referral, sizeof(data));
        data[27] = targets[i];
        assert_int_equal(read_all(data, sizeof(data)), ERROR_SYNTAX);
    }
}

static void test_no_reply(void **state)
{
    uint8_t data[sizeof(referral)];
    struct dns_records records;
    (void)state;
    memcpy(data, referral, sizeof(data));
    data[2] = 0;
    assert_int_equal(dns_record_open(data, sizeof(data), &records), ERROR_SYNTAX);
    data[2] = 0x80;
    data[5] = 2;
    assert_int_equal(dns_record_open(data, sizeof(data), &records), ERROR_SYNTAX);
}

/* What a label may hold, but a text may not. */
static void test_odd_labels(void **state)
{
    static const uint8_t message[] = {0, 7, 0x84, 0,   0,    1,    0, 0, 0, 0, 0,
                                      0, 4, 'a',  '.', '\n', 0xff, 0, 0, 1, 0, 1};
    struct dns_records records;
    struct dns_record record;
    (void)state;
    assert_int_equal(dns_record_open(message, sizeof(message), &records), 0);
    assert_true(records.is_authoritative);
    assert_int_equal(dns_record_next(&records, &record), ERROR_NOT_FOUND);
    record = (struct dns_record){.data = {message + 12, sizeof(message) - 12}};
    char name[DNS_RECORD_NAME_CAPACITY];
    assert_int_equal(dns_record_name(&records, &record, name), 0);
    assert_string_equal(name, "a???");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_referral),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_pointers_that_loop),
        cmocka_unit_test(test_no_reply),
        cmocka_unit_test(test_odd_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

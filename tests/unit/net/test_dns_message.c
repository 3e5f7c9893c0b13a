#include "base/net/dns_message.h"

#include "base/core/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGE_BYTES = 1024 };

struct message {
    uint8_t data[MESSAGE_BYTES];
    struct writer writer;
};

/* A reply to "a.test" with these counts. */
static void begin(struct message *message, uint16_t flags, const uint16_t counts[3])
{
    static const uint8_t question[] = "\001a\004test\000\000\001\000";
    message->writer = writer_init(message->data, sizeof(message->data));
    writer_u16(&message->writer, 77);
    writer_u16(&message->writer, (uint16_t)(0x8000 | flags));
    writer_u16(&message->writer, 1);
    for (int i = 0; i < 3; i++) {
        writer_u16(&message->writer, counts[i]);
    }
    writer_bytes(&message->writer, question, sizeof(question));
}

static void record(struct message *message, uint16_t type, uint32_t ttl, const void *data,
                   size_t size)
{
    writer_u16(&message->writer, 0xc00c);
    writer_u16(&message->writer, type);
    writer_u16(&message->writer, 1);
    writer_u32(&message->writer, ttl);
    writer_u16(&message->writer, (uint16_t)size);
    writer_bytes(&message->writer, data, size);
}

static int read(const struct message *message, struct dns_message_reply *ret_reply)
{
    return dns_message_read_reply(message->data, writer_size(&message->writer),
                                  ret_reply);
}

static void test_question(void **state)
{
    uint8_t data[DNS_MESSAGE_QUESTION_BYTES];
    static const uint8_t expected[] = {0, 0,   1,  0,   0,    1,   0,   0, 0, 0,  0, 1,
                                       1, 'a', 4,  't', 'e',  's', 't', 0, 0, 28, 0, 1,
                                       0, 0,   41, 4,   0xd0, 0,   0,   0, 0, 0,  0};
    struct writer writer = writer_init(data, sizeof(data));
    (void)state;
    assert_int_equal(dns_message_write_question("a.test", DNS_MESSAGE_TYPE_AAAA, &writer),
                     0);
    assert_int_equal(writer_size(&writer), sizeof(expected));
    assert_memory_equal(data, expected, sizeof(expected));
    writer = writer_init(data, sizeof(data));
    assert_int_equal(dns_message_write_question("a..test", 1, &writer), ERROR_SYNTAX);
    writer = writer_init(data, sizeof(data));
    assert_int_equal(dns_message_write_question("", 1, &writer), ERROR_SYNTAX);
    char label[70];
    memset(label, 'x', sizeof(label) - 1);
    label[sizeof(label) - 1] = '\0';
    writer = writer_init(data, sizeof(data));
    assert_int_equal(dns_message_write_question(label, 1, &writer), ERROR_SYNTAX);
    writer = writer_init(data, 20);
    assert_int_equal(dns_message_write_question("a.test", 1, &writer), ERROR_LIMIT);
}

static void test_addresses(void **state)
{
    static const uint16_t counts[] = {3, 0, 0};
    static const uint8_t v4[] = {192, 168, 1, 51};
    static const uint8_t v6[16] = {0xfd, [15] = 1};
    struct message message;
    struct dns_message_reply reply;
    (void)state;
    begin(&message, 0, counts);
    record(&message, 1, 60, v4, sizeof(v4));
    record(&message, 28, 60, v6, sizeof(v6));
    record(&message, 16, 60, "\003abc", 4);
    assert_int_equal(read(&message, &reply), 0);
    assert_int_equal(reply.id, 77);
    assert_int_equal(reply.rcode, 0);
    assert_int_equal(reply.address_count, 2);
    assert_int_equal(reply.addresses[0].family, 4);
    assert_memory_equal(reply.addresses[0].octets, v4, sizeof(v4));
    assert_int_equal(reply.addresses[1].family, 6);
    assert_memory_equal(reply.addresses[1].octets, v6, sizeof(v6));
    assert_true(reply.has_text);
    assert_false(reply.has_soa);
    assert_int_equal(reply.ede, DNS_MESSAGE_NO_EDE);
}

/* An address in AUTHORITY or ADDITIONAL is no answer; one of a wrong size is none. */
static void test_what_is_no_answer(void **state)
{
    static const uint16_t counts[] = {1, 1, 1};
    static const uint8_t v4[] = {192, 168, 1, 51, 7};
    struct message message;
    struct dns_message_reply reply;
    (void)state;
    begin(&message, 0, counts);
    record(&message, 1, 60, v4, 5);
    record(&message, 1, 60, v4, 4);
    record(&message, 1, 60, v4, 4);
    assert_int_equal(read(&message, &reply), 0);
    assert_int_equal(reply.address_count, 0);
}

static void test_refusals(void **state)
{
    static const uint16_t soa[] = {0, 1, 0};
    static const uint16_t opt[] = {0, 0, 1};
    static const uint8_t blocked[] = {0, 10, 0, 1, 9, 0, 15, 0, 5, 0, 15, 'a', 'b', 'c'};
    struct message message;
    struct dns_message_reply reply;
    (void)state;
    begin(&message, 3, soa);
    record(&message, 6, 60, "", 0);
    assert_int_equal(read(&message, &reply), 0);
    assert_int_equal(reply.rcode, 3);
    assert_true(reply.has_soa);
    begin(&message, 5, opt);
    record(&message, 41, 0, blocked, sizeof(blocked));
    assert_int_equal(read(&message, &reply), 0);
    assert_int_equal(reply.rcode, 5);
    assert_int_equal(reply.ede, 15);
    /* BADVERS: the upper bits of the code are in OPT. */
    begin(&message, 0, opt);
    record(&message, 41, 1U << 24, "", 0);
    assert_int_equal(read(&message, &reply), 0);
    assert_int_equal(reply.rcode, 16);
    /* An option that says it is longer than it is. */
    begin(&message, 0, opt);
    record(&message, 41, 0, "\000\017\000\011\000\017", 6);
    assert_int_equal(read(&message, &reply), 0);
    assert_int_equal(reply.ede, DNS_MESSAGE_NO_EDE);
}

static void test_malformed(void **state)
{
    static const uint16_t counts[] = {1, 0, 0};
    static const uint8_t v4[] = {192, 168, 1, 51};
    struct message message;
    struct dns_message_reply reply = {.rcode = 99};
    (void)state;
    begin(&message, 0, counts);
    record(&message, 1, 60, v4, sizeof(v4));
    size_t size = writer_size(&message.writer);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(dns_message_read_reply(message.data, i, &reply), ERROR_SYNTAX);
    }
    message.data[2] = 0; /* a question is no reply */
    assert_int_equal(dns_message_read_reply(message.data, size, &reply), ERROR_SYNTAX);
    message.data[2] = 0x80;
    message.data[5] = 2; /* two questions (RFC 9619) */
    assert_int_equal(dns_message_read_reply(message.data, size, &reply), ERROR_SYNTAX);
    message.data[5] = 1;
    message.data[12] = 0x81; /* no label, no pointer */
    assert_int_equal(dns_message_read_reply(message.data, size, &reply), ERROR_SYNTAX);
    assert_int_equal(reply.rcode, 99);
    /* What was cut off is still a reply that says so. */
    begin(&message, 0x0200, counts);
    assert_int_equal(read(&message, &reply), 0);
    assert_true(reply.is_truncated);
}

static void test_many_addresses(void **state)
{
    static const uint16_t counts[] = {40, 0, 0};
    static const uint8_t v4[] = {10, 0, 0, 1};
    struct message message;
    struct dns_message_reply reply;
    (void)state;
    begin(&message, 0, counts);
    for (int i = 0; i < 40; i++) {
        record(&message, 1, 60, v4, sizeof(v4));
    }
    assert_false(message.writer.failed);
    assert_int_equal(read(&message, &reply), 0);
    assert_int_equal(reply.address_count, DNS_MESSAGE_ADDRESSES_MAX);
}

static void test_rcode_texts(void **state)
{
    (void)state;
    assert_string_equal(dns_message_rcode_text(0), "NOERROR");
    assert_string_equal(dns_message_rcode_text(2), "SERVFAIL");
    assert_string_equal(dns_message_rcode_text(5), "REFUSED");
    assert_string_equal(dns_message_rcode_text(23), "RCODE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question),          cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_is_no_answer), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_malformed),         cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_rcode_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

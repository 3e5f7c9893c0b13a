/* Replies about the zone, made record by record, and read: only what is about it counts. */
#include "relay/admin/delegation.h"

#include "base/core/text.h"
#include "base/core/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ASKED "lAn.exAmple.com"

enum { MESSAGE_MAX = 4096, CLASS_IN = 1, CLASS_CHAOS = 3, TYPE_NS = 2 };

struct reply {
    uint8_t data[MESSAGE_MAX];
    uint8_t query[512];
    struct writer writer;
    struct writer query_writer;
    uint16_t counts[3];
};

static void put_name(struct writer *writer, const char *name)
{
    while (name[0] != '\0') {
        size_t size = strcspn(name, ".");
        writer_u8(writer, (uint8_t)size);
        writer_bytes(writer, name, size);
        name += size + (name[size] == '.' ? 1 : 0);
    }
    writer_u8(writer, 0);
}

/* A reply with the question that was asked; FLAGS as RFC 1035 4.1.1 has them. */
static void begin(struct reply *reply, const char *question, uint16_t flags)
{
    reply->query_writer = writer_init(reply->query, sizeof(reply->query));
    assert_int_equal(
        dns_record_write_query(ASKED, TYPE_NS, 7, false, &reply->query_writer), 0);
    reply->writer = writer_init(reply->data, sizeof(reply->data));
    memset(reply->counts, 0, sizeof(reply->counts));
    writer_u16(&reply->writer, 7);
    writer_u16(&reply->writer, (uint16_t)(flags | 0x8000));
    writer_u16(&reply->writer, 1);
    writer_u32(&reply->writer, 0);
    writer_u16(&reply->writer, 0);
    put_name(&reply->writer, question);
    writer_u16(&reply->writer, TYPE_NS);
    writer_u16(&reply->writer, CLASS_IN);
}

static void put_head(struct reply *reply, unsigned section, const char *name,
                     unsigned type, unsigned class, size_t size)
{
    reply->counts[section]++;
    put_name(&reply->writer, name);
    writer_u16(&reply->writer, (uint16_t)type);
    writer_u16(&reply->writer, (uint16_t) class);
    writer_u32(&reply->writer, 3600);
    writer_u16(&reply->writer, (uint16_t)size);
}

static void put_data(struct reply *reply, unsigned section, const char *name,
                     unsigned type, const void *data, size_t size)
{
    put_head(reply, section, name, type, CLASS_IN, size);
    writer_bytes(&reply->writer, data, size);
}

static void put_server(struct reply *reply, unsigned section, const char *zone,
                       const char *server)
{
    put_head(reply, section, zone, DNS_RECORD_TYPE_NS, CLASS_IN, strlen(server) + 2);
    put_name(&reply->writer, server);
}

static int read_reply(struct reply *reply, size_t size, struct delegation_reply *ret)
{
    struct bytes query = {reply->query, writer_size(&reply->query_writer)};
    uint8_t *copy = malloc(size > 0 ? size : 1); /* so that reading beyond it is found */
    assert_non_null(copy);
    memcpy(copy, reply->data, size);
    int error = delegation_read(ZONE, query, (struct bytes){copy, size}, ret);
    free(copy);
    return error;
}

static void end(struct reply *reply, struct delegation_reply *ret)
{
    assert_false(reply->writer.failed);
    for (size_t i = 0; i < 3; i++) {
        reply->data[6 + 2 * i] = (uint8_t)(reply->counts[i] >> 8);
        reply->data[7 + 2 * i] = (uint8_t)reply->counts[i];
    }
    assert_int_equal(read_reply(reply, writer_size(&reply->writer), ret), 0);
}

static void expect_server(const struct delegation_servers *servers, const char *name,
                          const char *addresses)
{
    const struct delegation_server *server = delegation_find(servers, name);
    char all[512] = "";
    if (server == NULL) {
        fail_msg("no server '%s'", name);
        return;
    }
    for (size_t i = 0; i < server->address_count; i++) {
        char text[ADDRESS_TEXT_CAPACITY];
        size_t used = strlen(all);
        address_host_text(&server->addresses[i], text);
        assert_int_equal(address_port(&server->addresses[i]), 53);
        snprintf(all + used, sizeof(all) - used, "%s ", text);
    }
    assert_string_equal(all, addresses);
}

/* What a parent's server says: NS in AUTHORITY, glue in ADDITIONAL. */
static void test_referral(void **state)
{
    static const uint8_t v4[] = {192, 0, 2, 1};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct reply reply;
    struct delegation_reply got;
    (void)state;
    begin(&reply, ASKED, 0);
    put_server(&reply, DNS_RECORD_AUTHORITY, "LAN.example.com", "NS1.lan.example.com");
    put_server(&reply, DNS_RECORD_AUTHORITY, ZONE, "ns2.example.net");
    put_server(&reply, DNS_RECORD_AUTHORITY, ZONE, "ns1.LAN.example.com");
    put_server(&reply, DNS_RECORD_AUTHORITY, "example.com", "ns.parent.example");
    put_data(&reply, DNS_RECORD_ADDITIONAL, "ns1.lan.example.com", DNS_RECORD_TYPE_A, v4,
             4);
    put_data(&reply, DNS_RECORD_ADDITIONAL, "ns1.lan.example.com", DNS_RECORD_TYPE_AAAA,
             v6, 16);
    put_data(&reply, DNS_RECORD_ADDITIONAL, "ns1.lan.example.com", DNS_RECORD_TYPE_A, v6,
             16); /* no address of that type */
    put_data(&reply, DNS_RECORD_ADDITIONAL, "ns9.lan.example.com", DNS_RECORD_TYPE_A, v4,
             4);
    put_head(&reply, DNS_RECORD_ADDITIONAL, "", DNS_RECORD_TYPE_OPT, 1232, 0);
    end(&reply, &got);
    assert_int_equal(got.servers.count, 2);
    expect_server(&got.servers, "ns1.lan.example.com", "192.0.2.1 2001:db8::1 ");
    expect_server(&got.servers, "NS2.example.net", "");
    assert_null(delegation_find(&got.servers, "ns9.lan.example.com"));
    assert_true(got.has_edns && got.keeps_case);
    assert_false(got.is_authoritative || got.is_truncated || got.has_soa);
    assert_int_equal(got.rcode, 0);
}

/* What the zone's own server says. */
static void test_answers(void **state)
{
    static const uint8_t closed[] = "\0\005issue;";
    static const uint8_t open[] = "\0\005issueca.example";
    struct reply reply;
    struct delegation_reply got;
    (void)state;
    begin(&reply, ZONE, 0x0400 | 0x0200 | 3);
    put_head(&reply, DNS_RECORD_ANSWER, ZONE, DNS_RECORD_TYPE_SOA, CLASS_IN,
             strlen("ns1." ZONE) + 2 + 3 + 20);
    put_name(&reply.writer, "ns1." ZONE);
    put_name(&reply.writer, "h");
    writer_u32(&reply.writer, 2027011500);
    writer_bytes(&reply.writer, "................", 16);
    put_data(&reply, DNS_RECORD_ANSWER, ZONE, DNS_RECORD_TYPE_CAA, open,
             sizeof(open) - 1);
    put_data(&reply, DNS_RECORD_ANSWER, "_acme-challenge." ZONE, DNS_RECORD_TYPE_TXT,
             "\001x", 2);
    put_head(&reply, DNS_RECORD_ANSWER, ZONE, DNS_RECORD_TYPE_TXT, CLASS_CHAOS, 2);
    writer_bytes(&reply.writer, "\001x", 2);
    put_data(&reply, DNS_RECORD_AUTHORITY, ZONE, DNS_RECORD_TYPE_TXT, "\001x", 2);
    end(&reply, &got);
    assert_true(got.is_authoritative && got.is_truncated && got.has_soa);
    assert_false(got.keeps_case || got.has_edns || got.caa_is_closed);
    assert_int_equal(got.rcode, 3);
    assert_string_equal(got.soa_name, "ns1." ZONE);
    assert_int_equal(got.soa_serial, 2027011500);
    assert_int_equal(got.caa_count, 1);
    assert_int_equal(got.text_count, 1);

    begin(&reply, ASKED, 0x0400);
    put_data(&reply, DNS_RECORD_ANSWER, ZONE, DNS_RECORD_TYPE_CAA, closed,
             sizeof(closed) - 1);
    put_data(&reply, DNS_RECORD_ANSWER, "other.example", DNS_RECORD_TYPE_CAA, open,
             sizeof(open) - 1);
    put_data(&reply, DNS_RECORD_ANSWER, ZONE, DNS_RECORD_TYPE_SOA, closed, 8);
    end(&reply, &got);
    assert_int_equal(got.caa_count, 1);
    assert_true(got.caa_is_closed);
    assert_false(got.has_soa); /* too short for one */
}

/* More servers and addresses than there is room for, and a reply that is cut anywhere. */
static void test_bounds(void **state)
{
    static const uint8_t v4[] = {192, 0, 2, 1};
    struct reply reply;
    struct delegation_reply got;
    (void)state;
    begin(&reply, ASKED, 0);
    for (unsigned i = 0; i < DELEGATION_SERVERS_MAX + 3; i++) {
        char name[32];
        snprintf(name, sizeof(name), "ns%u.example.net", i);
        put_server(&reply, DNS_RECORD_AUTHORITY, ZONE, name);
    }
    for (unsigned i = 0; i < DELEGATION_ADDRESSES_MAX + 3; i++) {
        put_data(&reply, DNS_RECORD_ADDITIONAL, "ns0.example.net", DNS_RECORD_TYPE_A, v4,
                 4);
    }
    end(&reply, &got);
    assert_int_equal(got.servers.count, DELEGATION_SERVERS_MAX);
    assert_int_equal(got.servers.at[0].address_count, DELEGATION_ADDRESSES_MAX);
    for (size_t size = 0; size < writer_size(&reply.writer); size++) {
        assert_int_equal(read_reply(&reply, size, &got), ERROR_SYNTAX);
    }
}

static void test_configured(void **state)
{
    static const char *const texts[] = {
        "NS1.lan.example.com=192.0.2.1,2001:db8::1",
        "ns2.example.net",
        "ns1.lan.example.com=192.0.2.2",
        "ns3.lan.example.com=nonsense,192.0.2.3",
    };
    struct relay_config config = {.dns_name_servers = {(char **)(uintptr_t)texts,
                                                       sizeof(texts) / sizeof(texts[0])}};
    struct delegation_servers servers;
    struct buffer lines = buffer_init(4096);
    (void)state;
    delegation_configured(&config, &servers);
    assert_int_equal(servers.count, 3);
    expect_server(&servers, "ns1.lan.example.com", "192.0.2.1 2001:db8::1 192.0.2.2 ");
    expect_server(&servers, "ns2.example.net", "");
    expect_server(&servers, "ns3.lan.example.com", "192.0.2.3 ");
    assert_int_equal(delegation_records(ZONE, &servers, &lines), 0);
    assert_string_equal(buffer_text(&lines), "lan.example.com. NS ns1.lan.example.com.\n"
                                             "lan.example.com. NS ns2.example.net.\n"
                                             "lan.example.com. NS ns3.lan.example.com.\n"
                                             "ns1.lan.example.com. A 192.0.2.1\n"
                                             "ns1.lan.example.com. AAAA 2001:db8::1\n"
                                             "ns1.lan.example.com. A 192.0.2.2\n"
                                             "ns3.lan.example.com. A 192.0.2.3\n");
    buffer_free(&lines);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool is_inside;
    } rows[] = {
        {ZONE, true},
        {"LAN.example.com", true},
        {"ns." ZONE, true},
        {"xlan.example.com", false},
        {"example.com", false},
        {"", false},
        {"lan.example.com.evil", false},
    };
    const struct delegation_servers one = {2, {{.name = "a"}, {.name = "b"}}};
    const struct delegation_servers turned = {2, {{.name = "B"}, {.name = "a"}}};
    const struct delegation_servers fewer = {1, {{.name = "a"}}};
    const struct delegation_servers others = {2, {{.name = "a"}, {.name = "c"}}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(delegation_is_inside(rows[i].name, ZONE), rows[i].is_inside);
    }
    assert_true(delegation_names_equal(&one, &turned));
    assert_false(delegation_names_equal(&one, &fewer));
    assert_false(delegation_names_equal(&fewer, &one));
    assert_false(delegation_names_equal(&one, &others));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_referral), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bounds),   cmocka_unit_test(test_configured),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Wire form: what is wrong with a query, what its OPT says, and how long an answer may
 * be. judge.c says what holds for all of them. */
#include "tests/unit/dns/fixture.h"
#include "tests/unit/dns/judge.h"

#include "base/core/file.h"
#include "base/core/text.h"
#include "base/core/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

enum { RCODE_FORMERR = 1, RCODE_NOTIMP = 4, RCODE_REFUSED = 5, SILENCE = -1 };

static struct fixture fixture;
static const struct dns_cookie_keys cookies = {.current = {1, 2}, .former = {3, 4}};
static const struct sockaddr_storage client = {.ss_family = AF_INET};

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

struct answered {
    uint8_t data[DNS_ANSWER_MAX];
    size_t size;
};

/* Asks and judges; silence is size 0. */
static void ask(const uint8_t *query, size_t query_size, enum dns_transport transport,
                struct answered *ret_answered)
{
    struct bytes bytes = {query, query_size};
    size_t capacity = transport == DNS_UDP ? DNS_UDP_MAX : sizeof(ret_answered->data);
    const struct dns_asker asker = {
        .transport = transport, .cookies = &cookies, .address = &client};
    ret_answered->size = dns_answer(bytes, &asker, &fixture.view, fixture.probes,
                                    FIXTURE_NOW_AT, ret_answered->data, capacity);
    if (ret_answered->size > 0) {
        struct bytes answer = {ret_answered->data, ret_answered->size};
        const char *fault = judge_answer(bytes, answer, judge_limit(bytes, transport));
        if (fault != NULL) {
            fail_msg("%s", fault);
        }
    }
}

static int rcode_of(const struct answered *answered)
{
    return answered->size > 0 ? answered->data[3] & 15 : SILENCE;
}

static bool is_truncated(const struct answered *answered)
{
    return (answered->data[2] & 0x02) != 0;
}

static unsigned answer_count(const struct answered *answered)
{
    return (unsigned)answered->data[6] << 8 | answered->data[7];
}

/* A query as hex text, "ID" standing for a good question of 192-168-1-51.<id>.Z: every
 * row gets its rcode over both transports. */
static size_t write_row(const char *text, uint8_t ret_query[static 2048])
{
    struct writer out = writer_init(ret_query, 2048);
    uint8_t query[512];
    size_t size =
        fixture_query("192-168-1-51." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A, 0, query);
    for (; *text != '\0'; text++) {
        if (text_starts_with(text, "ID")) {
            writer_bytes(&out, query + DNS_HEADER_SIZE, size - DNS_HEADER_SIZE - 4);
            text++;
        } else if (*text != ' ') {
            const char two[] = {text[0], text[1], '\0'};
            char *end = NULL;
            writer_u8(&out, (uint8_t)strtoul(two, &end, 16));
            assert_true(*end == '\0');
            text++;
        }
    }
    assert_false(out.failed);
    return writer_size(&out);
}

static void test_malformed_and_odd_queries(void **state)
{
    struct buffer text = buffer_init(1 << 20);
    size_t count = 0;
    (void)state;
    assert_int_equal(file_read(VECTORS "/dns/queries.txt", &text), 0);
    char *rest = (char *)text.data;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        uint8_t query[2048];
        static struct answered answered;
        char *row = line;
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        char *what = strsep(&row, "|");
        char *hex = strsep(&row, "|");
        char *want = strsep(&row, "|");
        assert_non_null(want);
        size_t size = write_row(hex, query);
        want += strspn(want, " ");
        int rcode = want[0] == '-' ? SILENCE : want[0] - '0';
        for (int transport = DNS_UDP; transport <= DNS_TCP; transport++) {
            ask(query, size, (enum dns_transport)transport, &answered);
            if (rcode_of(&answered) != rcode) {
                fail_msg("%s: rcode %d, want %d", what, rcode_of(&answered), rcode);
            }
        }
        count++;
    }
    assert_true(count > 40);
    buffer_free(&text);
}

/* RFC 6891 6.1.3: BADVERS is 16, its upper bits in the OPT; nothing else is said. */
static void test_bad_version(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    size_t size = fixture_query(FIXTURE_ZONE, DNS_TYPE_A, 1232, query);
    (void)state;
    for (unsigned version = 1; version < 256; version += 127) {
        query[size - 5] = (uint8_t)version;
        ask(query, size, DNS_UDP, &answered);
        ldns_pkt *packet = NULL;
        assert_int_equal(ldns_wire2pkt(&packet, answered.data, answered.size),
                         LDNS_STATUS_OK);
        assert_int_equal(ldns_pkt_get_rcode(packet), 0);
        assert_int_equal(ldns_pkt_edns_extended_rcode(packet), 1);
        assert_int_equal(ldns_pkt_edns_version(packet), 0);
        assert_int_equal(ldns_pkt_ancount(packet), 0);
        assert_int_equal(ldns_pkt_nscount(packet), 0);
        assert_false(ldns_pkt_aa(packet));
        ldns_pkt_free(packet);
    }
}

static void test_do_is_copied(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    size_t size = fixture_query(FIXTURE_ZONE, DNS_TYPE_A, 1232, query);
    (void)state;
    query[size - 4] = 0xff; /* DO and every flag that is not known yet */
    query[size - 3] = 0xff;
    ask(query, size, DNS_UDP, &answered);
    assert_int_equal(rcode_of(&answered), 0);
    assert_int_equal(answered.data[answered.size - 4], 0x80);
    assert_int_equal(answered.data[answered.size - 3], 0);
}

/* Any number of options that nobody knows, up to what a datagram holds. */
static void test_unknown_options(void **state)
{
    static struct answered answered;
    uint8_t query[1400];
    size_t size = fixture_query("192-168-1-51." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A,
                                1232, query);
    size_t head = size;
    (void)state;
    for (unsigned code = 0; size + 4 + code % 9 <= sizeof(query); code++) {
        struct writer out = writer_init(query + size, sizeof(query) - size);
        writer_u16(&out, (uint16_t)(code * 251));
        writer_u16(&out, (uint16_t)(code % 9));
        writer_bytes(&out, "\xff\xff\xff\xff\xff\xff\xff\xff", code % 9);
        size += writer_size(&out);
        query[head - 2] = (uint8_t)((size - head) >> 8);
        query[head - 1] = (uint8_t)(size - head);
        ask(query, size, DNS_UDP, &answered);
        assert_int_equal(rcode_of(&answered), 0);
        assert_int_equal(answer_count(&answered), 1);
    }
}

static void fill_values(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char value[DNS_VIEW_VALUE_MAX + 1];
        memset(value, 'a' + (int)i, DNS_VIEW_VALUE_MAX);
        value[DNS_VIEW_VALUE_MAX] = '\0';
        assert_int_equal(
            dns_view_put_challenge(&fixture.view,
                                   "_acme-challenge." FIXTURE_BLOCKED "." FIXTURE_ZONE,
                                   value, FIXTURE_NOW_AT + 60, FIXTURE_NOW_AT),
            0);
    }
}

/* Eight values of 64 octets need 8 * 77 octets beside header and question: more than 512,
 * less than 1232. The answer is whole or says TC, at every size that a query may give. */
static void test_truncation_of_many_values(void **state)
{
    static struct answered whole;
    static struct answered answered;
    uint8_t query[512];
    char name[] = "_acme-challenge." FIXTURE_BLOCKED "." FIXTURE_ZONE;
    (void)state;
    fill_values(LIMIT_CHALLENGE_VALUES);
    size_t size = fixture_query(name, DNS_TYPE_TXT, 1232, query);
    ask(query, size, DNS_TCP, &whole);
    assert_int_equal(answer_count(&whole), LIMIT_CHALLENGE_VALUES);
    assert_true(whole.size > DNS_UDP_MIN && whole.size < DNS_UDP_MAX);
    for (unsigned payload = 1; payload <= 65535; payload += payload < 1300 ? 1 : 997) {
        unsigned limit = payload < DNS_UDP_MIN   ? DNS_UDP_MIN
                         : payload > DNS_UDP_MAX ? DNS_UDP_MAX
                                                 : payload;
        size = fixture_query(name, DNS_TYPE_TXT, (uint16_t)payload, query);
        ask(query, size, DNS_UDP, &answered);
        assert_true(answered.size <= limit);
        assert_int_equal(is_truncated(&answered), whole.size > limit);
        if (!is_truncated(&answered)) {
            assert_memory_equal(answered.data, whole.data, whole.size);
        } else {
            assert_int_equal(answered.size, size);
        }
    }
    size = fixture_query(name, DNS_TYPE_TXT, 0, query);
    ask(query, size, DNS_UDP, &answered);
    assert_true(is_truncated(&answered));
    ask(query, size, DNS_TCP, &answered);
    assert_false(is_truncated(&answered));
    assert_int_equal(answered.size, whole.size - 11);
}

static void test_many_published_addresses(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    (void)state;
    assert_int_equal(dns_view_put_addresses(&fixture.view, FIXTURE_ID,
                                            "fd00::1 fd00::2 fd00::3 fd00::4 fd00::5 "
                                            "fd00::6 fd00::7 fd00::8 fd00::9"),
                     0);
    size_t size =
        fixture_query("home." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_AAAA, 0, query);
    ask(query, size, DNS_UDP, &answered);
    assert_int_equal(answer_count(&answered), LIMIT_PUBLISHED_ADDRESSES);
    assert_false(is_truncated(&answered));
}

/* Four CAs with long account URLs do not fit in any datagram. */
static void test_long_caa(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    (void)state;
    assert_int_equal(dns_view_put_caa(&fixture.view, "https://ca.test/dir", ""), 0);
    for (int i = 0; i < DNS_VIEW_CAA_MAX; i++) {
        char value[DNS_VIEW_CAA_BYTES];
        char ca[] = "https://ca.test/dir";
        ca[0] = (char)('a' + i);
        memset(value, 'v' + i, sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        assert_int_equal(dns_view_put_caa(&fixture.view, ca, value), 0);
    }
    size_t size = fixture_query(FIXTURE_ZONE, DNS_TYPE_CAA, 4096, query);
    ask(query, size, DNS_UDP, &answered);
    assert_true(is_truncated(&answered));
    ask(query, size, DNS_TCP, &answered);
    assert_false(is_truncated(&answered));
    assert_int_equal(answer_count(&answered), DNS_VIEW_CAA_MAX);
}

/* Addresses of name servers come along with NS, and are left out rather than cause TC. */
static void test_glue(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    ldns_pkt *packet = NULL;
    size_t size = fixture_query(FIXTURE_ZONE, DNS_TYPE_NS, 1232, query);
    (void)state;
    ask(query, size, DNS_UDP, &answered);
    assert_int_equal(ldns_wire2pkt(&packet, answered.data, answered.size),
                     LDNS_STATUS_OK);
    char *text = ldns_rr_list2str(ldns_pkt_additional(packet));
    assert_string_equal(text, "ns1.lan.example.com.\t3600\tIN\tA\t203.0.113.1\n"
                              "ns1.lan.example.com.\t3600\tIN\tAAAA\t2001:db8::1\n");
    free(text);
    ldns_pkt_free(packet);
}

/* A name of LABELS labels of LABEL_SIZE octets each in front of the zone. */
static size_t long_query(size_t first_size, size_t label_size, size_t total,
                         uint8_t ret_query[static 512])
{
    uint8_t zone[512];
    size_t zone_size = fixture_query(FIXTURE_ZONE, DNS_TYPE_A, 0, zone);
    size_t rest = zone_size - DNS_HEADER_SIZE - 4; /* the zone's name */
    struct writer out = writer_init(ret_query, 512);
    size_t left = total - rest;
    writer_bytes(&out, zone, DNS_HEADER_SIZE);
    for (size_t next = first_size; left > 0; next = label_size) {
        uint8_t label[DNS_NAME_MAX];
        size_t size = next < left - 1 ? next : left - 1;
        size -= left - size - 1 == 1 ? 1 : 0; /* no room for a label of one octet less */
        memset(label, '_', sizeof(label));
        writer_u8(&out, (uint8_t)size);
        writer_bytes(&out, label, size);
        left -= size + 1;
    }
    writer_bytes(&out, zone + DNS_HEADER_SIZE, rest + 4);
    assert_false(out.failed);
    return writer_size(&out);
}

static void test_longest_names(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    (void)state;
    for (size_t total = 20; total <= 300; total++) {
        for (size_t label_size = 2; label_size <= 63; label_size += 61) {
            size_t size = long_query(label_size, label_size, total, query);
            assert_int_equal(size, DNS_HEADER_SIZE + total + 4);
            ask(query, size, DNS_UDP, &answered);
            assert_int_equal(rcode_of(&answered), total <= DNS_NAME_MAX ? 3 : 1);
        }
    }
    /* A length octet of 64 and more is no label (RFC 1035 4.1.4). */
    size_t size = long_query(63, 63, 120, query);
    query[DNS_HEADER_SIZE] = 64;
    ask(query, size, DNS_UDP, &answered);
    assert_int_equal(rcode_of(&answered), RCODE_FORMERR);
}

static void test_case_is_echoed_and_ignored(void **state)
{
    static struct answered lower;
    static struct answered answered;
    uint8_t query[512];
    size_t size =
        fixture_query("192-168-1-51." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A, 0, query);
    (void)state;
    ask(query, size, DNS_UDP, &lower);
    for (unsigned pattern = 1; pattern < 64; pattern++) {
        uint8_t mixed[512];
        memcpy(mixed, query, size);
        for (size_t i = DNS_HEADER_SIZE; i < size - 4; i++) {
            if (mixed[i] >= 'a' && mixed[i] <= 'z' && (i * pattern >> 3) % 2 == 0) {
                mixed[i] ^= 0x20;
            }
        }
        ask(mixed, size, DNS_UDP, &answered);
        assert_int_equal(answered.size, lower.size);
        assert_memory_equal(answered.data + DNS_HEADER_SIZE, mixed + DNS_HEADER_SIZE,
                            size - DNS_HEADER_SIZE);
        assert_memory_equal(answered.data + size, lower.data + size, lower.size - size);
    }
}

/* Good queries of several shapes, for cutting and flipping. */
static size_t sample_query(size_t index, uint8_t ret_query[static 512])
{
    static const struct {
        const char *name;
        uint16_t type;
        uint16_t edns_bytes;
    } samples[] = {
        {"192-168-1-51." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A, 0},
        {"fd00-0-0-0-0-0-0-1." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_AAAA, 1232},
        {"_acme-challenge." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_TXT, 512},
        {"home." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A, 1232},
        {"probe-x." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_TXT, 1232},
        {FIXTURE_ZONE, DNS_TYPE_NS, 4096},
        {"example.org", DNS_TYPE_A, 1232},
        {".", DNS_TYPE_SOA, 0},
    };
    if (index >= sizeof(samples) / sizeof(samples[0])) {
        return 0;
    }
    return fixture_query(samples[index].name, samples[index].type,
                         samples[index].edns_bytes, ret_query);
}

static void test_every_prefix(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    size_t size = 0;
    (void)state;
    for (size_t i = 0; (size = sample_query(i, query)) > 0; i++) {
        for (size_t cut = 0; cut < size; cut++) {
            /* A copy of just that size, so that a read behind it is seen. */
            uint8_t *copy = malloc(cut > 0 ? cut : 1);
            assert_non_null(copy);
            memcpy(copy, query, cut);
            for (int transport = DNS_UDP; transport <= DNS_TCP; transport++) {
                ask(copy, cut, (enum dns_transport)transport, &answered);
                assert_int_equal(rcode_of(&answered),
                                 cut < DNS_HEADER_SIZE ? SILENCE : RCODE_FORMERR);
                assert_true(answered.size <= cut);
            }
            free(copy);
        }
    }
}

static void test_every_flipped_bit(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    size_t size = 0;
    size_t silent = 0;
    (void)state;
    for (size_t i = 0; (size = sample_query(i, query)) > 0; i++) {
        for (size_t bit = 0; bit < size * 8; bit++) {
            query[bit / 8] ^= (uint8_t)(1u << bit % 8);
            for (int transport = DNS_UDP; transport <= DNS_TCP; transport++) {
                ask(query, size, (enum dns_transport)transport, &answered);
                silent += answered.size == 0 ? 1 : 0;
            }
            query[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(silent, (i + 1) * 2); /* QR, and nothing else */
    }
}

/* Refused sizes must not be written behind, whatever the caller gives. */
static void test_capacity_is_kept(void **state)
{
    uint8_t query[512];
    uint8_t answer[DNS_UDP_MAX + 1];
    const struct dns_asker asker = {.transport = DNS_UDP};
    size_t size =
        fixture_query("home." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A, 0, query);
    (void)state;
    for (size_t capacity = 0; capacity <= DNS_UDP_MAX; capacity++) {
        memset(answer, 0xaa, sizeof(answer));
        size_t got = dns_answer((struct bytes){query, size}, &asker, &fixture.view, NULL,
                                FIXTURE_NOW_AT, answer, capacity);
        assert_true(got <= capacity);
        assert_true(capacity < size || got >= size);
        assert_int_equal(answer[capacity], 0xaa);
    }
}

static const char question[] = "home." FIXTURE_ID "." FIXTURE_ZONE;

/* The query of `question` with OPT and a COOKIE option of COOKIE. */
static size_t write_cookie_query(struct bytes cookie, uint8_t ret_query[static 512])
{
    size_t size = fixture_query(question, DNS_TYPE_A, 1232, ret_query);
    struct writer out = writer_init(ret_query + size - 2, 512 - size);
    writer_u16(&out, (uint16_t)(cookie.size + 4));
    writer_u16(&out, 10);
    writer_u16(&out, (uint16_t)cookie.size);
    writer_bytes(&out, cookie.data, cookie.size);
    return size - 2 + writer_size(&out);
}

static void test_cookie_is_given(void **state)
{
    static const uint8_t client_part[DNS_COOKIE_CLIENT_SIZE] = "12345678";
    static struct answered answered;
    uint8_t query[512];
    size_t size =
        write_cookie_query((struct bytes){client_part, sizeof(client_part)}, query);
    (void)state;
    for (int transport = DNS_UDP; transport <= DNS_TCP; transport++) {
        ask(query, size, (enum dns_transport)transport, &answered);
        assert_true(answer_count(&answered) > 0);
        struct bytes cookie = {answered.data + answered.size - DNS_COOKIE_SIZE,
                               DNS_COOKIE_SIZE};
        assert_true(dns_cookie_is_ours(&cookies, cookie, &client, FIXTURE_NOW_AT));
    }
}

static void test_limited(void **state)
{
    uint8_t query[512];
    uint8_t answer[DNS_UDP_MAX];
    const struct dns_asker asker = {.transport = DNS_UDP, .is_limited = true};
    size_t size = fixture_query(question, DNS_TYPE_A, 1232, query);
    (void)state;
    size_t got = dns_answer((struct bytes){query, size}, &asker, &fixture.view, NULL,
                            FIXTURE_NOW_AT, answer, sizeof(answer));
    assert_int_equal(got, size); /* header, question and OPT */
    assert_int_equal(answer[2] & 0x82, 0x82);
    assert_int_equal(answer[3] & 15, 0);
    assert_memory_equal(answer + 6, "\0\0\0\0\0\1", 6);
    query[5] = 2; /* malformed: not even that */
    assert_int_equal(dns_answer((struct bytes){query, size}, &asker, &fixture.view, NULL,
                                FIXTURE_NOW_AT, answer, sizeof(answer)),
                     0);
}

static void test_without_probes(void **state)
{
    static struct answered answered;
    uint8_t query[512];
    struct dns_probes *probes = fixture.probes;
    size_t size =
        fixture_query("probe-x." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_TXT, 0, query);
    (void)state;
    fixture.probes = NULL;
    ask(query, size, DNS_UDP, &answered);
    fixture.probes = probes;
    assert_int_equal(answer_count(&answered), 1);
}

/* Each question is answered from its own zone alone; outside all of them: REFUSED. */
static void test_several_zones(void **state)
{
    static const struct {
        const char *name;
        int rcode;
        unsigned count;
    } rows[] = {
        {"192-168-1-51." FIXTURE_ID "." FIXTURE_ZONE, 0, 1},
        {"192-168-1-51." FIXTURE_ID ".dev.example.org", 0, 1},
        {"home." FIXTURE_ID "." FIXTURE_ZONE, 0, 2},
        {"home." FIXTURE_ID ".dev.example.org", 0, 0}, /* published in the first only */
        {"home." FIXTURE_WITHOUT ".dev.example.org", 0, 1},
        {"_acme-challenge." FIXTURE_ID ".dev.example.org", 0, 0},
        {"box.dev.example.org", 0, 1},
        {"box." FIXTURE_ZONE, 3, 0},
        {"relay.dev.example.org", 3, 0},
        {"example.org", RCODE_REFUSED, 0},
        {"xdev.example.org", RCODE_REFUSED, 0},
        {"dev.example.org." FIXTURE_ZONE, 3, 0},
        {".", RCODE_REFUSED, 0},
    };
    static struct answered answered;
    const struct lanname_policy policy = {false, false};
    const char *const addresses[] = {"203.0.113.20"};
    const struct dns_template_host servers[] = {{"ns.example.net", NULL, 0}};
    const struct dns_template_host hosts[] = {{"box", addresses, 1}};
    struct dns_template_options options = {
        .zone = "dev.example.org",
        .contact = "hostmaster@example.org",
        .name_servers = servers,
        .name_server_count = 1,
        .hosts = hosts,
        .host_count = 1,
    };
    struct buffer report = buffer_init(4096);
    struct dns_template *template = NULL;
    struct dns_view second;
    (void)state;
    assert_int_equal(dns_template_new(&options, &report, &template), 0);
    assert_int_equal(dns_view_init(&second, template, &policy, 10, 10), 0);
    assert_int_equal(dns_view_put_addresses(&second, FIXTURE_WITHOUT, "192.168.1.8"), 0);
    fixture.view.next = &second;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t query[512];
        size_t size = fixture_query(rows[i].name, DNS_TYPE_A, 1232, query);
        ask(query, size, DNS_UDP, &answered);
        if (rcode_of(&answered) != rows[i].rcode ||
            answer_count(&answered) != rows[i].count) {
            fail_msg("'%s': rcode %d, %u answers", rows[i].name, rcode_of(&answered),
                     answer_count(&answered));
        }
    }
    fixture.view.next = NULL;
    dns_view_free(&second);
    dns_template_free(template);
    buffer_free(&report);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_malformed_and_odd_queries),
        TEST(test_bad_version),
        TEST(test_do_is_copied),
        TEST(test_unknown_options),
        TEST(test_truncation_of_many_values),
        TEST(test_many_published_addresses),
        TEST(test_long_caa),
        TEST(test_glue),
        TEST(test_longest_names),
        TEST(test_case_is_echoed_and_ignored),
        TEST(test_every_prefix),
        TEST(test_every_flipped_bit),
        TEST(test_capacity_is_kept),
        TEST(test_without_probes),
        TEST(test_several_zones),
        TEST(test_cookie_is_given),
        TEST(test_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

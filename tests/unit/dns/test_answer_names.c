/* Every row of tests/vectors/dns/names.txt, over UDP and TCP, with and without EDNS; ldns
 * reads each answer. */
#include "tests/unit/dns/fixture.h"
#include "tests/unit/dns/judge.h"

#include "base/core/file.h"
#include "base/core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

/* How much longer than its query an answer of this zone may be over UDP, in tenths: what
 * a forged source address could make of us. The longest is that of NS at the apex. */
enum { AMPLIFICATION_TENTHS = 40, AMPLIFICATION_DEVICE_TENTHS = 18 };

struct row {
    char name[300];
    uint16_t type;
    char status[64];
    char records[512];
    char soa_ttl[16];
};

/* The next field of a row, trimmed. */
static const char *next_field(char **rest)
{
    char *field = strsep(rest, "|");
    assert_non_null(field);
    field += strspn(field, " ");
    size_t size = strlen(field);
    while (size > 0 && field[size - 1] == ' ') {
        field[--size] = '\0';
    }
    return field;
}

static void expand_name(const char *text, char ret_name[static 300])
{
    const char *id = strchr(text, '@') != NULL   ? FIXTURE_ID
                     : strchr(text, '$') != NULL ? FIXTURE_BLOCKED
                                                 : FIXTURE_WITHOUT;
    size_t size = strcspn(text, "@$%");
    if (text[size] != '\0') {
        snprintf(ret_name, 300, "%.*s%s.%s", (int)size, text, id, FIXTURE_ZONE);
    } else if (text_ends_with(text, ".Z") || strcmp(text, "Z") == 0) {
        snprintf(ret_name, 300, "%.*s%s", (int)strlen(text) - 1, text, FIXTURE_ZONE);
    } else {
        snprintf(ret_name, 300, "%s", text);
    }
}

static bool parse_row(char *line, struct row *row)
{
    if (line[0] == '#' || line[0] == '\0') {
        return false;
    }
    expand_name(next_field(&line), row->name);
    row->type = (uint16_t)ldns_get_rr_type_by_name(next_field(&line));
    assert_int_not_equal(row->type, 0);
    snprintf(row->status, sizeof(row->status), "%s", next_field(&line));
    snprintf(row->records, sizeof(row->records), "%s", next_field(&line));
    snprintf(row->soa_ttl, sizeof(row->soa_ttl), "%s", next_field(&line));
    return true;
}

/* "TTL TYPE rdata" of every record, with " ; " between. */
static void describe_records(const ldns_rr_list *list, char *ret_text, size_t capacity)
{
    size_t size = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        char *text = ldns_rr2str(ldns_rr_list_rr(list, i));
        char *at = strchr(text, '\t') + 1;
        unsigned ttl = ldns_rr_ttl(ldns_rr_list_rr(list, i));
        at = strstr(at, "IN\t") + 3;
        size += (size_t)snprintf(ret_text + size, capacity - size, "%s%u ",
                                 i > 0 ? " ; " : "", ttl);
        for (; *at != '\n' && *at != '\0'; at++) {
            ret_text[size++] = *at == '\t' ? ' ' : *at;
        }
        ret_text[size] = '\0';
        free(text);
    }
    while (size > 0 && ret_text[size - 1] == ' ') {
        ret_text[--size] = '\0';
    }
}

/* What every answer must be, whatever the question. */
static void check_form(const struct row *row, const uint8_t *query, const uint8_t *answer,
                       size_t size, bool edns)
{
    size_t name_size = strcmp(row->name, ".") == 0 ? 1 : strlen(row->name) + 2;
    assert_true(size >= DNS_HEADER_SIZE + name_size + 4);
    assert_memory_equal(answer, query, 2);
    assert_true((answer[2] & 0x80) != 0);
    assert_int_equal(answer[2] & 0x01, query[2] & 0x01);
    assert_int_equal(answer[3] & 0x80, 0); /* RA: no recursion here */
    /* 0x20: the question comes back byte for byte. */
    assert_memory_equal(answer + DNS_HEADER_SIZE, query + DNS_HEADER_SIZE, name_size + 4);
    assert_int_equal(answer[11] > 0 && answer[size - 11] == 0 &&
                         answer[size - 9] == DNS_TYPE_OPT,
                     edns);
}

static void check_amplification(const struct row *row, size_t query_size, size_t size,
                                size_t limit_tenths)
{
    if (size * 10 > query_size * limit_tenths) {
        fail_msg("%s %u: %zu octets for %zu", row->name, row->type, size, query_size);
    }
}

static void check_row(const struct fixture *fixture, const struct row *row,
                      enum dns_transport transport, uint16_t edns_bytes)
{
    uint8_t query[512];
    uint8_t answer[DNS_ANSWER_MAX];
    char status[64];
    char records[1024];
    char soa_ttl[16] = "-";
    ldns_pkt *packet = NULL;
    size_t query_size = fixture_query(row->name, row->type, edns_bytes, query);
    assert_true(query_size > 0);
    const struct dns_asker asker = {.transport = transport};
    size_t size = dns_answer((struct bytes){query, query_size}, &asker, &fixture->view,
                             fixture->probes, FIXTURE_NOW_AT, answer,
                             transport == DNS_UDP ? DNS_UDP_MAX : sizeof(answer));
    check_form(row, query, answer, size, edns_bytes != 0);
    const char *fault = judge_answer((struct bytes){query, query_size},
                                     (struct bytes){answer, size}, sizeof(answer));
    if (fault != NULL) {
        fail_msg("%s %u: %s", row->name, row->type, fault);
    }
    if (transport == DNS_UDP) {
        bool is_device = strlen(row->name) > LANNAME_ID_SIZE + strlen(FIXTURE_ZONE);
        check_amplification(row, query_size, size,
                            is_device ? AMPLIFICATION_DEVICE_TENTHS
                                      : AMPLIFICATION_TENTHS);
    }
    assert_int_equal(ldns_wire2pkt(&packet, answer, size), LDNS_STATUS_OK);
    char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(packet));
    snprintf(status, sizeof(status), "%s %s", rcode, ldns_pkt_aa(packet) ? "aa" : "-");
    free(rcode);
    describe_records(ldns_pkt_answer(packet), records, sizeof(records));
    const ldns_rr_list *authority = ldns_pkt_authority(packet);
    if (ldns_rr_list_rr_count(authority) > 0) {
        const ldns_rr *soa = ldns_rr_list_rr(authority, 0);
        assert_int_equal(ldns_rr_list_rr_count(authority), 1);
        assert_int_equal(ldns_rr_get_type(soa), LDNS_RR_TYPE_SOA);
        char *owner = ldns_rdf2str(ldns_rr_owner(soa));
        assert_true(text_equal_nocase(owner, FIXTURE_ZONE "."));
        free(owner);
        snprintf(soa_ttl, sizeof(soa_ttl), "%u", ldns_rr_ttl(soa));
    }
    ldns_pkt_free(packet);
    if (strcmp(status, row->status) != 0 || strcmp(records, row->records) != 0 ||
        strcmp(soa_ttl, row->soa_ttl) != 0) {
        fail_msg("%s %u:\n  want %s | %s | %s\n  got  %s | %s | %s", row->name, row->type,
                 row->status, row->records, row->soa_ttl, status, records, soa_ttl);
    }
}

static void test_every_row(void **state)
{
    static struct fixture fixture;
    struct buffer text = buffer_init(1 << 20);
    size_t count = 0;
    (void)state;
    assert_int_equal(file_read(VECTORS "/dns/names.txt", &text), 0);
    fixture_open(&fixture);
    char *rest = (char *)text.data;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        struct row row;
        if (!parse_row(line, &row)) {
            continue;
        }
        /* A probe's A is counted: only once. */
        bool counts = text_starts_with(row.name, "probe-") && row.type == DNS_TYPE_A;
        check_row(&fixture, &row, DNS_UDP, 1232);
        if (!counts) {
            check_row(&fixture, &row, DNS_UDP, 0);
            check_row(&fixture, &row, DNS_TCP, 0);
            check_row(&fixture, &row, DNS_TCP, 4096);
        }
        count++;
    }
    assert_true(count > 100);
    fixture_close(&fixture);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

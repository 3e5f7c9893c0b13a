/* What an operator may configure, and what is said when it is wrong: the text must name
 * the place and the input. */
#include "dns/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"

static const char *const ns_addresses[] = {"203.0.113.1"};
static const struct dns_template_host servers[] = {{"ns1." ZONE, ns_addresses, 1}};

static struct dns_template_options options_with(const char *records)
{
    return (struct dns_template_options){
        .zone = ZONE,
        .contact = "host.master@example.com",
        .name_servers = servers,
        .name_server_count = 1,
        .records = records,
        .records_name = "records.zone",
        .serial = 1,
    };
}

/* Compiles; the report must hold WANT, or all must be well when that is NULL. */
static struct dns_template *compile(const struct dns_template_options *options,
                                    const char *want)
{
    struct buffer report = buffer_init(4096);
    struct dns_template *template = NULL;
    int result = dns_template_new(options, &report, &template);
    if ((result == 0) != (want == NULL) ||
        (want != NULL && strstr(buffer_text(&report), want) == NULL)) {
        fail_msg("result %d, report '%s', want '%s'", result, buffer_text(&report),
                 want != NULL ? want : "");
    }
    buffer_free(&report);
    return template;
}

static void refuse(const struct dns_template_options *options, const char *want)
{
    assert_null(compile(options, want));
}

static const struct dns_node *find(const struct dns_template *template,
                                   const uint8_t *labels, size_t size)
{
    uint8_t name[DNS_NAME_MAX];
    struct bytes zone = dns_template_zone(template);
    memcpy(name, labels, size);
    memcpy(name + size, zone.data, zone.size);
    return dns_template_find(template, name, size + zone.size);
}

static void test_faults_in_records(void **state)
{
    static const struct {
        const char *records;
        const char *want;
    } rows[] = {
        {"x 300 IN A 192.168.1.1000\n", "records.zone:1: "},
        {"good 300 IN TXT \"a\"\n\n; comment\nbad 300 IN NOTYPE 1\n", "records.zone:4: "},
        {"x 300 IN SOA a. b. 1 2 3 4 5\n", "SOA, NS, CAA, CNAME and DNAME"},
        {"@ 300 IN NS ns.example.org.\n", "SOA, NS, CAA, CNAME and DNAME"},
        {"x 300 IN CNAME y\n", "SOA, NS, CAA, CNAME and DNAME"},
        {"x 300 IN DNAME y\n", "SOA, NS, CAA, CNAME and DNAME"},
        {"@ 300 IN CAA 0 issue \"other.test\"\n", "SOA, NS, CAA, CNAME and DNAME"},
        {ID " 300 IN A 192.168.1.1\n", "belongs to the device"},
        {"x." ID " 300 IN A 192.168.1.1\n", "belongs to the device"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567 300 IN TXT \"x\"\n", "belongs to the device"},
        {"example.org. 300 IN TXT \"x\"\n", "not in the zone"},
        {"* 300 IN TXT \"x\"\n", "wildcards are not expanded"},
        {"x 300 CH TXT \"x\"\n", "the class must be IN"},
        {"$INCLUDE /etc/passwd\n", "records.zone:"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dns_template_options options = options_with(rows[i].records);
        refuse(&options, rows[i].want);
    }
}

static void test_faults_in_options(void **state)
{
    static const char *const bad_address[] = {"203.0.113"};
    static const char *const address[] = {"203.0.113.2"};
    const struct dns_template_host bad_server[] = {{"ns1." ZONE, bad_address, 1}};
    const struct dns_template_host foreign[] = {{"ns1.example.org", address, 1}};
    const struct dns_template_host device_host[] = {{"x." ID, address, 1}};
    struct dns_template_options options = options_with(NULL);
    (void)state;
    options.contact = "nobody";
    refuse(&options, "contact = 'nobody'");
    options = options_with(NULL);
    options.contact = "@example.com";
    refuse(&options, "contact = '@example.com'");
    options = options_with(NULL);
    options.name_server_count = 0;
    refuse(&options, "name_servers");
    options = options_with(NULL);
    options.name_servers = bad_server;
    refuse(&options, "203.0.113'");
    options.name_servers = foreign;
    refuse(&options, "ns1.example.org.");
    options = options_with(NULL);
    options.hosts = device_host;
    options.host_count = 1;
    refuse(&options, "host 'x." ID "'");
    options = options_with(NULL);
    options.zone = "lan..example";
    refuse(&options, "zone = 'lan..example'");
    options.zone = ".";
    refuse(&options, "zone = '.'");
    options.zone = "";
    refuse(&options, "zone = ''");
}

static void test_records_and_their_defaults(void **state)
{
    struct dns_template_options options = options_with(
        "$TTL 120\n@ IN MX 10 mail.example.org.\n"
        "Deep.ENT IN TXT \"a\"\ndeep.ent IN TXT \"a\"\ndeep.ent IN TXT \"b\"\n");
    struct dns_template *template = compile(&options, NULL);
    const struct dns_node *node = NULL;
    (void)state;
    assert_int_equal(dns_template_zone_labels(template), 3);
    node = dns_template_apex(template);
    assert_int_equal(node->name_size, dns_template_zone(template).size);
    /* SOA, NS, the operator's MX, and the TXT that says no mail. */
    assert_int_equal(node->rrset_count, 4);
    assert_int_equal(node->rrsets[2].type, 15);
    assert_int_equal(node->rrsets[2].count, 1);
    assert_int_equal(node->rrsets[3].type, DNS_TYPE_TXT);
    assert_int_equal(node->rrsets[2].wire[9], 120); /* TTL */
    node = find(template, (const uint8_t *)"\4deep\3ent", 9);
    assert_int_equal(node->rrset_count, 1);
    assert_int_equal(node->rrsets[0].count, 2); /* "a" once */
    node = find(template, (const uint8_t *)"\3ent", 4);
    assert_int_equal(node->rrset_count, 0);
    assert_null(find(template, (const uint8_t *)"\3bnt", 4));
    /* Who takes mail in the name of a device should refuse it. */
    node = find(template, (const uint8_t *)"\6_dmarc", 7);
    assert_int_equal(node->rrset_count, 1);
    assert_non_null(memmem(node->rrsets[0].wire, node->rrsets[0].size, "sp=reject", 9));
    dns_template_free(template);
}

/* The operator's own policy is the only one: two would count as none (RFC 7489 6.6.3). */
static void test_own_mail_policy(void **state)
{
    struct dns_template_options options = options_with("_dmarc IN TXT \"v=DMARC1; p=none\"\n");
    struct dns_template *template = compile(&options, NULL);
    const struct dns_node *node = find(template, (const uint8_t *)"\6_dmarc", 7);
    (void)state;
    assert_int_equal(node->rrset_count, 1);
    assert_int_equal(node->rrsets[0].count, 1);
    assert_null(memmem(node->rrsets[0].wire, node->rrsets[0].size, "reject", 6));
    dns_template_free(template);
}

/* A name server that is a host too has its address once. */
static void test_name_server_as_host(void **state)
{
    static const char *const addresses[] = {"203.0.113.1", "203.0.113.2"};
    const struct dns_template_host hosts[] = {{"ns1", addresses, 2}};
    struct dns_template_options options = options_with(NULL);
    (void)state;
    options.hosts = hosts;
    options.host_count = 1;
    struct dns_template *template = compile(&options, NULL);
    const struct dns_node *node = find(template, (const uint8_t *)"\3ns1", 4);
    assert_int_equal(node->rrset_count, 1);
    assert_int_equal(node->rrsets[0].count, 2);
    assert_true(node->is_host);
    dns_template_free(template);
}

static void test_too_many(void **state)
{
    static char text[64 << 10];
    struct dns_template_options options = options_with(text);
    size_t size = 0;
    (void)state;
    for (int i = 0; i < 300; i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size,
                                 "h%d 300 IN TXT \"x\"\n", i);
    }
    refuse(&options, "too many records");
    size = 0;
    for (int i = 0; i < 300; i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size,
                                 "h 300 IN TXT \"%020d\"\n", i);
    }
    refuse(&options, "too many records");
}

/* The dot in the mailbox's local part is part of a label (RFC 1035 8). */
static void test_contact(void **state)
{
    struct dns_template_options options = options_with(NULL);
    struct dns_template *template = compile(&options, NULL);
    struct dns_soa soa = dns_template_soa(template, false);
    (void)state;
    assert_memory_equal(soa.wire.data + 10, "\3ns1\xc0\x0c\x0bhost.master\7example\3com",
                        4 + 2 + 12 + 8 + 4 + 1);
    assert_int_equal(soa.pointer_count, 1);
    assert_int_equal(soa.pointers[0], 14);
    dns_template_free(template);
    dns_template_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_in_records),
        cmocka_unit_test(test_faults_in_options),
        cmocka_unit_test(test_records_and_their_defaults),
        cmocka_unit_test(test_own_mail_policy),
        cmocka_unit_test(test_name_server_as_host),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_contact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

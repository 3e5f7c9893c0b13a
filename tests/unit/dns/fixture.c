#include "tests/unit/dns/fixture.h"

#include "base/core/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int result, const char *what)
{
    if (result != 0) {
        fprintf(stderr, "fixture: %s: %s\n", what, error_text(result));
        abort();
    }
}

static void open_template(struct fixture *fixture)
{
    static const char *const ns1[] = {"203.0.113.1", "2001:db8::1"};
    static const char *const relay[] = {"203.0.113.9", "2001:db8::9"};
    static const char *const apex[] = {"203.0.113.7"};
    const struct dns_template_host servers[] = {{"ns1.lan.example.com", ns1, 2},
                                                {"ns.example.net", NULL, 0}};
    const struct dns_template_host hosts[] = {{"relay", relay, 2}};
    struct dns_template_options options = {
        .zone = FIXTURE_ZONE,
        .contact = "hostmaster@lan.example.com",
        .name_servers = servers,
        .name_server_count = 2,
        .hosts = hosts,
        .host_count = 1,
        .apex_addresses = apex,
        .apex_address_count = 1,
        .records = "_dmarc 300 IN TXT \"v=DMARC1; p=reject\"\n"
                   "; a comment\n"
                   "deep.ent 300 IN TXT \"below an empty non-terminal\"\n",
        .records_name = "records",
        .serial = 7,
    };
    struct buffer report = buffer_init(4096);
    int result = dns_template_new(&options, &report, &fixture->template);
    fputs(buffer_text(&report), stderr);
    buffer_free(&report);
    must(result, "template");
}

void fixture_open(struct fixture *fixture)
{
    const struct lanname_policy policy = {false, false};
    open_template(fixture);
    must(dns_view_init(&fixture->view, fixture->template, &policy, 1000, 1000), "view");
    must(dns_probe_new(&fixture->probes), "probes");
    struct dns_view *view = &fixture->view;
    must(dns_view_put_caa(
             view, "https://ca.test/dir",
             "ca.test; validationmethods=dns-01; accounturi=https://ca.test/acct/1"),
         "caa");
    must(dns_view_put_challenge(view, "_acme-challenge." FIXTURE_ID "." FIXTURE_ZONE,
                                "one", FIXTURE_NOW_AT + 60, FIXTURE_NOW_AT),
         "challenge");
    must(dns_view_put_challenge(view, "_acme-challenge." FIXTURE_ID "." FIXTURE_ZONE,
                                "two", FIXTURE_NOW_AT + 60, FIXTURE_NOW_AT),
         "challenge");
    must(dns_view_put_challenge(view, "_acme-challenge." FIXTURE_WITHOUT "." FIXTURE_ZONE,
                                "expired", FIXTURE_NOW_AT, FIXTURE_NOW_AT - 60),
         "challenge");
    must(dns_view_put_challenge(view, "_acme-challenge.relay." FIXTURE_ZONE,
                                "relay-value", FIXTURE_NOW_AT + 60, FIXTURE_NOW_AT),
         "challenge");
    /* 8.8.8.8 and loopback are not allowed, and must never be answered. */
    must(dns_view_put_addresses(view, FIXTURE_ID,
                                "192.168.1.7 8.8.8.8 10.0.0.9 fd00::7 127.0.0.1"),
         "addresses");
    must(dns_view_put_certificate(view, FIXTURE_ID, FIXTURE_NOW_AT + 60), "certificate");
    must(dns_view_put_addresses(view, FIXTURE_BLOCKED, "192.168.1.9"), "addresses");
    must(dns_view_put_certificate(view, FIXTURE_BLOCKED, FIXTURE_NOW_AT + 60),
         "certificate");
    must(dns_view_put_block(view, FIXTURE_BLOCKED, true), "block");
    must(dns_view_put_addresses(view, FIXTURE_WITHOUT, "192.168.1.8"), "addresses");
}

void fixture_close(struct fixture *fixture)
{
    dns_view_free(&fixture->view);
    dns_template_free(fixture->template);
    dns_probe_free(fixture->probes);
}

size_t fixture_query(const char *name, uint16_t type, uint16_t edns_bytes,
                     uint8_t *ret_query)
{
    struct writer out = writer_init(ret_query, 512);
    writer_u16(&out, 0x1234);
    writer_u16(&out, 0x0100); /* RD */
    writer_u16(&out, 1);
    writer_u32(&out, 0);
    writer_u16(&out, edns_bytes != 0 ? 1 : 0);
    for (const char *at = name; *at != '\0' && strcmp(at, ".") != 0;) {
        size_t size = strcspn(at, ".");
        writer_u8(&out, (uint8_t)size);
        writer_bytes(&out, at, size);
        at += size;
        at += *at == '.' ? 1 : 0;
    }
    writer_u8(&out, 0);
    writer_u16(&out, type);
    writer_u16(&out, DNS_CLASS_IN);
    if (edns_bytes != 0) {
        writer_u8(&out, 0);
        writer_u16(&out, DNS_TYPE_OPT);
        writer_u16(&out, edns_bytes);
        writer_u32(&out, 0);
        writer_u16(&out, 0);
    }
    return out.failed ? 0 : writer_size(&out);
}

#include "relay/nameserver/snapshot.h"

#include "base/core/file.h"
#include "base/crypto/digest.h"
#include "tests/unit/dns/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct fixture fixture;
static char folder[64];
static char path[128];
static const struct follower_seen seen = {{7, -1, INT64_MAX}};

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture);
    snprintf(folder, sizeof(folder), "/tmp/latchkey-snapshot-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/dns.snapshot", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&fixture);
    (void)!unlink(path);
    return rmdir(folder);
}

static void make_view(struct dns_view *view, const struct dns_template *template)
{
    const struct lanname_policy policy = {false, false};
    assert_int_equal(dns_view_init(view, template, &policy, 1000, 1000), 0);
}

/* Decodes into a fresh view. */
static int decode(const uint8_t *data, size_t size)
{
    struct dns_view view;
    struct follower_seen got = {{1, 2, 3}};
    make_view(&view, fixture.template);
    int result = snapshot_decode((struct bytes){data, size}, &view, &got);
    if (result != 0) {
        assert_int_equal(got.revs[0], 1); /* written on success only */
    }
    dns_view_free(&view);
    return result;
}

static struct buffer written(void)
{
    struct buffer content = buffer_init(1 << 20);
    assert_int_equal(snapshot_write(path, &fixture.view, &seen), 0);
    assert_int_equal(file_read(path, &content), 0);
    return content;
}

/* Answers to what the view decides must be the same from the copy. */
static void expect_same_answers(const struct dns_view *copy)
{
    static const struct {
        const char *name;
        uint16_t type;
    } questions[] = {
        {"_acme-challenge." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_TXT},
        {"_acme-challenge.relay." FIXTURE_ZONE, DNS_TYPE_TXT},
        {"_acme-challenge." FIXTURE_WITHOUT "." FIXTURE_ZONE, DNS_TYPE_TXT},
        {FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A},
        {"home." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_AAAA},
        {"home." FIXTURE_BLOCKED "." FIXTURE_ZONE, DNS_TYPE_A},
        {"home." FIXTURE_WITHOUT "." FIXTURE_ZONE, DNS_TYPE_A},
        {FIXTURE_WITHOUT "." FIXTURE_ZONE, DNS_TYPE_A},
        {FIXTURE_ZONE, DNS_TYPE_CAA},
    };
    const struct dns_asker asker = {.transport = DNS_UDP};
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        uint8_t query[512];
        uint8_t want[DNS_UDP_MAX];
        uint8_t got[DNS_UDP_MAX];
        size_t size = fixture_query(questions[i].name, questions[i].type, 1232, query);
        struct bytes bytes = {query, size};
        size_t want_size = dns_answer(bytes, &asker, &fixture.view, NULL, FIXTURE_NOW_AT,
                                      want, sizeof(want));
        size_t got_size =
            dns_answer(bytes, &asker, copy, NULL, FIXTURE_NOW_AT, got, sizeof(got));
        assert_int_equal(got_size, want_size);
        assert_memory_equal(got, want, want_size);
    }
}

static void test_round_trip(void **state)
{
    struct dns_view copy;
    struct follower_seen got = {{0}};
    struct stat info;
    (void)state;
    make_view(&copy, fixture.template);
    assert_int_equal(snapshot_write(path, &fixture.view, &seen), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777 & ~0640u, 0);
    assert_int_equal(snapshot_read(path, &copy, &got), 0);
    assert_memory_equal(&got, &seen, sizeof(seen));
    assert_int_equal(copy.devices.count, fixture.view.devices.count);
    assert_int_equal(copy.challenges.count, fixture.view.challenges.count);
    expect_same_answers(&copy);
    dns_view_free(&copy);
}

static void test_empty_view(void **state)
{
    struct dns_view empty;
    struct follower_seen got;
    (void)state;
    make_view(&empty, fixture.template);
    assert_int_equal(snapshot_write(path, &empty, &seen), 0);
    dns_view_free(&empty);
    make_view(&empty, fixture.template);
    assert_int_equal(snapshot_read(path, &empty, &got), 0);
    assert_int_equal(empty.devices.count, 0);
    assert_int_equal(empty.caa_record_count, 1);
    dns_view_free(&empty);
}

static void test_every_truncation_is_refused(void **state)
{
    struct buffer content = written();
    (void)state;
    for (size_t size = 0; size < content.size; size++) {
        assert_int_equal(decode(content.data, size), ERROR_SYNTAX);
    }
    assert_int_equal(decode(content.data, content.size), 0);
    buffer_append_u8(&content, 0);
    assert_int_equal(decode(content.data, content.size), ERROR_SYNTAX);
    buffer_free(&content);
}

static void test_every_flipped_octet_is_refused(void **state)
{
    struct buffer content = written();
    (void)state;
    for (size_t i = 0; i < content.size; i++) {
        content.data[i] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(decode(content.data, content.size), ERROR_SYNTAX);
        content.data[i] ^= (uint8_t)(1u << i % 8);
    }
    buffer_free(&content);
}

/* The hash tells accidents; what has a right hash is still not believed. Every octet with
 * several values, the hash made again: refused or taken, but never out of bounds. */
static void test_altered_with_a_right_hash(void **state)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct buffer content = written();
    size_t size = content.size - DIGEST_SHA256_SIZE;
    size_t refused = 0;
    (void)state;
    for (size_t i = 0; i < size; i++) {
        uint8_t old = content.data[i];
        for (size_t k = 0; k < sizeof(values); k++) {
            content.data[i] = values[k];
            assert_int_equal(digest_sha256(content.data, size, content.data + size), 0);
            refused += decode(content.data, content.size) != 0 ? 1 : 0;
        }
        content.data[i] = old;
    }
    assert_true(refused > size); /* lengths, counts, ids, families, magic, zone */
    buffer_free(&content);
}

static void test_another_zone_is_refused(void **state)
{
    static const char *const addresses[] = {"203.0.113.1"};
    static const struct dns_template_host server = {"ns1.lan.example.org", addresses, 1};
    struct dns_template_options options = {.zone = "lan.example.org",
                                           .contact = "a@example.org",
                                           .name_servers = &server,
                                           .name_server_count = 1};
    struct buffer report = buffer_init(1000);
    struct dns_template *other = NULL;
    struct dns_view view;
    struct follower_seen got;
    (void)state;
    assert_int_equal(dns_template_new(&options, &report, &other), 0);
    make_view(&view, other);
    assert_int_equal(snapshot_write(path, &fixture.view, &seen), 0);
    assert_int_equal(snapshot_read(path, &view, &got), ERROR_SYNTAX);
    dns_view_free(&view);
    dns_template_free(other);
    buffer_free(&report);
}

static void test_no_file_and_no_folder(void **state)
{
    struct dns_view view;
    struct follower_seen got;
    (void)state;
    make_view(&view, fixture.template);
    assert_int_equal(snapshot_read(path, &view, &got), ERROR_NOT_FOUND);
    assert_true(snapshot_write("/nonexistent/dns.snapshot", &fixture.view, &seen) < 0);
    dns_view_free(&view);
}

/* More than the view has room for. */
static void test_too_many_devices(void **state)
{
    const struct lanname_policy policy = {false, false};
    struct dns_view small;
    struct follower_seen got;
    (void)state;
    assert_int_equal(snapshot_write(path, &fixture.view, &seen), 0);
    assert_int_equal(dns_view_init(&small, fixture.template, &policy, 2, 1000), 0);
    assert_int_equal(snapshot_read(path, &small, &got), ERROR_LIMIT);
    dns_view_free(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_empty_view),
        TEST(test_every_truncation_is_refused),
        TEST(test_every_flipped_octet_is_refused),
        TEST(test_altered_with_a_right_hash),
        TEST(test_another_zone_is_refused),
        TEST(test_no_file_and_no_folder),
        TEST(test_too_many_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

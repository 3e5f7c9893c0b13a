#include "relay/nameserver/follower.h"

#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "abcdefghijklmnopqrstuvwxyz234567"

/* What the sink heard, as text: one line a call. */
struct heard {
    char text[4096];
    size_t size;
};

static void __attribute__((format(printf, 2, 3)))
hear(struct heard *heard, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(heard->text + heard->size, sizeof(heard->text) - heard->size,
                         format, arguments);
    va_end(arguments);
    assert_true(size >= 0 && heard->size + (size_t)size < sizeof(heard->text));
    heard->size += (size_t)size;
}

static int hear_challenge(void *arg, const char *name, const char *value,
                          int64_t expires_at, bool gone)
{
    hear(arg, "challenge %s %s %lld %d\n", name, value, (long long)expires_at, gone);
    return 0;
}

static int hear_addresses(void *arg, const char *id, const char *addresses)
{
    hear(arg, "addresses %s [%s]\n", id, addresses);
    return 0;
}

static int hear_certificate(void *arg, const char *id, int64_t until_at)
{
    hear(arg, "certificate %s %lld\n", id, (long long)until_at);
    return 0;
}

static int hear_block(void *arg, const char *id, bool blocked)
{
    hear(arg, "block %s %d\n", id, blocked);
    return 0;
}

static int hear_caa(void *arg, const char *ca, const char *value)
{
    hear(arg, "caa %s [%s]\n", ca, value);
    return 0;
}

static void hear_forget(void *arg, enum follower_source source)
{
    hear(arg, "forget %d\n", (int)source);
}

struct fixture {
    char folder[64];
    struct database *front;
    struct database *issuer;
    struct database *admin;
    struct heard heard;
    struct follower *follower;
    int64_t mono_ms;
};

static void start_follower(struct fixture *fixture, struct follower_seen seen)
{
    struct follower_sink sink = {hear_challenge, hear_addresses, hear_certificate,
                                 hear_block,     hear_caa,       hear_forget,
                                 &fixture->heard};
    assert_int_equal(
        follower_new(fixture->folder, ZONE, &seen, &sink, &fixture->follower), 0);
}

static void open_files(struct fixture *fixture)
{
    assert_int_equal(database_open(fixture->folder, "front.db", DATABASE_WRITER,
                                   schema_front, &fixture->front),
                     0);
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->issuer),
                     0);
    assert_int_equal(database_open(fixture->folder, "admin.db", DATABASE_WRITER,
                                   schema_admin, &fixture->admin),
                     0);
}

static void close_files(struct fixture *fixture)
{
    database_close(fixture->front);
    database_close(fixture->issuer);
    database_close(fixture->admin);
    fixture->front = fixture->issuer = fixture->admin = NULL;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/latchkey-follower-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    follower_free(fixture->follower);
    close_files(fixture);
    free(fixture);
    return 0;
}

/* Polls once, a second later than before, and compares what was heard. */
static void expect(struct fixture *fixture, const char *text)
{
    fixture->heard = (struct heard){{0}, 0};
    fixture->mono_ms += 1001;
    follower_poll(fixture->follower, fixture->mono_ms, NULL);
    assert_string_equal(fixture->heard.text, text);
}

static void put_challenge(struct fixture *fixture, const char *value)
{
    int64_t rev = 0;
    struct issuer_store_challenge challenge = {
        .name = "_acme-challenge." ID "." ZONE, .value = value, .expires_at = 99};
    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(issuer_store_put_challenge(fixture->issuer, ZONE, rev, &challenge),
                     0);
    assert_int_equal(database_commit(fixture->issuer), 0);
}

static void end_challenge(struct fixture *fixture, const char *value)
{
    int64_t rev = 0;
    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(issuer_store_end_challenge(fixture->issuer, ZONE, rev,
                                                "_acme-challenge." ID "." ZONE, value),
                     0);
    assert_int_equal(database_commit(fixture->issuer), 0);
}

static void put_certificate(struct fixture *fixture, const char *cert_id,
                            const char *names, int64_t not_after_at)
{
    int64_t rev = 0;
    struct issuer_store_certificate certificate = {.cert_id = cert_id,
                                                   .id = ID,
                                                   .number = cert_id,
                                                   .lane = "device",
                                                   .ca = "",
                                                   .serial = cert_id,
                                                   .names = names,
                                                   .spki_hash = "",
                                                   .csr_hash = "",
                                                   .chain = "",
                                                   .alternates = "[]",
                                                   .not_after_at = not_after_at};
    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(
        issuer_store_put_certificate(fixture->issuer, ZONE, rev, &certificate), 0);
    assert_int_equal(database_commit(fixture->issuer), 0);
}

static void test_follows_every_table(void **state)
{
    struct fixture *fixture = *state;
    struct front_store_addresses addresses = {
        .id = ID, .counter = 1, .addresses = "192.168.1.2 fd00::1", .jws = ""};
    struct issuer_store_ca_account account = {
        .ca = "https://ca/dir", .url = "https://ca/acct/1", .caa = "ca; accounturi=x"};
    int64_t rev = 0;
    start_follower(fixture, (struct follower_seen){{0}});
    expect(fixture, ""); /* no store at all */
    assert_false(follower_is_current(fixture->follower));
    open_files(fixture);
    expect(fixture, "");
    assert_true(follower_is_current(fixture->follower));

    put_challenge(fixture, "one");
    put_challenge(fixture, "two");
    expect(fixture, "challenge _acme-challenge." ID "." ZONE " one 99 0\n"
                    "challenge _acme-challenge." ID "." ZONE " two 99 0\n");
    end_challenge(fixture, "one");
    expect(fixture, "challenge _acme-challenge." ID "." ZONE " one 99 1\n");
    expect(fixture, "");

    assert_int_equal(database_begin(fixture->front, &rev), 0);
    assert_int_equal(front_store_put_addresses(fixture->front, ZONE, rev, &addresses), 0);
    assert_int_equal(database_commit(fixture->front), 0);
    expect(fixture, "addresses " ID " [192.168.1.2 fd00::1]\n");

    assert_int_equal(admin_store_block(fixture->admin, ZONE, ID, "", "op"), 0);
    expect(fixture, "block " ID " 1\n");
    assert_int_equal(admin_store_unblock(fixture->admin, ZONE, ID, "op"), 0);
    expect(fixture, "block " ID " 0\n");

    assert_int_equal(database_begin(fixture->issuer, &rev), 0);
    assert_int_equal(issuer_store_put_ca_account(fixture->issuer, ZONE, rev, &account),
                     0);
    assert_int_equal(database_commit(fixture->issuer), 0);
    expect(fixture, "caa https://ca/dir [ca; accounturi=x]\n");
    put_challenge(fixture, "three"); /* the account did not change: not told again */
    expect(fixture, "challenge _acme-challenge." ID "." ZONE " three 99 0\n");
}

static void test_certificate_that_holds_the_id(void **state)
{
    struct fixture *fixture = *state;
    open_files(fixture);
    start_follower(fixture, (struct follower_seen){{0}});
    put_certificate(fixture, "a", "*." ID "." ZONE, 100);
    expect(fixture, "certificate " ID " 0\n");
    put_certificate(fixture, "b", "*." ID "." ZONE " " ID "." ZONE, 200);
    expect(fixture, "certificate " ID " 200\n");
    put_certificate(fixture, "c", "*." ID "." ZONE, 300); /* the current one decides */
    expect(fixture, "certificate " ID " 0\n");
}

static void test_goes_on_from_what_was_seen(void **state)
{
    struct fixture *fixture = *state;
    open_files(fixture);
    start_follower(fixture, (struct follower_seen){{0}});
    put_challenge(fixture, "one");
    expect(fixture, "challenge _acme-challenge." ID "." ZONE " one 99 0\n");
    struct follower_seen seen = follower_seen(fixture->follower);
    follower_free(fixture->follower);
    put_challenge(fixture, "two");
    start_follower(fixture, seen);
    expect(fixture, "challenge _acme-challenge." ID "." ZONE " two 99 0\n");
}

static void test_another_store_is_read_anew(void **state)
{
    struct fixture *fixture = *state;
    open_files(fixture);
    put_challenge(fixture, "one");
    start_follower(fixture, (struct follower_seen){{0, 1000, 0}});
    expect(fixture, "forget 1\nchallenge _acme-challenge." ID "." ZONE " one 99 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_follows_every_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate_that_holds_the_id, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_goes_on_from_what_was_seen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_another_store_is_read_anew, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

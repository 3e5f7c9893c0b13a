/* front.db: accounts, requests and published addresses, as front writes and issuer and
 * dns follow them. */
#include "relay/store/front_store.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ZONE "lan.example.com"
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct place {
    char folder[64];
    struct database *writer;
    struct database *reader;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    snprintf(place->folder, sizeof(place->folder), "/tmp/front-store-XXXXXX");
    *state = place;
    return mkdtemp(place->folder) == NULL ||
           database_open(place->folder, "front.db", DATABASE_WRITER, schema_front,
                         &place->writer) != 0 ||
           database_open(place->folder, "front.db", DATABASE_READER, schema_front,
                         &place->reader) != 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};

    database_close(place->reader);
    database_close(place->writer);
    for (size_t i = 0; i < 4; i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/front.db%s", place->folder, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(place->folder);
    free(place);
    return 0;
}

static int64_t begin(struct place *place)
{
    int64_t rev = 0;

    assert_int_equal(database_begin(place->writer, &rev), 0);
    return rev;
}

static void commit(struct place *place)
{
    assert_int_equal(database_commit(place->writer), 0);
}

static int check_account(const struct front_store_account *account, void *arg)
{
    assert_string_equal(account->id, ID);
    assert_string_equal(account->jwk, "{\"kty\":\"EC\"}");
    assert_string_equal(account->registration, "{}");
    assert_string_equal(account->token, "kid");
    assert_int_equal(account->created_at, 1000);
    snprintf(arg, 64, "%s %s %d", account->contact, account->status, (int)account->rev);
    return 0;
}

static void test_accounts(void **state)
{
    struct place *place = *state;
    struct front_store_account account = {.id = ID,
                                          .jwk = "{\"kty\":\"EC\"}",
                                          .registration = "{}",
                                          .token = "kid",
                                          .contact = "[]",
                                          .status = "valid",
                                          .created_at = 1000};
    char text[64] = "";
    int64_t count = 0;
    int64_t rev = begin(place);

    assert_int_equal(front_store_add_account(place->writer, ZONE, rev, &account), 0);
    assert_int_equal(front_store_add_account(place->writer, ZONE, rev, &account),
                     ERROR_EXISTS);
    commit(place);
    assert_int_equal(
        front_store_get_account(place->reader, ZONE, ID, check_account, text), 0);
    assert_string_equal(text, "[] valid 1");
    assert_int_equal(
        front_store_get_account(place->reader, "other", ID, check_account, text),
        ERROR_NOT_FOUND);
    rev = begin(place);
    assert_int_equal(front_store_update_account(place->writer, ZONE, rev, ID,
                                                "[\"mailto:a\"]", "deactivated"),
                     0);
    assert_int_equal(
        front_store_update_account(place->writer, ZONE, rev, "other", "[]", "valid"),
        ERROR_NOT_FOUND);
    commit(place);
    assert_int_equal(
        front_store_accounts_since(place->reader, ZONE, 1, 10, check_account, text), 0);
    assert_string_equal(text, "[\"mailto:a\"] deactivated 2");
    assert_int_equal(front_store_count_token(place->reader, ZONE, "kid", &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(front_store_count_token(place->reader, ZONE, "dik", &count), 0);
    assert_int_equal(count, 0);
}

struct pass {
    int rows;
    int64_t last_rev;
    char numbers[512];
};

static int pass_request(const struct front_store_request *request, void *arg)
{
    struct pass *pass = arg;
    size_t used = strlen(pass->numbers);

    assert_true(request->rev >= pass->last_rev);
    pass->rows++;
    pass->last_rev = request->rev;
    snprintf(pass->numbers + used, sizeof(pass->numbers) - used, "%s/%s ",
             request->number, request->kind);
    return 0;
}

static void add_request(struct place *place, int64_t rev, const char *number,
                        const char *kind, int64_t at, int expected)
{
    struct front_store_request request = {.number = number,
                                          .kind = kind,
                                          .id = ID,
                                          .jws = "{}",
                                          .jwk = "{}",
                                          .received_at = at};

    assert_int_equal(front_store_add_request(place->writer, ZONE, rev, &request),
                     expected);
}

static void test_requests(void **state)
{
    struct place *place = *state;
    struct pass pass = {0};
    int64_t rev = begin(place);
    int64_t removed = 0;

    add_request(place, rev, "01", "order", 100, 0);
    add_request(place, rev, "02", "order", 101, 0);
    add_request(place, rev, "03", "order", 102, 0);
    commit(place);
    rev = begin(place);
    add_request(place, rev, "01", "finalize", 103, 0);
    add_request(place, rev, "01", "finalize", 103, ERROR_EXISTS);
    commit(place);
    /* A pass of two rows takes the whole first revision. */
    assert_int_equal(
        front_store_requests_since(place->reader, ZONE, 0, 2, pass_request, &pass), 0);
    assert_int_equal(pass.rows, 3);
    assert_int_equal(pass.last_rev, 1);
    assert_int_equal(front_store_requests_since(place->reader, ZONE, pass.last_rev, 2,
                                                pass_request, &pass),
                     0);
    assert_string_equal(pass.numbers, "01/order 02/order 03/order 01/finalize ");
    assert_int_equal(front_store_requests_since(place->reader, ZONE, pass.last_rev, 2,
                                                pass_request, &pass),
                     0);
    assert_int_equal(pass.rows, 4);
    assert_int_equal(
        front_store_requests_since(place->reader, "other", 0, 2, pass_request, &pass), 0);
    assert_int_equal(pass.rows, 4);
    assert_int_equal(front_store_get_request(place->reader, ZONE, "01", "finalize",
                                             pass_request, &pass),
                     0);
    assert_int_equal(front_store_get_request(place->reader, ZONE, "02", "finalize",
                                             pass_request, &pass),
                     ERROR_NOT_FOUND);
    (void)begin(place);
    assert_int_equal(
        front_store_remove_requests(place->writer, ZONE, "order", 102, 1, &removed), 0);
    assert_int_equal(removed, 1);
    assert_int_equal(
        front_store_remove_requests(place->writer, ZONE, "order", 102, 10, &removed), 0);
    assert_int_equal(removed, 1);
    commit(place);
    pass = (struct pass){0};
    assert_int_equal(
        front_store_requests_since(place->reader, ZONE, 0, 10, pass_request, &pass), 0);
    assert_string_equal(pass.numbers, "03/order 01/finalize ");
}

static int check_addresses(const struct front_store_addresses *addresses, void *arg)
{
    snprintf(arg, 64, "%d %s %d", (int)addresses->counter, addresses->addresses,
             addresses->gone);
    return 0;
}

static void test_addresses(void **state)
{
    struct place *place = *state;
    struct front_store_addresses addresses = {.id = ID,
                                              .counter = 5,
                                              .addresses = "192.168.1.2 fd00::1",
                                              .jws = "{}",
                                              .published_at = 1000};
    char text[64] = "";
    int64_t cleared = 0;
    int64_t rev = begin(place);

    assert_int_equal(front_store_put_addresses(place->writer, ZONE, rev, &addresses), 0);
    assert_int_equal(front_store_put_addresses(place->writer, ZONE, rev, &addresses),
                     ERROR_CONFLICT);
    addresses.counter = 4;
    assert_int_equal(front_store_put_addresses(place->writer, ZONE, rev, &addresses),
                     ERROR_CONFLICT);
    commit(place);
    assert_int_equal(
        front_store_get_addresses(place->reader, ZONE, ID, check_addresses, text), 0);
    assert_string_equal(text, "5 192.168.1.2 fd00::1 0");
    rev = begin(place);
    assert_int_equal(
        front_store_clear_addresses(place->writer, ZONE, rev, 1000, &cleared), 0);
    assert_int_equal(cleared, 0);
    assert_int_equal(
        front_store_clear_addresses(place->writer, ZONE, rev, 1001, &cleared), 0);
    assert_int_equal(cleared, 1);
    commit(place);
    assert_int_equal(
        front_store_addresses_since(place->reader, ZONE, 1, 10, check_addresses, text),
        0);
    assert_string_equal(text, "5  1");
    rev = begin(place);
    addresses.counter = 5;
    assert_int_equal(front_store_put_addresses(place->writer, ZONE, rev, &addresses),
                     ERROR_CONFLICT);
    addresses.counter = 6;
    assert_int_equal(front_store_put_addresses(place->writer, ZONE, rev, &addresses), 0);
    commit(place);
    assert_int_equal(
        front_store_addresses_since(place->reader, ZONE, 2, 10, check_addresses, text),
        0);
    assert_string_equal(text, "6 192.168.1.2 fd00::1 0");
    rev = begin(place);
    assert_int_equal(front_store_withdraw_addresses(place->writer, ZONE, rev, "other"),
                     0);
    assert_int_equal(front_store_withdraw_addresses(place->writer, ZONE, rev, ID), 0);
    commit(place);
    assert_int_equal(
        front_store_addresses_since(place->reader, ZONE, 3, 10, check_addresses, text),
        0);
    assert_string_equal(text, "6  1");
}

static int see_account(const struct front_store_account *account, void *arg)
{
    char *seen = arg;

    snprintf(seen + strlen(seen), 8 - strlen(seen), "%s", account->id);
    return 0;
}

static int see_publication(const struct front_store_addresses *addresses, void *arg)
{
    *(bool *)arg = addresses->gone && addresses->addresses[0] == '\0';
    return 0;
}

/* A walk by id in pieces, and what goes with an account. */
static void test_walk_and_remove(void **state)
{
    struct place *place = *state;
    struct front_store_account account = {.jwk = "{}",
                                          .registration = "{}",
                                          .token = "",
                                          .contact = "[]",
                                          .status = "valid"};
    struct front_store_addresses published = {
        .id = "b", .counter = 7, .addresses = "10.0.0.1", .jws = "{}"};
    struct front_store_receipt receipt = {.receipt = "x"};
    char seen[8] = "";
    bool withdrawn = false;
    int64_t rev = begin(place);

    for (const char *const *id = (const char *const[]){"c", "a", "b", NULL}; *id != NULL;
         id++) {
        account.id = *id;
        assert_int_equal(front_store_add_account(place->writer, ZONE, rev, &account), 0);
    }
    assert_int_equal(front_store_put_addresses(place->writer, ZONE, rev, &published), 0);
    assert_int_equal(front_store_put_receipt(place->writer, ZONE, rev, "b", &receipt), 0);
    assert_int_equal(database_commit(place->writer), 0);
    assert_int_equal(
        front_store_accounts_after(place->reader, ZONE, "", 2, see_account, seen), 0);
    assert_string_equal(seen, "ab");
    assert_int_equal(
        front_store_accounts_after(place->reader, ZONE, "b", 2, see_account, seen), 0);
    assert_string_equal(seen, "abc");
    rev = begin(place);
    assert_int_equal(front_store_forget_device(place->writer, ZONE, rev, "b"), 0);
    assert_int_equal(database_commit(place->writer), 0);
    seen[0] = '\0';
    assert_int_equal(
        front_store_accounts_after(place->reader, ZONE, "", 9, see_account, seen), 0);
    assert_string_equal(seen, "ac");
    assert_int_equal(front_store_get_receipt(place->reader, ZONE, "b", &receipt),
                     ERROR_NOT_FOUND);
    assert_int_equal(
        front_store_get_addresses(place->reader, ZONE, "b", see_publication, &withdrawn),
        0);
    assert_true(withdrawn);
}

static int see_terms(const struct front_store_terms *terms, void *arg)
{
    char *seen = arg;

    snprintf(seen + strlen(seen), 64 - strlen(seen), "%s=%s@%d ", terms->version,
             terms->text, (int)terms->since_at);
    return 0;
}

/* A version is what devices agreed to: it is never overwritten, and never another zone's. */
static void test_terms(void **state)
{
    struct place *place = *state;
    struct front_store_terms first = {"1", "one", 100};
    struct front_store_terms second = {"2", "two", 200};
    struct front_store_terms again = {"1", "another", 300};
    char seen[64] = "";
    int64_t rev = begin(place);

    assert_int_equal(front_store_add_terms(place->writer, ZONE, rev, &first), 0);
    assert_int_equal(front_store_add_terms(place->writer, ZONE, rev, &second), 0);
    assert_int_equal(front_store_add_terms(place->writer, ZONE, rev, &again),
                     ERROR_EXISTS);
    assert_int_equal(database_commit(place->writer), 0);
    assert_int_equal(front_store_get_terms(place->reader, ZONE, "1", see_terms, seen), 0);
    assert_string_equal(seen, "1=one@100 ");
    seen[0] = '\0';
    assert_int_equal(front_store_all_terms(place->reader, ZONE, 10, see_terms, seen), 0);
    assert_string_equal(seen, "2=two@200 1=one@100 ");
    assert_int_equal(front_store_get_terms(place->reader, ZONE, "3", see_terms, seen),
                     ERROR_NOT_FOUND);
    assert_int_equal(
        front_store_get_terms(place->reader, "other.example", "1", see_terms, seen),
        ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accounts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_walk_and_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_terms, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

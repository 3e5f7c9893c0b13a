/* Group commit: who waits is told after the commit, in order; who was cancelled is not; a store
 * that can't be written stops the loop. */
#include "relay/issuer/commit.h"

#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZONE "lan.example.com"

struct fixture {
    char folder[64];
    struct loop *loop;
    struct database *database;
    struct database *reader;
    struct commit *commit;
    struct loop_timer *end;
    char told[64];
};

struct waiter {
    struct commit_waiter waiter;
    struct fixture *fixture;
    struct waiter *victim; /* cancelled from the callback */
    char name;
    bool again; /* writes and waits once more */
};

static int see_nothing(const struct issuer_store_entry *entry, void *arg)
{
    (void)entry;
    ++*(int *)arg;
    return 0;
}

/* How many entries another process sees. */
static int visible(struct fixture *fixture)
{
    int count = 0;

    assert_int_equal(
        issuer_store_entries(fixture->reader, ZONE, "test", "", see_nothing, &count), 0);
    return count;
}

static void write_entry(struct fixture *fixture, const char *what)
{
    struct issuer_store_entry entry = {.kind = "test", .what = what, .id = "", .at = 1};
    int64_t rev = 0;

    assert_int_equal(commit_begin(fixture->commit, &rev), 0);
    assert_int_equal(issuer_store_put_entry(fixture->database, ZONE, rev, &entry), 0);
}

static void on_told(void *arg)
{
    struct waiter *waiter = arg;
    size_t size = strlen(waiter->fixture->told);

    waiter->fixture->told[size] = waiter->name;
    if (waiter->victim != NULL) {
        commit_cancel(waiter->fixture->commit, &waiter->victim->waiter);
    }
    if (waiter->again) {
        waiter->again = false;
        write_entry(waiter->fixture, "later");
        commit_wait(waiter->fixture->commit, &waiter->waiter);
    }
}

static void on_end(void *arg)
{
    loop_stop(arg);
}

static struct waiter make(struct fixture *fixture, char name)
{
    return (struct waiter){.fixture = fixture, .name = name};
}

static void await(struct fixture *fixture, struct waiter *waiter)
{
    waiter->waiter = (struct commit_waiter){.fn = on_told, .arg = waiter};
    commit_wait(fixture->commit, &waiter->waiter);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memcpy(fixture->folder, "/tmp/latchkey-commit-XXXXXX",
           sizeof("/tmp/latchkey-commit-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &fixture->database),
                     0);
    assert_int_equal(database_open(fixture->folder, "issuer.db", DATABASE_READER,
                                   schema_issuer, &fixture->reader),
                     0);
    assert_int_equal(commit_new(fixture->loop, fixture->database, &fixture->commit), 0);
    assert_int_equal(loop_timer_new(fixture->loop, on_end, fixture->loop, &fixture->end),
                     0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    commit_free(fixture->commit);
    database_close(fixture->reader);
    database_close(fixture->database);
    loop_timer_free(fixture->end);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void run(struct fixture *fixture)
{
    loop_timer_set(fixture->end, 60);
    assert_int_equal(loop_run(fixture->loop), 0);
}

static void test_order(void **state)
{
    struct fixture *fixture = *state;
    struct waiter a = make(fixture, 'a');
    struct waiter b = make(fixture, 'b');
    struct waiter c = make(fixture, 'c');

    write_entry(fixture, "one");
    write_entry(fixture, "two");
    await(fixture, &a);
    await(fixture, &b);
    await(fixture, &c);
    commit_cancel(fixture->commit, &b.waiter);
    assert_int_equal(visible(fixture), 0);
    assert_string_equal(fixture->told, "");
    run(fixture);
    assert_string_equal(fixture->told, "ac");
    assert_int_equal(visible(fixture), 2);
    assert_int_equal(commit_count(fixture->commit), 1);
}

/* A callback may cancel one that would be told after it, and wait again itself. */
static void test_from_callback(void **state)
{
    struct fixture *fixture = *state;
    struct waiter a = make(fixture, 'a');
    struct waiter b = make(fixture, 'b');
    struct waiter c = make(fixture, 'c');

    write_entry(fixture, "one");
    a.victim = &b;
    a.again = true;
    await(fixture, &a);
    await(fixture, &b);
    await(fixture, &c);
    run(fixture);
    assert_string_equal(fixture->told, "aca");
    assert_int_equal(visible(fixture), 2);
    assert_int_equal(commit_count(fixture->commit), 2);
}

/* With many in flight the writes of several turns share a commit. */
static void test_busy(void **state)
{
    struct fixture *fixture = *state;
    struct waiter a = make(fixture, 'a');

    commit_set_load(fixture->commit, 100);
    loop_timer_set(fixture->end, 0); /* first, so that it is due before the commit is */
    write_entry(fixture, "one");
    await(fixture, &a);
    assert_int_equal(loop_run(fixture->loop), 0);
    assert_string_equal(fixture->told, "");
    write_entry(fixture, "two");
    run(fixture);
    assert_string_equal(fixture->told, "a");
    assert_int_equal(commit_count(fixture->commit), 1);
}

/* Nobody is told of what was not made durable, and nothing is written any more. */
static void test_failure(void **state)
{
    struct fixture *fixture = *state;
    struct waiter a = make(fixture, 'a');
    int64_t rev = 0;

    write_entry(fixture, "one");
    await(fixture, &a);
    assert_int_equal(commit_fail(fixture->commit, ERROR_IO, "test"), ERROR_IO);
    run(fixture);
    assert_string_equal(fixture->told, "");
    assert_int_equal(visible(fixture), 0);
    assert_int_equal(commit_error(fixture->commit), ERROR_IO);
    assert_int_equal(commit_begin(fixture->commit, &rev), ERROR_IO);
}

/* After it the store is free for a transaction of another's own. */
static void test_flush(void **state)
{
    struct fixture *fixture = *state;
    struct waiter a = make(fixture, 'a');
    int64_t rev = 0;

    a.again = true;
    write_entry(fixture, "one");
    await(fixture, &a);
    assert_int_equal(commit_flush(fixture->commit), 0);
    assert_string_equal(fixture->told, "aa");
    assert_int_equal(visible(fixture), 2);
    assert_int_equal(database_begin(fixture->database, &rev), 0);
    database_rollback(fixture->database);
    assert_int_equal(commit_flush(fixture->commit), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flush, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_from_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failure, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Held requests: told when their writes are durable or lost, woken when the issuer has
 * decided, ended at their deadline. That something does not happen is seen when something else
 * has, which comes no earlier. */
#include "base/core/text.h"
#include "relay/front/journal.h"
#include "relay/front/waiting.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"
#include "tests/unit/net/pump.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE "lan.test"

enum { LONG_MS = 600000, SHORT_MS = 20 };

struct place {
    char folder[64];
    struct relay_config config;
    struct service service;
    struct database *issuer;
};

/* What the callbacks saw: of the request "other", which is held to the end, and of all else. */
static int told;
static int told_error;
static int asked;
static int asked_late;
static int asked_other;
static bool answer;

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    told = told_error = asked = asked_late = asked_other = 0;
    answer = false;
    snprintf(place->folder, sizeof(place->folder), "/tmp/front-hold-XXXXXX");
    if (mkdtemp(place->folder) == NULL) {
        return 1;
    }
    place->config.store = place->folder;
    place->service.config = &place->config;
    place->service.zone = ZONE;
    place->service.issuer_tried_mono_ms = -10000;
    *state = place;
    return loop_new(&place->service.loop) != 0 ||
           database_open(place->folder, "front.db", DATABASE_WRITER, schema_front,
                         &place->service.front) != 0 ||
           journal_new(&place->service, &place->service.journal) != 0 ||
           waiting_new(&place->service, &place->service.waiting) != 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    static const char *const names[] = {"front.db", "issuer.db"};
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};

    waiting_free(place->service.waiting);
    journal_free(place->service.journal);
    database_close(place->service.front);
    database_close(place->service.issuer);
    database_close(place->issuer);
    loop_free(place->service.loop);
    for (size_t i = 0; i < 8; i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s%s", place->folder, names[i / 4], ends[i % 4]);
        (void)unlink(path);
    }
    (void)rmdir(place->folder);
    free(place);
    return 0;
}

/* Runs until COUNTER, one of those above, has come to COUNT. */
struct goal {
    const int *counter;
    int count;
};

static bool is_reached(void *arg)
{
    const struct goal *goal = arg;

    return *goal->counter >= goal->count;
}

static void run_until(struct place *place, const int *counter, int count)
{
    struct goal goal = {counter, count};

    assert_true(pump_until(place->service.loop, is_reached, &goal));
    assert_int_equal(*counter, count);
}

static struct request *request_of(struct place *place, const char *number)
{
    struct request *request = calloc(1, sizeof(*request));

    request->service = &place->service;
    assert_true(text_copy(request->number, sizeof(request->number), number));
    return request;
}

static void written(struct request *request, int error)
{
    told++;
    told_error = error;
    request_free(request);
}

static bool ready(struct request *request, bool late)
{
    if (strcmp(request->number, "other") == 0) {
        asked_other++;
        return false;
    }
    assert_true(!late || clock_mono_ms() >= request->deadline_mono_ms);
    asked++;
    asked_late += late;
    if (answer || late) {
        request_free(request);
        return true;
    }
    return false;
}

static void add(struct place *place, const char *number)
{
    struct front_store_request row = {.number = number,
                                      .kind = "order",
                                      .id = "i",
                                      .jws = "{}",
                                      .jwk = "{}",
                                      .received_at = 5};
    int64_t rev = 0;

    assert_int_equal(journal_begin(place->service.journal, &rev), 0);
    assert_int_equal(front_store_add_request(place->service.front, ZONE, rev, &row), 0);
}

static int count_row(const struct front_store_request *request, void *arg)
{
    (void)request;
    (*(int *)arg)++;
    return 0;
}

static int rows(struct place *place)
{
    int count = 0;

    assert_int_equal(
        front_store_requests_since(place->service.front, ZONE, 0, 100, count_row, &count),
        0);
    return count;
}

static void test_one_commit_for_many(void **state)
{
    struct place *place = *state;
    struct database *reader = NULL;
    int64_t rev = 0;

    assert_int_equal(
        database_open(place->folder, "front.db", DATABASE_READER, schema_front, &reader),
        0);
    for (int i = 0; i < 20; i++) {
        char number[16];

        snprintf(number, sizeof(number), "%d", i);
        add(place, number);
        journal_hold(place->service.journal, request_of(place, number), written);
    }
    /* Nobody is told before the commit, and no reader sees the rows. */
    assert_int_equal(told, 0);
    assert_int_equal(database_revision(reader, &rev), 0);
    assert_int_equal(rev, 0);
    run_until(place, &told, 20);
    assert_int_equal(told_error, 0);
    assert_int_equal(database_revision(reader, &rev), 0);
    assert_int_equal(rev, 1);
    assert_int_equal(rows(place), 20);
    database_close(reader);
}

/* The disk fails at the commit: everybody of the batch is told so, nothing stays, and the
 * next batch works. */
static void test_lost_commit(void **state)
{
    struct place *place = *state;
    struct rlimit old;
    struct rlimit small;
    struct stat status;
    char path[128];

    (void)signal(SIGXFSZ, SIG_IGN);
    snprintf(path, sizeof(path), "%s/front.db-wal", place->folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = (rlim_t)status.st_size + 50;
    add(place, "a");
    journal_hold(place->service.journal, request_of(place, "a"), written);
    journal_hold(place->service.journal, request_of(place, "b"), written);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    run_until(place, &told, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_not_equal(told_error, 0);
    assert_int_equal(rows(place), 0);
    add(place, "c");
    journal_hold(place->service.journal, request_of(place, "c"), written);
    run_until(place, &told, 3);
    assert_int_equal(told_error, 0);
    assert_int_equal(rows(place), 1);
}

static void decide(struct place *place, const char *number)
{
    struct issuer_store_order order = {.number = number,
                                       .id = "i",
                                       .names = "n",
                                       .profile = "",
                                       .replaces = "",
                                       .state = ISSUER_STORE_READY,
                                       .problem = "",
                                       .certificate = ""};
    int64_t rev = 0;

    if (place->issuer == NULL) {
        assert_int_equal(database_open(place->folder, "issuer.db", DATABASE_WRITER,
                                       schema_issuer, &place->issuer),
                         0);
    }
    assert_int_equal(database_begin(place->issuer, &rev), 0);
    assert_int_equal(issuer_store_put_order(place->issuer, ZONE, rev, &order), 0);
    assert_int_equal(database_commit(place->issuer), 0);
}

static void hold(struct place *place, const char *number, int64_t timeout_ms, bool any)
{
    waiting_hold(place->service.waiting, request_of(place, number), timeout_ms, any,
                 ready);
}

static void test_woken_by_its_order(void **state)
{
    struct place *place = *state;

    decide(place, "other");
    hold(place, "mine", LONG_MS, false);
    assert_int_equal(asked, 1); /* at once: it may be decided already */
    hold(place, "other", LONG_MS, false);
    decide(place, "other");
    run_until(place, &asked_other, 2);
    assert_int_equal(asked, 1);
    answer = true;
    decide(place, "mine");
    run_until(place, &asked, 2);
    assert_int_equal(asked_late, 0);
    decide(place, "mine");
    decide(place, "other");
    run_until(place, &asked_other, 3);
    assert_int_equal(asked, 2);
}

static void test_woken_by_anything(void **state)
{
    struct place *place = *state;

    decide(place, "first");
    hold(place, "mine", LONG_MS, true);
    decide(place, "another");
    run_until(place, &asked, 2);
    answer = true;
    decide(place, "one more");
    run_until(place, &asked, 3);
    assert_int_equal(asked_late, 0);
}

static void test_deadline(void **state)
{
    struct place *place = *state;

    hold(place, "a", SHORT_MS, false);
    hold(place, "a", SHORT_MS, false);
    assert_int_equal(asked, 2);
    run_until(place, &asked_late, 2);
    assert_int_equal(asked, 4);
    assert_int_equal(waiting_count(place->service.waiting), 0);
}

/* The issuer's file appears while somebody waits. */
static void test_issuer_appears(void **state)
{
    struct place *place = *state;

    hold(place, "mine", LONG_MS, false);
    answer = true;
    decide(place, "mine");
    run_until(place, &asked, 2);
    assert_int_equal(asked_late, 0);
}

/* The peer goes away: the request is dropped, the others stay. */
static void test_gone(void **state)
{
    struct place *place = *state;
    struct request *gone = request_of(place, "a");

    decide(place, "x");
    hold(place, "a", LONG_MS, false);
    waiting_hold(place->service.waiting, gone, LONG_MS, false, ready);
    hold(place, "a", LONG_MS, false);
    hold(place, "other", LONG_MS, false);
    asked = 0;
    gone->drop(gone);
    answer = true;
    decide(place, "a");
    run_until(place, &asked, 2);
    decide(place, "a");
    decide(place, "other");
    run_until(place, &asked_other, 2);
    assert_int_equal(asked, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_commit_for_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_woken_by_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_woken_by_anything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_issuer_appears, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

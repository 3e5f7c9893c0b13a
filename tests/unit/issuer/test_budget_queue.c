/* Thousands of devices over weeks of simulated time, against a CA that counts for itself:
 * whoever comes when it was told to is let in; the CA never has to refuse; the order of asking
 * is the order of getting; who keeps coming gets one. Several seeds; the same with devices in
 * two zones of one registered domain, whose accounts are two. */
#include "relay/issuer/budget.h"

#include "base/core/text.h"
#include "relay/store/schema.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DOMAIN "example.com"
#define CA "https://ca.example/dir"

enum {
    START_AT = 1000000000,
    HOUR_S = 3600,
    DEVICES = 2000,
    ARRIVE_S = 2 * 86400, /* all come in two days */
    WEEK = 1400,          /* certificates */
    WEEK_BURST = 100,
    SWEEP_S = 300,
    TEXT_MAX = 64,
    ZONES_MAX = 2,
};

static const char *const zones[ZONES_MAX] = {"lan." DOMAIN, "dev." DOMAIN};

enum habit {
    PUNCTUAL, /* comes when it was told to */
    LATE,     /* up to 26 hours after that */
    TIMER,    /* twice a day, whatever it was told */
    GONE,     /* never again */
};

enum event_kind { ASK, FINALIZE, RELEASE, SWEEP };

struct event {
    int64_t at;
    uint64_t sequence; /* events of one second stay in order */
    enum event_kind kind;
    unsigned device;
};

struct device {
    enum habit habit;
    char number[TEXT_MAX];
    int64_t asked_at;
    int64_t told_at; /* 0: nothing yet */
    int64_t admitted_at;
    bool issued;
};

/* The CA's own counting, in another way than ours: tokens as a number. */
struct ca_bucket {
    double tokens, size, per_s;
    int64_t at;
};

struct world {
    char folder[64];
    struct database *database;
    int64_t rev;
    unsigned zone_count;
    struct budget_rules rules[ZONES_MAX];
    struct device devices[DEVICES];
    struct event *heap;
    size_t count, capacity;
    uint64_t sequence;
    uint64_t random;
    unsigned next_number;
    struct ca_bucket certificates, orders[ZONES_MAX];
    unsigned waiting;
};

/* Of the device's zone. */
static unsigned zone_of(const struct world *world, unsigned device)
{
    return device % world->zone_count;
}

static uint64_t draw(struct world *world, uint64_t below)
{
    world->random = world->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (world->random >> 33) % below;
}

/* ---- events ---- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->sequence < b->sequence);
}

static void push(struct world *world, int64_t at, enum event_kind kind, unsigned device)
{
    size_t i = world->count++;

    if (world->count > world->capacity) {
        world->capacity = world->capacity * 2 + 64;
        world->heap = realloc(world->heap, world->capacity * sizeof(*world->heap));
        assert_non_null(world->heap);
    }
    world->heap[i] = (struct event){at, world->sequence++, kind, device};
    while (i > 0 && is_before(&world->heap[i], &world->heap[(i - 1) / 2])) {
        struct event swap = world->heap[i];

        world->heap[i] = world->heap[(i - 1) / 2];
        world->heap[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

static struct event pop(struct world *world)
{
    struct event top = world->heap[0];
    size_t i = 0;

    world->heap[0] = world->heap[--world->count];
    for (;;) {
        size_t child = 2 * i + 1;
        struct event swap = world->heap[i];

        if (child >= world->count) {
            return top;
        }
        if (child + 1 < world->count &&
            is_before(&world->heap[child + 1], &world->heap[child])) {
            child++;
        }
        if (!is_before(&world->heap[child], &world->heap[i])) {
            return top;
        }
        world->heap[i] = world->heap[child];
        world->heap[child] = swap;
        i = child;
    }
}

/* ---- the CA ---- */

static void ca_take(struct ca_bucket *bucket, int64_t at, const char *what)
{
    bucket->tokens += (double)(at - bucket->at) * bucket->per_s;
    bucket->at = at;
    if (bucket->tokens > bucket->size) {
        bucket->tokens = bucket->size;
    }
    if (bucket->tokens < 0.999) {
        fail_msg("the CA has no %s left at %" PRId64, what, at - START_AT);
    }
    bucket->tokens -= 1;
}

/* ---- what happens ---- */

static void schedule_return(struct world *world, unsigned number, int64_t at)
{
    struct device *device = &world->devices[number];

    switch (device->habit) {
    case PUNCTUAL:
        push(world, device->told_at, ASK, number);
        break;
    case LATE:
        push(world, device->told_at + (int64_t)draw(world, 25 * HOUR_S), ASK, number);
        break;
    case TIMER:
        push(world, at + 12 * HOUR_S + (int64_t)draw(world, HOUR_S), ASK, number);
        break;
    case GONE:
        break;
    }
}

static void finalize_later(struct world *world, unsigned number, int64_t at)
{
    unsigned chance = (unsigned)draw(world, 100);

    if (world->devices[number].habit != PUNCTUAL && chance < 5) {
        push(world, at + BUDGET_RESERVED_S + 20, RELEASE, number);
    } else {
        push(world, at + (int64_t)draw(world, chance < 80 ? 20 : BUDGET_RESERVED_S),
             FINALIZE, number);
    }
}

static void ask(struct world *world, unsigned number, int64_t at)
{
    struct device *device = &world->devices[number];
    unsigned zone = zone_of(world, number);
    char id[TEXT_MAX];
    struct budget_order order = {.ca = CA,
                                 .number = device->number,
                                 .id = id,
                                 .names = id,
                                 .lane = BUDGET_LANE_FIRST};
    struct budget_decision decision;

    assert_true(text_format(id, sizeof(id), "device-%u", number));
    assert_true(text_format(device->number, sizeof(device->number), "number-%u",
                            world->next_number++));
    assert_int_equal(budget_decide(world->database, zones[zone], &world->rules[zone],
                                   &order, at, &decision),
                     0);
    assert_int_equal(budget_book(world->database, zones[zone], world->rev,
                                 &world->rules[zone], &order, &decision, at),
                     0);
    if (decision.admitted) {
        device->admitted_at = at;
        finalize_later(world, number, at);
        return;
    }
    if (device->told_at != 0 && at >= device->told_at) {
        fail_msg("device %u was told %" PRId64 ", came at %" PRId64
                 " and was told %" PRId64 " (place %" PRId64 ")",
                 number, device->told_at - START_AT, at - START_AT,
                 decision.retry_at - START_AT, decision.place);
    }
    assert_true(device->told_at == 0 || decision.retry_at <= device->told_at);
    assert_true(decision.retry_at > at);
    device->told_at = decision.retry_at;
    schedule_return(world, number, at);
}

static void happen(struct world *world, const struct event *event)
{
    struct device *device = &world->devices[event->device];
    unsigned zone = zone_of(world, event->device);

    switch (event->kind) {
    case ASK:
        if (device->asked_at == 0) {
            device->asked_at = event->at;
        }
        ask(world, event->device, event->at);
        break;
    case FINALIZE:
        ca_take(&world->orders[zone], event->at, "orders");
        ca_take(&world->certificates, event->at, "certificates");
        assert_int_equal(budget_place(world->database, zones[zone], world->rev,
                                      &world->rules[zone], device->number, event->at),
                         0);
        assert_int_equal(budget_settle(world->database, zones[zone], world->rev,
                                       &world->rules[zone], device->number, event->at),
                         0);
        device->issued = true;
        world->waiting -= device->habit == GONE ? 0 : 1;
        break;
    case RELEASE:
        assert_int_equal(
            budget_release(world->database, zones[zone], world->rev, device->number), 0);
        device->told_at = 0;
        push(world, event->at + 60, ASK, event->device);
        break;
    case SWEEP:
        for (unsigned i = 0; i < world->zone_count; i++) {
            assert_int_equal(
                budget_sweep(world->database, zones[i], world->rev, event->at), 0);
        }
        if (world->waiting > 0) {
            push(world, event->at + SWEEP_S, SWEEP, 0);
        }
        break;
    }
}

static enum habit draw_habit(struct world *world, bool all_punctual)
{
    uint64_t chance = draw(world, 100);

    return all_punctual || chance < 40 ? PUNCTUAL
           : chance < 65               ? LATE
           : chance < 90               ? TIMER
                                       : GONE;
}

static struct budget_rules make_rules(unsigned zone, unsigned zone_count)
{
    struct budget_rules rules = {
        .on = true,
        .domain = DOMAIN,
        .certificates = {WEEK_BURST, WEEK, BUDGET_WEEK_S},
        .orders = {300, 300, BUDGET_ORDERS_S},
        .set = {5, 5, BUDGET_WEEK_S},
        .failures = {5, 5, BUDGET_FAILURES_S},
    };

    for (unsigned i = 0; i < zone_count; i++) {
        if (i != zone) {
            rules.others[rules.other_count++] = zones[i];
        }
    }
    return rules;
}

static struct world *make_world(uint64_t seed, bool all_punctual, unsigned zone_count)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->random = seed;
    memcpy(world->folder, "/tmp/latchkey-queue-XXXXXX",
           sizeof("/tmp/latchkey-queue-XXXXXX"));
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(database_open(world->folder, "issuer.db", DATABASE_WRITER,
                                   schema_issuer, &world->database),
                     0);
    assert_int_equal(database_begin(world->database, &world->rev), 0);
    world->zone_count = zone_count;
    for (unsigned i = 0; i < zone_count; i++) {
        world->rules[i] = make_rules(i, zone_count);
        world->orders[i] =
            (struct ca_bucket){300, 300, 300.0 / BUDGET_ORDERS_S, START_AT};
    }
    world->certificates = (struct ca_bucket){WEEK_BURST, WEEK_BURST,
                                             (double)WEEK / BUDGET_WEEK_S, START_AT};
    push(world, START_AT, SWEEP, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        world->devices[i].habit = draw_habit(world, all_punctual);
        world->waiting += world->devices[i].habit == GONE ? 0 : 1;
        push(world, START_AT + 1 + (int64_t)draw(world, ARRIVE_S), ASK, i);
    }
    return world;
}

static void free_world(struct world *world)
{
    database_close(world->database);
    free(world->heap);
    free(world);
}

static void run(struct world *world)
{
    while (world->count > 0 && world->waiting > 0) {
        struct event event = pop(world);

        happen(world, &event);
    }
}

/* Devices that were admitted at once, while tokens lasted, and then in the order of asking. */
static int by_asking(const void *a, const void *b)
{
    const struct device *first = a;
    const struct device *second = b;

    return first->asked_at < second->asked_at   ? -1
           : first->asked_at > second->asked_at ? 1
                                                : 0;
}

static void check_punctual(unsigned zone_count)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct world *world = make_world(seed, true, zone_count);
        int64_t last_at = 0;
        double needed_s = (double)(DEVICES - WEEK_BURST) * BUDGET_WEEK_S / WEEK;

        run(world);
        qsort(world->devices, DEVICES, sizeof(world->devices[0]), by_asking);
        for (unsigned i = 0; i < DEVICES; i++) {
            assert_true(world->devices[i].issued);
            assert_true(world->devices[i].admitted_at >= last_at);
            last_at = world->devices[i].admitted_at;
        }
        /* No token was wasted: the last has its certificate when the CA could first give so
         * many, within a tenth. */
        assert_true((double)(last_at - START_AT) <= needed_s * 1.1);
        free_world(world);
    }
}

static void test_punctual(void **state)
{
    (void)state;
    check_punctual(1);
    check_punctual(2);
}

static void check_mixed(unsigned zone_count)
{
    for (uint64_t seed = 11; seed <= 13; seed++) {
        struct world *world = make_world(seed, false, zone_count);

        run(world);
        for (unsigned i = 0; i < DEVICES; i++) {
            assert_true(world->devices[i].issued || world->devices[i].habit == GONE);
        }
        free_world(world);
    }
}

static void test_mixed(void **state)
{
    (void)state;
    check_mixed(1);
    check_mixed(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_punctual),
        cmocka_unit_test(test_mixed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

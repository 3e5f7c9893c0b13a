#include "device/life.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

enum { HOUR = 3600, DAY = 86400, START = 1800000000 };

static uint64_t none(uint64_t below)
{
    (void)below;
    return 0;
}

static uint64_t most(uint64_t below)
{
    return below - 1;
}

/* A fake world: both clocks, the machine, and a loop that does what the plan says. */
struct world {
    struct life life;
    struct life_now now;
};

static void advance(struct world *world, int64_t seconds)
{
    world->now.wall_at += seconds;
    world->now.mono_ms += seconds * 1000;
    struct life_event tick = {.kind = LIFE_TICK};
    life_step(&world->life, &tick, &world->now);
}

static void step(struct world *world, enum life_event_kind kind)
{
    struct life_event event = {.kind = kind};
    life_step(&world->life, &event, &world->now);
}

static void give_up(struct world *world, int64_t retry_after_s, bool permanent)
{
    struct life_event event = {
        .kind = LIFE_FAILED, .retry_after_s = retry_after_s, .permanent = permanent};
    life_step(&world->life, &event, &world->now);
}

static void issue(struct world *world, int64_t life_s)
{
    struct life_event event = {
        .kind = LIFE_ISSUED,
        /* As CAs do, the beginning lies an hour back. */
        .certificate = {.not_before_at = world->now.wall_at - HOUR,
                        .not_after_at = world->now.wall_at + life_s,
                        .obtained_at = world->now.wall_at},
    };
    life_step(&world->life, &event, &world->now);
}

static struct life_plan plan(const struct world *world)
{
    return life_plan(&world->life, &world->now);
}

static struct world fresh(backoff_random_fn *random)
{
    struct world world = {.now = {.wall_at = START, .mono_ms = 5000}};
    life_init(&world.life, random, NULL, &world.now);
    return world;
}

static struct world trusted(backoff_random_fn *random, int64_t life_s)
{
    struct world world = fresh(random);
    step(&world, LIFE_STARTED);
    issue(&world, life_s);
    return world;
}

static void test_first_order_at_once(void **state)
{
    (void)state;
    struct world world = fresh(none);
    assert_true(plan(&world).order);
    assert_false(plan(&world).serve_trusted);
    step(&world, LIFE_STARTED);
    assert_int_equal(world.life.state, LIFE_FIRST_ORDERING);
    assert_false(plan(&world).order);
    issue(&world, 45 * DAY);
    assert_int_equal(world.life.state, LIFE_TRUSTED);
    assert_true(plan(&world).serve_trusted);
    assert_false(plan(&world).order);
    assert_true(plan(&world).ask_window);
}

static void test_found_on_disk(void **state)
{
    (void)state;
    struct life life;
    struct life_now now = {.wall_at = START, .mono_ms = 5000};
    struct life_certificate good = {START - DAY, START + DAY, START - DAY};
    struct life_certificate old = {START - DAY, START, START - DAY};
    life_init(&life, none, &good, &now);
    assert_int_equal(life.state, LIFE_TRUSTED);
    life_init(&life, none, &old, &now);
    assert_int_equal(life.state, LIFE_EXPIRED);
    assert_true(life_plan(&life, &now).order);
    assert_false(life_plan(&life, &now).serve_trusted);
}

static void test_clock_of_1970_serves_what_it_has(void **state)
{
    (void)state;
    struct life life;
    struct life_now now = {.wall_at = 100, .mono_ms = 5000};
    struct life_certificate certificate = {START, START + 45 * DAY, START + 5};
    life_init(&life, none, &certificate, &now);
    assert_true(life_plan(&life, &now).serve_trusted);
    assert_false(life_plan(&life, &now).order);
}

static void test_renewal_moments(void **state)
{
    (void)state;
    static const struct {
        int64_t life_s;
        int64_t earliest_s;
        int64_t latest_s;
    } cases[] = {
        {90 * DAY, 55 * DAY, 60 * DAY}, /* 2/3, jitter towards earlier */
        {45 * DAY, 27 * DAY, 30 * DAY},
        {6 * DAY, 2 * DAY, 3 * DAY}, /* 1/2 below ten days */
        {60, 27, 30},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world late = trusted(none, cases[i].life_s);
        struct world early = trusted(most, cases[i].life_s);
        assert_in_range(late.life.renew_at - START, cases[i].earliest_s,
                        cases[i].latest_s);
        assert_in_range(early.life.renew_at - START, cases[i].earliest_s,
                        cases[i].latest_s);
        assert_true(early.life.renew_at <= late.life.renew_at);
        advance(&late, cases[i].latest_s);
        assert_true(plan(&late).order);
        assert_true(plan(&late).serve_trusted);
    }
}

static void window(struct world *world, int64_t start_at, int64_t end_at)
{
    struct life_event event = {.kind = LIFE_WINDOW,
                               .has_window = true,
                               .window_start_at = start_at,
                               .window_end_at = end_at};
    life_step(&world->life, &event, &world->now);
}

static void test_window_is_followed(void **state)
{
    (void)state;
    struct world world = trusted(none, 90 * DAY);
    window(&world, START + 20 * DAY, START + 22 * DAY);
    assert_int_equal(world.life.renew_at, START + 20 * DAY);
    assert_true(world.life.renew_advised);
    world = trusted(most, 90 * DAY);
    window(&world, START + 20 * DAY, START + 22 * DAY);
    assert_int_equal(world.life.renew_at, START + 22 * DAY);
    advance(&world, 22 * DAY);
    assert_true(plan(&world).order);
}

static uint64_t draws;
static uint64_t counting(uint64_t below)
{
    draws++;
    return draws % below;
}

static void test_window_is_drawn_once(void **state)
{
    (void)state;
    struct world world = trusted(counting, 90 * DAY);
    window(&world, START + 20 * DAY, START + 22 * DAY);
    int64_t renew_at = world.life.renew_at;
    window(&world, START + 20 * DAY, START + 22 * DAY);
    window(&world, START + 20 * DAY, START + 22 * DAY);
    assert_int_equal(world.life.renew_at, renew_at);
    window(&world, START + 2 * DAY, START + 3 * DAY); /* moved: drawn anew */
    assert_in_range(world.life.renew_at, START + 2 * DAY, START + 3 * DAY);
}

static void test_window_of_the_past_renews_soon_but_no_loop(void **state)
{
    (void)state;
    struct world world = trusted(none, 90 * DAY);
    window(&world, START - 2 * DAY, START - DAY);
    assert_int_equal(world.life.renew_at, START + HOUR);
    world = trusted(none, 60);
    window(&world, START - DAY, START + DAY);
    assert_int_equal(world.life.renew_at, START + 20);
}

static void test_window_beyond_the_end_is_held_before_it(void **state)
{
    (void)state;
    struct world world = trusted(most, 60);
    window(&world, START - DAY, START + DAY);
    assert_int_equal(world.life.renew_at, START + 40);
    world = trusted(most, 90 * DAY);
    window(&world, START + 89 * DAY, INT64_MAX);
    assert_int_equal(world.life.renew_at, START + 75 * DAY);
    window(&world, INT64_MIN, INT64_MAX);
    assert_in_range(world.life.renew_at, START + HOUR, START + 75 * DAY);
}

static void test_window_is_asked_for_again(void **state)
{
    (void)state;
    static const struct {
        int64_t life_s;
        int64_t retry_after_s;
        int64_t expected_s;
    } cases[] = {
        {90 * DAY, 0, 6 * HOUR},   {90 * DAY, 60, HOUR}, {90 * DAY, 2 * HOUR, 2 * HOUR},
        {90 * DAY, 90 * DAY, DAY}, {60, 6 * HOUR, 15},   {8, 6 * HOUR, 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world = trusted(none, cases[i].life_s);
        struct life_event event = {.kind = LIFE_WINDOW,
                                   .retry_after_s = cases[i].retry_after_s};
        life_step(&world.life, &event, &world.now);
        assert_int_equal(world.life.window_mono_ms - world.now.mono_ms,
                         cases[i].expected_s * 1000);
        assert_false(plan(&world).ask_window);
    }
}

static void test_expiry_falls_back_and_recovers(void **state)
{
    (void)state;
    struct world world = trusted(none, 60);
    advance(&world, 57);
    assert_true(plan(&world).serve_trusted);
    assert_in_range(plan(&world).wake_ms, 0, 1000);
    advance(&world, 1);
    assert_int_equal(world.life.state, LIFE_EXPIRED);
    assert_false(plan(&world).serve_trusted);
    assert_true(plan(&world).order);
    step(&world, LIFE_STARTED);
    assert_int_equal(world.life.state, LIFE_RECOVERING);
    give_up(&world, 0, false);
    assert_int_equal(world.life.state, LIFE_EXPIRED);
    advance(&world, 10);
    assert_true(plan(&world).order);
    step(&world, LIFE_STARTED);
    issue(&world, 60);
    assert_int_equal(world.life.state, LIFE_TRUSTED);
    assert_true(plan(&world).serve_trusted);
}

static void test_expiry_while_renewing(void **state)
{
    (void)state;
    struct world world = trusted(none, 60);
    advance(&world, 30);
    step(&world, LIFE_STARTED);
    assert_int_equal(world.life.state, LIFE_RENEWING);
    assert_true(plan(&world).serve_trusted);
    advance(&world, 30);
    assert_int_equal(world.life.state, LIFE_RECOVERING);
    assert_false(plan(&world).serve_trusted);
    issue(&world, 60);
    assert_int_equal(world.life.state, LIFE_TRUSTED);
}

static void test_failed_renewal_keeps_serving(void **state)
{
    (void)state;
    struct world world = trusted(none, 45 * DAY);
    advance(&world, 30 * DAY);
    step(&world, LIFE_STARTED);
    give_up(&world, 0, false);
    assert_int_equal(world.life.state, LIFE_TRUSTED);
    assert_true(plan(&world).serve_trusted);
    assert_false(plan(&world).order);
    advance(&world, 10);
    assert_true(plan(&world).order);
}

static void test_short_lives_are_tried_often_enough(void **state)
{
    (void)state;
    struct world world = trusted(most, 60);
    int tries = 0;
    while (world.life.state == LIFE_TRUSTED || world.life.state == LIFE_RENEWING) {
        if (plan(&world).order) {
            step(&world, LIFE_STARTED);
            give_up(&world, 0, false);
            tries++;
        }
        advance(&world, 1);
    }
    assert_in_range(tries, 4, 12);
}

static void test_retries_grow_and_are_bounded(void **state)
{
    (void)state;
    struct world world = fresh(none);
    int64_t last_ms = 0;
    for (int i = 0; i < 40; i++) {
        step(&world, LIFE_STARTED);
        give_up(&world, 0, false);
        int64_t wait_ms = world.life.retry_mono_ms - world.now.mono_ms;
        assert_true(wait_ms >= last_ms);
        assert_in_range(wait_ms, 3000, HOUR * 1000);
        last_ms = wait_ms;
        advance(&world, wait_ms / 1000 + 1);
        assert_true(plan(&world).order);
    }
    assert_int_equal(last_ms, HOUR * 1000 * 3 / 4);
}

static void test_the_relays_wait_is_kept(void **state)
{
    (void)state;
    struct world world = fresh(most);
    step(&world, LIFE_STARTED);
    give_up(&world, 600, false);
    int64_t wait_ms = world.life.retry_mono_ms - world.now.mono_ms;
    assert_in_range(wait_ms, 600 * 1000, 660 * 1000);
    advance(&world, 5);
    step(&world, LIFE_NETWORK);
    assert_false(plan(&world).order);
    advance(&world, 590);
    assert_false(plan(&world).order);
    advance(&world, 66);
    assert_true(plan(&world).order);
}

static void test_absurd_waits_are_bounded(void **state)
{
    (void)state;
    struct world world = fresh(none);
    step(&world, LIFE_STARTED);
    give_up(&world, INT64_MAX, false);
    assert_int_equal(world.life.retry_mono_ms - world.now.mono_ms, (int64_t)DAY * 1000);
    world = fresh(none);
    life_hold(&world.life, INT64_MAX, &world.now);
    assert_int_equal(world.life.retry_mono_ms - world.now.mono_ms, (int64_t)DAY * 1000);
}

static void test_network_change_shortens_a_wait(void **state)
{
    (void)state;
    struct world world = fresh(none);
    for (int i = 0; i < 8; i++) {
        step(&world, LIFE_STARTED);
        give_up(&world, 0, false);
    }
    assert_true(world.life.retry_mono_ms - world.now.mono_ms > 60 * 1000);
    step(&world, LIFE_NETWORK);
    assert_in_range(world.life.retry_mono_ms - world.now.mono_ms, 1000, 3000);
    advance(&world, 2);
    assert_true(plan(&world).order);
    /* A flapping link does not make a storm of it. */
    step(&world, LIFE_STARTED);
    give_up(&world, 0, false);
    int64_t retry_mono_ms = world.life.retry_mono_ms;
    step(&world, LIFE_NETWORK);
    assert_int_equal(world.life.retry_mono_ms, retry_mono_ms);
}

static void test_permanent_failures_wait_long(void **state)
{
    (void)state;
    struct world world = fresh(none);
    step(&world, LIFE_STARTED);
    give_up(&world, 0, true);
    assert_true(world.life.retry_mono_ms - world.now.mono_ms >= HOUR * 1000 * 3 / 4);
    step(&world, LIFE_NETWORK);
    assert_false(plan(&world).order);
    step(&world, LIFE_ASKED); /* the owner mended it */
    assert_true(plan(&world).order);
}

static void test_owner_asks_for_renewal(void **state)
{
    (void)state;
    struct world world = trusted(none, 45 * DAY);
    assert_false(plan(&world).order);
    step(&world, LIFE_ASKED);
    assert_true(plan(&world).order);
    step(&world, LIFE_STARTED);
    step(&world, LIFE_ASKED);
    assert_false(plan(&world).order);
    assert_int_equal(world.life.state, LIFE_RENEWING);
}

static void test_clock_set_back_undoes_expiry(void **state)
{
    (void)state;
    struct world world = trusted(none, 45 * DAY);
    world.now.wall_at += 1000 * DAY; /* set wrongly ... */
    step(&world, LIFE_TICK);
    assert_int_equal(world.life.state, LIFE_EXPIRED);
    world.now.wall_at -= 1000 * DAY; /* ... and right again */
    step(&world, LIFE_TICK);
    assert_int_equal(world.life.state, LIFE_TRUSTED);
    assert_true(plan(&world).serve_trusted);
}

/* A year with 60-second certificates and a relay that always answers: never a moment
 * without. */
static void test_short_lives_never_run_out(void **state)
{
    (void)state;
    struct world world = trusted(counting, 60);
    int orders = 0;
    for (int i = 0; i < 100000; i++) {
        struct life_plan now = plan(&world);
        assert_true(now.serve_trusted);
        if (now.order) {
            step(&world, LIFE_STARTED);
            advance(&world, 2);
            issue(&world, 60);
            orders++;
        } else if (now.ask_window) {
            window(&world, world.now.wall_at - DAY, world.now.wall_at + DAY);
        }
        advance(&world, 1);
    }
    assert_in_range(orders, 100000 / 60, 100000 / 20);
}

static void test_state_texts(void **state)
{
    (void)state;
    for (int i = LIFE_FIRST; i <= LIFE_RECOVERING; i++) {
        assert_string_not_equal(life_state_text((enum life_state)i), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_order_at_once),
        cmocka_unit_test(test_found_on_disk),
        cmocka_unit_test(test_clock_of_1970_serves_what_it_has),
        cmocka_unit_test(test_renewal_moments),
        cmocka_unit_test(test_window_is_followed),
        cmocka_unit_test(test_window_is_drawn_once),
        cmocka_unit_test(test_window_of_the_past_renews_soon_but_no_loop),
        cmocka_unit_test(test_window_beyond_the_end_is_held_before_it),
        cmocka_unit_test(test_window_is_asked_for_again),
        cmocka_unit_test(test_expiry_falls_back_and_recovers),
        cmocka_unit_test(test_expiry_while_renewing),
        cmocka_unit_test(test_failed_renewal_keeps_serving),
        cmocka_unit_test(test_short_lives_are_tried_often_enough),
        cmocka_unit_test(test_retries_grow_and_are_bounded),
        cmocka_unit_test(test_the_relays_wait_is_kept),
        cmocka_unit_test(test_absurd_waits_are_bounded),
        cmocka_unit_test(test_network_change_shortens_a_wait),
        cmocka_unit_test(test_permanent_failures_wait_long),
        cmocka_unit_test(test_owner_asks_for_renewal),
        cmocka_unit_test(test_clock_set_back_undoes_expiry),
        cmocka_unit_test(test_short_lives_never_run_out),
        cmocka_unit_test(test_state_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The life of a handle: first certificate, restart, renewal, expiry, what goes wrong. */
#include "tests/unit/library/fixture.h"

#include "base/core/json.h"
#include "base/core/text.h"

#include <string.h>

static struct fixture f;

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&f);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void the_first_certificate_comes_and_is_published(void **state)
{
    (void)state;
    char text[LATCHKEY_NAME_CAPACITY];
    char expected[LATCHKEY_NAME_CAPACITY];
    static const char *const addresses[] = {"192.168.1.51", "fd12::1"};
    fixture_start(&f);
    assert_int_equal(latchkey_timeout_ms(f.handle), 0);
    assert_int_equal(f.starts, 0);
    assert_int_equal(latchkey_set_addresses(f.handle, addresses, 2), LATCHKEY_OK);
    assert_string_equal(latchkey_zone(f.handle), "");
    assert_int_equal(latchkey_name(f.handle, text, sizeof(text)),
                     LATCHKEY_ERROR_NOT_FOUND);
    assert_int_equal(fixture_run(&f, 1), 0);
    assert_true(f.fallbacks >= 1);
    assert_int_equal(fixture_status(&f).state, LATCHKEY_STATE_TRUSTED);
    assert_string_equal(fixture_status(&f).serial, f.serial);
    assert_string_equal(fixture_status(&f).failure_code, "");

    assert_string_equal(latchkey_zone(f.handle), FIXTURE_ZONE);
    assert_true(text_starts_with(latchkey_pin(f.handle), latchkey_id(f.handle)));
    assert_true(text_format(expected, sizeof(expected), "home.%s." FIXTURE_ZONE,
                            latchkey_id(f.handle)));
    assert_int_equal(latchkey_name(f.handle, text, sizeof(text)), LATCHKEY_OK);
    assert_string_equal(text, expected);
    assert_int_equal(latchkey_name(f.handle, text, 10), LATCHKEY_ERROR_CAPACITY);
    assert_true(text_format(expected, sizeof(expected), "192-168-1-51.%s." FIXTURE_ZONE,
                            latchkey_id(f.handle)));
    assert_int_equal(latchkey_address_name(f.handle, "192.168.1.51", text, sizeof(text)),
                     LATCHKEY_OK);
    assert_string_equal(text, expected);
    assert_int_equal(latchkey_address_name(f.handle, "192.168", text, sizeof(text)),
                     LATCHKEY_ERROR_ARGUMENT);
    assert_int_equal(latchkey_qr_payload(f.handle, text, sizeof(text)), LATCHKEY_OK);
    assert_true(text_starts_with(text, "LATCHKEY:1/K"));
    assert_true(text_ends_with(text, "/A192.168.1.51/AFD12-0-0-0-0-0-0-1"));

    fixture_pass(&f, 5);
    assert_int_equal(mock_ca_count(&f.ca, "/extension"), 1);
    assert_true(fixture_status(&f).published_at > 0);
    /* The same again is no news; another address is, and so is a day. */
    assert_int_equal(latchkey_set_addresses(f.handle, addresses, 2), LATCHKEY_OK);
    fixture_pass(&f, 5);
    assert_int_equal(mock_ca_count(&f.ca, "/extension"), 1);
    assert_int_equal(latchkey_set_addresses(f.handle, addresses, 1), LATCHKEY_OK);
    fixture_pass(&f, 5);
    assert_int_equal(mock_ca_count(&f.ca, "/extension"), 2);
    fixture_pass(&f, FIXTURE_DAY_S + 60);
    assert_int_equal(mock_ca_count(&f.ca, "/extension"), 3);
    fixture_stop(&f);
    assert_int_equal(f.releases, 1);
}

static void a_restart_orders_nothing(void **state)
{
    (void)state;
    char id[64];
    fixture_start(&f);
    fixture_run(&f, 1);
    assert_true(text_copy(id, sizeof(id), latchkey_id(f.handle)));
    fixture_stop(&f);
    unsigned orders = f.ca.order_count;
    f.trusteds = 0;
    fixture_start(&f);
    assert_string_equal(latchkey_id(f.handle), id);
    fixture_run(&f, 1);
    fixture_pass(&f, 600);
    assert_int_equal(f.ca.order_count, orders);
    assert_null(fixture_item(&f, "pending.pem"));
    assert_int_equal(fixture_status(&f).state, LATCHKEY_STATE_TRUSTED);
}

static void without_advice_it_renews_after_two_thirds(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_run(&f, 1);
    int64_t renew_at = fixture_status(&f).renew_at;
    int64_t took_s = fixture_run(&f, 2);
    assert_true(took_s > 50 * FIXTURE_DAY_S && took_s <= 61 * FIXTURE_DAY_S);
    assert_true(f.ca.now.at - renew_at < 120 && f.ca.now.at >= renew_at);
    assert_true(f.ca.last_replaces[0] != '\0');
    assert_int_equal(f.expireds, 0);
    fixture_run(&f, 4);
    assert_int_equal(f.expireds, 0);
}

static void the_relays_window_counts(void **state)
{
    (void)state;
    char start[TEXT_TIME_CAPACITY];
    char end[TEXT_TIME_CAPACITY];
    char body[256];
    text_time(f.ca.now.at + 10 * FIXTURE_DAY_S, start);
    text_time(f.ca.now.at + 11 * FIXTURE_DAY_S, end);
    assert_true(text_format(body, sizeof(body),
                            "{\"suggestedWindow\":{\"start\":\"%s\",\"end\":\"%s\"}}",
                            start, end));
    const struct mock_ca_fault faults[] = {
        {.path = "/ari/",
         .status = 200,
         .body = body,
         .headers = {"Retry-After", "21600"}},
        {.path = NULL},
    };
    f.ca.faults = faults;
    fixture_start(&f);
    fixture_run(&f, 1);
    int64_t took_s = fixture_run(&f, 2);
    assert_true(took_s >= 10 * FIXTURE_DAY_S && took_s <= 11 * FIXTURE_DAY_S + 120);
    assert_true(mock_ca_count(&f.ca, "/ari/") > 30);
    f.ca.faults = NULL;
}

static void an_idle_handle_sleeps(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_run(&f, 1);
    fixture_pass(&f, 60);
    unsigned before = f.rounds;
    fixture_pass(&f, FIXTURE_DAY_S);
    /* Once a minute for the clock, and some for the relay's window. */
    assert_true(f.rounds - before <= 1440 + 60);
    f.start_error = LATCHKEY_ERROR_NETWORK;
    latchkey_renew(f.handle);
    before = f.rounds;
    fixture_pass(&f, FIXTURE_DAY_S);
    assert_true(f.rounds - before <= 1440 + 200);
}

static void asked_for_it_renews_at_once(void **state)
{
    (void)state;
    char first[64];
    fixture_start(&f);
    fixture_run(&f, 1);
    fixture_pass(&f, 60);
    assert_true(text_copy(first, sizeof(first), f.serial));
    latchkey_renew(f.handle);
    assert_int_equal(latchkey_timeout_ms(f.handle), 0);
    assert_true(fixture_run(&f, 2) < 2);
    assert_string_not_equal(first, f.serial);
}

static void without_a_network_it_tries_again_less_and_less(void **state)
{
    (void)state;
    fixture_start(&f);
    f.start_error = LATCHKEY_ERROR_NETWORK;
    fixture_pass(&f, 60);
    assert_string_equal(fixture_status(&f).failure_code, "net");
    assert_non_null(strstr(fixture_status(&f).failure_text, MOCK_CA));
    unsigned early = f.starts;
    assert_true(early >= 3 && early <= 7);
    fixture_pass(&f, 4 * 3600);
    unsigned before = f.starts;
    fixture_pass(&f, 4 * 3600);
    assert_true(f.starts - before <= 6);
    /* The cable is plugged in. */
    f.start_error = 0;
    latchkey_network_changed(f.handle);
    assert_true(fixture_run(&f, 1) <= 5);
}

static void a_transport_that_never_answers_is_given_up(void **state)
{
    (void)state;
    fixture_start(&f);
    f.is_silent = true;
    fixture_round(&f);
    assert_int_equal(f.starts, 1);
    assert_int_equal(f.cancels, 0);
    fixture_pass(&f, 10);
    assert_int_equal(f.cancels, 1);
    assert_string_equal(fixture_status(&f).failure_code, "net");
    /* What comes too late is nobody's. */
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    response.status = 200;
    assert_int_equal(latchkey_respond(f.handle, 1, &response), LATCHKEY_ERROR_NOT_FOUND);
    f.is_silent = false;
    fixture_run(&f, 1);
}

static void a_free_cancels_what_is_under_way(void **state)
{
    (void)state;
    fixture_start(&f);
    f.is_silent = true;
    fixture_round(&f);
    fixture_stop(&f);
    assert_int_equal(f.cancels, 1);
    assert_int_equal(f.releases, 1);
}

static void the_relays_wait_is_kept_over_a_restart(void **state)
{
    (void)state;
    static const char problem[] =
        "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"place 7\"}";
    const struct mock_ca_fault faults[] = {
        {.path = "/new-order",
         .status = 429,
         .body = problem,
         .headers = {"Retry-After", "5000", "Content-Type", "application/problem+json"}},
        {.path = NULL},
    };
    f.ca.faults = faults;
    fixture_start(&f);
    fixture_pass(&f, 10);
    struct latchkey_status status = fixture_status(&f);
    assert_string_equal(status.failure_code, "rate-limit");
    assert_true(status.retry_at >= f.ca.now.at + 4900 &&
                status.retry_at <= f.ca.now.at + 5600);
    fixture_pass(&f, 1000);
    fixture_stop(&f);
    fixture_start(&f);
    fixture_pass(&f, 3900);
    assert_int_equal(mock_ca_count(&f.ca, "/new-order"), 1);
    f.ca.faults = NULL;
    assert_true(fixture_run(&f, 1) <= 700);
    assert_int_equal(fixture_status(&f).retry_at, 0);
}

static void an_order_goes_on_after_a_crash(void **state)
{
    (void)state;
    const struct mock_ca_fault faults[] = {{.path = "/finalize", .status = 0},
                                           {.path = NULL}};
    f.ca.faults = faults;
    fixture_start(&f);
    for (int i = 0; f.ca.order_count == 0; i++) {
        assert_true(i < 100);
        fixture_round(&f);
    }
    fixture_stop(&f);
    assert_non_null(
        strstr(buffer_text(&fixture_item(&f, "state.json")->data), "/order/0"));
    struct buffer pending = buffer_init(4096);
    assert_int_equal(
        buffer_append_text(&pending, buffer_text(&fixture_item(&f, "pending.pem")->data)),
        0);
    f.ca.faults = NULL;
    fixture_start(&f);
    fixture_run(&f, 1);
    assert_int_equal(f.ca.order_count, 1);
    assert_int_equal(f.ca.account_number, 1);
    assert_true(text_starts_with(buffer_text(&fixture_item(&f, "trusted.pem")->data),
                                 buffer_text(&pending)));
    assert_null(strstr(buffer_text(&fixture_item(&f, "state.json")->data), "/order/0"));
    buffer_free(&pending);
}

static void a_refused_certificate_changes_nothing(void **state)
{
    (void)state;
    char first[64];
    fixture_start(&f);
    fixture_run(&f, 1);
    assert_true(text_copy(first, sizeof(first), f.serial));
    f.refusal = LATCHKEY_ERROR_REFUSED;
    latchkey_renew(f.handle);
    fixture_pass(&f, 3);
    assert_string_equal(fixture_status(&f).failure_code, "install");
    assert_string_equal(fixture_status(&f).serial, first);
    assert_int_equal(fixture_status(&f).state, LATCHKEY_STATE_TRUSTED);
    /* A restart at this moment serves the one before. */
    fixture_stop(&f);
    f.refusal = 0;
    fixture_start(&f);
    fixture_round(&f);
    assert_string_equal(f.serial, first);
    fixture_run(&f, 3);
    assert_string_not_equal(f.serial, first);
}

static void it_falls_back_at_expiry_and_recovers(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_run(&f, 1);
    f.start_error = LATCHKEY_ERROR_NETWORK;
    fixture_pass(&f, 91 * FIXTURE_DAY_S);
    assert_int_equal(f.expireds, 1);
    assert_int_equal(fixture_status(&f).state, LATCHKEY_STATE_EXPIRED);
    /* A restart in this state offers the fallback alone. */
    fixture_stop(&f);
    f.trusteds = f.fallbacks = 0;
    fixture_start(&f);
    fixture_pass(&f, 5);
    assert_int_equal(f.trusteds, 0);
    assert_int_equal(f.fallbacks, 1);
    f.start_error = 0;
    fixture_run(&f, 1);
    assert_int_equal(fixture_status(&f).state, LATCHKEY_STATE_TRUSTED);
}

static void the_fallback_is_renewed_too(void **state)
{
    (void)state;
    f.start_error = LATCHKEY_ERROR_NETWORK;
    fixture_start(&f);
    fixture_pass(&f, 60);
    assert_int_equal(f.fallbacks, 1);
    fixture_pass(&f, 400 * (int64_t)FIXTURE_DAY_S);
    assert_int_equal(f.fallbacks, 2);
}

static void a_relay_that_forgot_us_is_asked_again(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_run(&f, 1);
    mock_ca_forget(&f.ca);
    latchkey_renew(f.handle);
    fixture_run(&f, 2);
    assert_int_equal(f.ca.account_number, 2);
}

static void a_broken_storage_is_told_and_heals(void **state)
{
    (void)state;
    fixture_start(&f);
    f.is_storage_broken = true;
    fixture_pass(&f, 30);
    assert_int_equal(f.trusteds, 0);
    /* One more when the zone was learnt, not one each round. */
    assert_int_equal(f.fallbacks, 2);
    assert_int_equal(fixture_status(&f).is_storage_failed, 1);
    assert_string_equal(fixture_status(&f).failure_code, "disk");
    f.is_storage_broken = false;
    fixture_run(&f, 1);
    fixture_pass(&f, 5);
    assert_int_equal(fixture_status(&f).is_storage_failed, 0);
}

/* Whatever was the last to reach the medium: the name stays, one more order at most is needed,
 * and what is served is what the relay gave. */
static void a_power_cut_at_any_save(void **state)
{
    (void)state;
    unsigned cuts = 0;
    for (unsigned at = 1; cuts == at - 1; at++) {
        char id[64];
        if (at > 1) {
            fixture_close(&f);
            fixture_open(&f);
        }
        f.cut_after = at;
        fixture_start(&f);
        assert_true(text_copy(id, sizeof(id), latchkey_id(f.handle)));
        for (int i = 0; f.save_count <= at && i < 40; i++) {
            fixture_round(&f);
        }
        cuts += f.save_count > at ? 1 : 0;
        fixture_stop(&f);
        f.cut_after = 0;
        unsigned orders = f.ca.order_count;
        f.trusteds = 0;
        fixture_start(&f);
        assert_string_equal(latchkey_id(f.handle), id);
        fixture_run(&f, 1);
        fixture_pass(&f, 300);
        assert_true(f.ca.order_count <= orders + 1);
        assert_true(f.ca.account_number == 1);
        assert_null(fixture_item(&f, "pending.pem"));
        assert_int_equal(fixture_status(&f).state, LATCHKEY_STATE_TRUSTED);
    }
    assert_true(cuts >= 8);
}

static void another_acme_server_is_no_relay(void **state)
{
    (void)state;
    f.ca.directory_extra = NULL;
    fixture_start(&f);
    fixture_pass(&f, 5);
    assert_string_equal(fixture_status(&f).failure_code, "no-relay");
    assert_int_equal(f.ca.order_count, 0);
}

static char directory_extra[1024];

/* A directory whose relay has KEY as its own, and tells receipts when asked to. */
static void show_relay(const struct key *key, const char *zone, bool has_receipts)
{
    struct buffer jwk_text = buffer_init(1024);
    json_t *jwk = NULL;
    assert_int_equal(key_to_jwk(key, &jwk), 0);
    assert_int_equal(json_dump(jwk, &jwk_text), 0);
    assert_true(
        text_format(directory_extra, sizeof(directory_extra),
                    ",\"meta\":{\"latchkey\":{\"zone\":\"%s\",\"relayKey\":%s,"
                    "\"receipts\":%s,\"addressesUrl\":\"" MOCK_CA "/extension\"}}",
                    zone, buffer_text(&jwk_text), has_receipts ? "true" : "false"));
    f.ca.directory_extra = directory_extra;
    json_decref(jwk);
    buffer_free(&jwk_text);
}

static void a_pinned_relay_must_be_itself(void **state)
{
    (void)state;
    char pin[KEY_PIN_SIZE + 1];
    char url[256];
    struct key *own = NULL;
    struct key *other = NULL;
    assert_int_equal(key_generate(KEY_P256, &own), 0);
    assert_int_equal(key_generate(KEY_P256, &other), 0);
    assert_int_equal(statement_pin(own, pin), 0);
    assert_true(text_format(url, sizeof(url), MOCK_CA "/directory#%s", pin));
    f.options.directory_url = url;
    show_relay(other, FIXTURE_ZONE, false);
    fixture_start(&f);
    fixture_pass(&f, 5);
    assert_string_equal(fixture_status(&f).failure_code, "relay-not-itself");
    assert_int_equal(f.ca.order_count, 0);
    show_relay(own, FIXTURE_ZONE, false);
    latchkey_renew(f.handle);
    fixture_run(&f, 1);
    /* The zone is part of the device's name: it does not change silently. */
    show_relay(own, "other.example.com", false);
    latchkey_renew(f.handle);
    fixture_pass(&f, 5);
    assert_string_equal(fixture_status(&f).failure_code, "zone-changed");
    assert_string_equal(latchkey_zone(f.handle), FIXTURE_ZONE);
    key_free(own);
    key_free(other);
}

static void a_relay_without_a_pin_may_change_its_key(void **state)
{
    (void)state;
    struct key *keys[2] = {NULL, NULL};
    fixture_start(&f);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(key_generate(KEY_P256, &keys[i]), 0);
        show_relay(keys[i], FIXTURE_ZONE, false);
        latchkey_renew(f.handle);
        fixture_run(&f, i + 1);
        key_free(keys[i]);
    }
}

static void receipts_tell_of_a_clone(void **state)
{
    (void)state;
    static const char *const addresses[] = {"192.168.1.51"};
    static const char cloned[] =
        "{\"receipt\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"matched\":false,\"cloned\":true}";
    static const char fine[] = "{\"receipt\":\"BBBBBBBBBBBBBBBBBBBBBA\",\"matched\":true,"
                               "\"cloned\":false}";
    struct mock_ca_fault faults[] = {
        {.path = "/extension", .status = 200, .body = cloned, .is_late = true},
        {.path = NULL},
    };
    struct key *key = NULL;
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    show_relay(key, FIXTURE_ZONE, true);
    f.ca.faults = faults;
    fixture_start(&f);
    assert_int_equal(latchkey_set_addresses(f.handle, addresses, 1), LATCHKEY_OK);
    fixture_run(&f, 1);
    fixture_pass(&f, 5);
    assert_int_equal(fixture_status(&f).is_cloned, 1);
    assert_non_null(strstr(buffer_text(&fixture_item(&f, "state.json")->data),
                           "AAAAAAAAAAAAAAAAAAAAAA"));
    /* Asked again soon, with the receipt. */
    faults[0].body = fine;
    fixture_pass(&f, 61);
    assert_int_equal(mock_ca_count(&f.ca, "/extension"), 2);
    assert_int_equal(fixture_status(&f).is_cloned, 0);
    f.ca.faults = NULL;
    key_free(key);
}

static void a_zone_that_is_none_is_refused(void **state)
{
    (void)state;
    f.ca.directory_extra = ",\"meta\":{\"latchkey\":{\"zone\":\"a b\"}}";
    fixture_start(&f);
    fixture_pass(&f, 5);
    assert_string_equal(fixture_status(&f).failure_code, "device");
    assert_non_null(strstr(fixture_status(&f).failure_text, "zone"));
    assert_string_equal(latchkey_zone(f.handle), "");
}

int main(void)
{
#define LIFE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        LIFE(the_first_certificate_comes_and_is_published),
        LIFE(a_restart_orders_nothing),
        LIFE(without_advice_it_renews_after_two_thirds),
        LIFE(the_relays_window_counts),
        LIFE(an_idle_handle_sleeps),
        LIFE(asked_for_it_renews_at_once),
        LIFE(without_a_network_it_tries_again_less_and_less),
        LIFE(a_transport_that_never_answers_is_given_up),
        LIFE(a_free_cancels_what_is_under_way),
        LIFE(the_relays_wait_is_kept_over_a_restart),
        LIFE(an_order_goes_on_after_a_crash),
        LIFE(a_refused_certificate_changes_nothing),
        LIFE(it_falls_back_at_expiry_and_recovers),
        LIFE(the_fallback_is_renewed_too),
        LIFE(a_relay_that_forgot_us_is_asked_again),
        LIFE(a_broken_storage_is_told_and_heals),
        LIFE(a_power_cut_at_any_save),
        LIFE(another_acme_server_is_no_relay),
        LIFE(a_pinned_relay_must_be_itself),
        LIFE(a_relay_without_a_pin_may_change_its_key),
        LIFE(receipts_tell_of_a_clone),
        LIFE(a_zone_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every allocation fails once while apps are enrolled, listed and stored, on the device's
 * side and on the app's. */
#include "base/crypto/cert_pin.h"
#include "base/crypto/cert_self.h"
#include "device/app_list.h"
#include "device/enrolment.h"
#include "device/pin_store.h"

#include "base/core/text.h"
#include "tests/fault/allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* After the standard headers it needs. */
#include <cmocka.h>

static struct key *key;
static struct cert *chain;
static uint8_t hash[32];

static int use_list(void)
{
    struct app_list list = {.count = 0};
    struct app_list back;
    struct buffer text = buffer_init(4096);
    int error = app_list_add(&list, "phone", key, 5);
    if (error == 0) {
        error = app_list_dump(&list, &text);
    }
    if (error == 0) {
        error = app_list_parse(text.data, text.size, &back);
    }
    if (error == 0) {
        assert_int_equal(back.count, 1);
        assert_string_equal(back.at[0].name, "phone");
    }
    buffer_free(&text);
    return error;
}

static int use_enrolment(void)
{
    static const uint8_t secret[QR_INVITATION_SIZE] = {7};
    struct enrolment enrolment;
    struct buffer body = buffer_init_secret(4096);
    int error = enrolment_dump(secret, "phone", key, &body);
    if (error == 0) {
        error = enrolment_parse(body.data, body.size, &enrolment);
    }
    if (error == 0) {
        assert_memory_equal(enrolment.invitation, secret, sizeof(secret));
    }
    buffer_free(&body);
    return error;
}

static int use_store(void)
{
    struct pin_store store = {.pin_count = 1, .place_count = 1};
    struct pin_store back;
    struct buffer text = buffer_init(4096);
    memcpy(store.pins[0], hash, sizeof(hash));
    int error = pin_payload_place("192.168.1.51", &store.places[0]);
    if (error == 0) {
        error = pin_store_dump(&store, &text);
    }
    if (error == 0) {
        error = pin_store_parse(text.data, text.size, &back);
    }
    if (error == 0) {
        assert_int_equal(back.place_count, 1);
        assert_memory_equal(back.pins[0], hash, sizeof(hash));
        pin_store_free(&back);
    }
    buffer_free(&text);
    return error;
}

/* A device that is the right one is never taken for another, but perhaps can't be judged; nor is
 * one let pass that was not looked at. */
static int use_pin(void)
{
    char reason[200] = "";
    struct cert_pin pin = {.hash = hash, .now_at = 1000, .floor_at = 1000};
    struct x509_st *const x509s[] = {cert_x509(chain, 0), cert_x509(chain, 1)};
    return cert_pin_check(x509s, 2, &pin, reason, sizeof(reason));
}

static int use_self(void)
{
    struct cert *cert = NULL;
    int error = cert_self_make(key, "app", &cert);
    cert_free(cert);
    return error;
}

static void test_apps(void **state)
{
    (void)state;
    assert_true(allocation_each(use_list, false) > 5);
    assert_true(allocation_each(use_enrolment, false) > 5);
    assert_true(allocation_each(use_store, false) > 5);
    assert_true(allocation_each(use_self, false) > 5);
    assert_true(allocation_each(use_pin, false) > 2);
}

int main(void)
{
    static const char *const names[] = {"camera.local"};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_apps)};
    struct key *tls = NULL;
    struct cert *root = NULL;
    allocation_hook();
    if (key_generate(KEY_P256, &key) != 0 || key_generate(KEY_P256, &tls) != 0 ||
        key_spki_sha256(key, hash) != 0 ||
        cert_make_identity(key, "abc", names, 1, &root) != 0 ||
        cert_make_leaf(root, key, tls, names, 1, NULL, 0, 500, 5000, &chain) != 0) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cert_free(chain);
    cert_free(root);
    key_free(tls);
    key_free(key);
    return failed;
}

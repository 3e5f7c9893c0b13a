/* What a caller can do wrong, and what the edges of the interface do. */
#include "tests/unit/library/fixture.h"

#include "base/core/text.h"
#include "base/crypto/key.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void refused(int error)
{
    assert_int_equal(latchkey_new(&f.options, &f.handle), error);
    assert_null(f.handle);
    assert_int_equal(f.releases, 0);
}

static void versions_and_texts(void **state)
{
    (void)state;
    assert_int_equal(latchkey_version_number(), LATCHKEY_VERSION_NUMBER);
    assert_string_equal(latchkey_version_text(), LATCHKEY_VERSION_TEXT);
    for (int error = LATCHKEY_ERROR_INTERNAL; error <= LATCHKEY_OK; error++) {
        assert_string_not_equal(latchkey_error_text(error), "an unknown error");
    }
    assert_string_equal(latchkey_error_text(-1000), "an unknown error");
    assert_string_equal(latchkey_error_text(1), "an unknown error");
    for (int number = LATCHKEY_STATE_WAITING; number <= LATCHKEY_STATE_RECOVERING;
         number++) {
        assert_string_not_equal(latchkey_state_text(number), "unknown");
    }
    assert_string_equal(latchkey_state_text(99), "unknown");
    assert_string_equal(latchkey_state_text(-1), "unknown");
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    const struct latchkey_options good = f.options;
    assert_int_equal(latchkey_new(NULL, &f.handle), LATCHKEY_ERROR_ARGUMENT);
    assert_int_equal(latchkey_new(&f.options, NULL), LATCHKEY_ERROR_ARGUMENT);
    f.options.size = 0;
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.options.directory_url = NULL;
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options.directory_url = "http://ca.test/directory";
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options.directory_url = "nonsense";
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options.directory_url = MOCK_CA "/directory#nopin";
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.options.transport = NULL;
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.options.storage = NULL;
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.options.folder = "/tmp";
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.options.token = "no colon";
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options.token = "kid:***";
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.options.label = "192-168-1-51";
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.options.https_port = 65536;
    refused(LATCHKEY_ERROR_ARGUMENT);
    f.options = good;
    f.transport.cancel = NULL;
    refused(LATCHKEY_ERROR_ARGUMENT);
}

static void a_folder_that_cannot_be_is_refused(void **state)
{
    (void)state;
    f.options.storage = NULL;
    f.options.folder = "/dev/null/x";
    refused(LATCHKEY_ERROR_IO);
}

/* An older program's struct ends earlier; a newer one's has more, which must be zero. */
static void structs_of_other_versions(void **state)
{
    (void)state;
    struct {
        struct latchkey_options known;
        void *unknown;
    } newer = {.known = f.options, .unknown = &f};
    newer.known.size = sizeof(newer);
    assert_int_equal(latchkey_new(&newer.known, &f.handle), LATCHKEY_ERROR_ARGUMENT);
    newer.unknown = NULL;
    assert_int_equal(latchkey_new(&newer.known, &f.handle), LATCHKEY_OK);
    fixture_stop(&f);
    f.options.size = offsetof(struct latchkey_options, https_port);
    f.options.https_port = 8443; /* an older library's program doesn't mean this */
    static const char *const addresses[] = {"10.0.0.1"};
    char text[LATCHKEY_QR_CAPACITY];
    fixture_start(&f);
    assert_int_equal(latchkey_set_addresses(f.handle, addresses, 1), LATCHKEY_OK);
    assert_int_equal(latchkey_qr_payload(f.handle, text, sizeof(text)), LATCHKEY_OK);
    assert_true(text_ends_with(text, "/A10.0.0.1"));

    struct latchkey_status status;
    memset(&status, 0x55, sizeof(status));
    status.size = offsetof(struct latchkey_status, renew_at);
    assert_int_equal(latchkey_status(f.handle, &status), LATCHKEY_OK);
    assert_int_equal(status.renew_at, 0x5555555555555555);
    assert_int_equal(status.state, LATCHKEY_STATE_WAITING);
    status.size = 0;
    assert_int_equal(latchkey_status(f.handle, &status), LATCHKEY_ERROR_ARGUMENT);
}

static void only_private_addresses_are_published(void **state)
{
    (void)state;
    static const char *const wrong[] = {"8.8.8.8", "2001:db8::1", "fd00:ec2::254", "x",
                                        ""};
    static const char *const many[9] = {"10.0.0.1", "10.0.0.2", "10.0.0.3",
                                        "10.0.0.4", "10.0.0.5", "10.0.0.6",
                                        "10.0.0.7", "10.0.0.8", "10.0.0.9"};
    const char *const none[] = {NULL};
    fixture_start(&f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(latchkey_set_addresses(f.handle, &wrong[i], 1),
                         LATCHKEY_ERROR_ARGUMENT);
    }
    assert_int_equal(latchkey_set_addresses(f.handle, none, 1), LATCHKEY_ERROR_ARGUMENT);
    assert_int_equal(latchkey_set_addresses(f.handle, NULL, 1), LATCHKEY_ERROR_ARGUMENT);
    assert_int_equal(latchkey_set_addresses(f.handle, many, 9), LATCHKEY_ERROR_ARGUMENT);
    assert_int_equal(latchkey_set_addresses(f.handle, many, 8), LATCHKEY_OK);
    assert_int_equal(latchkey_set_addresses(f.handle, NULL, 0), LATCHKEY_OK);
}

static void responses_are_taken_once_and_bounded(void **state)
{
    (void)state;
    static char large[LATCHKEY_RESPONSE_MAX + 1];
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    f.is_silent = true;
    fixture_start(&f);
    response.status = 200;
    assert_int_equal(latchkey_respond(f.handle, 0, &response), LATCHKEY_ERROR_NOT_FOUND);
    assert_int_equal(latchkey_respond(f.handle, 1, &response), LATCHKEY_ERROR_NOT_FOUND);
    fixture_round(&f);
    assert_int_equal(f.last_id, 1);
    assert_int_equal(latchkey_respond(f.handle, 1, NULL), LATCHKEY_ERROR_ARGUMENT);
    assert_int_equal(latchkey_respond(NULL, 1, &response), LATCHKEY_ERROR_ARGUMENT);
    response.body = large;
    response.body_size = sizeof(large);
    assert_int_equal(latchkey_respond(f.handle, 1, &response), LATCHKEY_ERROR_CAPACITY);
    assert_int_equal(latchkey_respond(f.handle, 1, &response), LATCHKEY_ERROR_NOT_FOUND);
    fixture_round(&f);
    assert_string_equal(fixture_status(&f).failure_code, "net");
    assert_int_equal(f.cancels, 0);
}

static void nonsense_from_a_transport_is_an_outcome(void **state)
{
    (void)state;
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    f.is_silent = true;
    fixture_start(&f);
    fixture_round(&f);
    assert_int_equal(latchkey_respond(f.handle, f.last_id, &response),
                     LATCHKEY_ERROR_ARGUMENT);
    fixture_pass(&f, 15);
    assert_true(f.starts > 1);
    response.status = 200;
    response.body_size = 3;
    assert_int_equal(latchkey_respond(f.handle, f.last_id, &response),
                     LATCHKEY_ERROR_ARGUMENT);
    fixture_pass(&f, 30);
    /* A response later than start's return goes the same way. */
    f.is_silent = false;
    fixture_run(&f, 1);
}

/* --- identities --- */

static void an_identity_may_be_given_as_pem(void **state)
{
    (void)state;
    struct key *key = NULL;
    char id[KEY_ID_SIZE + 1];
    struct buffer pem = buffer_init_secret(4096);
    assert_int_equal(key_generate(KEY_P256, &key), 0);
    assert_int_equal(key_to_pem(key, &pem), 0);
    assert_int_equal(key_id(key, id), 0);
    f.options.identity_pem = buffer_text(&pem);
    fixture_start(&f);
    fixture_run(&f, 1);
    assert_string_equal(latchkey_id(f.handle), id);
    assert_null(fixture_item(&f, "identity.pem"));
    fixture_stop(&f);
    f.releases = 0;
    f.options.identity_pem = "-----BEGIN NONSENSE-----";
    refused(LATCHKEY_ERROR_KEY);
    key_free(key);
    buffer_free(&pem);
}

static void a_damaged_identity_is_never_replaced(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_stop(&f);
    f.releases = 0;
    struct fixture_item *item = fixture_item(&f, "identity.pem");
    item->data.data[item->data.size / 2] ^= 0x55;
    struct buffer before = buffer_init(4096);
    assert_int_equal(buffer_append(&before, item->data.data, item->data.size), 0);
    refused(LATCHKEY_ERROR_KEY);
    assert_int_equal(item->data.size, before.size);
    assert_memory_equal(item->data.data, before.data, before.size);
    buffer_free(&before);
}

static void an_identity_that_cannot_be_kept_is_not_made(void **state)
{
    (void)state;
    f.is_storage_broken = true;
    refused(LATCHKEY_ERROR_IO);
}

static void a_damaged_state_costs_an_order_at_most(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_run(&f, 1);
    fixture_stop(&f);
    struct fixture_item *item = fixture_item(&f, "state.json");
    buffer_reset(&item->data);
    assert_int_equal(buffer_append_text(&item->data, "{\"version\":1,"), 0);
    fixture_start(&f);
    fixture_run(&f, 2);
    assert_int_equal(fixture_status(&f).state, LATCHKEY_STATE_TRUSTED);
}

struct element {
    struct key *key;
    unsigned calls;
    int error;
    bool is_lying;
};

static int sign(void *arg, const void *data, size_t data_size, void *ret_signature,
                size_t *ret_signature_size)
{
    struct element *element = arg;
    element->calls++;
    if (element->error != 0) {
        return element->error;
    }
    assert_int_equal(
        key_sign(element->key, data, data_size, ret_signature, ret_signature_size), 0);
    if (element->is_lying) {
        *(uint8_t *)ret_signature ^= 1;
    }
    return LATCHKEY_OK;
}

static void a_key_may_stay_in_a_secure_element(void **state)
{
    (void)state;
    struct element element = {.key = NULL};
    struct latchkey_signer signer = LATCHKEY_SIGNER_INIT;
    char id[KEY_ID_SIZE + 1];
    assert_int_equal(key_generate(KEY_P256, &element.key), 0);
    assert_int_equal(key_id(element.key, id), 0);
    signer.arg = &element;
    signer.spki = key_spki(element.key).data;
    signer.spki_size = key_spki(element.key).size;
    signer.sign = sign;
    f.options.signer = &signer;
    fixture_start(&f);
    assert_true(element.calls >= 1);
    fixture_run(&f, 1);
    assert_string_equal(latchkey_id(f.handle), id);
    assert_null(fixture_item(&f, "identity.pem"));
    /* It fails for a while, or lies: nothing wrong is sent, and it is tried again. */
    for (int i = 0; i < 2; i++) {
        element.error = i == 0 ? LATCHKEY_ERROR_IO : 0;
        element.is_lying = i == 1;
        unsigned posts = mock_ca_count(&f.ca, "/new-order");
        latchkey_renew(f.handle);
        fixture_pass(&f, 5);
        assert_int_equal(mock_ca_count(&f.ca, "/new-order"), posts);
        assert_string_not_equal(fixture_status(&f).failure_code, "");
        element.error = 0;
        element.is_lying = false;
        fixture_run(&f, 2 + (unsigned)i);
    }
    fixture_stop(&f);
    f.releases = 0;
    element.is_lying = true;
    refused(LATCHKEY_ERROR_KEY);
    signer.spki_size = 10;
    refused(LATCHKEY_ERROR_KEY);
    signer.sign = NULL;
    refused(LATCHKEY_ERROR_ARGUMENT);
    key_free(element.key);
}

static void an_account_elsewhere_is_asked_for_again(void **state)
{
    (void)state;
    fixture_start(&f);
    fixture_run(&f, 1);
    fixture_stop(&f);
    struct fixture_item *item = fixture_item(&f, "state.json");
    char *url = strstr((char *)item->data.data, "https://ca.test/account");
    assert_non_null(url);
    memcpy(url, "https://cb.test", 15);
    fixture_start(&f);
    latchkey_renew(f.handle);
    fixture_run(&f, 3);
    assert_non_null(
        strstr(buffer_text(&fixture_item(&f, "state.json")->data), MOCK_CA "/account"));
}

static void folders_hold_the_items_and_one_handle(void **state)
{
    (void)state;
    char folder[] = "/tmp/latchkey-library-XXXXXX";
    char path[64];
    struct latchkey *second = NULL;
    assert_non_null(mkdtemp(folder));
    f.options.storage = NULL;
    f.options.folder = folder;
    fixture_start(&f);
    assert_int_equal(latchkey_new(&f.options, &second), LATCHKEY_ERROR_IO);
    fixture_run(&f, 1);
    static const char *const names[] = {"identity.pem", "state.json", "trusted.pem",
                                        "fallback.pem", "lock"};
    fixture_stop(&f);
    f.trusteds = 0;
    fixture_start(&f);
    fixture_run(&f, 1);
    assert_int_equal(f.ca.order_count, 1);
    fixture_stop(&f);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(text_format(path, sizeof(path), "%s/%s", folder, names[i]));
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void two_handles_know_nothing_of_each_other(void **state)
{
    (void)state;
    static struct fixture other;
    fixture_open(&other);
    fixture_start(&other);
    fixture_start(&f);
    for (int i = 0; f.trusteds == 0 || other.trusteds == 0; i++) {
        assert_true(i < 100);
        fixture_round(&f);
        fixture_round(&other);
    }
    assert_string_not_equal(latchkey_id(f.handle), latchkey_id(other.handle));
    fixture_stop(&f);
    latchkey_renew(other.handle);
    fixture_run(&other, 2);
    fixture_close(&other);
    fixture_start(&f);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_and_texts),
        CASE(wrong_options_are_refused),
        CASE(a_folder_that_cannot_be_is_refused),
        CASE(structs_of_other_versions),
        CASE(only_private_addresses_are_published),
        CASE(responses_are_taken_once_and_bounded),
        CASE(nonsense_from_a_transport_is_an_outcome),
        CASE(an_identity_may_be_given_as_pem),
        CASE(a_damaged_identity_is_never_replaced),
        CASE(an_identity_that_cannot_be_kept_is_not_made),
        CASE(a_damaged_state_costs_an_order_at_most),
        CASE(a_key_may_stay_in_a_secure_element),
        CASE(an_account_elsewhere_is_asked_for_again),
        CASE(folders_hold_the_items_and_one_handle),
        CASE(two_handles_know_nothing_of_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

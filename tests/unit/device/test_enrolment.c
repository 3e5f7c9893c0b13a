#include "device/enrolment.h"

#include "base/core/text.h"
#include "device/invitation.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/unit/device/folder.h"

enum { MINUTE_MS = 60 * 1000 };

/* --- invitations --- */

static void test_one_use(void **state)
{
    (void)state;
    struct invitations invitations = {.at = {{.is_open = false}}};
    uint8_t secret[QR_INVITATION_SIZE];
    uint8_t zero[QR_INVITATION_SIZE] = {0};
    assert_int_equal(invitation_take(&invitations, 0, zero), ERROR_DENIED);
    assert_int_equal(invitation_open(&invitations, 0, secret), 0);
    assert_int_equal(invitation_take(&invitations, 0, zero), ERROR_DENIED);
    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] ^= 1;
        assert_int_equal(invitation_take(&invitations, 1, secret), ERROR_DENIED);
        secret[i] ^= 1;
    }
    /* The secret itself is nowhere. */
    const uint8_t *bytes = (const uint8_t *)&invitations;
    for (size_t i = 0; i + sizeof(secret) <= sizeof(invitations); i++) {
        assert_memory_not_equal(bytes + i, secret, sizeof(secret));
    }
    assert_int_equal(invitation_take(&invitations, 1, secret), 0);
    assert_int_equal(invitation_take(&invitations, 2, secret), ERROR_DENIED);
}

static void test_ten_minutes(void **state)
{
    (void)state;
    static const struct {
        int64_t at_ms;
        int expected;
    } rows[] = {{0, 0},
                {10 * MINUTE_MS - 1, 0},
                {10 * MINUTE_MS, ERROR_DENIED},
                {11 * MINUTE_MS, ERROR_DENIED}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct invitations invitations = {.at = {{.is_open = false}}};
        uint8_t secret[QR_INVITATION_SIZE];
        assert_int_equal(invitation_open(&invitations, 5, secret), 0);
        assert_int_equal(invitation_take(&invitations, 5 + rows[i].at_ms, secret),
                         rows[i].expected);
    }
}

static void test_three_at_once(void **state)
{
    (void)state;
    struct invitations invitations = {.at = {{.is_open = false}}};
    uint8_t secrets[INVITATION_MAX + 2][QR_INVITATION_SIZE];
    for (size_t i = 0; i < INVITATION_MAX; i++) {
        assert_int_equal(invitation_open(&invitations, (int64_t)i, secrets[i]), 0);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(secrets[i], secrets[j], QR_INVITATION_SIZE);
        }
    }
    assert_int_equal(invitation_open(&invitations, 9, secrets[3]), ERROR_BUSY);
    assert_int_equal(invitation_take(&invitations, 9, secrets[1]), 0);
    assert_int_equal(invitation_open(&invitations, 9, secrets[3]), 0);
    assert_int_equal(invitation_open(&invitations, 9, secrets[4]), ERROR_BUSY);
    /* Old ones make room; the others stay. */
    assert_int_equal(invitation_open(&invitations, 10 * MINUTE_MS, secrets[4]), 0);
    assert_int_equal(invitation_take(&invitations, 10 * MINUTE_MS, secrets[0]),
                     ERROR_DENIED);
    assert_int_equal(invitation_take(&invitations, 10 * MINUTE_MS, secrets[2]), 0);
    assert_int_equal(invitation_take(&invitations, 10 * MINUTE_MS, secrets[3]), 0);
}

/* --- requests --- */

#define SECRET "AAECAwQFBgcICQoLDA0ODw"

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool good;
    } rows[] = {
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"phone\",\"spki\":\"MFk\"}", true},
        {"{\"v\":1,\"t\":\"" SECRET
         "\",\"name\":\"T\xc3\xa9l\xc3\xa9phone\",\"spki\":\"MFk\"}",
         true},
        {"", false},
        {"[]", false},
        {"{}", false},
        {"{\"v\":2,\"t\":\"" SECRET "\",\"name\":\"phone\",\"spki\":\"MFk\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"phone\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"phone\",\"spki\":7}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"phone\",\"spki\":\"MFk\",\"x\":1}",
         false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"t\":\"" SECRET
         "\",\"name\":\"phone\",\"spki\":\"MFk\"}",
         false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"phone\",\"spki\":\"MFk\"}x", false},
        {"{\"v\":1,\"t\":\"AAEC\",\"name\":\"phone\",\"spki\":\"MFk\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "AAAA\",\"name\":\"phone\",\"spki\":\"MFk\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"\",\"spki\":\"MFk\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"a\\nb\",\"spki\":\"MFk\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"a\\u009bb\",\"spki\":\"MFk\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":\"a\\u0000b\",\"spki\":\"MFk\"}", false},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":"
         "\"0123456789012345678901234567890123456789012345678901234567890123\","
         "\"spki\":\"MFk\"}",
         true},
        {"{\"v\":1,\"t\":\"" SECRET "\",\"name\":"
         "\"01234567890123456789012345678901234567890123456789012345678901234\","
         "\"spki\":\"MFk\"}",
         false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct enrolment enrolment;
        print_message("%s\n", rows[i].body);
        int error = enrolment_parse(rows[i].body, strlen(rows[i].body), &enrolment);
        assert_int_equal(error == 0, rows[i].good);
        if (error == 0) {
            assert_int_equal(enrolment.invitation[15], 15);
            assert_int_equal(enrolment.spki_size, 2);
        }
    }
}

static void test_what_is_sent_is_understood(void **state)
{
    (void)state;
    static const uint8_t secret[QR_INVITATION_SIZE] = {1, 2, 3, [15] = 9};
    struct key *key = NULL;
    struct enrolment enrolment;
    struct buffer body = buffer_init_secret(4096);
    assert_int_equal(key_generate(KEY_RSA, &key), 0); /* the largest of those we make */
    assert_int_equal(enrolment_dump(secret, "phone", key, &body), 0);
    assert_int_equal(enrolment_parse(body.data, body.size, &enrolment), 0);
    struct bytes spki = key_spki(key);
    assert_int_equal(enrolment.spki_size, spki.size);
    assert_memory_equal(enrolment.spki, spki.data, spki.size);
    assert_memory_equal(enrolment.invitation, secret, sizeof(secret));
    assert_string_equal(enrolment.name, "phone");
    buffer_free(&body);
    key_free(key);
}

/* --- the list --- */

static void test_list(void **state)
{
    (void)state;
    struct app_list list = {.count = 0};
    struct app_list back;
    struct key *keys[LIMIT_DEVICE_APPS + 1];
    struct stat info;
    assert_int_equal(app_list_load(folder_path("apps.json"), &back), 0);
    assert_int_equal(back.count, 0);
    for (size_t i = 0; i <= LIMIT_DEVICE_APPS; i++) {
        assert_int_equal(key_generate(KEY_P256, &keys[i]), 0);
        assert_int_equal(app_list_add(&list, "phone", keys[i], 1000 + (int64_t)i),
                         i < LIMIT_DEVICE_APPS ? 0 : ERROR_LIMIT);
    }
    assert_int_equal(app_list_add(&list, "tablet", keys[3], 5), 0); /* renames */
    assert_int_equal(app_list_add(&list, "a\x01", keys[3], 5), ERROR_RANGE);
    assert_int_equal(list.count, LIMIT_DEVICE_APPS);
    assert_int_equal(app_list_save(folder_path("apps.json"), &list), 0);
    assert_int_equal(stat(folder_path("apps.json"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(app_list_load(folder_path("apps.json"), &back), 0);
    assert_int_equal(back.count, LIMIT_DEVICE_APPS);
    assert_string_equal(app_list_find(&back, keys[3])->name, "tablet");
    assert_null(app_list_find(&back, keys[LIMIT_DEVICE_APPS]));
    char id[APP_ID_SIZE + 1];
    assert_true(text_copy(id, sizeof(id), back.at[3].id));
    assert_int_equal(app_list_remove(&back, "0000000000000000"), ERROR_NOT_FOUND);
    assert_int_equal(app_list_remove(&back, id), 0);
    assert_null(app_list_find(&back, keys[3]));
    assert_non_null(app_list_find(&back, keys[4]));
    assert_int_equal(back.count, LIMIT_DEVICE_APPS - 1);
    for (size_t i = 0; i <= LIMIT_DEVICE_APPS; i++) {
        key_free(keys[i]);
    }
}

static void test_damaged_lists(void **state)
{
    (void)state;
#define PIN "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    static const char *const texts[] = {
        "",
        "{}",
        "{\"apps\":[{}]}",
        "{\"apps\":[{\"name\":\"x\",\"pin\":\"AA\",\"enrolledAt\":1}]}",
        "{\"apps\":[{\"name\":\"\",\"pin\":\"" PIN "\",\"enrolledAt\":1}]}",
        "{\"apps\":[{\"name\":\"x\",\"pin\":\"" PIN "\",\"enrolledAt\":-1}]}",
        "{\"apps\":[{\"name\":\"x\",\"pin\":\"" PIN "\",\"enrolledAt\":1},"
        "{\"name\":\"x\",\"pin\":\"" PIN "\",\"enrolledAt\":1}]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct app_list list = {.count = 7};
        assert_true(app_list_parse(texts[i], strlen(texts[i]), &list) < 0);
        assert_int_equal(list.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_use),
        cmocka_unit_test(test_ten_minutes),
        cmocka_unit_test(test_three_at_once),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_what_is_sent_is_understood),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_damaged_lists),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

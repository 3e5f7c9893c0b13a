#include "device/pin_store.h"

#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/unit/device/folder.h"

#define PIN "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

static void test_round_trip(void **state)
{
    (void)state;
    struct pin_store store = {
        .pin_count = 1, .place_count = 2, .verified_at = 1795242600};
    struct pin_store back;
    struct stat info;
    memset(store.pins[0], 0xa5, sizeof(store.pins[0]));
    assert_true(text_copy(store.zone, sizeof(store.zone), "lan.example.com"));
    assert_int_equal(pin_payload_place("192.168.1.51:8443", &store.places[0]), 0);
    assert_int_equal(pin_payload_place("[fd12::1]", &store.places[1]), 0);
    assert_int_equal(key_generate(KEY_P256, &store.key), 0);
    const char *path = folder_path("pins.json");
    assert_int_equal(pin_store_save(path, &store, false), 0);
    assert_int_equal(stat(folder_path("pins.json"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(pin_store_save(folder_path("pins.json"), &store, false),
                     ERROR_EXISTS);
    assert_int_equal(pin_store_save(folder_path("pins.json"), &store, true), 0);
    assert_int_equal(pin_store_load(folder_path("pins.json"), &back), 0);
    assert_int_equal(back.pin_count, 1);
    assert_memory_equal(back.pins[0], store.pins[0], sizeof(store.pins[0]));
    assert_int_equal(strlen(back.id), KEY_ID_SIZE);
    assert_string_equal(back.zone, "lan.example.com");
    assert_int_equal(back.place_count, 2);
    assert_memory_equal(&back.places[1], &store.places[1], sizeof(store.places[1]));
    assert_true(key_equal(back.key, store.key) && key_is_private(back.key));
    assert_true(back.verified_at == store.verified_at);
    pin_store_free(&back);
    pin_store_free(&store);
    assert_int_equal(pin_store_load(folder_path("none.json"), &back), ERROR_NOT_FOUND);
}

static void test_damaged(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "{\"v\":1}",
        "{\"v\":1,\"pins\":[]}",
        "{\"v\":2,\"pins\":[\"" PIN "\"]}",
        "{\"v\":1,\"pins\":[\"AA\"]}",
        "{\"v\":1,\"pins\":[7]}",
        "{\"v\":1,\"pins\":[\"" PIN "\",\"" PIN "\",\"" PIN "\",\"" PIN "\",\"" PIN
        "\"]}",
        "{\"v\":1,\"pins\":[\"" PIN "\"],\"places\":[\"8.8.8.8\"]}",
        "{\"v\":1,\"pins\":[\"" PIN "\"],\"places\":[\"camera.local\"]}",
        "{\"v\":1,\"pins\":[\"" PIN "\"],\"key\":\"no key\"}",
        "{\"v\":1,\"pins\":[\"" PIN "\"],\"key\":\"-----BEGIN PUBLIC KEY-----\\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\\n"
        "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\\n"
        "-----END PUBLIC KEY-----\\n\"}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pin_store store = {.pin_count = 9};
        print_message("%s\n", texts[i]);
        assert_true(pin_store_parse(texts[i], strlen(texts[i]), &store) < 0);
        assert_int_equal(store.pin_count, 0);
        assert_null(store.key);
    }
    struct pin_store good;
    static const char least[] = "{\"v\":1,\"pins\":[\"" PIN "\"]}";
    assert_int_equal(pin_store_parse(least, strlen(least), &good), 0);
    pin_store_free(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

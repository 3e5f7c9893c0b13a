#include "device/bundle.h"

#include "base/core/file.h"
#include "device/identity.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/unit/device/folder.h"

static struct bundle make(void)
{
    static const char *const names[] = {"camera.local"};
    struct bundle bundle = {.key = NULL};
    struct key *identity = NULL;
    struct cert *issuer = NULL;
    assert_int_equal(key_generate(KEY_P256, &identity), 0);
    assert_int_equal(key_generate(KEY_P256, &bundle.key), 0);
    assert_int_equal(cert_make_identity(identity, "x", names, 1, &issuer), 0);
    assert_int_equal(cert_make_leaf(issuer, identity, bundle.key, names, 1, NULL, 0,
                                    1700000000, 1900000000, &bundle.cert),
                     0);
    cert_free(issuer);
    key_free(identity);
    return bundle;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct bundle bundle = make();
    struct bundle back;
    struct stat info;
    assert_int_equal(bundle_save(folder_path("b.pem"), &bundle), 0);
    assert_int_equal(stat(folder_path("b.pem"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(bundle_load(folder_path("b.pem"), &back), 0);
    assert_true(key_equal(back.key, bundle.key));
    assert_true(key_is_private(back.key));
    assert_int_equal(cert_count(back.cert), 2);
    bundle_free(&bundle);
    bundle_free(&back);
    bundle_free(&back);
}

static void test_key_and_chain_must_belong_together(void **state)
{
    (void)state;
    struct bundle one = make();
    struct bundle two = make();
    struct bundle mixed = {.key = one.key, .cert = two.cert};
    struct bundle back = {.key = NULL};
    assert_int_equal(bundle_save(folder_path("m.pem"), &mixed), 0);
    assert_int_equal(bundle_load(folder_path("m.pem"), &back), ERROR_CRYPTO);
    assert_null(back.key);
    bundle_free(&one);
    bundle_free(&two);
}

/* Every prefix of a good file is an error or not there, never a half bundle. */
static void test_truncated_files(void **state)
{
    (void)state;
    struct bundle bundle = make();
    struct bundle back = {.key = NULL};
    struct buffer text = buffer_init(64 << 10);
    assert_int_equal(bundle_save(folder_path("b.pem"), &bundle), 0);
    assert_int_equal(file_read(folder_path("b.pem"), &text), 0);
    size_t whole_leaf =
        (size_t)(strstr(buffer_text(&text), "-----END CERT") - buffer_text(&text));
    for (size_t size = 0; size < whole_leaf; size += 37) {
        assert_int_equal(file_write_atomic(folder_path("t.pem"), text.data, size, 0600),
                         0);
        assert_true(bundle_load(folder_path("t.pem"), &back) < 0);
        assert_null(back.key);
    }
    assert_int_equal(bundle_load(folder_path("none"), &back), ERROR_NOT_FOUND);
    buffer_free(&text);
    bundle_free(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_key_and_chain_must_belong_together),
        cmocka_unit_test(test_truncated_files),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

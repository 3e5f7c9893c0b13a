#include "base/crypto/upload.h"

#include "base/core/limits.h"
#include "tests/fuzz/upload_key.h"
#include "tests/unit/vector.h"

#include <openssl/err.h>

static struct key *key;
static struct key *second;

static int make_keys(void **state)
{
    (void)state;
    return key_from_pem(upload_key_pem, strlen(upload_key_pem), &key) |
           key_generate(KEY_P256, &second);
}

static int free_keys(void **state)
{
    (void)state;
    key_free(key);
    key_free(second);
    return 0;
}

static const struct upload_clock now = {.now_at = UPLOAD_NOW_AT, .is_set = true};

/* "good N", or the codes of what is bad. */
static void describe(struct bytes upload, const struct upload_clock *clock,
                     char *ret_text, size_t capacity)
{
    struct upload_verdicts verdicts;
    struct cert *cert = NULL;
    size_t subject = 0;
    struct upload_subject subjects[] = {{second, "other.example"}, {key, UPLOAD_HOST}};
    struct buffer text = buffer_init(capacity - 1);
    int error = upload_judge(upload, subjects, 2, clock, &verdicts, &cert, &subject);
    assert_int_equal(ERR_peek_error(), 0);
    if (error == 0) {
        assert_int_equal(subject, 1);
        assert_int_equal(verdicts.count, UPLOAD_CHECK_COUNT);
        buffer_printf(&text, "good %zu", cert_count(cert));
    }
    for (size_t i = 0; i < verdicts.count; i++) {
        const struct upload_verdict *verdict = &verdicts.at[i];
        if (!verdict->is_good) {
            print_message("  %s: %s\n", upload_check_text(verdict->check),
                          verdict->sentence);
            buffer_printf(&text, "%s%s", text.size > 0 ? " " : "", verdict->code);
        }
    }
    assert_true(text_copy(ret_text, capacity, buffer_text(&text)));
    buffer_free(&text);
    cert_free(cert);
}

static void check_case(const char *suite, const char *name)
{
    char text[256];
    struct buffer upload = vector_file(suite, name, "upload");
    struct buffer expect = vector_file(suite, name, "expect");
    expect.data[expect.size - 1] = '\0'; /* the line's end */
    describe(buffer_bytes(&upload), &now, text, sizeof(text));
    assert_string_equal(text, buffer_text(&expect));
    buffer_free(&upload);
    buffer_free(&expect);
}

static void each_upload(void **state)
{
    (void)state;
    vector_each("upload", 60, check_case);
}

static void sizes(void **state)
{
    (void)state;
    char text[256];
    struct buffer large = buffer_init(LIMIT_CHAIN_BYTES + 1);
    while (large.size < LIMIT_CHAIN_BYTES) {
        assert_int_equal(buffer_append_u8(&large, 'x'), 0);
    }
    describe(buffer_bytes(&large), &now, text, sizeof(text));
    assert_string_equal(text, "not-a-certificate");
    assert_int_equal(buffer_append_u8(&large, 'x'), 0);
    describe(buffer_bytes(&large), &now, text, sizeof(text));
    assert_string_equal(text, "too-large");
    buffer_free(&large);
}

/* Without a clock the beginning is not judged; the end is, by the floor. */
static void clocks(void **state)
{
    (void)state;
    char text[256];
    struct upload_clock unset = {.now_at = UPLOAD_NOW_AT, .is_set = false};
    struct buffer early = vector_file("upload", "not-yet-valid", "upload");
    struct buffer late = vector_file("upload", "expired", "upload");
    describe(buffer_bytes(&early), &unset, text, sizeof(text));
    assert_string_equal(text, "good 1");
    describe(buffer_bytes(&late), &unset, text, sizeof(text));
    assert_string_equal(text, "expired");
    buffer_free(&early);
    buffer_free(&late);
}

/* Every octet of the leaf matters: its issuer's signature covers them. */
static void each_flip_is_refused(void **state)
{
    (void)state;
    char text[256];
    struct buffer upload = vector_file("upload", "good-der-shuffled", "upload");
    size_t issuer_size = 4 + (((size_t)upload.data[2] << 8) | upload.data[3]);
    assert_true(issuer_size < upload.size && upload.data[issuer_size] == 0x30);
    for (size_t i = issuer_size; i < upload.size; i++) {
        upload.data[i] ^= 0x01;
        describe(buffer_bytes(&upload), &now, text, sizeof(text));
        assert_true(strncmp(text, "good", 4) != 0);
        upload.data[i] ^= 0x01;
    }
    describe(buffer_bytes(&upload), &now, text, sizeof(text));
    assert_string_equal(text, "good 2");
    buffer_free(&upload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_upload),
        cmocka_unit_test(sizes),
        cmocka_unit_test(clocks),
        cmocka_unit_test(each_flip_is_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

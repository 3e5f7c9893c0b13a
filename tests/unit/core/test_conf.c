#include "base/core/conf.h"

#include "tests/unit/vector.h"

#include <unistd.h>

struct sample {
    char *zone;
    char *greeting;
    struct conf_texts listen;
    struct conf_texts peers;
    uint64_t workers;
    uint64_t timeout_s;
    bool verbose;
    int mode;
};

static const char *check_listen(const char *value)
{
    return strchr(value, ':') != NULL ? NULL : "must be address:port";
}

static const char *const modes[] = {"open", "token", "closed", NULL};

static const struct conf_row rows[] = {
    {.section = "relay",
     .key = "zone",
     .type = CONF_TEXT,
     .offset = offsetof(struct sample, zone),
     .required = true},
    {.section = "relay",
     .key = "greeting",
     .type = CONF_TEXT,
     .offset = offsetof(struct sample, greeting)},
    {.section = "relay",
     .key = "mode",
     .type = CONF_CHOICE,
     .offset = offsetof(struct sample, mode),
     .fallback = "token",
     .choices = modes},
    {.section = "dns",
     .key = "listen",
     .type = CONF_TEXTS,
     .offset = offsetof(struct sample, listen),
     .fallback = "127.0.0.1:53 [::1]:53",
     .check = check_listen,
     .max_count = 3},
    {.section = "dns",
     .key = "peer",
     .type = CONF_TEXTS,
     .offset = offsetof(struct sample, peers),
     .max_count = 2},
    {.section = "dns",
     .key = "workers",
     .type = CONF_NUMBER,
     .offset = offsetof(struct sample, workers),
     .fallback = "2",
     .min = 1,
     .max = 64},
    {.section = "dns",
     .key = "timeout",
     .type = CONF_DURATION,
     .offset = offsetof(struct sample, timeout_s),
     .fallback = "15m",
     .min = 1,
     .max = 86400},
    {.section = "dns",
     .key = "verbose",
     .type = CONF_BOOL,
     .offset = offsetof(struct sample, verbose)},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static void values_and_defaults(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf# a comment\r\n"
                               "[relay] ; the relay\r\n"
                               "zone = lan.example.com ; inline\r\n"
                               "\r\n"
                               "greeting =\r\n"
                               "; another\n"
                               "[dns]\n"
                               "   listen = 10.0.0.1:53   10.0.0.2:53\n"
                               "listen: [fd00::1]:53\n"
                               "peer = https://r.example/directory#pin;x\n"
                               "verbose = Yes\n"
                               "timeout = 2h";
    struct sample sample = {0};
    struct buffer report = buffer_init(4096);
    assert_int_equal(conf_parse("relay.conf", text, rows, ROW_COUNT, &sample, &report),
                     0);
    assert_string_equal(buffer_text(&report), "");
    assert_string_equal(sample.zone, "lan.example.com");
    assert_string_equal(sample.greeting, "");
    assert_int_equal(sample.mode, 1);
    assert_int_equal(sample.listen.count, 3);
    assert_string_equal(sample.listen.at[1], "10.0.0.2:53");
    assert_string_equal(sample.listen.at[2], "[fd00::1]:53");
    /* '#' and ';' inside a word are no comments. */
    assert_int_equal(sample.peers.count, 1);
    assert_string_equal(sample.peers.at[0], "https://r.example/directory#pin;x");
    assert_int_equal(sample.workers, 2);
    assert_int_equal(sample.timeout_s, 7200);
    assert_true(sample.verbose);
    conf_free(rows, ROW_COUNT, &sample);
    assert_null(sample.zone);
    assert_int_equal(sample.listen.count, 0);
    buffer_free(&report);
}

/* A case: `input` is a file, `expect` the whole report ("" for none). */
static void check_case(const char *suite, const char *name)
{
    struct buffer input = vector_file(suite, name, "input");
    struct buffer expect = vector_file(suite, name, "expect");
    struct sample sample = {0};
    struct buffer report = buffer_init(1 << 16);
    int error =
        conf_parse("relay.conf", buffer_text(&input), rows, ROW_COUNT, &sample, &report);
    assert_string_equal(buffer_text(&report), buffer_text(&expect));
    assert_int_equal(error, expect.size == 0 ? 0 : ERROR_SYNTAX);
    conf_free(rows, ROW_COUNT, &sample);
    buffer_free(&input);
    buffer_free(&expect);
    buffer_free(&report);
}

static void vectors(void **state)
{
    (void)state;
    vector_each("conf", 10, check_case);
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    struct sample sample = {0};
    struct buffer report = buffer_init(4096);
    assert_int_equal(conf_read("/nonexistent/x.conf", rows, ROW_COUNT, &sample, &report),
                     ERROR_NOT_FOUND);
    assert_string_equal(buffer_text(&report),
                        "/nonexistent/x.conf: No such file or directory\n");
    buffer_reset(&report);
    assert_int_equal(conf_read("/tmp", rows, ROW_COUNT, &sample, &report), ERROR_IO);
    assert_string_equal(buffer_text(&report), "/tmp: Is a directory\n");
    conf_free(rows, ROW_COUNT, &sample);
    buffer_free(&report);
}

static void files_are_read(void **state)
{
    (void)state;
    char path[] = "/tmp/latchkey-conf-XXXXXX";
    struct sample sample = {0};
    struct buffer report = buffer_init(4096);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    static const char text[] = "[relay]\nzone=z.example\n";
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
    assert_int_equal(conf_read(path, rows, ROW_COUNT, &sample, &report), 0);
    assert_string_equal(sample.zone, "z.example");
    conf_free(rows, ROW_COUNT, &sample);
    static const char nul[] = "[relay]\nzone=z\0.example\n";
    assert_int_equal(file_write_atomic(path, nul, sizeof(nul) - 1, 0600), 0);
    assert_int_equal(conf_read(path, rows, ROW_COUNT, &sample, &report), ERROR_SYNTAX);
    assert_non_null(strstr(buffer_text(&report), "holds a NUL byte"));
    conf_free(rows, ROW_COUNT, &sample);
    buffer_free(&report);
    unlink(path);
}

static void a_full_report_is_still_a_failure(void **state)
{
    (void)state;
    struct sample sample = {0};
    struct buffer report = buffer_init(10);
    assert_int_equal(conf_parse("relay.conf", "[x]\n", rows, ROW_COUNT, &sample, &report),
                     ERROR_SYNTAX);
    conf_free(rows, ROW_COUNT, &sample);
    buffer_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_defaults),
        cmocka_unit_test(vectors),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(a_full_report_is_still_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

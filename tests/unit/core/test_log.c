#include "base/core/limits.h"
#include "base/core/log.h"

#include "tests/unit/vector.h"

#include <errno.h>
#include <unistd.h>

static char captured[16384];

/* Runs WRITE with stderr going to a file, and reads what came. */
static const char *capture(void (*write_lines)(void))
{
    char path[] = "/tmp/latchkey-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    int kept = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    write_lines();
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t size = pread(fd, captured, sizeof(captured) - 1, 0);
    close(fd);
    assert_true(size >= 0);
    captured[size] = '\0';
    return captured;
}

static void write_all_levels(void)
{
    errno = EINTR;
    log_error("e %d", 1);
    log_warning("w");
    log_info("i");
    log_debug("d");
    assert_int_equal(errno, EINTR);
}

static void lower_levels_are_left_out(void **state)
{
    (void)state;
    unsetenv("JOURNAL_STREAM");
    log_open("front", LOG_LEVEL_WARNING);
    const char *text = capture(write_all_levels);
    assert_non_null(strstr(text, "Z front: error: e 1\n"));
    assert_non_null(strstr(text, "Z front: warning: w\n"));
    assert_null(strstr(text, "info"));
    assert_null(strstr(text, "debug"));
}

static void the_journal_gets_prefixes(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "8:1234", 1);
    log_open("dns", LOG_LEVEL_DEBUG);
    assert_string_equal(capture(write_all_levels),
                        "<3>dns: e 1\n<4>dns: w\n<6>dns: i\n<7>dns: d\n");
    unsetenv("JOURNAL_STREAM");
}

static void write_nasty(void)
{
    log_info("a\nb\tc\x1b[31m\x7f \xc3\xa9");
}

static void control_characters_forge_nothing(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "8:1234", 1);
    log_open("x", LOG_LEVEL_DEBUG);
    assert_string_equal(capture(write_nasty), "<6>x: a?b?c?[31m? \xc3\xa9\n");
    unsetenv("JOURNAL_STREAM");
}

static void write_long(void)
{
    static char text[4 * LIMIT_LOG_BYTES];
    memset(text, 'y', sizeof(text) - 1);
    log_info("%s", text);
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    log_open("x", LOG_LEVEL_INFO);
    const char *text = capture(write_long);
    assert_int_equal(strlen(text), LIMIT_LOG_BYTES);
    assert_int_equal(text[LIMIT_LOG_BYTES - 1], '\n');
    assert_int_equal(text[LIMIT_LOG_BYTES - 2], 'y');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lower_levels_are_left_out),
        cmocka_unit_test(the_journal_gets_prefixes),
        cmocka_unit_test(control_characters_forge_nothing),
        cmocka_unit_test(long_lines_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

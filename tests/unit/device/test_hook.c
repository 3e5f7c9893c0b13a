#include "device/hook.h"

#include "base/core/clock.h"
#include "tests/unit/vector.h"

#include <errno.h>
#include <time.h>

static const struct {
    const char *text;
    size_t count; /* 0 with an empty text: no command; else refused */
    const char *words[4];
} cases[] = {
    {"", 0, {NULL}},
    {"   ", 0, {NULL}},
    {"/usr/sbin/nginx -s reload", 3, {"/usr/sbin/nginx", "-s", "reload"}},
    {"  /a \t b  ", 2, {"/a", "b"}},
    {"\"/opt/my server/ctl\" re\"load now\"", 2, {"/opt/my server/ctl", "reload now"}},
    {"/a \"\" b", 3, {"/a", "", "b"}},
    {"/a $HOME ;rm *", 4, {"/a", "$HOME", ";rm", "*"}},
};

static void each_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hook_command command;
        print_message("'%s'\n", cases[i].text);
        assert_null(hook_split(cases[i].text, &command));
        assert_int_equal(command.count, cases[i].count);
        for (size_t j = 0; j < command.count; j++) {
            assert_string_equal(command.words[j], cases[i].words[j]);
        }
        assert_null(command.words[command.count]);
    }
}

static void wrong_commands(void **state)
{
    (void)state;
    char text[2000];
    struct hook_command command;
    assert_non_null(hook_split("nginx -s reload", &command));
    assert_non_null(hook_split("./a", &command));
    assert_non_null(hook_split("/a \"b", &command));
    assert_non_null(hook_split("\"\"", &command));
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    text[1023] = '\0';
    assert_null(hook_split(text, &command));
    text[1023] = 'a';
    text[1024] = '\0';
    assert_non_null(hook_split(text, &command));
    for (size_t i = 1; i < 64; i++) {
        text[i] = i % 2 == 0 ? 'x' : ' ';
    }
    text[64] = '\0';
    assert_null(hook_split(text, &command));
    text[64] = 'x';
    text[65] = '\0';
    assert_int_equal(command.count, 32);
    assert_non_null(hook_split(text, &command));
}

static void programs_are_looked_for(void **state)
{
    (void)state;
    struct hook_command command;
    assert_null(hook_split("", &command));
    assert_null(hook_check(&command));
    assert_null(hook_split("/bin/sh -c true", &command));
    assert_null(hook_check(&command));
    assert_null(hook_split("/etc/passwd", &command));
    assert_non_null(hook_check(&command));
    assert_null(hook_split("/bin", &command));
    assert_non_null(hook_check(&command));
    assert_null(hook_split("/nonexistent/a", &command));
    assert_string_equal(hook_check(&command), "there is no such program");
}

struct outcome {
    struct loop *loop;
    int calls;
    bool is_good;
    char text[128];
    char line[600];
};

static void on_end(const struct hook_result *result, void *arg)
{
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->is_good = result->is_good;
    text_copy(outcome->text, sizeof(outcome->text), result->text);
    text_copy(outcome->line, sizeof(outcome->line), result->line);
    loop_stop(outcome->loop);
}

static struct outcome run(const char *script, unsigned timeout_s)
{
    struct outcome outcome = {.calls = 0};
    struct hook_command command;
    struct hook *hook = NULL;
    char text[900];
    text_format(text, sizeof(text), "/bin/sh -c \"%s\"", script);
    assert_null(hook_split(text, &command));
    assert_int_equal(loop_new(&outcome.loop), 0);
    assert_int_equal(
        hook_start(outcome.loop, &command, "/x/live", timeout_s, on_end, &outcome, &hook),
        0);
    assert_int_equal(outcome.calls, 0);
    errno = EAGAIN; /* as anything else may have left it */
    assert_int_equal(loop_run(outcome.loop), 0);
    assert_int_equal(outcome.calls, 1);
    loop_free(outcome.loop);
    return outcome;
}

static void ends(void **state)
{
    (void)state;
    struct outcome outcome = run("exit 0", 10);
    assert_true(outcome.is_good);
    assert_string_equal(outcome.line, "");
    outcome = run("echo one; echo two >&2; exit 3", 10);
    assert_false(outcome.is_good);
    assert_string_equal(outcome.text, "ended with status 3");
    assert_string_equal(outcome.line, "two");
    outcome = run("kill -9 $$", 10);
    assert_false(outcome.is_good);
    assert_string_equal(outcome.text, "was ended by signal 9");
    outcome = run("env | sort | tr '\\n' ' '", 10);
    assert_non_null(strstr(outcome.line, "LATCHKEY_LIVE=/x/live"));
    assert_null(strstr(outcome.line, "USER="));
}

static void the_group_is_killed_in_time(void **state)
{
    (void)state;
    int64_t start_ms = clock_mono_ms();
    struct outcome outcome = run("echo begun; sleep 30 & sleep 30; echo never", 1);
    int64_t took_ms = clock_mono_ms() - start_ms;
    assert_false(outcome.is_good);
    assert_string_equal(outcome.text, "was killed after 1 s");
    assert_string_equal(outcome.line, "begun");
    assert_true(took_ms >= 900 && took_ms < 10000);
}

static void a_daemon_that_stays_is_not_waited_for(void **state)
{
    (void)state;
    int64_t start_ms = clock_mono_ms();
    struct outcome outcome = run("sleep 4 & echo started", 10);
    assert_true(outcome.is_good);
    assert_string_equal(outcome.line, "started");
    assert_true(clock_mono_ms() - start_ms < 3000);
}

static void closed_output_costs_nothing(void **state)
{
    (void)state;
    clock_t start = clock();
    struct outcome outcome = run("echo bye; exec >&- 2>&-; exec sleep 2", 10);
    assert_true(outcome.is_good);
    assert_string_equal(outcome.line, "bye");
    assert_true(clock() - start < CLOCKS_PER_SEC / 2);
}

static void much_output_is_bounded(void **state)
{
    (void)state;
    struct outcome outcome = run(
        "i=0; while [ $i -lt 3000 ]; do echo line $i of a long text; i=$((i+1)); done",
        20);
    assert_true(outcome.is_good);
    assert_string_equal(outcome.line, "line 2999 of a long text");
    outcome = run("head -c 200000 /dev/zero | tr '\\0' x", 20);
    assert_true(outcome.is_good);
    assert_int_equal(strlen(outcome.line), 512);
}

static void what_is_freed_is_killed(void **state)
{
    (void)state;
    struct outcome outcome = {.calls = 0};
    struct hook_command command;
    struct hook *hook = NULL;
    assert_int_equal(loop_new(&outcome.loop), 0);
    assert_null(hook_split("/bin/sleep 30", &command));
    assert_int_equal(
        hook_start(outcome.loop, &command, "/x", 20, on_end, &outcome, &hook), 0);
    hook_free(hook);
    hook_free(NULL);
    assert_int_equal(outcome.calls, 0);
    assert_null(hook_split("/nonexistent/a", &command));
    assert_int_equal(
        hook_start(outcome.loop, &command, "/x", 20, on_end, &outcome, &hook), ERROR_IO);
    assert_int_equal(errno, ENOENT);
    loop_free(outcome.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command),
        cmocka_unit_test(wrong_commands),
        cmocka_unit_test(programs_are_looked_for),
        cmocka_unit_test(ends),
        cmocka_unit_test(the_group_is_killed_in_time),
        cmocka_unit_test(a_daemon_that_stays_is_not_waited_for),
        cmocka_unit_test(closed_output_costs_nothing),
        cmocka_unit_test(much_output_is_bounded),
        cmocka_unit_test(what_is_freed_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "relay/admin/errand.h"

#include "tests/unit/net/pump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOO_LONG_MS = 250 };

struct fixture {
    char folder[32];
    char path[64];
    struct loop *loop;
    struct errand *errand;
    bool is_done;
    int status;
    char output[ERRAND_OUTPUT_MAX + 1];
};

static void on_errand(enum errand_kind kind, int status, struct bytes output, void *arg)
{
    struct fixture *fixture = arg;
    assert_int_equal(kind, ERRAND_COMMAND);
    fixture->is_done = true;
    fixture->status = status;
    memcpy(fixture->output, output.data, output.size);
    fixture->output[output.size] = '\0';
}

static bool is_done(void *arg)
{
    const struct fixture *fixture = arg;
    return fixture->is_done;
}

static void start_for(struct fixture *fixture, int64_t max_ms, const char *script)
{
    *fixture = (struct fixture){.folder = "/tmp/latchkey-errand-XXXXXX"};
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/command", fixture->folder);
    if (script != NULL) {
        FILE *file = fopen(fixture->path, "w");
        assert_non_null(file);
        fprintf(file, "#!/bin/sh\n%s\n", script);
        fclose(file);
        assert_int_equal(chmod(fixture->path, 0700), 0);
    }
    assert_int_equal(errand_new(fixture->path, "/nowhere.conf", max_ms, &fixture->errand),
                     0);
    assert_int_equal(loop_new(&fixture->loop), 0);
    assert_int_equal(errand_watch(fixture->errand, fixture->loop, on_errand, fixture), 0);
}

static void start(struct fixture *fixture, const char *script)
{
    start_for(fixture, ERRAND_MS, script);
}

static void stop(struct fixture *fixture)
{
    errand_free(fixture->errand);
    loop_free(fixture->loop);
    unlink(fixture->path);
    rmdir(fixture->folder);
}

static void run(struct fixture *fixture, const char *input)
{
    struct bytes bytes = {(const uint8_t *)input, strlen(input)};
    fixture->is_done = false;
    assert_int_equal(errand_send(fixture->errand, ERRAND_COMMAND, bytes), 0);
    assert_true(errand_is_busy(fixture->errand));
    assert_int_equal(errand_send(fixture->errand, ERRAND_COMMAND, bytes), ERROR_BUSY);
    assert_true(pump_until(fixture->loop, is_done, fixture));
    assert_false(errand_is_busy(fixture->errand));
}

static void test_input_and_output(void **state)
{
    struct fixture fixture;
    (void)state;
    start(&fixture,
          "cat; echo; env | sort | cut -d= -f1 | grep -v -e PWD -e _ -e SHLVL; exit 3");
    run(&fixture, "{\"alert\":1}");
    assert_int_equal(fixture.status, 3);
    assert_string_equal(fixture.output, "{\"alert\":1}\nLANG\nPATH\n");
    run(&fixture, "again");
    assert_int_equal(fixture.status, 3);
    stop(&fixture);
}

static void test_failures(void **state)
{
    struct fixture fixture;
    static uint8_t large[ERRAND_INPUT_MAX + 1];
    (void)state;
    start(&fixture, NULL);
    run(&fixture, "x");
    assert_int_equal(fixture.status, 127);
    assert_int_equal(
        errand_send(fixture.errand, ERRAND_COMMAND, (struct bytes){large, sizeof(large)}),
        ERROR_LIMIT);
    stop(&fixture);
    start(&fixture, "kill -9 $$");
    run(&fixture, "x");
    assert_int_equal(fixture.status, 128 + 9);
    stop(&fixture);
    /* More than is kept; the child must not block on it. */
    start(&fixture, "head -c 200000 /dev/zero | tr '\\0' x");
    run(&fixture, "x");
    assert_int_equal(fixture.status, 0);
    assert_int_equal(strlen(fixture.output), ERRAND_OUTPUT_MAX);
    stop(&fixture);
}

/* Whether it keeps its output open or not, and has come to write anything or not. */
static void test_too_long(void **state)
{
    static const char *const scripts[] = {
        "echo begun; exec sleep 1000",
        "echo begun; exec >/dev/null 2>&1 sleep 1000",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct fixture fixture;
        start_for(&fixture, TOO_LONG_MS, scripts[i]);
        run(&fixture, "x");
        assert_int_equal(fixture.status, -1);
        assert_true(fixture.output[0] == '\0' || strcmp(fixture.output, "begun\n") == 0);
        /* The next one is run. */
        run(&fixture, "x");
        assert_int_equal(fixture.status, -1);
        stop(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_and_output),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

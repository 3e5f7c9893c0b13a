#include "device/worker_channel.h"

#include "base/core/writer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* After the standard headers it needs. */
#include <cmocka.h>

static int agent;
static struct worker_channel channel;
static int worker;

static int set_up(void **state)
{
    int pair[2];
    (void)state;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) {
        return 1;
    }
    agent = pair[0];
    worker = pair[1];
    worker_channel_open(&channel, worker);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    worker_channel_close(&channel);
    close(worker);
    if (agent >= 0) {
        close(agent);
    }
    return 0;
}

static void agent_says(const char *text)
{
    uint8_t head[4];
    struct writer writer = writer_init(head, sizeof(head));
    writer_u32(&writer, (uint32_t)strlen(text));
    assert_int_equal(write(agent, head, 4), 4);
    assert_int_equal(write(agent, text, strlen(text)), (ssize_t)strlen(text));
}

static void test_a_call(void **state)
{
    (void)state;
    struct worker_message question = {.body = NULL};
    struct worker_message answer = {.body = NULL};
    char wire[256];
    agent_says("{\"type\":\"signature\",\"signature\":\"AA\"}");
    assert_int_equal(worker_message_new(WORKER_SIGN_JWS, &question), 0);
    assert_int_equal(json_set_text(question.body, "input", "e30."), 0);
    assert_int_equal(worker_channel_call(&channel, &question, WORKER_SIGNATURE, &answer),
                     0);
    assert_string_equal(json_get_text(answer.body, "signature"), "AA");
    ssize_t size = read(agent, wire, sizeof(wire));
    assert_true(size > 4);
    assert_memory_equal(wire + 4, "{\"type\":\"sign_jws\"", 18);
    worker_message_free(&question);
    worker_message_free(&answer);
}

static void test_a_refusal_has_its_reason(void **state)
{
    (void)state;
    struct worker_message answer = {.body = NULL};
    agent_says("{\"type\":\"refused\",\"reason\":\"not for you\"}");
    assert_int_equal(worker_channel_receive(&channel, WORKER_SIGNATURE, &answer),
                     ERROR_DENIED);
    assert_string_equal(channel.refusal, "not for you");
    assert_null(answer.body);
}

static void test_another_answer_than_asked(void **state)
{
    (void)state;
    struct worker_message answer = {.body = NULL};
    agent_says("{\"type\":\"saved\"}");
    assert_int_equal(worker_channel_receive(&channel, WORKER_CSR, &answer), ERROR_STATE);
    assert_null(answer.body);
}

static void test_the_agent_goes_away(void **state)
{
    (void)state;
    struct worker_message answer = {.body = NULL};
    struct worker_message message = {.body = NULL};
    close(agent);
    agent = -1;
    assert_int_equal(worker_channel_receive(&channel, WORKER_SAVED, &answer), ERROR_IO);
    assert_int_equal(worker_message_new(WORKER_DONE, &message), 0);
    assert_int_equal(worker_channel_send(&channel, &message), ERROR_IO);
    worker_message_free(&message);
}

/* Larger than a socket's buffer, towards an agent that reads late and little. */
static void test_a_large_message(void **state)
{
    (void)state;
    static char chain[LIMIT_CHAIN_BYTES + 1];
    struct worker_message message = {.body = NULL};
    int small = 4096;
    memset(chain, 'c', LIMIT_CHAIN_BYTES);
    assert_int_equal(setsockopt(worker, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    pid_t reader = fork();
    if (reader == 0) {
        char chunk[1000];
        size_t total = 0;
        fcntl(agent, F_SETFL, 0);
        while (total < 4 + LIMIT_CHAIN_BYTES) {
            ssize_t size = read(agent, chunk, sizeof(chunk));
            if (size <= 0) {
                _exit(1);
            }
            total += (size_t)size;
        }
        _exit(0);
    }
    assert_int_equal(worker_message_new(WORKER_CERTIFICATE, &message), 0);
    assert_int_equal(json_set_text(message.body, "chain", chain), 0);
    assert_int_equal(worker_channel_send(&channel, &message), 0);
    int status = 1;
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    worker_message_free(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refusal_has_its_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_answer_than_asked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_agent_goes_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_large_message, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

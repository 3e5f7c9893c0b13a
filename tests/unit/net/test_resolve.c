#include "base/net/resolve.h"

#include "base/net/dns_message.h"
#include "tests/unit/net/responder.h"

struct outcome {
    bool is_done;
    unsigned calls;
    int error;
    char text[1024];
    struct resolve_query *to_cancel; /* within the callback */
};

static void on_answer(const struct resolve_answer *answer, void *arg)
{
    struct outcome *outcome = arg;
    struct buffer text = buffer_init(sizeof(outcome->text) - 1);
    outcome->is_done = true;
    outcome->calls++;
    outcome->error = answer->error;
    for (size_t i = 0; i < answer->address_count; i++) {
        char address[ADDRESS_TEXT_CAPACITY];
        address_text(&answer->addresses[i], address);
        buffer_printf(&text, "%s;", address);
    }
    for (size_t i = 0; i < answer->text_count; i++) {
        buffer_printf(&text, "%s;", buffer_text(answer->texts[i]));
    }
    assert_int_equal(text.error, 0);
    assert_true(text_copy(outcome->text, sizeof(outcome->text), buffer_text(&text)));
    buffer_free(&text);
    resolve_cancel(outcome->to_cancel);
}

static bool is_done(void *arg)
{
    return ((struct outcome *)arg)->is_done;
}

struct fixture {
    struct loop *loop;
    struct responder responder;
    struct resolver *resolver;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    assert_int_equal(loop_new(&fixture.loop), 0);
    responder_open(&fixture.responder, fixture.loop);
    const char *server = fixture.responder.text;
    assert_int_equal(resolver_new(fixture.loop, &server, 1, &fixture.resolver), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    resolver_free(fixture->resolver);
    resolver_free(NULL);
    responder_close(&fixture->responder);
    loop_free(fixture->loop);
    return 0;
}

static void look_up(struct fixture *fixture, const char *name,
                    struct outcome *ret_outcome)
{
    struct resolve_query *query = NULL;
    *ret_outcome = (struct outcome){.is_done = false};
    assert_int_equal(
        resolve_addresses(fixture->resolver, name, on_answer, ret_outcome, &query), 0);
    assert_false(ret_outcome->is_done); /* never before it returns */
    assert_true(pump_until(fixture->loop, is_done, ret_outcome));
}

static void test_addresses(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    look_up(fixture, "a.test", &outcome);
    assert_int_equal(outcome.error, 0);
    assert_string_equal(outcome.text, "127.0.0.1:0;");
    assert_int_equal(fixture->responder.query_count, 2); /* A and AAAA */
    assert_true(fixture->responder.is_recursion_desired);
    look_up(fixture, "six.test", &outcome);
    assert_string_equal(outcome.text, "[::1]:0;");
    look_up(fixture, "none.test", &outcome);
    assert_int_equal(outcome.error, ERROR_NOT_FOUND);
    look_up(fixture, "nodata.test", &outcome);
    assert_int_equal(outcome.error, ERROR_NOT_FOUND);
    look_up(fixture, "refused.test", &outcome);
    assert_int_equal(outcome.error, ERROR_IO);
}

static void test_literals_ask_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    look_up(fixture, "192.0.2.7", &outcome);
    assert_string_equal(outcome.text, "192.0.2.7:0;");
    look_up(fixture, "2001:db8::7", &outcome);
    assert_string_equal(outcome.text, "[2001:db8::7]:0;");
    assert_int_equal(fixture->responder.query_count, 0);
}

static void test_bad_names(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    char name[300];
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    look_up(fixture, name, &outcome);
    assert_true(outcome.error != 0);
    look_up(fixture, "a..test", &outcome);
    assert_true(outcome.error != 0);
    assert_int_equal(fixture->responder.query_count, 0);
}

static void test_no_server_there(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    struct resolve_query *query = NULL;
    struct address nobody = fixture->responder.address;
    responder_close(&fixture->responder);
    look_up(fixture, "a.test", &outcome);
    assert_true(outcome.error == ERROR_IO || outcome.error == ERROR_TIMEOUT);
    outcome.is_done = false;
    assert_int_equal(resolve_text_at(fixture->loop, &nobody, RESOLVE_TCP, "txt.test",
                                     2000, on_answer, &outcome, &query),
                     0);
    assert_true(pump_until(fixture->loop, is_done, &outcome));
    assert_true(outcome.error == ERROR_IO || outcome.error == ERROR_TIMEOUT);
    responder_open(&fixture->responder, fixture->loop);
}

static void ask(struct fixture *fixture, enum resolve_transport transport,
                const char *name, unsigned timeout_ms, struct outcome *ret_outcome)
{
    struct resolve_query *query = NULL;
    *ret_outcome = (struct outcome){.is_done = false};
    assert_int_equal(resolve_text_at(fixture->loop, &fixture->responder.address,
                                     transport, name, timeout_ms, on_answer, ret_outcome,
                                     &query),
                     0);
    assert_false(ret_outcome->is_done);
    assert_true(pump_until(fixture->loop, is_done, ret_outcome));
}

static void test_texts(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    ask(fixture, RESOLVE_UDP, "txt.test", 3000, &outcome);
    assert_int_equal(outcome.error, 0);
    assert_string_equal(outcome.text, "one;two too;;");
    assert_false(fixture->responder.is_recursion_desired);
    assert_int_equal(fixture->responder.tcp_count, 0);
    ask(fixture, RESOLVE_TCP, "tcp.test", 3000, &outcome);
    assert_int_equal(outcome.error, 0);
    assert_string_equal(outcome.text, "tcp;");
    assert_int_equal(fixture->responder.tcp_count, 1);
    ask(fixture, RESOLVE_UDP, "none.test", 3000, &outcome);
    assert_int_equal(outcome.error, ERROR_NOT_FOUND);
    ask(fixture, RESOLVE_UDP, "nodata.test", 3000, &outcome);
    assert_int_equal(outcome.error, ERROR_NOT_FOUND);
    ask(fixture, RESOLVE_UDP, "refused.test", 3000, &outcome);
    assert_int_equal(outcome.error, ERROR_IO);
    /* More records than are taken, learned by the TCP that truncation asks for. */
    ask(fixture, RESOLVE_UDP, "large.test", 3000, &outcome);
    assert_int_equal(outcome.error, ERROR_LIMIT);
}

static void test_timeout(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    int64_t start_mono_ms = clock_mono_ms();
    ask(fixture, RESOLVE_UDP, "silent.test", 300, &outcome);
    int64_t took_ms = clock_mono_ms() - start_mono_ms;
    assert_int_equal(outcome.error, ERROR_TIMEOUT);
    assert_true(took_ms >= 250 && took_ms < 1500);
    assert_int_equal(fixture->responder.query_count, 2); /* it was asked again */
    ask(fixture, RESOLVE_TCP, "silent.test", 300, &outcome);
    assert_int_equal(outcome.error, ERROR_TIMEOUT);
}

static void test_fresh_ports(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    for (unsigned i = 0; i < 8; i++) {
        ask(fixture, RESOLVE_UDP, "txt.test", 3000, &outcome);
    }
    unsigned same = 0;
    for (unsigned i = 1; i < 8; i++) {
        same += fixture->responder.ports[i] == fixture->responder.ports[i - 1];
    }
    assert_true(same < 3);
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {.is_done = false};
    struct outcome other = {.is_done = false};
    struct resolve_query *query = NULL;
    resolve_cancel(NULL);
    assert_int_equal(
        resolve_addresses(fixture->resolver, "a.test", on_answer, &outcome, &query), 0);
    resolve_cancel(query);
    assert_int_equal(
        resolve_addresses(fixture->resolver, "192.0.2.1", on_answer, &outcome, &query),
        0);
    resolve_cancel(query);
    pump_for(fixture->loop, 50);
    assert_int_equal(outcome.calls, 0);
    /* One callback may cancel another query, and its own without effect. */
    assert_int_equal(resolve_addresses(fixture->resolver, "192.0.2.1", on_answer, &other,
                                       &other.to_cancel),
                     0);
    assert_int_equal(
        resolve_addresses(fixture->resolver, "silent.test", on_answer, &outcome, &query),
        0);
    assert_true(pump_until(fixture->loop, is_done, &other));
    assert_int_equal(other.calls, 1);
    other = (struct outcome){.to_cancel = query};
    assert_int_equal(
        resolve_addresses(fixture->resolver, "192.0.2.1", on_answer, &other, &query), 0);
    assert_true(pump_until(fixture->loop, is_done, &other));
    pump_for(fixture->loop, 50);
    assert_int_equal(outcome.calls, 0);
}

static void test_free_ends_queries(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {.is_done = false};
    struct resolve_query *query = NULL;
    struct resolver *resolver = NULL;
    const char *server = fixture->responder.text;
    assert_int_equal(resolver_new(fixture->loop, &server, 1, &resolver), 0);
    assert_int_equal(
        resolve_addresses(resolver, "silent.test", on_answer, &outcome, &query), 0);
    pump_for(fixture->loop, 20);
    resolver_free(resolver);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.error, ERROR_STATE);
}

static void test_bad_servers(void **state)
{
    struct fixture *fixture = *state;
    struct resolver *resolver = NULL;
    static const char *const bad[] = {"localhost", "/run/x", "192.0.2.1:70000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(resolver_new(fixture->loop, &bad[i], 1, &resolver) != 0);
        assert_null(resolver);
    }
    /* Without any: the system's. */
    assert_int_equal(resolver_new(fixture->loop, NULL, 0, &resolver), 0);
    struct fixture system = {.loop = fixture->loop, .resolver = resolver};
    struct outcome outcome;
    look_up(&system, "localhost", &outcome);
    assert_int_equal(outcome.error, 0);
    assert_non_null(strstr(outcome.text, "127.0.0.1:0;"));
    resolver_free(resolver);
}

#define WITH_RESPONDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void on_reply(const struct resolve_answer *answer, void *arg)
{
    struct outcome *outcome = arg;
    struct dns_message_reply reply = {.rcode = 99};
    outcome->is_done = true;
    outcome->error = answer->error;
    outcome->text[0] = '\0';
    if (answer->error == 0) {
        assert_int_equal(
            dns_message_read_reply(answer->message.data, answer->message.size, &reply),
            0);
        text_format(outcome->text, sizeof(outcome->text), "%s %zu",
                    dns_message_rcode_text(reply.rcode), reply.address_count);
    }
}

static void ask_message(struct fixture *fixture, const char *name, const char *expected)
{
    struct resolve_query *query = NULL;
    struct outcome outcome = {.is_done = false};
    assert_int_equal(resolve_message_at(fixture->loop, &fixture->responder.address, name,
                                        DNS_MESSAGE_TYPE_A, 600, on_reply, &outcome,
                                        &query),
                     0);
    assert_true(pump_until(fixture->loop, is_done, &outcome));
    assert_string_equal(outcome.text, expected);
    assert_int_equal(outcome.error, expected[0] != '\0' ? 0 : ERROR_TIMEOUT);
}

/* What c-ares takes for a failure is a reply all the same. */
static void test_messages(void **state)
{
    struct fixture *fixture = *state;
    ask_message(fixture, "a.test", "NOERROR 1");
    assert_true(fixture->responder.is_recursion_desired);
    ask_message(fixture, "none.test", "NXDOMAIN 0");
    unsigned before = fixture->responder.query_count;
    ask_message(fixture, "refused.test", "REFUSED 0");
    assert_int_equal(fixture->responder.query_count, before + 1);
    ask_message(fixture, "silent.test", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RESPONDER(test_addresses),
        WITH_RESPONDER(test_literals_ask_nobody),
        WITH_RESPONDER(test_bad_names),
        WITH_RESPONDER(test_no_server_there),
        WITH_RESPONDER(test_texts),
        WITH_RESPONDER(test_timeout),
        WITH_RESPONDER(test_fresh_ports),
        WITH_RESPONDER(test_cancel),
        WITH_RESPONDER(test_free_ends_queries),
        WITH_RESPONDER(test_bad_servers),
        WITH_RESPONDER(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The client against our own server over TLS, its names from a name server of the test.
 */
#include "base/net/http_client.h"

#include "base/core/file.h"
#include "base/net/http_server.h"
#include "tests/unit/net/pair.h"
#include "tests/unit/net/responder.h"

struct fixture {
    struct loop *loop;
    struct responder responder;
    struct resolver *resolver;
    struct pair pair;
    struct pair stranger;
    struct tls_server *tls;
    struct http_server *server;
    uint16_t port;
    char folder[64];
    char ca_file[96];
    char stranger_file[96];
    unsigned most_connections;
};

struct outcome {
    bool is_done;
    unsigned calls;
    int error;
    int status;
    char detail[256];
    char body[256];
    size_t body_size;
    char header[64];
    char second_header[64];
};

static void respond_echo(struct http_exchange *exchange)
{
    struct buffer text = buffer_init(4096);
    const char *type = http_exchange_header(exchange, "Content-Type");
    const char *accept = http_exchange_header(exchange, "Accept");
    const char *agent = http_exchange_header(exchange, "User-Agent");
    const char *expect = http_exchange_header(exchange, "Expect");
    struct bytes body = http_exchange_body(exchange);
    buffer_printf(&text, "%s type=%s accept=%s agent=%s expect=%s body=%.*s",
                  http_exchange_method(exchange), type != NULL ? type : "none", accept,
                  agent, expect != NULL ? expect : "none", (int)body.size,
                  body.size > 0 ? (const char *)body.data : "");
    http_exchange_add_header(exchange, "X-Two", "one");
    http_exchange_add_header(exchange, "x-two", " two ");
    http_exchange_respond(exchange, 200, "text/plain", text.data, text.size);
    buffer_free(&text);
}

static void on_gone(struct http_exchange *exchange, void *arg)
{
    (void)exchange;
    (void)arg;
}

static void on_request(struct http_exchange *exchange, void *arg)
{
    struct fixture *fixture = arg;
    const char *path = http_exchange_path(exchange);
    static char large[20000];
    unsigned count = http_server_connection_count(fixture->server);
    if (count > fixture->most_connections) {
        fixture->most_connections = count;
    }
    if (strcmp(path, "/echo") == 0) {
        respond_echo(exchange);
    } else if (strcmp(path, "/large") == 0) {
        memset(large, 'x', sizeof(large));
        http_exchange_respond(exchange, 200, NULL, large, sizeof(large));
    } else if (strcmp(path, "/moved") == 0) {
        http_exchange_add_header(exchange, "Location", "/echo");
        http_exchange_respond(exchange, 302, NULL, NULL, 0);
    } else if (strcmp(path, "/headers") == 0) {
        for (unsigned i = 0; i < 80; i++) {
            http_exchange_add_header(exchange, "X", "y");
        }
        http_exchange_respond(exchange, 200, NULL, NULL, 0);
    } else if (strcmp(path, "/never") == 0) {
        http_exchange_on_gone(exchange, on_gone, NULL);
    } else {
        http_exchange_respond(exchange, 404, NULL, NULL, 0);
    }
}

static void write_ca(const struct pair *pair, const char *path)
{
    struct buffer pem = buffer_init(1 << 16);
    assert_int_equal(cert_to_pem(pair->identity_cert, &pem), 0);
    assert_int_equal(file_write_atomic(path, pem.data, pem.size, 0600), 0);
    buffer_free(&pem);
}

static void start_server(struct fixture *fixture)
{
    struct address address;
    struct http_server_options options = {
        .max_connections = 64,
        .handshake_s = 5,
        .request_s = 5,
        .idle_s = 20,
        .response_s = 5,
        .max_header_bytes = 8192,
        .max_body_bytes = 65536,
    };
    assert_int_equal(tls_server_new(&fixture->tls), 0);
    assert_int_equal(
        tls_server_set(fixture->tls, TLS_TRUSTED, fixture->pair.cert, fixture->pair.key),
        0);
    options.tls = fixture->tls;
    assert_int_equal(
        http_server_new(fixture->loop, &options, on_request, fixture, &fixture->server),
        0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(http_server_listen(fixture->server, &address, &fixture->port), 0);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.folder = "/tmp/latchkey-client-XXXXXX"};
    assert_non_null(mkdtemp(fixture.folder));
    assert_true(text_format(fixture.ca_file, sizeof(fixture.ca_file), "%s/ca.pem",
                            fixture.folder));
    assert_true(text_format(fixture.stranger_file, sizeof(fixture.stranger_file),
                            "%s/other.pem", fixture.folder));
    assert_int_equal(loop_new(&fixture.loop), 0);
    responder_open(&fixture.responder, fixture.loop);
    const char *server = fixture.responder.text;
    assert_int_equal(resolver_new(fixture.loop, &server, 1, &fixture.resolver), 0);
    pair_make(&fixture.pair, "*.id.lan.test");
    pair_make(&fixture.stranger, "*.id.lan.test");
    write_ca(&fixture.pair, fixture.ca_file);
    write_ca(&fixture.stranger, fixture.stranger_file);
    start_server(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    http_server_free(fixture->server);
    tls_server_free(fixture->tls);
    resolver_free(fixture->resolver);
    responder_close(&fixture->responder);
    pair_free(&fixture->pair);
    pair_free(&fixture->stranger);
    loop_free(fixture->loop);
    assert_int_equal(unlink(fixture->ca_file), 0);
    assert_int_equal(unlink(fixture->stranger_file), 0);
    assert_int_equal(rmdir(fixture->folder), 0);
    return 0;
}

static struct http_client *client_new(struct fixture *fixture, const char *ca_file,
                                      unsigned max_connections, unsigned total_ms)
{
    struct http_client *client = NULL;
    struct http_client_options options = {
        .resolver = fixture->resolver,
        .ca_file = ca_file,
        .user_agent = "latchkey-test/1",
        .max_connections = max_connections,
        .connect_ms = 3000,
        .total_ms = total_ms,
    };
    assert_int_equal(http_client_new(fixture->loop, &options, &client), 0);
    return client;
}

static void on_response(const struct http_response *response, void *arg)
{
    struct outcome *outcome = arg;
    outcome->is_done = true;
    outcome->calls++;
    outcome->error = response->error;
    outcome->status = response->status;
    outcome->body_size = response->body.size;
    assert_non_null(response->error_text);
    assert_true((response->error_text[0] != '\0') == (response->error != 0));
    assert_true(
        text_copy(outcome->detail, sizeof(outcome->detail), response->error_text));
    if (response->body.size < sizeof(outcome->body)) {
        text_format(outcome->body, sizeof(outcome->body), "%.*s",
                    (int)response->body.size,
                    response->body.size > 0 ? (const char *)response->body.data : "");
    }
    const char *first = http_response_header(response, "X-TWO", 0);
    const char *second = http_response_header(response, "x-two", 1);
    assert_null(http_response_header(response, "x-two", 2));
    text_copy(outcome->header, sizeof(outcome->header), first != NULL ? first : "");
    text_copy(outcome->second_header, sizeof(outcome->second_header),
              second != NULL ? second : "");
}

static bool is_done(void *arg)
{
    return ((struct outcome *)arg)->is_done;
}

static void make_url(const struct fixture *fixture, const char *host, const char *path,
                     char *ret_url, size_t capacity)
{
    assert_true(
        text_format(ret_url, capacity, "https://%s:%u%s", host, fixture->port, path));
}

/* GETs PATH of HOST and waits for the outcome. */
static void get(struct fixture *fixture, struct http_client *client, const char *host,
                const char *path, struct outcome *ret_outcome)
{
    char url[256];
    struct http_transfer *transfer = NULL;
    struct http_request request = {
        .method = "GET", .url = url, .max_response_bytes = 10000};
    make_url(fixture, host, path, url, sizeof(url));
    *ret_outcome = (struct outcome){.is_done = false};
    assert_int_equal(
        http_client_send(client, &request, on_response, ret_outcome, &transfer), 0);
    assert_false(ret_outcome->is_done); /* never from within */
    assert_true(pump_until(fixture->loop, is_done, ret_outcome));
    assert_int_equal(ret_outcome->calls, 1);
}

static void test_requests(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = client_new(fixture, fixture->ca_file, 4, 8000);
    struct outcome outcome;
    char url[256];
    struct http_transfer *transfer = NULL;
    get(fixture, client, "a.id.lan.test", "/echo", &outcome);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(
        outcome.body, "GET type=none accept=*/* agent=latchkey-test/1 expect=none body=");
    assert_string_equal(outcome.header, "one");
    assert_string_equal(outcome.second_header, "two");
    get(fixture, client, "a.id.lan.test", "/none", &outcome);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 404);
    /* Not followed. */
    get(fixture, client, "a.id.lan.test", "/moved", &outcome);
    assert_int_equal(outcome.status, 302);
    make_url(fixture, "a.id.lan.test", "/echo", url, sizeof(url));
    struct http_request request = {
        .method = "POST",
        .url = url,
        .content_type = "application/jose+json",
        .accept = "application/json",
        .body = {.data = (const uint8_t *)"{}", .size = 2},
        .max_response_bytes = 1000,
    };
    outcome = (struct outcome){.is_done = false};
    assert_int_equal(http_client_send(client, &request, on_response, &outcome, &transfer),
                     0);
    assert_true(pump_until(fixture->loop, is_done, &outcome));
    assert_string_equal(outcome.body,
                        "POST type=application/jose+json accept=application/json "
                        "agent=latchkey-test/1 expect=none body={}");
    request =
        (struct http_request){.method = "HEAD", .url = url, .max_response_bytes = 10};
    outcome = (struct outcome){.is_done = false};
    assert_int_equal(http_client_send(client, &request, on_response, &outcome, &transfer),
                     0);
    assert_true(pump_until(fixture->loop, is_done, &outcome));
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.body_size, 0);
    assert_string_equal(outcome.header, "one");
    /* All of it over one connection, after one look-up (A and AAAA). */
    assert_int_equal(fixture->most_connections, 1);
    assert_int_equal(fixture->responder.query_count, 2);
    http_client_free(client);
    http_client_free(NULL);
}

static void test_not_verified(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = client_new(fixture, fixture->ca_file, 4, 8000);
    struct http_client *stranger = client_new(fixture, fixture->stranger_file, 4, 8000);
    struct http_client *system = client_new(fixture, NULL, 4, 8000);
    struct outcome outcome;
    get(fixture, client, "other.lan.test", "/echo", &outcome);
    assert_int_equal(outcome.error, ERROR_SIGNATURE);
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.detail, "other.lan.test"));
    get(fixture, stranger, "a.id.lan.test", "/echo", &outcome);
    assert_int_equal(outcome.error, ERROR_SIGNATURE);
    assert_non_null(strstr(outcome.detail, "certificate"));
    get(fixture, system, "a.id.lan.test", "/echo", &outcome);
    assert_int_equal(outcome.error, ERROR_SIGNATURE);
    assert_int_equal(fixture->most_connections, 0); /* no request was made */
    http_client_free(client);
    http_client_free(stranger);
    http_client_free(system);
}

static void test_limits(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = client_new(fixture, fixture->ca_file, 4, 8000);
    struct outcome outcome;
    get(fixture, client, "a.id.lan.test", "/large", &outcome);
    assert_int_equal(outcome.error, ERROR_LIMIT);
    get(fixture, client, "a.id.lan.test", "/headers", &outcome);
    assert_int_equal(outcome.error, ERROR_LIMIT);
    assert_string_equal(outcome.detail, "the response has too many or too large headers");
    /* The client is still good. */
    get(fixture, client, "a.id.lan.test", "/echo", &outcome);
    assert_int_equal(outcome.status, 200);
    http_client_free(client);
}

static void test_failures(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = client_new(fixture, fixture->ca_file, 4, 500);
    struct outcome outcome;
    get(fixture, client, "none.test", "/echo", &outcome);
    assert_int_equal(outcome.error, ERROR_NOT_FOUND);
    assert_non_null(strstr(outcome.detail, "none.test"));
    int64_t start_mono_ms = clock_mono_ms();
    get(fixture, client, "silent.test", "/echo", &outcome);
    assert_int_equal(outcome.error, ERROR_TIMEOUT);
    get(fixture, client, "a.id.lan.test", "/never", &outcome);
    assert_int_equal(outcome.error, ERROR_TIMEOUT);
    assert_true(clock_mono_ms() - start_mono_ms < 3000);
    http_server_free(fixture->server);
    fixture->server = NULL;
    get(fixture, client, "b.id.lan.test", "/echo", &outcome);
    assert_int_equal(outcome.error, ERROR_IO);
    get(fixture, client, "127.0.0.1", "/echo", &outcome);
    assert_int_equal(outcome.error, ERROR_IO);
    http_client_free(client);
}

static void test_refused_requests(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = client_new(fixture, fixture->ca_file, 4, 500);
    static const struct {
        struct http_request request;
        int error;
    } rows[] = {
        {{.method = "GET", .url = "http://a.test/"}, ERROR_UNSUPPORTED},
        {{.method = "GET", .url = "file:///etc/passwd"}, ERROR_UNSUPPORTED},
        {{.method = "GET", .url = "https://"}, ERROR_SYNTAX},
        {{.method = "GET", .url = "a.test/x"}, ERROR_SYNTAX},
        {{.method = "GET", .url = ""}, ERROR_SYNTAX},
        {{.method = "GET", .url = "https://u:p@a.test/"}, ERROR_SYNTAX},
        {{.method = "GET", .url = "https://a.test:99999/"}, ERROR_SYNTAX},
        {{.method = "GET", .url = "https://a.test/\r\nX: y"}, ERROR_SYNTAX},
        {{.method = "GET", .url = "https://a.test/", .accept = "a\r\nX: y"},
         ERROR_SYNTAX},
        {{.method = "DELETE", .url = "https://a.test/"}, ERROR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_transfer *transfer = NULL;
        struct outcome outcome = {.is_done = false};
        int error =
            http_client_send(client, &rows[i].request, on_response, &outcome, &transfer);
        if (error != rows[i].error) {
            fail_msg("'%s': %d", rows[i].request.url, error);
        }
        assert_null(transfer);
    }
    assert_int_equal(fixture->responder.query_count, 0);
    http_client_free(client);
    struct http_client_options options = {
        .resolver = fixture->resolver,
        .ca_file = "/nonexistent/ca.pem",
        .max_connections = 1,
        .connect_ms = 1,
        .total_ms = 1,
    };
    client = NULL;
    assert_int_equal(http_client_new(fixture->loop, &options, &client), ERROR_IO);
    options.max_connections = 0;
    assert_int_equal(http_client_new(fixture->loop, &options, &client), ERROR_RANGE);
    assert_null(client);
}

static bool are_done(void *arg)
{
    struct outcome *outcomes = arg;
    for (unsigned i = 0; i < 30; i++) {
        if (!outcomes[i].is_done) {
            return false;
        }
    }
    return true;
}

static void test_queue(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = client_new(fixture, fixture->ca_file, 3, 8000);
    static struct outcome outcomes[30];
    char url[256];
    memset(outcomes, 0, sizeof(outcomes));
    make_url(fixture, "a.id.lan.test", "/echo", url, sizeof(url));
    struct http_request request = {
        .method = "GET", .url = url, .max_response_bytes = 1000};
    for (unsigned i = 0; i < 30; i++) {
        struct http_transfer *transfer = NULL;
        assert_int_equal(
            http_client_send(client, &request, on_response, &outcomes[i], &transfer), 0);
    }
    assert_true(pump_until(fixture->loop, are_done, outcomes));
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(outcomes[i].status, 200);
        assert_int_equal(outcomes[i].calls, 1);
    }
    assert_true(fixture->most_connections >= 1 && fixture->most_connections <= 3);
    assert_int_equal(fixture->responder.query_count, 2);
    http_client_free(client);
}

struct chain {
    struct fixture *fixture;
    struct http_client *client;
    struct http_transfer *own;
    struct http_transfer *other;
    unsigned left;
    bool is_done;
};

/* Sends the next request, and cancels another and itself, from within the callback. */
static void on_chain(const struct http_response *response, void *arg)
{
    struct chain *chain = arg;
    char url[256];
    assert_int_equal(response->status, 200);
    http_client_cancel(chain->own);
    http_client_cancel(chain->other);
    chain->other = NULL;
    if (chain->left == 0) {
        chain->is_done = true;
        return;
    }
    chain->left--;
    make_url(chain->fixture, "a.id.lan.test", "/echo", url, sizeof(url));
    struct http_request request = {
        .method = "GET", .url = url, .max_response_bytes = 1000};
    assert_int_equal(
        http_client_send(chain->client, &request, on_chain, chain, &chain->own), 0);
}

static bool is_chain_done(void *arg)
{
    return ((struct chain *)arg)->is_done;
}

static void test_cancel_and_chain(void **state)
{
    struct fixture *fixture = *state;
    struct http_client *client = client_new(fixture, fixture->ca_file, 4, 8000);
    struct outcome outcome = {.is_done = false};
    struct chain chain = {.fixture = fixture, .client = client, .left = 5};
    struct http_transfer *transfer = NULL;
    char url[256];
    make_url(fixture, "a.id.lan.test", "/echo", url, sizeof(url));
    struct http_request request = {
        .method = "GET", .url = url, .max_response_bytes = 1000};
    char running_url[256];
    make_url(fixture, "a.id.lan.test", "/never", running_url, sizeof(running_url));
    struct http_request running = {
        .method = "GET", .url = running_url, .max_response_bytes = 10};
    /* While its name is looked up, and while it runs. */
    assert_int_equal(http_client_send(client, &request, on_response, &outcome, &transfer),
                     0);
    http_client_cancel(transfer);
    http_client_cancel(NULL);
    pump_for(fixture->loop, 50);
    assert_int_equal(http_client_send(client, &running, on_response, &outcome, &transfer),
                     0);
    pump_for(fixture->loop, 20);
    http_client_cancel(transfer);
    char slow_url[256];
    make_url(fixture, "silent.test", "/echo", slow_url, sizeof(slow_url));
    struct http_request slow = {
        .method = "GET", .url = slow_url, .max_response_bytes = 10};
    assert_int_equal(http_client_send(client, &slow, on_response, &outcome, &chain.other),
                     0);
    assert_int_equal(http_client_send(client, &request, on_chain, &chain, &chain.own), 0);
    assert_true(pump_until(fixture->loop, is_chain_done, &chain));
    assert_int_equal(outcome.calls, 0);
    /* Freed with one of each kind under way. */
    assert_int_equal(http_client_send(client, &slow, on_response, &outcome, &transfer),
                     0);
    assert_int_equal(http_client_send(client, &running, on_response, &outcome, &transfer),
                     0);
    pump_for(fixture->loop, 20);
    http_client_free(client);
    pump_for(fixture->loop, 50);
    assert_int_equal(outcome.calls, 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_requests),         WITH_SERVER(test_not_verified),
        WITH_SERVER(test_limits),           WITH_SERVER(test_failures),
        WITH_SERVER(test_refused_requests), WITH_SERVER(test_queue),
        WITH_SERVER(test_cancel_and_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every allocation of ours fails once while the HTTP client fetches over TLS from our own
 * server: its callback comes exactly once, with the response or an error, or the sending
 * itself fails. libcurl and c-ares allocate in their own libraries, so their entry points
 * fail in place. */
#include "base/core/file.h"
#include "base/core/text.h"
#include "base/net/http_client.h"
#include "base/net/http_server.h"

#include "tests/fault/net_calls.h"
#include "tests/unit/net/pair.h"

#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

enum { TOTAL_MS = 400, WAIT_MS = 8000, CURL_OUT_OF_MEMORY = 3, ARES_OUT_OF_MEMORY = 15 };

void *__real_curl_easy_init(void);
void *__wrap_curl_easy_init(void);
void *__real_curl_slist_append(void *list, const char *text);
void *__wrap_curl_slist_append(void *list, const char *text);
int __real_curl_multi_add_handle(void *multi, void *easy);
int __wrap_curl_multi_add_handle(void *multi, void *easy);
int __real_ares_init_options(void *channel, void *options, int mask);
int __wrap_ares_init_options(void *channel, void *options, int mask);

void *__wrap_curl_easy_init(void)
{
    return net_is_failing() ? NULL : __real_curl_easy_init();
}

void *__wrap_curl_slist_append(void *list, const char *text)
{
    return net_is_failing() ? NULL : __real_curl_slist_append(list, text);
}

int __wrap_curl_multi_add_handle(void *multi, void *easy)
{
    return net_is_failing() ? CURL_OUT_OF_MEMORY
                            : __real_curl_multi_add_handle(multi, easy);
}

int __wrap_ares_init_options(void *channel, void *options, int mask)
{
    return net_is_failing() ? ARES_OUT_OF_MEMORY
                            : __real_ares_init_options(channel, options, mask);
}

struct outcome {
    unsigned calls;
    int error;
    int status;
};

static struct pair pair;
static struct tls_server *tls;
static struct http_server *server;
static char folder[] = "/tmp/latchkey-fault-XXXXXX";
static char ca_file[64];
static char url[128];

static void on_request(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    http_exchange_add_header(exchange, "X-Ours", "yes");
    http_exchange_respond(exchange, 200, "text/plain", "hello", 5);
}

static void on_response(const struct http_response *response, void *arg)
{
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->error = response->error;
    outcome->status = response->status;
    if (response->error == 0 && response->status >= 500) {
        outcome->error = ERROR_IO; /* the server's memory failed, not the client's */
    } else if (response->error == 0) {
        assert_int_equal(response->body.size, 5);
        assert_string_equal(http_response_header(response, "x-ours", 0), "yes");
    } else {
        assert_true(response->error_text[0] != '\0');
    }
}

static bool is_called(void *arg)
{
    return ((struct outcome *)arg)->calls > 0;
}

static int fetch(void)
{
    struct resolver *resolver = NULL;
    struct http_client *client = NULL;
    struct http_transfer *transfer = NULL;
    struct outcome outcome = {.calls = 0};
    struct http_client_options options = {
        .ca_file = ca_file,
        .user_agent = "test",
        .max_connections = 2,
        .connect_ms = TOTAL_MS,
        .total_ms = TOTAL_MS,
    };
    struct http_request request = {
        .method = "POST",
        .url = url,
        .content_type = "text/plain",
        .accept = "text/plain",
        .body = {.data = (const uint8_t *)"body", .size = 4},
        .max_response_bytes = 100,
    };
    int error = resolver_new(net_loop, NULL, 0, &resolver);
    if (error == 0) {
        options.resolver = resolver;
        error = http_client_new(net_loop, &options, &client);
    }
    if (error == 0) {
        error = http_client_send(client, &request, on_response, &outcome, &transfer);
    }
    if (error == 0) {
        assert_true(net_loop_until(is_called, &outcome, WAIT_MS));
        error = outcome.error;
        assert_true(error != 0 || outcome.status == 200);
    }
    unsigned calls = outcome.calls;
    http_client_free(client);
    resolver_free(resolver);
    assert_true(calls <= 1 && outcome.calls == calls);
    return error;
}

/* Server and client share the allocations that fail, so there are thousands, most of them
 * in handshakes: the first ones, which make client, resolver and transfer, are failed one
 * by one, then every eleventh. */
static void test_fetch(void **state)
{
    (void)state;
    size_t failed_count = 0;
    bool was_reached = true;
    assert_int_equal(fetch(), 0);
    for (size_t index = 0; was_reached; index += index < 200 ? 1 : 11) {
        allocation_fail_at(index);
        int error = fetch();
        was_reached = allocation_stop();
        ERR_clear_error();
        assert_true(was_reached || error == 0);
        failed_count += error != 0;
    }
    assert_true(failed_count > 30);
    assert_int_equal(fetch(), 0);
}

static int set_up(void **state)
{
    struct buffer pem = buffer_init(1 << 16);
    struct address address;
    uint16_t port = 0;
    struct http_server_options options = {
        .max_connections = 8,
        .handshake_s = 1,
        .request_s = 1,
        .idle_s = 1,
        .response_s = 1,
        .max_header_bytes = 4096,
        .max_body_bytes = 4096,
    };
    (void)state;
    net_loop_open();
    /* The one name that needs no name server. */
    pair_make_under(&pair, "localhost", "localhost");
    assert_non_null(mkdtemp(folder));
    assert_true(text_format(ca_file, sizeof(ca_file), "%s/ca.pem", folder));
    assert_int_equal(cert_to_pem(pair.identity_cert, &pem), 0);
    assert_int_equal(file_write_atomic(ca_file, pem.data, pem.size, 0600), 0);
    buffer_free(&pem);
    assert_int_equal(tls_server_new(&tls), 0);
    assert_int_equal(tls_server_set(tls, TLS_TRUSTED, pair.cert, pair.key), 0);
    options.tls = tls;
    assert_int_equal(http_server_new(net_loop, &options, on_request, NULL, &server), 0);
    assert_int_equal(address_parse("127.0.0.1:0", 0, &address), 0);
    assert_int_equal(http_server_listen(server, &address, &port), 0);
    assert_true(text_format(url, sizeof(url), "https://localhost:%u/x", port));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_server_free(server);
    tls_server_free(tls);
    pair_free(&pair);
    net_loop_close();
    assert_int_equal(unlink(ca_file), 0);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),
    };
    allocation_hook();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Handshakes over a pair of memory BIOs: no sockets, no loop. */
#include "base/net/tls.h"

#include "tests/unit/net/pair.h"

#include <openssl/ssl.h>
#include <string.h>

struct client {
    SSL_CTX *context;
    SSL_SESSION *session; /* the last ticket; NULL: none */
};

struct link {
    SSL *client;
    SSL *server;
};

static struct client *client_of_callback;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(client_of_callback->session);
    client_of_callback->session = session;
    return 1;
}

static void client_open(struct client *client, int version)
{
    client->session = NULL;
    client->context = SSL_CTX_new(TLS_client_method());
    assert_non_null(client->context);
    assert_int_equal(SSL_CTX_set_min_proto_version(client->context, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client->context, version), 1);
    SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client->context, on_session);
    client_of_callback = client;
}

static void client_close(struct client *client)
{
    SSL_SESSION_free(client->session);
    SSL_CTX_free(client->context);
}

static void link_open(struct link *link, struct tls_server *tls, struct client *client,
                      const char *name)
{
    BIO *inner = NULL;
    BIO *outer = NULL;
    link->server = SSL_new(tls_server_context(tls));
    link->client = SSL_new(client->context);
    assert_non_null(link->server);
    assert_non_null(link->client);
    assert_int_equal(BIO_new_bio_pair(&inner, 0, &outer, 0), 1);
    SSL_set_bio(link->server, inner, inner);
    SSL_set_bio(link->client, outer, outer);
    SSL_set_accept_state(link->server);
    SSL_set_connect_state(link->client);
    if (name != NULL) {
        assert_int_equal(SSL_ctrl(link->client, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                  TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name),
                         1);
    }
    if (client->session != NULL) {
        assert_int_equal(SSL_set_session(link->client, client->session), 1);
    }
}

static void link_close(struct link *link)
{
    /* A client that saw no orderly end would not resume the session. */
    SSL_set_shutdown(link->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(link->client);
    SSL_free(link->server);
}

static bool is_waiting(const SSL *ssl, int result)
{
    int reason = SSL_get_error(ssl, result);
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
}

static bool shake(struct link *link)
{
    for (unsigned i = 0; i < 20; i++) {
        int client = SSL_do_handshake(link->client);
        int server = SSL_do_handshake(link->server);
        if (client == 1 && server == 1) {
            return true;
        }
        if ((client != 1 && !is_waiting(link->client, client)) ||
            (server != 1 && !is_waiting(link->server, server))) {
            return false;
        }
    }
    return false;
}

/* A word from the server; the client takes tickets with it. */
static void talk(struct link *link)
{
    char word[8] = "";
    assert_int_equal(SSL_write(link->server, "word", 4), 4);
    assert_int_equal(SSL_read(link->client, word, sizeof(word)), 4);
    assert_memory_equal(word, "word", 4);
}

static void assert_leaf(const struct link *link, const struct pair *pair)
{
    X509 *leaf = SSL_get1_peer_certificate(link->client);
    assert_non_null(leaf);
    assert_int_equal(X509_cmp(leaf, cert_x509(pair->cert, 0)), 0);
    X509_free(leaf);
}

static void assert_served(struct tls_server *tls, const char *name,
                          const struct pair *pair, enum tls_slot slot)
{
    struct client client;
    struct link link;
    client_open(&client, TLS1_3_VERSION);
    link_open(&link, tls, &client, name);
    assert_true(shake(&link));
    assert_leaf(&link, pair);
    assert_int_equal(tls_slot_of(link.server), slot);
    if (name != NULL) {
        assert_string_equal(SSL_get_servername(link.server, TLSEXT_NAMETYPE_host_name),
                            name);
    }
    link_close(&link);
    client_close(&client);
}

struct fixture {
    struct tls_server *tls;
    struct pair fallback;
    struct pair trusted;
    struct pair next;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    assert_int_equal(tls_server_new(&fixture.tls), 0);
    pair_make(&fixture.fallback, "fallback.lan.test");
    pair_make(&fixture.trusted, "*.id.lan.test");
    pair_make(&fixture.next, "*.id.lan.test");
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    tls_server_free(fixture->tls);
    tls_server_free(NULL);
    pair_free(&fixture->fallback);
    pair_free(&fixture->trusted);
    pair_free(&fixture->next);
    return 0;
}

static void set_slot(struct fixture *fixture, enum tls_slot slot, const struct pair *pair)
{
    assert_int_equal(tls_server_set(fixture->tls, slot, pair->cert, pair->key), 0);
}

static void test_choice(void **state)
{
    struct fixture *fixture = *state;
    struct tls_server *tls = fixture->tls;
    set_slot(fixture, TLS_FALLBACK, &fixture->fallback);
    assert_served(tls, "a.id.lan.test", &fixture->fallback, TLS_FALLBACK);
    set_slot(fixture, TLS_TRUSTED, &fixture->trusted);
    assert_served(tls, "a.id.lan.test", &fixture->trusted, TLS_TRUSTED);
    assert_served(tls, "192-168-1-51.ID.lan.TEST", &fixture->trusted, TLS_TRUSTED);
    /* A wildcard is one whole label. */
    assert_served(tls, "id.lan.test", &fixture->fallback, TLS_FALLBACK);
    assert_served(tls, "b.a.id.lan.test", &fixture->fallback, TLS_FALLBACK);
    assert_served(tls, "other.test", &fixture->fallback, TLS_FALLBACK);
    assert_served(tls, NULL, &fixture->fallback, TLS_FALLBACK);
    /* Without a fallback the trusted one is better than none. */
    tls_server_clear(tls, TLS_FALLBACK);
    assert_served(tls, NULL, &fixture->trusted, TLS_TRUSTED);
    tls_server_clear(tls, TLS_TRUSTED);
    set_slot(fixture, TLS_FALLBACK, &fixture->fallback);
    assert_served(tls, "a.id.lan.test", &fixture->fallback, TLS_FALLBACK);
}

/* The owner's certificate is for its own names, after those of the trusted one. */
static void test_owner(void **state)
{
    struct fixture *fixture = *state;
    struct tls_server *tls = fixture->tls;
    struct pair owner;
    struct pair greedy;
    struct client client;
    struct link link;
    uint8_t hash[32];
    uint8_t expected[32];
    pair_make(&owner, "nas.lan.test");
    pair_make(&greedy, "*.id.lan.test");
    set_slot(fixture, TLS_FALLBACK, &fixture->fallback);
    set_slot(fixture, TLS_TRUSTED, &fixture->trusted);
    assert_served(tls, "nas.lan.test", &fixture->fallback, TLS_FALLBACK);
    set_slot(fixture, TLS_OWNER, &owner);
    assert_served(tls, "NAS.lan.test", &owner, TLS_OWNER);
    assert_served(tls, "a.id.lan.test", &fixture->trusted, TLS_TRUSTED);
    assert_served(tls, "other.lan.test", &fixture->fallback, TLS_FALLBACK);
    assert_served(tls, NULL, &fixture->fallback, TLS_FALLBACK);
    /* A connection knows what it was shown, also after a swap. */
    client_open(&client, TLS1_3_VERSION);
    link_open(&link, tls, &client, "nas.lan.test");
    assert_int_equal(tls_leaf_hash(link.server, hash), ERROR_STATE);
    assert_true(shake(&link));
    tls_server_clear(tls, TLS_OWNER);
    assert_int_equal(tls_leaf_hash(link.server, hash), 0);
    assert_int_equal(cert_fingerprint(owner.cert, expected), 0);
    assert_memory_equal(hash, expected, sizeof(hash));
    link_close(&link);
    client_close(&client);
    assert_served(tls, "nas.lan.test", &fixture->fallback, TLS_FALLBACK);
    set_slot(fixture, TLS_OWNER, &greedy);
    assert_served(tls, "a.id.lan.test", &fixture->trusted, TLS_TRUSTED);
    tls_server_clear(tls, TLS_TRUSTED);
    assert_served(tls, "a.id.lan.test", &greedy, TLS_OWNER);
    pair_free(&owner);
    pair_free(&greedy);
}

static void test_empty_refuses(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    struct link link;
    client_open(&client, TLS1_3_VERSION);
    link_open(&link, fixture->tls, &client, "a.id.lan.test");
    assert_false(shake(&link));
    link_close(&link);
    client_close(&client);
}

static void test_swap_leaves_connections(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    struct link link;
    struct link half;
    client_open(&client, TLS1_3_VERSION);
    set_slot(fixture, TLS_TRUSTED, &fixture->trusted);
    link_open(&link, fixture->tls, &client, "a.id.lan.test");
    assert_true(shake(&link));
    talk(&link);
    /* One more that is in the middle of its handshake: its ClientHello has been answered.
     */
    link_open(&half, fixture->tls, &client, "a.id.lan.test");
    assert_int_equal(SSL_do_handshake(half.client), -1);
    assert_int_equal(SSL_do_handshake(half.server), -1);
    set_slot(fixture, TLS_TRUSTED, &fixture->next);
    talk(&link);
    assert_int_equal(tls_slot_of(link.server), TLS_TRUSTED);
    assert_true(shake(&half));
    assert_leaf(&half, &fixture->trusted);
    assert_served(fixture->tls, "a.id.lan.test", &fixture->next, TLS_TRUSTED);
    tls_server_clear(fixture->tls, TLS_TRUSTED);
    talk(&link);
    link_close(&link);
    link_close(&half);
    client_close(&client);
}

static void test_mismatch_keeps(void **state)
{
    struct fixture *fixture = *state;
    struct key *public_half = NULL;
    set_slot(fixture, TLS_TRUSTED, &fixture->trusted);
    assert_int_equal(tls_server_set(fixture->tls, TLS_TRUSTED, fixture->next.cert,
                                    fixture->trusted.key),
                     ERROR_CRYPTO);
    assert_int_equal(cert_key(fixture->next.cert, &public_half), 0);
    assert_int_equal(
        tls_server_set(fixture->tls, TLS_TRUSTED, fixture->next.cert, public_half),
        ERROR_CRYPTO);
    key_free(public_half);
    assert_served(fixture->tls, "a.id.lan.test", &fixture->trusted, TLS_TRUSTED);
}

/* Whether a connection to NAME resumes the client's session. */
static bool resumes(struct fixture *fixture, struct client *client, const char *name)
{
    struct link link;
    link_open(&link, fixture->tls, client, name);
    assert_true(shake(&link));
    talk(&link);
    bool is_reused = SSL_session_reused(link.server) == 1;
    link_close(&link);
    return is_reused;
}

static void check_resumption(struct fixture *fixture, int version)
{
    struct client client;
    client_open(&client, version);
    set_slot(fixture, TLS_FALLBACK, &fixture->fallback);
    set_slot(fixture, TLS_TRUSTED, &fixture->trusted);
    assert_false(resumes(fixture, &client, "a.id.lan.test"));
    assert_non_null(client.session);
    assert_true(resumes(fixture, &client, "a.id.lan.test"));
    /* The ticket of one slot says nothing about the other. */
    assert_false(resumes(fixture, &client, "other.test"));
    assert_true(resumes(fixture, &client, "other.test"));
    assert_false(resumes(fixture, &client, "a.id.lan.test"));
    assert_true(resumes(fixture, &client, "a.id.lan.test"));
    /* A new certificate is shown, not resumed past. */
    set_slot(fixture, TLS_TRUSTED, &fixture->next);
    assert_false(resumes(fixture, &client, "a.id.lan.test"));
    assert_true(resumes(fixture, &client, "a.id.lan.test"));
    tls_server_clear(fixture->tls, TLS_TRUSTED);
    assert_false(resumes(fixture, &client, "a.id.lan.test"));
    client_close(&client);
}

static void test_resumption_12(void **state)
{
    check_resumption(*state, TLS1_2_VERSION);
}

static void test_resumption_13(void **state)
{
    check_resumption(*state, TLS1_3_VERSION);
}

static void test_old_and_weak_refused(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    struct link link;
    set_slot(fixture, TLS_FALLBACK, &fixture->fallback);
    client_open(&client, TLS1_1_VERSION);
    SSL_CTX_set_security_level(client.context, 0);
    link_open(&link, fixture->tls, &client, NULL);
    assert_false(shake(&link));
    link_close(&link);
    client_close(&client);
    client_open(&client, TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_set_cipher_list(client.context, "ECDHE-ECDSA-AES128-SHA256"),
                     1);
    link_open(&link, fixture->tls, &client, NULL);
    assert_false(shake(&link));
    link_close(&link);
    client_close(&client);
}

static void test_renegotiation_refused(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    struct link link;
    char byte;
    set_slot(fixture, TLS_FALLBACK, &fixture->fallback);
    client_open(&client, TLS1_2_VERSION);
    link_open(&link, fixture->tls, &client, NULL);
    assert_true(shake(&link));
    talk(&link);
    /* It is answered with a warning alert no_renegotiation, which the client takes as the
     * end. */
    assert_int_equal(SSL_renegotiate(link.client), 1);
    assert_int_equal(SSL_do_handshake(link.client), -1);
    assert_int_equal(SSL_read(link.server, &byte, 1), -1);
    int result = SSL_do_handshake(link.client);
    assert_true(result != 1 && !is_waiting(link.client, result));
    link_close(&link);
    client_close(&client);
}

static void test_alpn(void **state)
{
    struct fixture *fixture = *state;
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    static const unsigned char other[] = "\x02h2";
    const unsigned char *name = NULL;
    unsigned size = 0;
    struct client client;
    struct link link;
    set_slot(fixture, TLS_FALLBACK, &fixture->fallback);
    client_open(&client, TLS1_3_VERSION);
    assert_int_equal(SSL_CTX_set_alpn_protos(client.context, both, sizeof(both) - 1), 0);
    link_open(&link, fixture->tls, &client, NULL);
    assert_true(shake(&link));
    SSL_get0_alpn_selected(link.client, &name, &size);
    assert_int_equal(size, 8);
    assert_memory_equal(name, "http/1.1", 8);
    link_close(&link);
    assert_int_equal(SSL_CTX_set_alpn_protos(client.context, other, sizeof(other) - 1),
                     0);
    link_open(&link, fixture->tls, &client, NULL);
    assert_false(shake(&link));
    link_close(&link);
    client_close(&client);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_choice),
        WITH_SERVER(test_owner),
        WITH_SERVER(test_empty_refuses),
        WITH_SERVER(test_swap_leaves_connections),
        WITH_SERVER(test_mismatch_keeps),
        WITH_SERVER(test_resumption_12),
        WITH_SERVER(test_resumption_13),
        WITH_SERVER(test_old_and_weak_refused),
        WITH_SERVER(test_renegotiation_refused),
        WITH_SERVER(test_alpn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

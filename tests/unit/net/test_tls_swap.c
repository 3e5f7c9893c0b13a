/* Handshakes with contexts that are not ours, over a pair of memory BIOs. */
#include "base/net/tls_swap.h"

#include "tests/unit/net/pair.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static struct pair trusted;
static struct pair fallback;
static struct pair renewed;
static SSL_CTX *client_context;

static int make_pairs(void **state)
{
    (void)state;
    pair_make_under(&trusted, "device.test", "*.device.test");
    pair_make_under(&renewed, "device.test", "*.device.test");
    pair_make_under(&fallback, "local", "camera.local");
    client_context = SSL_CTX_new(TLS_client_method());
    return client_context == NULL;
}

static int free_pairs(void **state)
{
    (void)state;
    pair_free(&trusted);
    pair_free(&renewed);
    pair_free(&fallback);
    SSL_CTX_free(client_context);
    return 0;
}

static SSL_CTX *new_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    return context;
}

/* Whose certificate a client that asks for NAME sees; NULL: the handshake fails. */
static const struct pair *served(SSL_CTX *context, const char *name)
{
    BIO *inner = NULL;
    BIO *outer = NULL;
    SSL *server = SSL_new(context);
    SSL *client = SSL_new(client_context);
    const struct pair *found = NULL;
    assert_int_equal(BIO_new_bio_pair(&inner, 0, &outer, 0), 1);
    SSL_set_bio(server, inner, inner);
    SSL_set_bio(client, outer, outer);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    if (name != NULL) {
        assert_int_equal(SSL_ctrl(client, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                  TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name),
                         1);
    }
    for (int i = 0; i < 20; i++) {
        (void)SSL_do_handshake(client);
        (void)SSL_do_handshake(server);
    }
    X509 *leaf = SSL_is_init_finished(client) ? SSL_get0_peer_certificate(client) : NULL;
    const struct pair *all[] = {&trusted, &renewed, &fallback};
    for (size_t i = 0; leaf != NULL && i < 3; i++) {
        if (X509_cmp(leaf, cert_x509(all[i]->cert, 0)) == 0) {
            found = all[i];
            assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(client)),
                             (int)cert_count(all[i]->cert));
        }
    }
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    SSL_free(server);
    ERR_clear_error();
    return found;
}

static void put(struct tls_swap *swap, enum tls_slot slot, const struct pair *pair)
{
    assert_int_equal(tls_swap_set(swap, slot, pair->cert, pair->key), 0);
}

static void names_choose(void **state)
{
    (void)state;
    struct tls_swap *swap = NULL;
    SSL_CTX *context = new_context();
    assert_int_equal(tls_swap_new(&swap), 0);
    assert_int_equal(tls_swap_attach(swap, context), 0);
    assert_null(served(context, "home.device.test"));
    put(swap, TLS_TRUSTED, &trusted);
    assert_ptr_equal(served(context, NULL), &trusted); /* there is nothing better */
    put(swap, TLS_FALLBACK, &fallback);
    assert_ptr_equal(served(context, "home.device.test"), &trusted);
    assert_ptr_equal(served(context, "HOME.Device.test"), &trusted);
    assert_ptr_equal(served(context, "a.home.device.test"), &fallback);
    assert_ptr_equal(served(context, "device.test"), &fallback);
    assert_ptr_equal(served(context, "elsewhere.test"), &fallback);
    assert_ptr_equal(served(context, NULL), &fallback);
    put(swap, TLS_TRUSTED, &renewed);
    assert_ptr_equal(served(context, "home.device.test"), &renewed);
    tls_swap_clear(swap, TLS_TRUSTED);
    assert_ptr_equal(served(context, "home.device.test"), &fallback);
    tls_swap_free(swap);
    assert_null(served(context, "home.device.test"));
    SSL_CTX_free(context);
}

static void the_owners_certificates_and_callbacks_stay(void **state)
{
    (void)state;
    struct tls_swap *swap = NULL;
    SSL_CTX *context = new_context();
    SSL_CTX *other = new_context();
    /* A context with a certificate of its own gets ours instead, in each handshake only. */
    assert_int_equal(SSL_CTX_use_certificate(context, cert_x509(renewed.cert, 0)), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key_evp(renewed.key)), 1);
    assert_int_equal(tls_swap_new(&swap), 0);
    put(swap, TLS_FALLBACK, &fallback);
    assert_int_equal(tls_swap_attach(swap, context), 0);
    assert_int_equal(tls_swap_attach(swap, context), 0);
    assert_int_equal(tls_swap_attach(swap, other), 0);
    assert_ptr_equal(served(context, NULL), &fallback);
    assert_ptr_equal(served(other, NULL), &fallback);
    tls_swap_free(swap);
    X509 *own = SSL_CTX_get0_certificate(context);
    assert_int_equal(X509_cmp(own, cert_x509(renewed.cert, 0)), 0);
    SSL_CTX_free(context);
    SSL_CTX_free(other);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct tls_swap *swap = NULL;
    SSL_CTX *contexts[TLS_SWAP_CONTEXTS_MAX + 1];
    assert_int_equal(tls_swap_new(&swap), 0);
    put(swap, TLS_FALLBACK, &fallback);
    assert_int_equal(tls_swap_set(swap, TLS_FALLBACK, trusted.cert, fallback.key),
                     ERROR_CRYPTO);
    for (size_t i = 0; i <= TLS_SWAP_CONTEXTS_MAX; i++) {
        contexts[i] = new_context();
        assert_int_equal(tls_swap_attach(swap, contexts[i]),
                         i < TLS_SWAP_CONTEXTS_MAX ? 0 : ERROR_LIMIT);
    }
    assert_ptr_equal(served(contexts[0], NULL), &fallback);
    /* The context may go first. */
    for (size_t i = 0; i <= TLS_SWAP_CONTEXTS_MAX; i++) {
        SSL_CTX_free(contexts[i]);
    }
    tls_swap_free(swap);
    tls_swap_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_choose),
        cmocka_unit_test(the_owners_certificates_and_callbacks_stay),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, make_pairs, free_pairs);
}

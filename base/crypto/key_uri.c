/* The providers live in an OpenSSL context of their own. In the default one a TPM's would
 * also offer random numbers, digests and key exchange, and TLS would end up waiting for a
 * chip at every handshake. What leaves this file is a key with a signing function.
 *
 * In that context the token is preferred for all but digests: a TPM hashes slowly, and
 * what is hashed here is no secret. */
#include "base/crypto/key_uri.h"

#include "base/core/text.h"
#include "base/crypto/key_engine.h"
#include "base/crypto/openssl.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <stdlib.h>
#include <string.h>

enum { PROVIDERS_MAX = 8, PROPERTIES_CAPACITY = 128 };

struct key_uri {
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *providers[PROVIDERS_MAX];
    size_t provider_count;
    char properties[PROPERTIES_CAPACITY];
    struct key_engine *engine;
    EVP_PKEY *pkey;
};

void key_uri_close(struct key_uri *uri)
{
    if (uri == NULL) {
        return;
    }
    EVP_PKEY_free(uri->pkey);
    key_engine_close(uri->engine);
    while (uri->provider_count > 0) {
        OSSL_PROVIDER_unload(uri->providers[--uri->provider_count]);
    }
    OSSL_LIB_CTX_free(uri->library);
    free(uri);
}

/* What OpenSSL says first, which is nearest to the cause. */
static const char *why(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    return text != NULL ? text : "no reason was given";
}

/* The URI as far as it may be shown: a PIN would stand behind the '?'. */
static void shown(const char *uri, char *ret_text, size_t capacity)
{
    size_t size = strcspn(uri, "?");
    text_printable(ret_text, capacity, uri, size);
}

static int add_provider(struct key_uri *uri, const char *name, char *reason,
                        size_t capacity)
{
    OSSL_PROVIDER *provider = uri->provider_count < PROVIDERS_MAX
                                  ? OSSL_PROVIDER_load(uri->library, name)
                                  : NULL;
    if (provider == NULL) {
        text_format(reason, capacity, "OpenSSL's provider '%s' can't be loaded: %s", name,
                    why());
        return openssl_error(ERROR_NOT_FOUND);
    }
    uri->providers[uri->provider_count++] = provider;
    return 0;
}

static int open_library(struct key_uri *uri, const struct key_uri_options *options,
                        char *reason, size_t capacity)
{
    uri->library = OSSL_LIB_CTX_new();
    if (uri->library == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    int error = add_provider(uri, "default", reason, capacity);
    for (size_t i = 0; i < options->provider_count && error == 0; i++) {
        error = add_provider(uri, options->providers[i], reason, capacity);
    }
    if (error == 0 && options->provider_count > 0 &&
        !text_format(uri->properties, sizeof(uri->properties),
                     "?provider=%s,%s.digest!=yes", options->providers[0],
                     options->providers[0])) {
        error = ERROR_LIMIT;
    }
    return error;
}

/* Waits for the first private key at the URI. */
static EVP_PKEY *read_store(struct key_uri *uri, const char *name)
{
    EVP_PKEY *pkey = NULL;
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(name, uri->library, uri->properties, NULL,
                                               NULL, NULL, NULL, NULL);
    while (store != NULL && pkey == NULL && OSSL_STORE_eof(store) != 1) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY) {
            pkey = OSSL_STORE_INFO_get1_PKEY(info);
        }
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return pkey;
}

static int find_key(struct key_uri *uri, const char *name, char *reason, size_t capacity)
{
    char text[160];
    uri->pkey = read_store(uri, name);
    if (uri->pkey != NULL) {
        return 0;
    }
    if (text_starts_with(name, "pkcs11:")) {
        ERR_clear_error();
        return key_engine_open(name, &uri->engine, &uri->pkey, reason, capacity);
    }
    shown(name, text, sizeof(text));
    text_format(reason, capacity, "no private key is at '%s': %s", text, why());
    return openssl_error(ERROR_NOT_FOUND);
}

/* key_sign_fn: DER for ECDSA, as OpenSSL has it. */
static int sign(void *arg, const void *data, size_t size, uint8_t *ret_signature,
                size_t *ret_size)
{
    struct key_uri *uri = arg;
    bool is_eddsa = EVP_PKEY_is_a(uri->pkey, "ED25519") == 1;
    const char *digest = is_eddsa                              ? NULL
                         : EVP_PKEY_get_bits(uri->pkey) == 384 ? "SHA384"
                                                               : "SHA256";
    size_t signature_size = KEY_SIGNATURE_MAX;
    int error = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) {
        return openssl_error(ERROR_MEMORY);
    }
    if (EVP_DigestSignInit_ex(
            context, NULL, digest, uri->engine == NULL ? uri->library : NULL,
            uri->engine == NULL ? uri->properties : NULL, uri->pkey, NULL) != 1 ||
        EVP_DigestSign(context, ret_signature, &signature_size, data, size) != 1) {
        error = openssl_error(ERROR_CRYPTO);
    } else {
        *ret_size = signature_size;
    }
    EVP_MD_CTX_free(context);
    return error;
}

/* The public half, which OpenSSL's own code then verifies with. */
static int wrap(struct key_uri *uri, struct key **ret_key, char *reason, size_t capacity)
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(uri->pkey, &der);
    if (size <= 0) {
        text_format(reason, capacity, "the token does not tell the public key: %s",
                    why());
        return openssl_error(ERROR_CRYPTO);
    }
    int error = key_new_external(der, (size_t)size, sign, uri, ret_key);
    OPENSSL_free(der);
    if (error < 0) {
        text_format(reason, capacity,
                    "the token's key is of no use: %s (it must be P-256, P-384, RSA 2048 "
                    "to 4096 or Ed25519, and sign)",
                    error_text(error));
    }
    return error;
}

int key_uri_open(const struct key_uri_options *options, struct key_uri **ret_uri,
                 struct key **ret_key, char *reason, size_t reason_capacity)
{
    struct key_uri *uri = calloc(1, sizeof(*uri));
    if (uri == NULL) {
        return ERROR_MEMORY;
    }
    text_copy(reason, reason_capacity, "memory is short");
    int error = open_library(uri, options, reason, reason_capacity);
    if (error == 0) {
        error = find_key(uri, options->uri, reason, reason_capacity);
    }
    if (error == 0) {
        error = wrap(uri, ret_key, reason, reason_capacity);
    }
    ERR_clear_error();
    if (error < 0) {
        key_uri_close(uri);
        return error;
    }
    *ret_uri = uri;
    return 0;
}

/* The server side of TLS, with certificates that come and go.
 *
 * There is one front SSL_CTX, which every connection is made from and which has no
 * certificate, and one SSL_CTX per slot that holds a certificate. The ClientHello
 * callback, which runs before OpenSSL looks at tickets or PSKs, reads SNI and moves the
 * connection to a slot's context. A context is never changed after it was made: a new
 * certificate is a new context, and connections hold a reference to theirs, so that a
 * swap touches none of them.
 *
 * Tickets: OpenSSL takes the ticket keys from the context a connection was made from,
 * i.e. the front, so a ticket of one slot would decrypt under the other. The session id
 * context does not let it pass: it is the leaf's SHA-256, compared (also for TLS 1.3
 * PSKs) after the ClientHello callback set it. A client that shows a ticket of another
 * certificate gets a full handshake and sees the present one. The ticket keys themselves
 * are replaced with every certificate, so that none lives as long as the process.
 *
 * Apps say by ALPN that they are one. They are shown the fallback, whose chain their pin
 * is about, and are asked for a certificate: any, since its key is what they enrol. No
 * browser says so, and so none is asked. An app's session is never resumed: its pin must
 * be seen to hold each time. */
#include "base/net/tls.h"

#include "base/core/reader.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOT_COUNT = 3,
    NAME_CAPACITY = 256,
    SESSION_CONTEXT_SIZE = 32, /* SSL_MAX_SID_CTX_LENGTH */
    TICKET_KEYS_SIZE = 80,     /* name, HMAC key and AES key, as OpenSSL 3 takes them */
};

_Static_assert(SESSION_CONTEXT_SIZE <= SSL_MAX_SID_CTX_LENGTH,
               "the session id context must fit");
_Static_assert(TLS_FALLBACK == 0 && TLS_TRUSTED == 1 && TLS_OWNER == 2,
               "slots index an array of SLOT_COUNT");

static const unsigned char app_protocol[] = TLS_APP_PROTOCOL;
enum { APP_PROTOCOL_SIZE = sizeof(app_protocol) - 1 };

struct slot {
    SSL_CTX *context; /* NULL: empty */
    char **names;
    size_t name_count;
};

/* A further certificate. */
struct named_slot {
    struct named_slot *next;
    char *name;
    struct slot slot;
};

struct tls_server {
    SSL_CTX *front;
    struct slot slots[SLOT_COUNT];
    struct named_slot *named;
    bool serves_apps;
};

/* What a slot's contexts are marked with. */
static char marks[SLOT_COUNT];

static void slot_clear(struct slot *slot)
{
    SSL_CTX_free(slot->context);
    for (size_t i = 0; i < slot->name_count; i++) {
        free(slot->names[i]);
    }
    free(slot->names);
    *slot = (struct slot){.context = NULL};
}

/* RFC 6125 6.4: a wildcard stands for exactly one whole leftmost label. */
static bool name_matches(const char *pattern, const char *name)
{
    if (pattern[0] != '*' || pattern[1] != '.') {
        return text_equal_nocase(pattern, name);
    }
    const char *dot = strchr(name, '.');
    return dot != NULL && dot != name && text_equal_nocase(pattern + 1, dot);
}

static bool slot_has_name(const struct slot *slot, const char *name)
{
    for (size_t i = 0; i < slot->name_count; i++) {
        if (name_matches(slot->names[i], name)) {
            return true;
        }
    }
    return false;
}

static const struct slot *choose(const struct tls_server *tls, const char *name)
{
    const struct slot *trusted = &tls->slots[TLS_TRUSTED];
    const struct slot *owner = &tls->slots[TLS_OWNER];
    const struct slot *fallback = &tls->slots[TLS_FALLBACK];
    if (trusted->context != NULL && slot_has_name(trusted, name)) {
        return trusted;
    }
    if (owner->context != NULL && slot_has_name(owner, name)) {
        return owner;
    }
    for (const struct named_slot *at = tls->named; at != NULL; at = at->next) {
        if (slot_has_name(&at->slot, name)) {
            return &at->slot;
        }
    }
    return fallback->context != NULL || trusted->context == NULL ? fallback : trusted;
}

/* The host_name of SNI (RFC 6066 3) as text; "" when there is none or it is no text.
 * OpenSSL refuses malformed extensions itself, after this callback. */
static void read_server_name(SSL *ssl, char ret_name[static NAME_CAPACITY])
{
    const unsigned char *data = NULL;
    size_t size = 0;
    ret_name[0] = '\0';
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) {
        return;
    }
    struct reader reader = reader_init(data, size);
    uint16_t list_size = reader_u16(&reader);
    uint8_t type = reader_u8(&reader);
    struct bytes name = reader_bytes(&reader, reader_u16(&reader));
    if (reader.failed || list_size != size - 2 || type != TLSEXT_NAMETYPE_host_name ||
        name.size >= NAME_CAPACITY || memchr(name.data, '\0', name.size) != NULL) {
        return;
    }
    memcpy(ret_name, name.data, name.size);
    ret_name[name.size] = '\0';
}

/* Whether the ClientHello offers PROTOCOL by ALPN (RFC 7301 3.1). */
static bool offers(SSL *ssl, struct bytes protocol)
{
    const unsigned char *data = NULL;
    size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
                                  &data, &size) != 1) {
        return false;
    }
    struct reader reader = reader_init(data, size);
    reader_u16(&reader);
    while (reader_left(&reader) > 0) {
        struct bytes name = reader_bytes(&reader, reader_u8(&reader));
        if (!reader.failed && name.size == protocol.size &&
            memcmp(name.data, protocol.data, name.size) == 0) {
            return true;
        }
    }
    return false;
}

/* The key counts, and OpenSSL sees to it that the peer has it. */
static int accept_any(int is_good, X509_STORE_CTX *context)
{
    (void)is_good;
    (void)context;
    return 1;
}

static bool prepare_for_app(SSL *ssl)
{
    SSL_set_verify(ssl, SSL_VERIFY_PEER, accept_any);
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    return SSL_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_set_num_tickets(ssl, 0) == 1;
}

static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    const struct tls_server *tls = arg;
    char name[NAME_CAPACITY];
    read_server_name(ssl, name);
    bool is_app =
        tls->serves_apps && offers(ssl, (struct bytes){app_protocol, APP_PROTOCOL_SIZE});
    const struct slot *slot = is_app ? &tls->slots[TLS_FALLBACK] : choose(tls, name);
    if (slot->context == NULL) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (SSL_set_SSL_CTX(ssl, slot->context) != slot->context ||
        (is_app && !prepare_for_app(ssl))) {
        ERR_clear_error();
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* Acknowledges SNI, so that OpenSSL keeps the name with the session (and
 * SSL_get_servername knows it after a resumption); the choice was made in
 * on_client_hello. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

/* The mark of tls_allow_any_alpn. */
static char any_alpn;

static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_size,
                   const unsigned char *offered, unsigned offered_size, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)arg;
    unsigned char *name = NULL;
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) { /* see prepare_for_app */
        *ret_name = app_protocol;
        *ret_size = APP_PROTOCOL_SIZE;
        return SSL_TLSEXT_ERR_OK;
    }
    if (SSL_select_next_proto(&name, ret_size, ours, sizeof(ours) - 1, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_get_app_data(ssl) == &any_alpn
                   ? SSL_TLSEXT_ERR_NOACK
                   : SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
    }
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

/* What a front and a slot context share. SSL_set_SSL_CTX moves certificate and callbacks,
 * but keeps options, versions and suites of the context that the connection was made
 * from. */
static int context_new(SSL_CTX **ret_context)
{
    static const uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE |
                                    SSL_OP_PRIORITIZE_CHACHA;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        ERR_clear_error();
        return ERROR_MEMORY;
    }
    SSL_CTX_set_options(context, options);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets only */
    /* One for each connection: whoever opens several at once gets several. */
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        SSL_CTX_free(context);
        ERR_clear_error();
        return ERROR_CRYPTO;
    }
    *ret_context = context;
    return ERROR_NONE;
}

static int renew_ticket_keys(struct tls_server *tls)
{
    uint8_t keys[TICKET_KEYS_SIZE];
    int error = random_bytes(keys, sizeof(keys));
    if (error == ERROR_NONE &&
        SSL_CTX_set_tlsext_ticket_keys(tls->front, keys, sizeof(keys)) != 1) {
        ERR_clear_error();
        error = ERROR_CRYPTO;
    }
    digest_wipe(keys, sizeof(keys));
    return error;
}

int tls_server_new(struct tls_server **ret_tls)
{
    struct tls_server *tls = calloc(1, sizeof(*tls));
    if (tls == NULL) {
        return ERROR_MEMORY;
    }
    int error = context_new(&tls->front);
    if (error == ERROR_NONE) {
        error = renew_ticket_keys(tls);
    }
    if (error != ERROR_NONE) {
        tls_server_free(tls);
        return error;
    }
    SSL_CTX_set_client_hello_cb(tls->front, on_client_hello, tls);
    *ret_tls = tls;
    return ERROR_NONE;
}

static int copy_names(struct slot *slot, const struct cert *cert)
{
    size_t count = cert_name_count(cert);
    slot->names = calloc(count > 0 ? count : 1, sizeof(slot->names[0]));
    if (slot->names == NULL) {
        return ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        slot->names[i] = strdup(cert_name(cert, i));
        if (slot->names[i] == NULL) {
            return ERROR_MEMORY;
        }
        slot->name_count++;
    }
    return ERROR_NONE;
}

static int load_pair(SSL_CTX *context, const struct cert *cert, const struct key *key)
{
    uint8_t hash[SESSION_CONTEXT_SIZE];
    int error = cert_fingerprint(cert, hash);
    if (error != ERROR_NONE) {
        return error;
    }
    if (SSL_CTX_set_session_id_context(context, hash, sizeof(hash)) != 1 ||
        SSL_CTX_use_certificate(context, cert_x509(cert, 0)) != 1 ||
        SSL_CTX_use_PrivateKey(context, key_evp(key)) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        return ERROR_CRYPTO;
    }
    for (size_t i = 1; i < cert_count(cert); i++) {
        if (SSL_CTX_add1_chain_cert(context, cert_x509(cert, i)) != 1) {
            ERR_clear_error();
            return ERROR_CRYPTO;
        }
    }
    return ERROR_NONE;
}

/* A slot for CERT and KEY; the tickets of before lose their keys. */
static int make_slot(struct tls_server *tls, enum tls_slot mark, const struct cert *cert,
                     const struct key *key, struct slot *ret_slot)
{
    struct slot fresh = {.context = NULL};
    if (!key_is_private(key)) {
        return ERROR_CRYPTO;
    }
    int error = context_new(&fresh.context);
    if (error == ERROR_NONE) {
        error = load_pair(fresh.context, cert, key);
    }
    if (error == ERROR_NONE) {
        error = copy_names(&fresh, cert);
    }
    if (error == ERROR_NONE) {
        error = renew_ticket_keys(tls);
    }
    if (error != ERROR_NONE) {
        slot_clear(&fresh);
        return error;
    }
    SSL_CTX_set_app_data(fresh.context, &marks[mark]);
    *ret_slot = fresh;
    return ERROR_NONE;
}

int tls_server_set(struct tls_server *tls, enum tls_slot slot, const struct cert *cert,
                   const struct key *key)
{
    struct slot fresh;
    int error = make_slot(tls, slot, cert, key, &fresh);
    if (error == ERROR_NONE) {
        slot_clear(&tls->slots[slot]);
        tls->slots[slot] = fresh;
    }
    return error;
}

static void named_free(struct named_slot *named)
{
    slot_clear(&named->slot);
    free(named->name);
    free(named);
}

int tls_server_put(struct tls_server *tls, const char *name, const struct cert *cert,
                   const struct key *key)
{
    struct named_slot *named = calloc(1, sizeof(*named));
    int error = named == NULL ? ERROR_MEMORY : ERROR_NONE;
    if (error == ERROR_NONE) {
        named->name = strdup(name);
        error = named->name == NULL
                    ? ERROR_MEMORY
                    : make_slot(tls, TLS_TRUSTED, cert, key, &named->slot);
    }
    if (error != ERROR_NONE) {
        if (named != NULL) {
            named_free(named);
        }
        return error;
    }
    tls_server_remove(tls, name);
    named->next = tls->named;
    tls->named = named;
    return ERROR_NONE;
}

void tls_server_remove(struct tls_server *tls, const char *name)
{
    for (struct named_slot **at = &tls->named; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            struct named_slot *gone = *at;
            *at = gone->next;
            named_free(gone);
            return;
        }
    }
}

void tls_server_clear(struct tls_server *tls, enum tls_slot slot)
{
    slot_clear(&tls->slots[slot]);
}

void tls_server_free(struct tls_server *tls)
{
    if (tls == NULL) {
        return;
    }
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        slot_clear(&tls->slots[i]);
    }
    while (tls->named != NULL) {
        tls_server_remove(tls, tls->named->name);
    }
    SSL_CTX_free(tls->front);
    free(tls);
}

void tls_server_serve_apps(struct tls_server *tls)
{
    tls->serves_apps = true;
}

bool tls_is_app(const struct ssl_st *ssl)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &name, &size);
    return size == APP_PROTOCOL_SIZE && memcmp(name, app_protocol, size) == 0;
}

int tls_peer_key(const struct ssl_st *ssl, struct key **ret_key)
{
    const X509 *peer = SSL_get0_peer_certificate(ssl);
    unsigned char *der = NULL;
    if (peer == NULL) {
        return ERROR_NOT_FOUND;
    }
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(peer), &der);
    if (size <= 0) {
        ERR_clear_error();
        return ERROR_CRYPTO;
    }
    int error = key_from_spki(der, (size_t)size, ret_key);
    OPENSSL_free(der);
    return error;
}

struct ssl_ctx_st *tls_server_context(struct tls_server *tls)
{
    return tls->front;
}

void tls_allow_any_alpn(struct ssl_st *ssl)
{
    SSL_set_app_data(ssl, &any_alpn);
}

enum tls_slot tls_slot_of(const struct ssl_st *ssl)
{
    /* A mark on the context, not a pointer to the slot: contexts outlive what is in their
     * slot. */
    const char *mark = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return mark == NULL ? TLS_FALLBACK : (enum tls_slot)(mark - marks);
}

int tls_leaf_hash(const struct ssl_st *ssl, uint8_t ret_hash[static 32])
{
    unsigned size = 0;
    const X509 *leaf = SSL_get_certificate(ssl);
    if (leaf == NULL) {
        return ERROR_STATE;
    }
    if (X509_digest(leaf, EVP_sha256(), ret_hash, &size) != 1) {
        ERR_clear_error();
        return ERROR_CRYPTO;
    }
    return ERROR_NONE;
}

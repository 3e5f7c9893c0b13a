/* liblatchkey: an HTTPS address that browsers trust, for firmware with a main loop of its own.
 *
 * The library makes the device's name and keys, gets its certificate from a latchkey relay,
 * renews it, publishes the device's addresses and keeps a self-made certificate ready. It
 * starts no thread, keeps nothing outside its handles, installs no signal handler, writes to
 * no terminal and blocks only where a comment says so. HTTP requests are made by the caller's
 * transport (or liblatchkey-curl, see latchkey-curl.h); signatures may be made by the caller's
 * signer, which is how a key stays in a TPM or secure element.
 *
 * The loop:
 *
 *     struct latchkey_options options = LATCHKEY_OPTIONS_INIT;
 *     options.directory_url = "https://relay.lan.example.com/acme/directory";
 *     options.folder = "/var/lib/camera";
 *     options.transport = &transport;
 *     options.events = &events;
 *     latchkey_new(&options, &handle);
 *     for (;;) {
 *         struct pollfd poll_fd = {latchkey_fd(handle), POLLIN, 0};
 *         poll(&poll_fd, 1, latchkey_timeout_ms(handle));
 *         latchkey_process(handle);
 *     }
 *
 * Handles are independent of each other; one handle belongs to one thread at a time, and after
 * a fork to one of the processes.
 * Callbacks are called from within latchkey_process only (a signer's also from latchkey_new),
 * and must not free the handle.
 *
 * Structs begin with their size, as the caller's compiler knows it: a program that was built
 * with an older header goes on working with a newer library of the same soname. Set them up
 * with the ..._INIT of this header; what is left zero is a default. */
#ifndef LATCHKEY_H
#define LATCHKEY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LATCHKEY_API __attribute__((visibility("default")))
#else
#define LATCHKEY_API
#endif

#define LATCHKEY_VERSION_MAJOR 0
#define LATCHKEY_VERSION_MINOR 1
#define LATCHKEY_VERSION_PATCH 0
#define LATCHKEY_VERSION_TEXT "0.1.0"
#define LATCHKEY_VERSION_NUMBER                                                          \
    (LATCHKEY_VERSION_MAJOR * 10000 + LATCHKEY_VERSION_MINOR * 100 +                     \
     LATCHKEY_VERSION_PATCH)

/* Of the library that is loaded: major * 10000 + minor * 100 + patch, and as text. */
LATCHKEY_API int latchkey_version_number(void);
LATCHKEY_API const char *latchkey_version_text(void);

/* What fallible functions return, here and in callbacks: LATCHKEY_OK or one of these. */
enum latchkey_error {
    LATCHKEY_OK = 0,
    LATCHKEY_ERROR_MEMORY = -1,    /* an allocation failed */
    LATCHKEY_ERROR_ARGUMENT = -2,  /* an argument is missing, malformed or out of range */
    LATCHKEY_ERROR_CAPACITY = -3,  /* the caller's buffer is too small */
    LATCHKEY_ERROR_NOT_FOUND = -4, /* no such item, request or name (yet) */
    LATCHKEY_ERROR_IO = -5,        /* the system or the storage said no */
    LATCHKEY_ERROR_KEY = -6,       /* a key or signature is damaged, or of a wrong kind */
    LATCHKEY_ERROR_NETWORK = -7,   /* for transports: no connection, or it was lost */
    LATCHKEY_ERROR_TIMEOUT = -8,   /* for transports: a deadline passed */
    LATCHKEY_ERROR_TLS = -9,       /* for transports: the relay did not prove itself */
    LATCHKEY_ERROR_REFUSED = -10,  /* somebody said no: a relay, a signer, the caller */
    LATCHKEY_ERROR_UNSUPPORTED = -11, /* not offered here */
    LATCHKEY_ERROR_INTERNAL = -12,    /* a bug of the library */
};

/* One short English sentence without a full stop, for any number. Never NULL. */
LATCHKEY_API const char *latchkey_error_text(int error);

/* Opaque; made by latchkey_new. */
struct latchkey;

enum {
    LATCHKEY_NAME_CAPACITY = 256,    /* a DNS name with its NUL */
    LATCHKEY_QR_CAPACITY = 256,      /* a QR payload with its NUL */
    LATCHKEY_ITEM_MAX = 98304,       /* bytes of a stored item */
    LATCHKEY_RESPONSE_MAX = 1048576, /* bytes of a response's body */
    LATCHKEY_SIGNATURE_MAX = 512,    /* bytes of a signature */
    LATCHKEY_ADDRESSES_MAX = 8,      /* addresses that are published */
};

/* --- the transport: who makes HTTP requests ---------------------------------------------- */

/* A request to the relay; everything is borrowed until `start` returns. Redirects must not be
 * followed. The relay's certificate must be verified, by the system's roots or better. */
struct latchkey_request {
    size_t size;
    const char *method;       /* "GET", "HEAD" or "POST" */
    const char *url;          /* https:// */
    const char *content_type; /* NULL: none */
    const char *accept;       /* NULL: none */
    const char *user_agent;   /* never NULL */
    const void *body;
    size_t body_size;
    size_t max_response_size; /* fail rather than hold more */
    unsigned timeout_ms;      /* for the whole; the relay may hold a response for 20 s */
};

struct latchkey_header {
    const char *name; /* any case */
    const char *value;
};

struct latchkey_response {
    size_t size;
    int error;              /* 0 when there is a status; else a LATCHKEY_ERROR_... */
    const char *error_text; /* a sentence for people, or NULL */
    int status;
    const void *body;
    size_t body_size;
    const struct latchkey_header
        *headers; /* all that came; Replay-Nonce, Location, Link and
                                              Retry-After are needed */
    size_t header_count;
};
#define LATCHKEY_RESPONSE_INIT                                                           \
    {                                                                                    \
        sizeof(struct latchkey_response), 0, NULL, 0, NULL, 0, NULL, 0                   \
    }

/* Copied by latchkey_new. `start` and `cancel` are needed, the others may be NULL. */
struct latchkey_transport {
    size_t size;
    void *arg;
    /* Begins REQUEST, and later (or at once) gives the outcome to latchkey_respond with this ID;
     * never 0. A negative return is an outcome too. At most two are under way at once. */
    int (*start)(void *arg, struct latchkey *handle, uint64_t id,
                 const struct latchkey_request *request);
    /* The outcome of ID is not wanted any more. */
    void (*cancel)(void *arg, uint64_t id);
    /* For a transport with sockets of its own: a descriptor (an epoll, say) that is readable
     * when `process` has something to do. It becomes part of latchkey_fd, and must stay the
     * same. -1: none. */
    int (*fd)(void *arg);
    /* When to call `process` at the latest, in milliseconds; -1: any time. */
    int (*timeout_ms)(void *arg);
    /* Called in each latchkey_process. Must not block. */
    void (*process)(void *arg);
    /* Called by latchkey_free, after what is under way was cancelled. */
    void (*release)(void *arg);
};
#define LATCHKEY_TRANSPORT_INIT                                                          \
    {                                                                                    \
        sizeof(struct latchkey_transport), NULL, NULL, NULL, NULL, NULL, NULL, NULL      \
    }

/* Takes the outcome of request ID; all is copied. May be called from anywhere in the handle's
 * thread; what follows from it happens in the next latchkey_process, which the descriptor asks
 * for. LATCHKEY_ERROR_NOT_FOUND when the request is over or was cancelled,
 * LATCHKEY_ERROR_CAPACITY for a body beyond what the request allowed (the request has failed
 * then), LATCHKEY_ERROR_MEMORY (the same). */
LATCHKEY_API int latchkey_respond(struct latchkey *handle, uint64_t id,
                                  const struct latchkey_response *response);

/* --- the signer: who holds the identity key ---------------------------------------------- */

/* Copied by latchkey_new; what SPKI points to as well. */
struct latchkey_signer {
    size_t size;
    void *arg;
    const void *
        spki; /* DER SubjectPublicKeyInfo: P-256 (best), P-384, RSA 2048..4096, Ed25519 */
    size_t spki_size;
    /* Signs DATA: ECDSA with SHA-256 (P-384: SHA-384) as DER or as r || s, RSA PKCS#1 v1.5 with
     * SHA-256, or Ed25519. RET_SIGNATURE holds LATCHKEY_SIGNATURE_MAX. Blocks the handle's
     * thread as long as it takes. Each signature is verified before it is used. */
    int (*sign)(void *arg, const void *data, size_t data_size, void *ret_signature,
                size_t *ret_signature_size);
};
#define LATCHKEY_SIGNER_INIT                                                             \
    {                                                                                    \
        sizeof(struct latchkey_signer), NULL, NULL, 0, NULL                              \
    }

/* --- the storage: where keys and state outlive a restart --------------------------------- */

/* Copied by latchkey_new. The items are "identity.pem" (without a signer), "state.json",
 * "pending.pem", "trusted.pem" and "fallback.pem"; all but the state hold private keys. Each may
 * block on its medium. A library that can't save goes on from memory and says so in the
 * status. */
struct latchkey_storage {
    size_t size;
    void *arg;
    /* Reads item NAME into BUFFER (CAPACITY is LATCHKEY_ITEM_MAX). LATCHKEY_ERROR_NOT_FOUND when
     * there is none, LATCHKEY_ERROR_IO. */
    int (*load)(void *arg, const char *name, void *buffer, size_t capacity,
                size_t *ret_size);
    /* Replaces the item: after a power cut there must be the old or the new one, whole. DATA
     * NULL: removes it, which is fine when there is none. */
    int (*save)(void *arg, const char *name, const void *data, size_t data_size);
};
#define LATCHKEY_STORAGE_INIT                                                            \
    {                                                                                    \
        sizeof(struct latchkey_storage), NULL, NULL, NULL                                \
    }

/* --- events ------------------------------------------------------------------------------ */

enum latchkey_state {
    LATCHKEY_STATE_WAITING,    /* no trusted certificate yet; waits to ask for one */
    LATCHKEY_STATE_ORDERING,   /* the first one is being asked for */
    LATCHKEY_STATE_TRUSTED,    /* a trusted certificate is in use */
    LATCHKEY_STATE_RENEWING,   /* the same, and the next one is being asked for */
    LATCHKEY_STATE_EXPIRED,    /* it ran out; waits to ask for one */
    LATCHKEY_STATE_RECOVERING, /* the same, and one is being asked for */
};

/* A word for logs ("trusted"), for any number. Never NULL. */
LATCHKEY_API const char *latchkey_state_text(int state);

/* A certificate to serve. Texts are borrowed for the call. */
struct latchkey_certificate {
    size_t size;
    int is_trusted;          /* 1: from the relay. 0: the fallback, self-made */
    const char *chain_pem;   /* leaf first */
    const char *key_pem;     /* PKCS#8, secret */
    const char *serial;      /* hex */
    const char *fingerprint; /* hex SHA-256 of the leaf */
    int64_t not_before_at;   /* seconds since 1970 */
    int64_t not_after_at;
};

/* Copied by latchkey_new. Any may be NULL. */
struct latchkey_events {
    size_t size;
    void *arg;
    /* latchkey_status has something new. */
    void (*state)(void *arg, struct latchkey *handle);
    /* A certificate to serve from now on: the fallback and the stored trusted one in the first
     * latchkey_process, then each new one. A negative return refuses a new trusted one: the one
     * before stays, and the library tries again later. */
    int (*certificate)(void *arg, struct latchkey *handle,
                       const struct latchkey_certificate *certificate);
    /* The trusted certificate has expired: serve the fallback. */
    void (*expired)(void *arg, struct latchkey *handle);
};
#define LATCHKEY_EVENTS_INIT                                                             \
    {                                                                                    \
        sizeof(struct latchkey_events), NULL, NULL, NULL, NULL                           \
    }

/* --- the handle -------------------------------------------------------------------------- */

struct latchkey_options {
    size_t size;
    const char *directory_url; /* the relay's; needed. "#<pin of its key>" may follow */
    const char *token;   /* enrolment token, the line of `latchkey-relay token add` */
    const char *profile; /* of the certificate; NULL: "tlsserver" */
    const char *label;   /* of the name that stays: <label>.<id>.<zone>; NULL: "home" */
    const char *local_name; /* for the fallback, "camera.local"; NULL: "latchkey.local" */
    const char *folder;     /* storage in files there (made if missing); or else: */
    const struct latchkey_storage *storage;
    const struct latchkey_transport *transport; /* needed */
    const struct latchkey_signer *signer;       /* NULL: a key in software, which is */
    const char
        *identity_pem; /* this one (PEM, no passphrase), or else "identity.pem" of the
                                 storage, made on first use */
    const struct latchkey_events *events;
    unsigned https_port; /* for the QR payload; 0: 443 */
};
#define LATCHKEY_OPTIONS_INIT                                                            \
    {                                                                                    \
        sizeof(struct latchkey_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
            NULL, NULL, NULL, 0                                                          \
    }

/* Makes a handle; OPTIONS and what they point to are copied. Reads the storage, may make the
 * identity key, and asks the signer for one signature; makes no request. Blocks on these only.
 * On failure nothing was taken (the transport is not released). LATCHKEY_ERROR_ARGUMENT,
 * LATCHKEY_ERROR_KEY for an identity that can't be used (it is never replaced: it is the name),
 * LATCHKEY_ERROR_IO when a new identity can't be stored, LATCHKEY_ERROR_MEMORY. */
LATCHKEY_API int latchkey_new(const struct latchkey_options *options,
                              struct latchkey **ret_handle);
/* Cancels what is under way, releases the transport, wipes the keys. What was saved is as after
 * a power cut: a later handle goes on with it. Accepts NULL. Not from a callback. */
LATCHKEY_API void latchkey_free(struct latchkey *handle);

/* Readable when latchkey_process has something to do: for poll, select or epoll. It stays the
 * same, and is the handle's. */
LATCHKEY_API int latchkey_fd(const struct latchkey *handle);
/* Call latchkey_process after this many milliseconds at the latest; 0: at once. At most a
 * minute, so that a clock that is set is noticed. */
LATCHKEY_API int latchkey_timeout_ms(const struct latchkey *handle);
/* Does what is due, and calls back. Calling it too often is harmless. Blocks on the storage and
 * the signer only. What goes wrong on the way to a certificate, for want of memory too, is in the
 * status and is tried again; so this is LATCHKEY_OK, or LATCHKEY_ERROR_IO when the descriptor
 * itself is broken (closed by somebody else): the handle can only be freed then.
 * LATCHKEY_ERROR_ARGUMENT from within a callback. */
LATCHKEY_API int latchkey_process(struct latchkey *handle);

/* Asks for a new certificate now, also before its time; a wait that the relay asked for ends. */
LATCHKEY_API void latchkey_renew(struct latchkey *handle);
/* A cable was plugged in, a lease came: what failed for want of a network is tried soon. */
LATCHKEY_API void latchkey_network_changed(struct latchkey *handle);
/* The device's private addresses as text ("192.168.1.51", "fd12::1"), at most
 * LATCHKEY_ADDRESSES_MAX; they are published behind latchkey_name at once, again when they
 * change, and every day. Copied. LATCHKEY_ERROR_ARGUMENT for what is no private address. */
LATCHKEY_API int latchkey_set_addresses(struct latchkey *handle,
                                        const char *const *addresses, size_t count);

/* The id, which is made from the identity key, and its pin: base32 of SHA-256 over the key's
 * SubjectPublicKeyInfo. Borrowed from the handle. */
LATCHKEY_API const char *latchkey_id(const struct latchkey *handle);
LATCHKEY_API const char *latchkey_pin(const struct latchkey *handle);
/* The relay's zone; "" until the relay was reached for the first time. Borrowed. */
LATCHKEY_API const char *latchkey_zone(const struct latchkey *handle);
/* Writes the name that stays the same: <label>.<id>.<zone>. LATCHKEY_ERROR_NOT_FOUND until the
 * zone is known, LATCHKEY_ERROR_CAPACITY (LATCHKEY_NAME_CAPACITY always fits). */
LATCHKEY_API int latchkey_name(const struct latchkey *handle, char *ret_name,
                               size_t capacity);
/* Writes the name that holds ADDRESS, for example 192-168-1-51.<id>.<zone>, which resolves
 * without being published. The same errors, and LATCHKEY_ERROR_ARGUMENT. */
LATCHKEY_API int latchkey_address_name(const struct latchkey *handle, const char *address,
                                       char *ret_name, size_t capacity);
/* Writes the text of the QR code that carries pin and addresses:
 * LATCHKEY:1/K<pin>/A<address>. LATCHKEY_ERROR_CAPACITY (LATCHKEY_QR_CAPACITY always fits). */
LATCHKEY_API int latchkey_qr_payload(const struct latchkey *handle, char *ret_text,
                                     size_t capacity);

/* How things stand. Texts are borrowed until the next call with this handle, and never NULL. */
struct latchkey_status {
    size_t size;
    int state;             /* enum latchkey_state */
    const char *serial;    /* of the trusted certificate, hex; "" when there is none */
    int64_t not_before_at; /* of the trusted certificate; 0: there is none */
    int64_t not_after_at;
    int64_t renew_at; /* when its renewal is planned; 0: not yet known */
    int64_t retry_at; /* no order is made before; 0: nothing is waited for */
    const char
        *failure_code; /* of the last order: a stable word such as "net", "rate-limit",
                                 "eab"; "" after a success */
    const char *failure_text; /* a sentence */
    int64_t failure_at;
    int64_t published_at; /* when the addresses were published; 0: never */
    int is_storage_failed; /* 1: the storage refused something; the handle goes on from memory */
    int is_cloned;         /* 1: the relay says that another device has this identity key */
};
#define LATCHKEY_STATUS_INIT                                                             \
    {                                                                                    \
        sizeof(struct latchkey_status), 0, NULL, 0, 0, 0, 0, NULL, NULL, 0, 0, 0, 0      \
    }

/* Fills in STATUS, whose size is set. */
LATCHKEY_API int latchkey_status(const struct latchkey *handle,
                                 struct latchkey_status *status);

/* --- serving with OpenSSL ---------------------------------------------------------------- */

struct ssl_ctx_st; /* SSL_CTX */

/* Gives the handle's certificates to a server's CONTEXT: each handshake gets the trusted one
 * when its SNI is one of its names, else the fallback; a new certificate is used from the next
 * handshake on, and no connection is touched. Sets the context's certificate callback
 * (SSL_CTX_set_cert_cb) and holds a reference. Handshakes may run in any thread.
 * LATCHKEY_ERROR_CAPACITY beyond 8 contexts. No handshake may begin after latchkey_free, which
 * takes the callback away, on connections made before. */
LATCHKEY_API int latchkey_ssl_ctx_use(struct latchkey *handle,
                                      struct ssl_ctx_st *context);

#ifdef __cplusplus
}
#endif

#endif

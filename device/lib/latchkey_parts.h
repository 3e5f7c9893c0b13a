/* What the files of device/lib share about a handle. The public half is latchkey.h. */
#ifndef DEVICE_LIB_LATCHKEY_PARTS_H
#define DEVICE_LIB_LATCHKEY_PARTS_H

#include "device/lib/latchkey.h"

#include "acme/acme.h"
#include "base/net/tls_swap.h"
#include "device/agent_state.h"
#include "device/bundle.h"
#include "device/identity.h"
#include "device/life.h"
#include "device/relay_facts.h"

enum {
    LATCHKEY_HEADERS_MAX_BYTES = 32 << 10,
    LATCHKEY_REQUEST_MS = 60 * 1000, /* the relay holds a finalize for 20 s */
    LATCHKEY_CODE_CAPACITY = 32,
};

/* A request of the client, or of the machine beside it. */
struct latchkey_slot {
    uint64_t id;  /* 0: none is under way */
    bool arrived; /* the outcome below is there */
    int64_t deadline_mono_ms;
    size_t body_max_bytes;
    int error; /* enum error */
    char error_text[LIMIT_DETAIL_BYTES];
    int status;
    struct buffer body;
    struct buffer headers; /* name NUL value NUL ... */
};

enum latchkey_task { LATCHKEY_IDLE, LATCHKEY_CERTIFY, LATCHKEY_WINDOW, LATCHKEY_PUBLISH };

enum latchkey_outcome { LATCHKEY_DONE, LATCHKEY_FAILED };

/* How a task ended. */
struct latchkey_end {
    enum latchkey_outcome outcome;
    char code[LATCHKEY_CODE_CAPACITY];
    char text[LIMIT_DETAIL_BYTES];
    int64_t retry_after_s;
    bool permanent;
    bool keep_order;
    bool has_window;
    int64_t window_start_at;
    int64_t window_end_at;
    bool is_unmatched; /* the publication was not the one after our last */
};

struct latchkey {
    /* Of the options. */
    char *directory;
    char relay_pin[KEY_PIN_SIZE + 1]; /* behind '#' in it; "" : none */
    char *token;                      /* secret; NULL: none */
    char *profile;
    char *label;
    char *local_name;
    char *folder; /* NULL: the caller's storage */
    unsigned https_port;
    struct latchkey_transport transport;
    bool has_transport; /* it is ours to release */
    struct latchkey_signer signer;
    struct latchkey_storage storage;
    struct latchkey_events events;

    int epoll_fd;
    int event_fd;
    int lock_fd; /* of the folder; -1: none */
    bool is_processing;
    bool is_started; /* the first latchkey_process is over */
    bool is_changed; /* the state event is due */
    bool
        disk_failed; /* the storage refused the last thing, or something is still unsaved */
    /* What could not be saved, and is tried again. */
    bool is_state_unsaved;
    bool is_trusted_unsaved;
    bool is_fallback_unsaved;
    int64_t save_again_mono_ms;

    struct identity identity;
    struct agent_state state;
    struct life life;
    struct bundle trusted;
    struct bundle fallback;
    bool is_trusted_served;
    struct tls_swap *swap;
    char serial[CERT_SERIAL_MAX];

    struct own_addresses addresses;
    struct own_addresses publishing;
    bool published_once;
    unsigned publish_failures;
    int64_t publish_mono_ms; /* no publication before */
    bool publish_imposed;

    /* The task in work. */
    enum latchkey_task task;
    bool is_over;
    struct latchkey_end end;
    struct acme_client *client;
    struct acme_order *order;
    struct acme_call *call;
    struct buffer csr; /* DER */
    struct latchkey_slot client_slot;
    struct latchkey_slot machine_slot;
    uint64_t last_id;
    int64_t wait_until_mono_ms; /* of the machines; INT64_MAX: none */
    int64_t asked_wait_s;
};

/* latchkey_store.c: items. Each notes in disk_failed what the storage says. */
/* The folder's callbacks, made if missing. */
int latchkey_store_open_folder(struct latchkey *handle) MUST_CHECK;
/* ERROR_NOT_FOUND when there is no such item; PEM is from buffer_init_secret. */
int latchkey_store_load(struct latchkey *handle, const char *name,
                        struct buffer *pem) MUST_CHECK;
int latchkey_store_save(struct latchkey *handle, const char *name,
                        struct bytes data) MUST_CHECK;
void latchkey_store_remove(struct latchkey *handle, const char *name);
/* What is saved by these and can't be is tried again by latchkey_store_retry; the handle goes on
 * from memory. Only who needs it durable looks at the result. */
int latchkey_store_save_state(struct latchkey *handle);
void latchkey_store_save_trusted(struct latchkey *handle, const struct bundle *bundle);
void latchkey_store_save_fallback(struct latchkey *handle, const struct bundle *bundle);
/* At most every ten seconds. */
void latchkey_store_retry(struct latchkey *handle);
int latchkey_store_load_bundle(struct latchkey *handle, const char *name,
                               struct bundle *ret_bundle) MUST_CHECK;

/* latchkey_slot.c: requests and their outcomes. */
/* Gives REQUEST to the transport; a transport that can't is an outcome like others. */
void latchkey_slot_send(struct latchkey *handle, struct latchkey_slot *slot,
                        const struct acme_request *request);
/* Whether an outcome is there (a deadline that passed is one), as acme wants it; borrowed until
 * latchkey_slot_clear. */
bool latchkey_slot_take(struct latchkey *handle, struct latchkey_slot *slot,
                        struct acme_response *ret_response);
/* Forgets the outcome; cancels what is still under way. */
void latchkey_slot_clear(struct latchkey *handle, struct latchkey_slot *slot);
/* Makes the handle's descriptor readable. */
void latchkey_slot_wake(struct latchkey *handle);

/* latchkey_task.c: one order, question or publication at the relay. */
void latchkey_task_start(struct latchkey *handle, enum latchkey_task task);
/* Whether directory, token and account of an earlier run can be used at all. */
int latchkey_task_check(struct latchkey *handle) MUST_CHECK;
/* Takes what arrived, goes on; sets is_over and end. */
void latchkey_task_drive(struct latchkey *handle);
/* Ends the task in work with a failure of ours. */
void latchkey_task_fail(struct latchkey *handle, const char *code, const char *what,
                        int error);
/* Frees what the task needed. */
void latchkey_task_close(struct latchkey *handle);

/* latchkey_relay.c: which relay it is. */
/* Takes the pin out of the directory's URL. ERROR_SYNTAX for what is none. */
int latchkey_relay_split(struct latchkey *handle) MUST_CHECK;
/* Looks at meta.latchkey: ERROR_DENIED when this is not the relay we know, ERROR_RANGE when it
 * makes no sense; with a stable word and a sentence. Else remembers it. */
int latchkey_relay_check(struct latchkey *handle, const json_t *relay,
                         const char **ret_code, char *reason, size_t capacity) MUST_CHECK;
/* Takes the answer to a publication. */
void latchkey_relay_take_receipt(struct latchkey *handle, struct bytes body);

/* latchkey_order.c: the device's side of an order. */
/* The request for our name in ZONE, into handle->csr: the same while its order is in work. */
int latchkey_order_make_csr(struct latchkey *handle, const char *zone, char *reason,
                            size_t capacity) MUST_CHECK;
/* Checks the CHAIN that came, stores and serves it; or nothing has changed. */
int latchkey_order_install(struct latchkey *handle, struct bytes chain, char *reason,
                           size_t capacity) MUST_CHECK;
/* The last run may have ended between installing the trusted certificate and noting it. */
void latchkey_order_settle(struct latchkey *handle);
/* The pending key and request are of no use any more. */
void latchkey_order_drop_pending(struct latchkey *handle);

/* latchkey_serve.c: which certificate is used. */
/* Loads or makes the fallback; makes it anew when a name was learnt or its end comes near. */
int latchkey_serve_fallback(struct latchkey *handle) MUST_CHECK;
/* Loads what was stored as trusted, if it is ours; only ERROR_MEMORY is an error. */
int latchkey_serve_load(struct latchkey *handle) MUST_CHECK;
/* Gives BUNDLE to the callback and the contexts; a refusal of the callback comes back. */
int latchkey_serve_offer(struct latchkey *handle, const struct bundle *bundle,
                         bool is_trusted) MUST_CHECK;
/* Serves the trusted certificate, or not any more. */
void latchkey_serve_choose(struct latchkey *handle, bool trusted);
/* The first offers. */
void latchkey_serve_begin(struct latchkey *handle);

/* latchkey_end.c: what the ends of tasks mean. */
void latchkey_end_dispatch(struct latchkey *handle, enum latchkey_task task,
                           const struct latchkey_end *end);
/* Whether addresses are to be published, and after which wait. */
bool latchkey_end_wants_publication(const struct latchkey *handle, int64_t *ret_wait_ms);
struct life_now latchkey_end_now(void);

/* latchkey_view.c: texts. */
/* The public number for one of ours. */
int latchkey_view_error(int error);
/* Ours for a public number of the caller. */
int latchkey_view_taken(int error);
/* Copies a struct of the caller that begins with its SIZE into one of KNOWN bytes: what it
 * lacks is zero, what it has more must be. ERROR_RANGE else. */
int latchkey_view_copy(void *ret_known, size_t known_size, const void *given,
                       size_t size) MUST_CHECK;

#endif

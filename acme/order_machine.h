/* The insides of an order: its state, and the moves from one state to the next. Private
 * to acme/; acme_order.c is the interface, order_saved.c the durable form. */
#ifndef ACME_ORDER_MACHINE_H
#define ACME_ORDER_MACHINE_H

#include "acme/acme_order.h"
#include "acme/client_session.h"
#include "acme/order_message.h"
#include "base/crypto/cert.h"
#include "base/crypto/csr.h"

enum order_state {
    ORDER_NEW,       /* newOrder */
    ORDER_SAVE,      /* wait for the caller, then after_save */
    ORDER_LOOK,      /* fetch the order, go by its status */
    ORDER_AUTHZ,     /* fetch authorization authz_at, for its challenge */
    ORDER_PUBLISH,   /* wait for the caller */
    ORDER_TRIGGER,   /* tell the CA to look at challenge authz_at */
    ORDER_FINALIZE,  /* send the CSR */
    ORDER_CERT,      /* fetch the chain */
    ORDER_ALTERNATE, /* fetch alternate chain alternate_at */
    ORDER_AUTOPSY,   /* fetch authorization authz_at, for what went wrong */
    ORDER_UNPUBLISH, /* wait for the caller, then after_unpublish */
    ORDER_DONE,
    ORDER_FAILED,
};

struct order_authz {
    char *url;
    char *challenge_url;
    bool is_pending; /* its challenge waits for us */
};

struct acme_order {
    enum order_state state;
    enum order_state after_save;
    enum order_state after_unpublish;
    struct acme_client *client; /* borrowed */
    struct exchange exchange;
    bool is_started; /* the exchange of this state is made */
    struct acme_error error;
    struct acme_problem invalid_problem; /* the order's own, for want of a better one */

    struct csr csr;
    struct buffer csr_der;
    char csr_hash[KEY_PIN_SIZE + 1]; /* base64url SHA-256 */
    char *profile;
    char *replaces;
    unsigned alternates_max, poll_ms, deadline_s;

    char *url, *finalize_url, *certificate_url;
    struct order_authz authz[LIMIT_ORDER_NAMES];
    size_t authz_count, authz_at;
    struct acme_record records[LIMIT_CHALLENGE_VALUES];
    size_t record_count;

    int64_t deadline_mono_ms; /* 0: to be set */
    int64_t wait_until_mono_ms;
    unsigned restarts, rounds, polls, finalize_tries, ready_polls, account_losses;
    bool is_triggered, is_ready_seen, is_finalized;

    struct cert *cert;
    struct buffer chain;
    char *alternate_urls[ACME_ALTERNATES_MAX];
    size_t alternate_url_count, alternate_at;
    struct buffer alternates[ACME_ALTERNATES_MAX];
    size_t alternate_count;
};

/* The one setter of `state`; the exchange of the state left is forgotten. */
void order_machine_enter(struct acme_order *order, enum order_state state);
/* order->error is set: ends, by way of UNPUBLISH when the order is no good any more. */
void order_machine_fail(struct acme_order *order);
/* Out of memory: fails, resumable. */
void order_machine_fail_memory(struct acme_order *order, struct acme_now now);
/* Moves on after a 2xx response. */
void order_machine_accept(struct acme_order *order, const struct acme_response *response,
                          struct acme_now now);
/* Moves on after order->error was set from a refusal. */
void order_machine_refuse(struct acme_order *order, struct acme_now now);
/* Moves on after a request whose outcome nobody knows. */
void order_machine_doubt(struct acme_order *order, struct acme_now now);
/* The records are shown. */
void order_machine_published(struct acme_order *order);
/* Frees what belongs to one order at the CA, for another try with a new one. */
void order_machine_forget(struct acme_order *order);

#endif

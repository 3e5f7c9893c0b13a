/* One order, from newOrder to a verified chain, by dns-01. See acme/acme_step.h for how
 * it is driven. */
#ifndef ACME_ACME_ORDER_H
#define ACME_ACME_ORDER_H

#include "acme/acme_client.h"

struct acme_order;

/* What an order is about, for those who measure. */
enum acme_order_step {
    ACME_ORDER_STEP_NEW,       /* newOrder */
    ACME_ORDER_STEP_AUTHORIZE, /* reads the order and its authorizations */
    ACME_ORDER_STEP_PUBLISH,   /* the records are being shown */
    ACME_ORDER_STEP_CHALLENGE, /* until the CA has looked at them */
    ACME_ORDER_STEP_FINALIZE,  /* from the CSR until the certificate is made */
    ACME_ORDER_STEP_DOWNLOAD,
    ACME_ORDER_STEP_END, /* nothing more, or what is left after a failure */
};

enum { ACME_ORDER_SAVE_MAX = 8 << 10, ACME_ALTERNATES_MAX = 4 };

struct acme_order_options {
    struct bytes csr; /* DER; its dNSNames are the order's identifiers. Copied */
    /* Who has parsed the CSR already gives its key and names, and it is not parsed again
     * (0.2 ms); NULL and 0 else. */
    struct key *csr_key;
    const char *const *csr_names;
    size_t csr_name_count;
    const char *
        profile; /* a wish: dropped when the CA does not list or refuses it. NULL: none */
    const char
        *replaces; /* certID (RFC 9773); dropped for one retry when refused. NULL: none */
    unsigned
        alternates; /* how many alternate chains to fetch, at most ACME_ALTERNATES_MAX */
    unsigned poll_ms;    /* first wait of a poll without Retry-After; 0: 100 */
    unsigned deadline_s; /* from newOrder to the chain; 0: 3600 */
};

/* A new order. CLIENT is borrowed and must outlive it. ERROR_SYNTAX or ERROR_RANGE for a
 * bad CSR or certID. */
int acme_order_new(struct acme_client *client, const struct acme_order_options *options,
                   struct acme_now now, struct acme_order **ret_order) MUST_CHECK;
/* Goes on with a saved one (the same CSR: ERROR_CONFLICT else; another CA's:
 * ERROR_CONFLICT). ERROR_SYNTAX for a damaged text. OPTIONS' profile and replaces are
 * those saved. */
int acme_order_load(struct acme_client *client, const struct acme_order_options *options,
                    const void *json, size_t size, struct acme_now now,
                    struct acme_order **ret_order) MUST_CHECK;
/* A request of it that is under way must be cancelled, or its response dropped. */
void acme_order_free(struct acme_order *order);

/* Any want but IDLE. SAVE comes after newOrder (before anything else) and before
 * PUBLISH. UNPUBLISH comes before DONE, before a FAILED that is not resumable, and before
 * a new order takes the place of one that the CA lost. */
void acme_order_next(struct acme_order *order, struct acme_now now,
                     struct acme_step *ret_step);
void acme_order_response(struct acme_order *order, const struct acme_response *response,
                         struct acme_now now);
/* Appends the state as JSON text, at most ACME_ORDER_SAVE_MAX; at any moment, not only on
 * SAVE. */
int acme_order_save(const struct acme_order *order, struct buffer *json) MUST_CHECK;
void acme_order_saved(struct acme_order *order);
void acme_order_published(struct acme_order *order);
/* The records can't be shown: the order fails with ACME_ERROR_PUBLISH and REASON,
 * resumable. */
void acme_order_publish_failed(struct acme_order *order, const char *reason,
                               struct acme_now now);
void acme_order_unpublished(struct acme_order *order);
/* After a resumable FAILED: goes on where it stopped, by looking at the order again. */
void acme_order_retry(struct acme_order *order);

enum acme_order_step acme_order_step(const struct acme_order *order);
/* The order's URL at the CA, NULL before newOrder. Borrowed. */
const char *acme_order_url(const struct acme_order *order);
/* The profile asked for in fact, and whether `replaces` was kept; known once there is a
 * URL. */
const char *acme_order_profile(const struct acme_order *order);
bool acme_order_replaces(const struct acme_order *order);
/* After DONE: the chain as the CA's PEM (only the blocks), leaf first, checked; and the
 * alternates. Borrowed. */
const struct cert *acme_order_cert(const struct acme_order *order);
struct bytes acme_order_chain(const struct acme_order *order);
size_t acme_order_alternate_count(const struct acme_order *order);
struct bytes acme_order_alternate(const struct acme_order *order, size_t index);

#endif

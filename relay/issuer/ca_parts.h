/* Private to ca*.c. */
#ifndef RELAY_ISSUER_CA_PARTS_H
#define RELAY_ISSUER_CA_PARTS_H

#include "relay/issuer/ca.h"

struct ca {
    struct loop *loop;
    const struct relay_config *config;
    struct commit *commit;
    struct resolver *resolver;
    struct http_client *http;
    struct key *key;
    struct acme_client *client;
    struct ca_exchange exchange;
    struct commit_waiter saved;
    struct loop_timer *timer;
    struct loop_timer *wake_timer;
    struct ca_waiter *first;
    struct ca_waiter **end;
    int64_t account_created_at;
    int64_t paused_until_at;  /* the CA said so */
    int64_t broken_until_at;  /* the breaker's; a success ends it */
    int64_t limited_until_at; /* by a limit of the account: new names only */
    int64_t trouble_since_at; /* first failure since the last success; 0: none */
    unsigned pauses;
    struct acme_error failure; /* of the client; type NONE while it is well */
    char pause_reason[LIMIT_DETAIL_BYTES];
    bool announced; /* "account ..." was logged */
    const char
        *shut;    /* nothing is asked of the CA: the state to tell; NULL: it is open */
    bool is_lost; /* shut, because the account's key is gone */
    enum ca_hold hold; /* a key change is under way */
    bool is_new_key;   /* in the place of one that is gone: its account is not known */
    size_t in_flight;
    char former_url[LIMIT_URL_BYTES]; /* the account that the store knew at the start */
    int64_t settling_until_at;        /* a new account's CAA is not everywhere yet */
    int64_t rollover_at;
    struct {
        const char *state; /* literal; NULL: not written yet */
        int64_t until_at;
        char reason[LIMIT_DETAIL_BYTES];
        char thumbprint[KEY_PIN_SIZE + 1];
    } noted;
};

/* Opens key, HTTP client and ACME client, or shuts the CA with the reason in its failure, which is
 * logged. Again for one that was shut. An error when that can't be borne. Blocks on the disk. */
int ca_open(struct ca *ca) MUST_CHECK;

#endif

/* A small CA in memory: it checks every signature, nonce and url, issues real
 * certificates, and answers wrong where a test says so. Time is virtual. */
#ifndef TESTS_UNIT_ACME_MOCK_CA_H
#define TESTS_UNIT_ACME_MOCK_CA_H

#include "acme/acme.h"
#include "base/crypto/cert.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

enum {
    MOCK_CA_NONCES = 256,
    MOCK_CA_ORDERS = 64,
    MOCK_CA_HEADERS = 24,
    MOCK_CA_PLACES = 1024,
};

#define MOCK_CA "https://ca.test"

/* One wrong answer: to the NTHth request (from 1; 0: all) whose path begins with PATH. */
struct mock_ca_fault {
    const char *path; /* NULL ends a list */
    unsigned nth;
    int status;             /* 0: no response at all */
    const char *headers[6]; /* name, value, ...; NULL-terminated */
    const char *body;       /* NULL: empty */
    int error;              /* with status 0; ERROR_IO when 0 */
    bool is_late; /* the CA does what was asked, only the response is wrong or lost */
    bool is_without_nonce;
    bool is_addition; /* only the headers are added to the right answer */
};

struct mock_ca_order {
    char status[16]; /* "" : unused */
    bool authz_valid[LIMIT_ORDER_NAMES];
    size_t name_count;
    char names[LIMIT_ORDER_NAMES][256];
    struct buffer chain;
};

struct mock_ca {
    struct key *key; /* the CA's */
    struct cert *cert;
    struct key *account; /* known account, by its key; NULL: none */
    unsigned account_number;
    bool is_odd_pem;             /* chains have CRLF and text around the blocks */
    bool is_reusing;             /* orders come ready */
    const char *directory_extra; /* JSON members, or NULL */
    const struct mock_ca_fault *faults;

    unsigned nonce_count;
    bool nonce_is_used[MOCK_CA_NONCES];
    struct mock_ca_order orders[MOCK_CA_ORDERS];
    unsigned order_count;
    unsigned request_count;
    unsigned published, unpublished, saves, waits;
    int64_t waited_ms;
    char last_profile[64], last_replaces[128];
    struct {
        char path[32];
        unsigned count;
    } places[MOCK_CA_PLACES];

    void (*on_own_work)(
        bool is_working);   /* around what is not acme's work; may be NULL */
    struct buffer *saved;   /* takes what an order saves; NULL: nothing does */
    enum acme_want stop_at; /* mock_ca_run_order stops at this want; 0: at none */

    struct acme_now now;
    /* The response being made. */
    int status;
    const char *header_names[MOCK_CA_HEADERS];
    char header_values[MOCK_CA_HEADERS][512];
    size_t header_count;
    struct buffer body;
};

/* Makes one with a fresh key and virtual time. */
void mock_ca_open(struct mock_ca *ca);
void mock_ca_close(struct mock_ca *ca);
/* Forgets accounts, orders, nonces and counts, as Pebble does when it starts again. */
void mock_ca_forget(struct mock_ca *ca);
/* Answers a request; RET_RESPONSE is borrowed until the next one. */
void mock_ca_answer(struct mock_ca *ca, const struct acme_request *request,
                    struct acme_response *ret_response);
/* How many requests began with PATH. */
unsigned mock_ca_count(const struct mock_ca *ca, const char *path);
/* Runs the client until it is idle or has failed, waits skipped; the last step. */
void mock_ca_run_client(struct mock_ca *ca, struct acme_client *client,
                        struct acme_step *ret_step);
/* Runs an order, and the client with it, until DONE or FAILED; the last step. STOP_AFTER
 * > 0 stops after that many wants: false then. */
bool mock_ca_run_order(struct mock_ca *ca, struct acme_client *client,
                       struct acme_order *order, unsigned stop_after,
                       struct acme_step *ret_step);
void mock_ca_run_call(struct mock_ca *ca, struct acme_client *client,
                      struct acme_call *call, struct acme_step *ret_step);

#endif

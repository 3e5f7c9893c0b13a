/* A mock CA, a client and one order for dev.test and *.dev.test. */
#ifndef TESTS_UNIT_ACME_ORDER_FIXTURE_H
#define TESTS_UNIT_ACME_ORDER_FIXTURE_H

#include "tests/unit/acme/mock_ca.h"

#include "base/crypto/csr.h"

struct order_fixture {
    struct mock_ca ca;
    struct key *key;     /* the account's */
    struct key *csr_key; /* the certificate's */
    struct buffer csr;
    struct acme_client_options client_options;
    struct acme_client *client;
    struct acme_order_options options;
    struct acme_order *order;
    struct buffer saved; /* what was durable last */
};

/* ACCOUNT is a private JWK, NULL: a fresh key. MORE, MORE_CLIENT may be NULL. */
void order_fixture_open_key(struct order_fixture *fixture,
                            const struct mock_ca_fault *faults,
                            const struct acme_client_options *more_client,
                            const json_t *account);
void order_fixture_open(struct order_fixture *fixture, const struct mock_ca_fault *faults,
                        const struct acme_client_options *more_client);
/* Replaces the order by one with these options (the CSR is filled in). */
void order_fixture_reorder(struct order_fixture *fixture,
                           const struct acme_order_options *options);
/* Forgets client and order, and makes both anew from what was durable. */
void order_fixture_crash(struct order_fixture *fixture);
void order_fixture_close(struct order_fixture *fixture);

#endif

#include "tests/unit/acme/order_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                  \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                     \
        }                                                                                \
    } while (0)

void order_fixture_open_key(struct order_fixture *fixture,
                            const struct mock_ca_fault *faults,
                            const struct acme_client_options *more_client,
                            const json_t *account)
{
    static const char *const names[] = {"dev.test", "*.dev.test"};

    memset(fixture, 0, sizeof(*fixture));
    mock_ca_open(&fixture->ca);
    fixture->ca.faults = faults;
    fixture->ca.saved = &fixture->saved;
    if (account != NULL)
        MUST(key_from_private_jwk(account, &fixture->key) == 0);
    else
        MUST(key_generate(KEY_P256, &fixture->key) == 0);
    MUST(key_generate(KEY_P256, &fixture->csr_key) == 0);
    fixture->csr = buffer_init(LIMIT_CSR_BYTES);
    fixture->saved = buffer_init(ACME_ORDER_SAVE_MAX);
    MUST(csr_make(fixture->csr_key, names, 2, &fixture->csr) == 0);
    if (more_client != NULL)
        fixture->client_options = *more_client;
    else
        fixture->client_options.may_create_account = true;
    fixture->client_options.directory_url = MOCK_CA "/directory";
    fixture->client_options.signer.key = fixture->key;
    MUST(acme_client_new(&fixture->client_options, &fixture->client) == 0);
    order_fixture_reorder(fixture, &(struct acme_order_options){0});
}

void order_fixture_open(struct order_fixture *fixture, const struct mock_ca_fault *faults,
                        const struct acme_client_options *more_client)
{
    order_fixture_open_key(fixture, faults, more_client, NULL);
}

void order_fixture_reorder(struct order_fixture *fixture,
                           const struct acme_order_options *options)
{
    acme_order_free(fixture->order);
    fixture->options = *options;
    fixture->options.csr = buffer_bytes(&fixture->csr);
    MUST(acme_order_new(fixture->client, &fixture->options, fixture->ca.now,
                        &fixture->order) == 0);
}

void order_fixture_crash(struct order_fixture *fixture)
{
    acme_order_free(fixture->order);
    acme_client_free(fixture->client);
    MUST(acme_client_new(&fixture->client_options, &fixture->client) == 0);
    if (fixture->saved.size > 0)
        MUST(acme_order_load(fixture->client, &fixture->options, fixture->saved.data,
                             fixture->saved.size, fixture->ca.now, &fixture->order) == 0);
    else
        MUST(acme_order_new(fixture->client, &fixture->options, fixture->ca.now,
                            &fixture->order) == 0);
}

void order_fixture_close(struct order_fixture *fixture)
{
    acme_order_free(fixture->order);
    acme_client_free(fixture->client);
    buffer_free(&fixture->saved);
    buffer_free(&fixture->csr);
    key_free(fixture->csr_key);
    key_free(fixture->key);
    mock_ca_close(&fixture->ca);
}

/* Tables of faults: one wrong answer to an order, and what must come of it. */
#ifndef TESTS_UNIT_ACME_ORDER_ROW_H
#define TESTS_UNIT_ACME_ORDER_ROW_H

#include "acme/acme.h"
#include "tests/unit/acme/order_fixture.h"
#include "tests/unit/vector.h"

#define URN "urn:ietf:params:acme:error:"
#define PROBLEM(type) "{\"type\":\"" URN type "\",\"detail\":\"because\"}"
#define NAMES                                                                            \
    "\"identifiers\":[{\"type\":\"dns\",\"value\":\"dev.test\"},"                        \
    "{\"type\":\"dns\",\"value\":\"*.dev.test\"}]"
#define AUTHZS "\"authorizations\":[\"" MOCK_CA "/authz/0/0\",\"" MOCK_CA "/authz/0/1\"]"
#define FINALIZE "\"finalize\":\"" MOCK_CA "/finalize/0\""
#define ORDER(status) "{\"status\":\"" status "\"," NAMES "," AUTHZS "," FINALIZE "}"
#define AUTHZ(status, challenges)                                                        \
    "{\"status\":\"" status "\",\"identifier\":{\"type\":\"dns\",\"value\":\"dev."       \
    "test\"},\"challenges\":[" challenges "]}"
#define DNS01(token) DNS01_AT(token, MOCK_CA "/challenge/0/0")
#define DNS01_AT(token, url)                                                             \
    "{\"type\":\"dns-01\",\"status\":\"pending\",\"url\":\"" url "\"" token "}"
#define LOCATION                                                                         \
    {                                                                                    \
        "Location", MOCK_CA "/order/0"                                                   \
    }

struct row {
    struct mock_ca_fault fault;
    enum acme_error_type type; /* NONE: a chain comes out all the same */
    enum acme_error_scope scope;
    int64_t retry_s; /* 0: never by itself */
    bool resumable;
    bool is_published; /* records were shown before */
};

static inline void check_row(const char *table, size_t i, const struct row *row)
{
    struct mock_ca_fault faults[2] = {row->fault, {0}};
    struct order_fixture f;
    struct acme_step step;
    enum acme_error_type type;
    int64_t retry_s;

    order_fixture_open(&f, faults, NULL);
    (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
    type = step.want == ACME_WANT_FAILED ? step.error->type : ACME_ERROR_NONE;
    if (type != row->type)
        fail_msg("%s %zu: %s %s", table, i, acme_error_type_text(type),
                 step.want == ACME_WANT_FAILED ? step.error->text : "");
    if (type == ACME_ERROR_NONE) {
        assert_int_equal(f.ca.published > 0, f.ca.unpublished > 0);
    } else {
        retry_s = step.error->retry_at == 0 ? 0 : step.error->retry_at - f.ca.now.at;
        if (step.error->scope != row->scope || retry_s != row->retry_s ||
            step.error->resumable != row->resumable || !step.error->text[0])
            fail_msg("%s %zu: %s, retry in %lld, resumable %d: %s", table, i,
                     acme_error_scope_text(step.error->scope), (long long)retry_s,
                     step.error->resumable, step.error->text);
        if ((f.ca.published > 0) != row->is_published)
            fail_msg("%s %zu: published %u times", table, i, f.ca.published);
        /* A final failure takes away what it has shown. */
        assert_int_equal(f.ca.unpublished > 0, row->is_published && !row->resumable);
    }
    if (row->resumable) {
        f.ca.faults = NULL;
        f.ca.now.at += 90000;
        acme_client_retry(f.client);
        acme_order_retry(f.order);
        (void)mock_ca_run_order(&f.ca, f.client, f.order, 0, &step);
        if (step.want != ACME_WANT_DONE)
            fail_msg("%s %zu: not resumed: %s", table, i, step.error->text);
    }
    order_fixture_close(&f);
}

#define CHECK(table)                                                                     \
    do {                                                                                 \
        for (size_t row_ = 0; row_ < sizeof(table) / sizeof(table[0]); row_++)           \
            check_row(__func__, row_, &table[row_]);                                     \
    } while (0)

#endif

/* The statements on front.db. A row is written once per event and never polled by
 * reloading: readers follow `rev`.
 *
 * The `since` queries take whole revisions (the rev of the MAXth row bounds them),
 * because a group commit puts many rows under one revision and a reader that stopped in
 * its middle would lose the rest. */
#include "relay/store/front_store.h"

#include "base/core/text.h"

enum { QUIET_S = 30 * 86400 }; /* after it, copies are gone or silent */

#define ACCOUNT_COLUMNS "id, jwk, registration, token, contact, status, created_at, rev"
#define REQUEST_COLUMNS "number, kind, id, jws, jwk, received_at, rev"
#define ADDRESSES_COLUMNS "id, counter, addresses, jws, published_at, gone, rev"

struct account_query {
    front_store_account_fn *fn;
    void *arg;
    bool found;
};

struct request_query {
    front_store_request_fn *fn;
    void *arg;
    bool found;
};

struct addresses_query {
    front_store_addresses_fn *fn;
    void *arg;
    bool found;
};

static int account_row(const struct database_row *row, void *arg)
{
    struct account_query *query = arg;
    struct front_store_account account = {
        .id = database_text(row, 0),
        .jwk = database_text(row, 1),
        .registration = database_text(row, 2),
        .token = database_text(row, 3),
        .contact = database_text(row, 4),
        .status = database_text(row, 5),
        .created_at = database_i64(row, 6),
        .rev = database_i64(row, 7),
    };

    query->found = true;
    return query->fn(&account, query->arg);
}

static int request_row(const struct database_row *row, void *arg)
{
    struct request_query *query = arg;
    struct front_store_request request = {
        .number = database_text(row, 0),
        .kind = database_text(row, 1),
        .id = database_text(row, 2),
        .jws = database_text(row, 3),
        .jwk = database_text(row, 4),
        .received_at = database_i64(row, 5),
        .rev = database_i64(row, 6),
    };

    query->found = true;
    return query->fn(&request, query->arg);
}

static int addresses_row(const struct database_row *row, void *arg)
{
    struct addresses_query *query = arg;
    struct front_store_addresses addresses = {
        .id = database_text(row, 0),
        .counter = database_i64(row, 1),
        .addresses = database_text(row, 2),
        .jws = database_text(row, 3),
        .published_at = database_i64(row, 4),
        .gone = database_i64(row, 5) != 0,
        .rev = database_i64(row, 6),
    };

    query->found = true;
    return query->fn(&addresses, query->arg);
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int front_store_add_account(struct database *database, const char *zone, int64_t rev,
                            const struct front_store_account *account)
{
    return database_run(
        database,
        "INSERT INTO accounts (zone, id, rev, jwk, registration, token, contact,"
        " status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "ttittttti", zone, account->id, rev, account->jwk, account->registration,
        account->token, account->contact, account->status, account->created_at);
}

int front_store_update_account(struct database *database, const char *zone, int64_t rev,
                               const char *id, const char *contact, const char *status)
{
    int error = database_run(database,
                             "UPDATE accounts SET rev = ?, contact = ?, status = ?"
                             " WHERE zone = ? AND id = ?",
                             "itttt", rev, contact, status, zone, id);

    if (error != 0) {
        return error;
    }
    return database_changes(database) == 1 ? 0 : ERROR_NOT_FOUND;
}

int front_store_add_request(struct database *database, const char *zone, int64_t rev,
                            const struct front_store_request *request)
{
    return database_run(
        database,
        "INSERT INTO requests (zone, number, kind, rev, id, jws, jwk, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        "tttittti", zone, request->number, request->kind, rev, request->id, request->jws,
        request->jwk, request->received_at);
}

int front_store_remove_requests(struct database *database, const char *zone,
                                const char *kind, int64_t received_before_at, int64_t max,
                                int64_t *ret_count)
{
    int error = database_run(
        database,
        "DELETE FROM requests WHERE zone = ? AND kind = ? AND number IN ("
        "SELECT number FROM requests WHERE received_at < ? AND zone = ? AND kind = ?"
        " ORDER BY received_at LIMIT ?)",
        "ttitti", zone, kind, received_before_at, zone, kind, max);

    if (error != 0) {
        return error;
    }
    *ret_count = database_changes(database);
    return 0;
}

int front_store_put_addresses(struct database *database, const char *zone, int64_t rev,
                              const struct front_store_addresses *addresses)
{
    int error = database_run(
        database,
        "INSERT INTO addresses (zone, id, rev, counter, addresses, jws, published_at, "
        "gone)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (zone, id) DO UPDATE SET"
        " rev = excluded.rev, counter = excluded.counter, addresses = excluded.addresses,"
        " jws = excluded.jws, published_at = excluded.published_at, gone = 0"
        " WHERE addresses.counter < excluded.counter",
        "ttiitti", zone, addresses->id, rev, addresses->counter, addresses->addresses,
        addresses->jws, addresses->published_at);

    if (error != 0) {
        return error;
    }
    return database_changes(database) == 1 ? 0 : ERROR_CONFLICT;
}

bool front_store_is_cloned(const struct front_store_receipt *receipt, int64_t settled_at,
                           int64_t now_at)
{
    return receipt->cloned_at > settled_at && now_at - receipt->mismatch_at < QUIET_S;
}

int front_store_put_receipt(struct database *database, const char *zone, int64_t rev,
                            const char *id, const struct front_store_receipt *receipt)
{
    return database_run(
        database,
        "INSERT OR REPLACE INTO receipts (zone, id, rev, receipt, former, mismatch_at,"
        " cloned_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        "ttittii", zone, id, rev, receipt->receipt, receipt->former, receipt->mismatch_at,
        receipt->cloned_at);
}

struct receipt_query {
    struct front_store_receipt receipt;
    bool found;
};

static int receipt_row(const struct database_row *row, void *arg)
{
    struct receipt_query *query = arg;
    struct front_store_receipt *receipt = &query->receipt;

    query->found = true;
    receipt->mismatch_at = database_i64(row, 2);
    receipt->cloned_at = database_i64(row, 3);
    return text_copy(receipt->receipt, sizeof(receipt->receipt), database_text(row, 0)) &&
                   text_copy(receipt->former, sizeof(receipt->former),
                             database_text(row, 1))
               ? 0
               : ERROR_SYNTAX;
}

int front_store_get_receipt(struct database *database, const char *zone, const char *id,
                            struct front_store_receipt *ret_receipt)
{
    struct receipt_query query = {.found = false};
    int error = database_query(database,
                               "SELECT receipt, former, mismatch_at, cloned_at"
                               " FROM receipts WHERE zone = ? AND id = ?",
                               receipt_row, &query, "tt", zone, id);

    if (error == 0 && !query.found) {
        error = ERROR_NOT_FOUND;
    }
    if (error == 0) {
        *ret_receipt = query.receipt;
    }
    return error;
}

int front_store_withdraw_addresses(struct database *database, const char *zone,
                                   int64_t rev, const char *id)
{
    return database_run(database,
                        "UPDATE addresses SET rev = ?, addresses = '', gone = 1"
                        " WHERE zone = ? AND id = ? AND gone = 0",
                        "itt", rev, zone, id);
}

int front_store_clear_addresses(struct database *database, const char *zone, int64_t rev,
                                int64_t published_before_at, int64_t *ret_count)
{
    int error = database_run(database,
                             "UPDATE addresses SET rev = ?, addresses = '', gone = 1"
                             " WHERE zone = ? AND gone = 0 AND published_at < ?",
                             "iti", rev, zone, published_before_at);

    if (error != 0) {
        return error;
    }
    *ret_count = database_changes(database);
    return 0;
}

int front_store_get_account(struct database *database, const char *zone, const char *id,
                            front_store_account_fn *fn, void *arg)
{
    struct account_query query = {.fn = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " ACCOUNT_COLUMNS " FROM accounts"
                               " WHERE zone = ? AND id = ?",
                               account_row, &query, "tt", zone, id);

    return error != 0 || query.found ? error : ERROR_NOT_FOUND;
}

int front_store_get_request(struct database *database, const char *zone,
                            const char *number, const char *kind,
                            front_store_request_fn *fn, void *arg)
{
    struct request_query query = {.fn = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " REQUEST_COLUMNS " FROM requests"
                               " WHERE zone = ? AND number = ? AND kind = ?",
                               request_row, &query, "ttt", zone, number, kind);

    return error != 0 || query.found ? error : ERROR_NOT_FOUND;
}

int front_store_get_addresses(struct database *database, const char *zone, const char *id,
                              front_store_addresses_fn *fn, void *arg)
{
    struct addresses_query query = {.fn = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " ADDRESSES_COLUMNS " FROM addresses"
                               " WHERE zone = ? AND id = ?",
                               addresses_row, &query, "tt", zone, id);

    return error != 0 || query.found ? error : ERROR_NOT_FOUND;
}

/* TABLE's rows after a revision, in whole revisions. */
#define SINCE(columns, table)                                                            \
    "SELECT " columns " FROM " table                                                     \
    " WHERE rev > ? AND zone = ? AND rev <= (SELECT max(rev)"                            \
    " FROM (SELECT rev FROM " table                                                      \
    " WHERE rev > ? AND zone = ? ORDER BY rev LIMIT ?) AS pass)"                         \
    " ORDER BY rev"

int front_store_accounts_since(struct database *database, const char *zone,
                               int64_t after_rev, int64_t max, front_store_account_fn *fn,
                               void *arg)
{
    struct account_query query = {.fn = fn, .arg = arg};

    return database_query(database, SINCE(ACCOUNT_COLUMNS, "accounts"), account_row,
                          &query, "ititi", after_rev, zone, after_rev, zone, max);
}

int front_store_accounts_after(struct database *database, const char *zone,
                               const char *after_id, int64_t max,
                               front_store_account_fn *fn, void *arg)
{
    struct account_query query = {.fn = fn, .arg = arg};

    return database_query(database,
                          "SELECT " ACCOUNT_COLUMNS " FROM accounts"
                          " WHERE zone = ? AND id > ? ORDER BY id LIMIT ?",
                          account_row, &query, "tti", zone, after_id, max);
}

int front_store_requests_since(struct database *database, const char *zone,
                               int64_t after_rev, int64_t max, front_store_request_fn *fn,
                               void *arg)
{
    struct request_query query = {.fn = fn, .arg = arg};

    return database_query(database, SINCE(REQUEST_COLUMNS, "requests"), request_row,
                          &query, "ititi", after_rev, zone, after_rev, zone, max);
}

int front_store_addresses_since(struct database *database, const char *zone,
                                int64_t after_rev, int64_t max,
                                front_store_addresses_fn *fn, void *arg)
{
    struct addresses_query query = {.fn = fn, .arg = arg};

    return database_query(database, SINCE(ADDRESSES_COLUMNS, "addresses"), addresses_row,
                          &query, "ititi", after_rev, zone, after_rev, zone, max);
}

int front_store_count_token(struct database *database, const char *zone,
                            const char *token, int64_t *ret_count)
{
    return database_query(database,
                          "SELECT count(*) FROM accounts WHERE zone = ? AND token = ?",
                          take_i64, ret_count, "tt", zone, token);
}

/* The statements of issuer.db. Each look-up names its columns once (the *_COLUMNS
 * macros), and one function turns a row into its struct, so that a column can't be read
 * under another's number.
 *
 * Nothing that readers follow is deleted while they may need to see it go: challenges are
 * tombstoned and deleted only long after they expired. Ledger, budgets and issuances are
 * read by the issuer alone; their rows may go (issuer_store_prune.c). */
#include "relay/store/issuer_store.h"

#include "base/core/text.h"
#include "relay/store/budget_store.h"

#include <string.h>

static const char *const state_texts[] = {
    [ISSUER_STORE_REFUSED] = "refused",       [ISSUER_STORE_READY] = "ready",
    [ISSUER_STORE_PROCESSING] = "processing", [ISSUER_STORE_VALID] = "valid",
    [ISSUER_STORE_INVALID] = "invalid",
};

enum { STATE_COUNT = sizeof(state_texts) / sizeof(state_texts[0]) };

const char *issuer_store_state_text(enum issuer_store_state state)
{
    return state_texts[state];
}

/* A state that no issuer of ours wrote reads as invalid: readers must not act on it. */
static enum issuer_store_state state_of_text(const char *text)
{
    for (int i = 0; i < STATE_COUNT; i++) {
        if (strcmp(text, state_texts[i]) == 0) {
            return (enum issuer_store_state)i;
        }
    }
    return ISSUER_STORE_INVALID;
}

/* What a row callback needs: the typed function, its argument, and whether it was called.
 */
struct sink {
    union {
        issuer_store_order_fn *order;
        issuer_store_issuance_fn *issuance;
        issuer_store_certificate_fn *certificate;
        issuer_store_challenge_fn *challenge;
        issuer_store_ca_account_fn *ca_account;
        issuer_store_revocation_fn *revocation;
        issuer_store_entry_fn *entry;
    } fn;
    void *arg;
    bool called;
};

/* A look-up of one thing that found nothing is ERROR_NOT_FOUND. */
static int one(int error, const struct sink *sink)
{
    if (error != 0) {
        return error;
    }
    return sink->called ? 0 : ERROR_NOT_FOUND;
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

/* ---- orders ---- */

#define ORDER_COLUMNS                                                                    \
    "number, id, names, profile, replaces, state, created_at, expires_at, retry_at, "    \
    "problem,"                                                                           \
    " certificate, rev"

static int read_order(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct issuer_store_order order = {
        .number = database_text(row, 0),
        .id = database_text(row, 1),
        .names = database_text(row, 2),
        .profile = database_text(row, 3),
        .replaces = database_text(row, 4),
        .state = state_of_text(database_text(row, 5)),
        .created_at = database_i64(row, 6),
        .expires_at = database_i64(row, 7),
        .retry_at = database_i64(row, 8),
        .problem = database_text(row, 9),
        .certificate = database_text(row, 10),
        .rev = database_i64(row, 11),
    };

    sink->called = true;
    return sink->fn.order(&order, sink->arg);
}

int issuer_store_put_order(struct database *database, const char *zone, int64_t rev,
                           const struct issuer_store_order *order)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO orders (zone, " ORDER_COLUMNS ")"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "tttttttiiitti", zone, order->number, order->id, order->names,
                        order->profile, order->replaces, state_texts[order->state],
                        order->created_at, order->expires_at, order->retry_at,
                        order->problem, order->certificate, rev);
}

int issuer_store_set_order_state(struct database *database, const char *zone, int64_t rev,
                                 const char *number, enum issuer_store_state state,
                                 const char *problem, const char *certificate)
{
    int error = database_run(
        database,
        "UPDATE orders SET state = ?, problem = ?, certificate = ?, rev = ?"
        " WHERE zone = ? AND number = ?",
        "tttitt", state_texts[state], problem, certificate, rev, zone, number);

    if (error == 0 && database_changes(database) == 0) {
        return ERROR_NOT_FOUND;
    }
    return error;
}

int issuer_store_order(struct database *database, const char *zone, const char *number,
                       issuer_store_order_fn *fn, void *arg)
{
    struct sink sink = {.fn.order = fn, .arg = arg};
    int error = database_query(
        database, "SELECT " ORDER_COLUMNS " FROM orders WHERE zone = ? AND number = ?",
        read_order, &sink, "tt", zone, number);

    return one(error, &sink);
}

int issuer_store_orders_since(struct database *database, const char *zone,
                              int64_t after_rev, issuer_store_order_fn *fn, void *arg)
{
    struct sink sink = {.fn.order = fn, .arg = arg};

    return database_query(database,
                          "SELECT " ORDER_COLUMNS
                          " FROM orders WHERE rev > ? AND zone = ?"
                          " ORDER BY rev",
                          read_order, &sink, "it", after_rev, zone);
}

int issuer_store_orders_of(struct database *database, const char *zone, const char *id,
                           int64_t limit, issuer_store_order_fn *fn, void *arg)
{
    struct sink sink = {.fn.order = fn, .arg = arg};

    return database_query(database,
                          "SELECT " ORDER_COLUMNS " FROM orders WHERE zone = ? AND id = ?"
                          " ORDER BY created_at DESC, rev DESC LIMIT ?",
                          read_order, &sink, "tti", zone, id, limit);
}

int issuer_store_count_open_orders(struct database *database, const char *zone,
                                   const char *id, int64_t *ret_count)
{
    return database_query(database,
                          "SELECT count(*) FROM orders WHERE zone = ? AND id = ?"
                          " AND state IN ('ready', 'processing')",
                          take_i64, ret_count, "tt", zone, id);
}

int issuer_store_expire_orders(struct database *database, const char *zone, int64_t rev,
                               int64_t now_at, const char *problem, int *ret_count)
{
    int error = budget_store_end_expired(database, zone, rev, now_at);

    if (error == 0) {
        error =
            database_run(database,
                         "INSERT OR REPLACE INTO ledger (zone, kind, what, rev, id, at)"
                         " SELECT zone, 'unused', number, ?, id, ? FROM orders"
                         " WHERE state = 'ready' AND expires_at <= ? AND zone = ?",
                         "iiit", rev, now_at, now_at, zone);
    }
    if (error == 0) {
        error = database_run(database,
                             "UPDATE orders SET state = 'invalid', problem = ?, rev = ?"
                             " WHERE state = 'ready' AND expires_at <= ? AND zone = ?",
                             "tiit", problem, rev, now_at, zone);
    }
    if (error == 0) {
        *ret_count = database_changes(database);
    }
    return error;
}

/* ---- issuances ---- */

#define ISSUANCE_COLUMNS                                                                 \
    "number, ca, lane, generation, saved, csr, attempts, next_at, done, rev"

static int read_issuance(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct issuer_store_issuance issuance = {
        .number = database_text(row, 0),
        .ca = database_text(row, 1),
        .lane = database_text(row, 2),
        .generation = database_i64(row, 3),
        .saved = database_text(row, 4),
        .csr = database_text(row, 5),
        .attempts = database_i64(row, 6),
        .next_at = database_i64(row, 7),
        .done = database_i64(row, 8) != 0,
        .rev = database_i64(row, 9),
    };

    sink->called = true;
    return sink->fn.issuance(&issuance, sink->arg);
}

int issuer_store_put_issuance(struct database *database, const char *zone, int64_t rev,
                              const struct issuer_store_issuance *issuance)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO issuances (zone, " ISSUANCE_COLUMNS ")"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "ttttittiiii", zone, issuance->number, issuance->ca,
                        issuance->lane, issuance->generation, issuance->saved,
                        issuance->csr, issuance->attempts, issuance->next_at,
                        (int64_t)issuance->done, rev);
}

int issuer_store_save_issuance(struct database *database, const char *zone, int64_t rev,
                               const struct issuer_store_issuance *issuance)
{
    int error = database_run(
        database,
        "UPDATE issuances SET saved = ?, attempts = ?, next_at = ?, done = ?, rev = ?"
        " WHERE zone = ? AND number = ? AND generation = ?",
        "tiiiitti", issuance->saved, issuance->attempts, issuance->next_at,
        (int64_t)issuance->done, rev, zone, issuance->number, issuance->generation);

    if (error == 0 && database_changes(database) == 0) {
        return ERROR_CONFLICT;
    }
    return error;
}

int issuer_store_take_issuances(struct database *database, const char *zone, int64_t rev,
                                int64_t generation)
{
    return database_run(
        database,
        "UPDATE issuances SET generation = ?, rev = ? WHERE done = 0 AND zone = ?", "iit",
        generation, rev, zone);
}

int issuer_store_issuance(struct database *database, const char *zone, const char *number,
                          issuer_store_issuance_fn *fn, void *arg)
{
    struct sink sink = {.fn.issuance = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " ISSUANCE_COLUMNS
                               " FROM issuances WHERE zone = ? AND number = ?",
                               read_issuance, &sink, "tt", zone, number);

    return one(error, &sink);
}

int issuer_store_open_issuances(struct database *database, const char *zone,
                                issuer_store_issuance_fn *fn, void *arg)
{
    struct sink sink = {.fn.issuance = fn, .arg = arg};

    return database_query(database,
                          "SELECT " ISSUANCE_COLUMNS
                          " FROM issuances WHERE done = 0 AND zone = ?"
                          " ORDER BY saved = '', next_at, rev",
                          read_issuance, &sink, "t", zone);
}

/* ---- certificates ---- */

#define CERTIFICATE_COLUMNS                                                              \
    "cert_id, id, number, lane, ca, serial, names, spki_hash, csr_hash, chain, "         \
    "alternates,"                                                                        \
    " not_before_at, not_after_at, ari_start_at, ari_end_at, ari_checked_at, replaced,"  \
    " revoked_at, revoke_reason, rev"

static int read_certificate(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct issuer_store_certificate certificate = {
        .cert_id = database_text(row, 0),
        .id = database_text(row, 1),
        .number = database_text(row, 2),
        .lane = database_text(row, 3),
        .ca = database_text(row, 4),
        .serial = database_text(row, 5),
        .names = database_text(row, 6),
        .spki_hash = database_text(row, 7),
        .csr_hash = database_text(row, 8),
        .chain = database_text(row, 9),
        .alternates = database_text(row, 10),
        .not_before_at = database_i64(row, 11),
        .not_after_at = database_i64(row, 12),
        .ari_start_at = database_i64(row, 13),
        .ari_end_at = database_i64(row, 14),
        .ari_checked_at = database_i64(row, 15),
        .replaced = database_i64(row, 16) != 0,
        .revoked_at = database_i64(row, 17),
        .revoke_reason = database_i64(row, 18),
        .rev = database_i64(row, 19),
    };

    sink->called = true;
    return sink->fn.certificate(&certificate, sink->arg);
}

int issuer_store_put_certificate(struct database *database, const char *zone, int64_t rev,
                                 const struct issuer_store_certificate *certificate)
{
    return database_run(
        database,
        "INSERT OR REPLACE INTO certificates (zone, " CERTIFICATE_COLUMNS ")"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "ttttttttttttiiiiiiiii", zone, certificate->cert_id, certificate->id,
        certificate->number, certificate->lane, certificate->ca, certificate->serial,
        certificate->names, certificate->spki_hash, certificate->csr_hash,
        certificate->chain, certificate->alternates, certificate->not_before_at,
        certificate->not_after_at, certificate->ari_start_at, certificate->ari_end_at,
        certificate->ari_checked_at, (int64_t)certificate->replaced,
        certificate->revoked_at, certificate->revoke_reason, rev);
}

static int changed_one(struct database *database, int error)
{
    if (error == 0 && database_changes(database) == 0) {
        return ERROR_NOT_FOUND;
    }
    return error;
}

int issuer_store_set_revoked(struct database *database, const char *zone, int64_t rev,
                             const char *cert_id, int64_t revoked_at, int64_t reason)
{
    return changed_one(
        database,
        database_run(database,
                     "UPDATE certificates SET revoked_at = ?, revoke_reason = ?, rev = ?"
                     " WHERE zone = ? AND cert_id = ?",
                     "iiitt", revoked_at, reason, rev, zone, cert_id));
}

int issuer_store_set_replaced(struct database *database, const char *zone, int64_t rev,
                              const char *cert_id)
{
    return changed_one(database,
                       database_run(database,
                                    "UPDATE certificates SET replaced = 1, rev = ?"
                                    " WHERE zone = ? AND cert_id = ?",
                                    "itt", rev, zone, cert_id));
}

int issuer_store_set_ari(struct database *database, const char *zone, int64_t rev,
                         const char *cert_id, int64_t start_at, int64_t end_at,
                         int64_t checked_at)
{
    return changed_one(
        database,
        database_run(database,
                     "UPDATE certificates SET ari_start_at = ?, ari_end_at = ?,"
                     " ari_checked_at = ?, rev = ? WHERE zone = ? AND cert_id = ?",
                     "iiiitt", start_at, end_at, checked_at, rev, zone, cert_id));
}

int issuer_store_certificate(struct database *database, const char *zone,
                             const char *cert_id, issuer_store_certificate_fn *fn,
                             void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " CERTIFICATE_COLUMNS
                               " FROM certificates WHERE zone = ? AND cert_id = ?",
                               read_certificate, &sink, "tt", zone, cert_id);

    return one(error, &sink);
}

/* The order knows its certificate, so that this needs no index on certificates.number. */
int issuer_store_certificate_of_order(struct database *database, const char *zone,
                                      const char *number, issuer_store_certificate_fn *fn,
                                      void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};
    int error = database_query(
        database,
        "SELECT " CERTIFICATE_COLUMNS " FROM certificates WHERE zone = ? AND cert_id ="
        " (SELECT certificate FROM orders WHERE zone = ? AND number = ?)",
        read_certificate, &sink, "ttt", zone, zone, number);

    return one(error, &sink);
}

int issuer_store_current_certificate(struct database *database, const char *zone,
                                     const char *id, issuer_store_certificate_fn *fn,
                                     void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " CERTIFICATE_COLUMNS
                               " FROM certificates WHERE zone = ? AND id = ?"
                               " AND revoked_at = 0 AND lane = 'device' ORDER BY "
                               "not_after_at DESC, rev DESC LIMIT 1",
                               read_certificate, &sink, "tt", zone, id);

    return one(error, &sink);
}

int issuer_store_relay_certificate(struct database *database, const char *zone,
                                   const char *spki_hash, issuer_store_certificate_fn *fn,
                                   void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};
    int error =
        database_query(database,
                       "SELECT " CERTIFICATE_COLUMNS
                       " FROM certificates WHERE zone = ? AND lane = 'relay'"
                       " AND revoked_at = 0 AND (? = '' OR spki_hash = ?)"
                       " ORDER BY not_before_at DESC, rev DESC LIMIT 1",
                       read_certificate, &sink, "ttt", zone, spki_hash, spki_hash);

    return one(error, &sink);
}

int issuer_store_certificate_of_csr(struct database *database, const char *zone,
                                    const char *id, const char *csr_hash,
                                    issuer_store_certificate_fn *fn, void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " CERTIFICATE_COLUMNS
                               " FROM certificates WHERE zone = ? AND id = ?"
                               " AND csr_hash = ? AND lane = 'device' ORDER BY "
                               "not_before_at DESC, rev DESC LIMIT 1",
                               read_certificate, &sink, "ttt", zone, id, csr_hash);

    return one(error, &sink);
}

int issuer_store_certificates_to_check(struct database *database, const char *zone,
                                       int64_t now_at, int64_t checked_before,
                                       int64_t limit, issuer_store_certificate_fn *fn,
                                       void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};

    return database_query(database,
                          "SELECT " CERTIFICATE_COLUMNS
                          " FROM certificates WHERE zone = ? AND revoked_at = 0"
                          " AND replaced = 0 AND not_after_at > ? AND ari_checked_at < ?"
                          " ORDER BY ari_checked_at LIMIT ?",
                          read_certificate, &sink, "tiii", zone, now_at, checked_before,
                          limit);
}

int issuer_store_certificates_since(struct database *database, const char *zone,
                                    int64_t after_rev, issuer_store_certificate_fn *fn,
                                    void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};

    return database_query(database,
                          "SELECT " CERTIFICATE_COLUMNS
                          " FROM certificates WHERE rev > ? AND zone = ? ORDER BY rev",
                          read_certificate, &sink, "it", after_rev, zone);
}

int issuer_store_certificates_of(struct database *database, const char *zone,
                                 const char *id, int64_t limit,
                                 issuer_store_certificate_fn *fn, void *arg)
{
    struct sink sink = {.fn.certificate = fn, .arg = arg};

    return database_query(database,
                          "SELECT " CERTIFICATE_COLUMNS
                          " FROM certificates WHERE zone = ? AND id = ?"
                          " ORDER BY not_before_at DESC, rev DESC LIMIT ?",
                          read_certificate, &sink, "tti", zone, id, limit);
}

/* ---- challenges ---- */

#define CHALLENGE_COLUMNS "name, value, expires_at, gone, rev"

static int read_challenge(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct issuer_store_challenge challenge = {
        .name = database_text(row, 0),
        .value = database_text(row, 1),
        .expires_at = database_i64(row, 2),
        .gone = database_i64(row, 3) != 0,
        .rev = database_i64(row, 4),
    };

    sink->called = true;
    return sink->fn.challenge(&challenge, sink->arg);
}

int issuer_store_put_challenge(struct database *database, const char *zone, int64_t rev,
                               const struct issuer_store_challenge *challenge)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO challenges (zone, " CHALLENGE_COLUMNS ")"
                        " VALUES (?, ?, ?, ?, 0, ?)",
                        "tttii", zone, challenge->name, challenge->value,
                        challenge->expires_at, rev);
}

int issuer_store_end_challenge(struct database *database, const char *zone, int64_t rev,
                               const char *name, const char *value)
{
    return database_run(database,
                        "UPDATE challenges SET gone = 1, rev = ?"
                        " WHERE zone = ? AND name = ? AND value = ? AND gone = 0",
                        "ittt", rev, zone, name, value);
}

int issuer_store_sweep_challenges(struct database *database, const char *zone,
                                  int64_t rev, int64_t now_at, int64_t forget_at)
{
    int error = database_run(database,
                             "UPDATE challenges SET gone = 1, rev = ?"
                             " WHERE zone = ? AND gone = 0 AND expires_at <= ?",
                             "iti", rev, zone, now_at);

    if (error != 0) {
        return error;
    }
    return database_run(
        database, "DELETE FROM challenges WHERE zone = ? AND gone = 1 AND expires_at < ?",
        "ti", zone, forget_at);
}

int issuer_store_challenges_since(struct database *database, const char *zone,
                                  int64_t after_rev, issuer_store_challenge_fn *fn,
                                  void *arg)
{
    struct sink sink = {.fn.challenge = fn, .arg = arg};

    return database_query(database,
                          "SELECT " CHALLENGE_COLUMNS
                          " FROM challenges WHERE rev > ? AND zone = ? ORDER BY rev",
                          read_challenge, &sink, "it", after_rev, zone);
}

/* ---- ledger ---- */

#define ENTRY_COLUMNS "kind, what, id, at"

static int read_entry(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct issuer_store_entry entry = {
        .kind = database_text(row, 0),
        .what = database_text(row, 1),
        .id = database_text(row, 2),
        .at = database_i64(row, 3),
    };

    sink->called = true;
    return sink->fn.entry(&entry, sink->arg);
}

int issuer_store_put_entry(struct database *database, const char *zone, int64_t rev,
                           const struct issuer_store_entry *entry)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO ledger (zone, kind, what, rev, id, at)"
                        " VALUES (?, ?, ?, ?, ?, ?)",
                        "tttiti", zone, entry->kind, entry->what, rev, entry->id,
                        entry->at);
}

int issuer_store_remove_entry(struct database *database, const char *zone,
                              const char *kind, const char *what)
{
    return database_run(database,
                        "DELETE FROM ledger WHERE zone = ? AND kind = ? AND what = ?",
                        "ttt", zone, kind, what);
}

int issuer_store_entry(struct database *database, const char *zone, const char *kind,
                       const char *what, issuer_store_entry_fn *fn, void *arg)
{
    struct sink sink = {.fn.entry = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " ENTRY_COLUMNS
                               " FROM ledger WHERE zone = ? AND kind = ? AND what = ?",
                               read_entry, &sink, "ttt", zone, kind, what);

    return one(error, &sink);
}

static int take_at(const struct issuer_store_entry *entry, void *arg)
{
    *(int64_t *)arg = entry->at;
    return 0;
}

int issuer_store_entry_at(struct database *database, const char *zone, const char *kind,
                          const char *what, int64_t *ret_at)
{
    int64_t at = -1;
    int error = issuer_store_entry(database, zone, kind, what, take_at, &at);

    if (error != 0 && error != ERROR_NOT_FOUND) {
        return error;
    }
    *ret_at = at;
    return 0;
}

int issuer_store_entries_of(struct database *database, const char *zone, const char *kind,
                            const char *id, int64_t after_at, issuer_store_entry_fn *fn,
                            void *arg)
{
    struct sink sink = {.fn.entry = fn, .arg = arg};

    return database_query(database,
                          "SELECT " ENTRY_COLUMNS " FROM ledger WHERE zone = ? AND id = ?"
                          " AND kind = ? AND at > ? ORDER BY at",
                          read_entry, &sink, "ttti", zone, id, kind, after_at);
}

/* A prefix is a range of the primary key; '~' and all below sort before DEL, and no
 * `what` holds DEL. */
int issuer_store_entries(struct database *database, const char *zone, const char *kind,
                         const char *prefix, issuer_store_entry_fn *fn, void *arg)
{
    struct sink sink = {.fn.entry = fn, .arg = arg};

    return database_query(database,
                          "SELECT " ENTRY_COLUMNS
                          " FROM ledger WHERE zone = ? AND kind = ?"
                          " AND what >= ? AND what < ? || '\x7f' ORDER BY what",
                          read_entry, &sink, "tttt", zone, kind, prefix, prefix);
}

int issuer_store_count_entries(struct database *database, const char *zone,
                               const char *kind, const char *prefix, int64_t *ret_count)
{
    return database_query(database,
                          "SELECT count(*) FROM ledger WHERE zone = ? AND kind = ?"
                          " AND what >= ? AND what < ? || '\x7f'",
                          take_i64, ret_count, "tttt", zone, kind, prefix, prefix);
}

/* ---- revocations ---- */

#define REVOCATION_COLUMNS "number, cert_id, state, problem, answered_at, rev"

static int read_revocation(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct issuer_store_revocation revocation = {
        .number = database_text(row, 0),
        .cert_id = database_text(row, 1),
        .done = strcmp(database_text(row, 2), "done") == 0,
        .problem = database_text(row, 3),
        .answered_at = database_i64(row, 4),
        .rev = database_i64(row, 5),
    };

    sink->called = true;
    return sink->fn.revocation(&revocation, sink->arg);
}

int issuer_store_put_revocation(struct database *database, const char *zone, int64_t rev,
                                const struct issuer_store_revocation *revocation)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO revocations (zone, " REVOCATION_COLUMNS
                        ")"
                        " VALUES (?, ?, ?, ?, ?, ?, ?)",
                        "tttttii", zone, revocation->number, revocation->cert_id,
                        revocation->done ? "done" : "refused", revocation->problem,
                        revocation->answered_at, rev);
}

int issuer_store_revocation(struct database *database, const char *zone,
                            const char *number, issuer_store_revocation_fn *fn, void *arg)
{
    struct sink sink = {.fn.revocation = fn, .arg = arg};
    int error = database_query(database,
                               "SELECT " REVOCATION_COLUMNS
                               " FROM revocations WHERE zone = ? AND number = ?",
                               read_revocation, &sink, "tt", zone, number);

    return one(error, &sink);
}

/* ---- CA accounts ---- */

#define CA_ACCOUNT_COLUMNS "ca, url, caa, created_at, rev"

static int read_ca_account(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct issuer_store_ca_account account = {
        .ca = database_text(row, 0),
        .url = database_text(row, 1),
        .caa = database_text(row, 2),
        .created_at = database_i64(row, 3),
        .rev = database_i64(row, 4),
    };

    sink->called = true;
    return sink->fn.ca_account(&account, sink->arg);
}

int issuer_store_put_ca_account(struct database *database, const char *zone, int64_t rev,
                                const struct issuer_store_ca_account *account)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO ca_accounts (zone, " CA_ACCOUNT_COLUMNS
                        ")"
                        " VALUES (?, ?, ?, ?, ?, ?)",
                        "ttttii", zone, account->ca, account->url, account->caa,
                        account->created_at, rev);
}

int issuer_store_ca_accounts(struct database *database, const char *zone,
                             issuer_store_ca_account_fn *fn, void *arg)
{
    struct sink sink = {.fn.ca_account = fn, .arg = arg};

    return database_query(database,
                          "SELECT " CA_ACCOUNT_COLUMNS " FROM ca_accounts WHERE zone = ?"
                          " ORDER BY created_at, ca",
                          read_ca_account, &sink, "t", zone);
}

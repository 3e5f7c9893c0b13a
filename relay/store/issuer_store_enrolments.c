/* Who enrolled, and what becomes of those who then never got a certificate. */
#include "relay/store/issuer_store.h"

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int issuer_store_kth_entry_at(struct database *database, const char *zone,
                              const char *kind, int64_t k, int64_t *ret_at)
{
    int64_t at = -1;
    int error = database_query(database,
                               "SELECT at FROM ledger WHERE zone = ? AND kind = ?"
                               " ORDER BY at DESC LIMIT 1 OFFSET ?",
                               take_i64, &at, "tti", zone, kind, k - 1);

    if (error == 0) {
        *ret_at = at;
    }
    return error;
}

struct entry_query {
    const char *kind;
    issuer_store_entry_fn *fn;
    void *arg;
};

static int entry_row(const struct database_row *row, void *arg)
{
    struct entry_query *query = arg;
    struct issuer_store_entry entry = {
        .kind = query->kind,
        .what = database_text(row, 0),
        .id = database_text(row, 1),
        .at = database_i64(row, 2),
    };

    return query->fn(&entry, query->arg);
}

int issuer_store_old_entries(struct database *database, const char *zone,
                             const char *kind, int64_t before_at, int64_t limit,
                             issuer_store_entry_fn *fn, void *arg)
{
    struct entry_query query = {.kind = kind, .fn = fn, .arg = arg};

    return database_query(database,
                          "SELECT what, id, at FROM ledger WHERE zone = ? AND kind = ?"
                          " AND at < ? ORDER BY at, what LIMIT ?",
                          entry_row, &query, "ttii", zone, kind, before_at, limit);
}

int issuer_store_is_waiting(struct database *database, const char *zone, const char *id,
                            bool *ret_waiting)
{
    int64_t waiting = 0;
    int error = database_query(
        database,
        "SELECT EXISTS (SELECT 1 FROM orders WHERE zone = ? AND id = ?"
        " AND state IN ('ready', 'processing'))"
        " OR EXISTS (SELECT 1 FROM queue WHERE zone = ? AND id = ?)",
        take_i64, &waiting, "tttt", zone, id, zone, id);

    if (error == 0) {
        *ret_waiting = waiting != 0;
    }
    return error;
}

int issuer_store_forget_enrolment(struct database *database, const char *zone,
                                  const char *id)
{
    return database_run(database,
                        "DELETE FROM ledger WHERE zone = ? AND id = ?"
                        " AND kind IN ('account', 'token')",
                        "tt", zone, id);
}

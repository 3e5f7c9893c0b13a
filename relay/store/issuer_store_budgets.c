/* The statements of issuer.db's `budgets`: one row a unit spent, summed over a window. */
#include "relay/store/issuer_store.h"

int issuer_store_spend(struct database *database, const char *zone, int64_t rev,
                       const struct issuer_store_spending *spending)
{
    return database_run(
        database,
        "INSERT OR REPLACE INTO budgets (zone, ca, budget, number, rev, id, spent_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        "ttttiti", zone, spending->ca, spending->budget, spending->number, rev,
        spending->id, spending->spent_at);
}

int issuer_store_settle(struct database *database, const char *zone, int64_t rev,
                        const char *number, const char *kept, int64_t now_at)
{
    return database_run(database,
                        "UPDATE budgets SET spent_at = ?, rev = ?"
                        " WHERE zone = ? AND number = ? AND budget <> ?",
                        "iittt", now_at, rev, zone, number, kept);
}

int issuer_store_refund(struct database *database, const char *zone, const char *number,
                        const char *kept)
{
    return database_run(database,
                        "DELETE FROM budgets WHERE zone = ? AND number = ?"
                        " AND budget <> ?",
                        "ttt", zone, number, kept);
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int issuer_store_spent(struct database *database, const char *zone, const char *ca,
                       const char *budget, int64_t after_at, int64_t kth,
                       int64_t *ret_count, int64_t *ret_kth_at)
{
    int64_t count = 0;
    int64_t kth_at = 0;
    int error = database_query(database,
                               "SELECT COUNT(*) FROM budgets WHERE zone = ? AND ca = ?"
                               " AND budget = ? AND spent_at > ?",
                               take_i64, &count, "ttti", zone, ca, budget, after_at);

    if (error == 0 && kth >= 1 && kth <= count) {
        error = database_query(database,
                               "SELECT spent_at FROM budgets WHERE zone = ? AND ca = ?"
                               " AND budget = ? AND spent_at > ?"
                               " ORDER BY spent_at DESC LIMIT 1 OFFSET ?",
                               take_i64, &kth_at, "tttii", zone, ca, budget, after_at,
                               kth - 1);
    }
    if (error != 0) {
        return error;
    }
    *ret_count = count;
    *ret_kth_at = kth_at;
    return 0;
}

int issuer_store_forget_spendings(struct database *database, const char *zone,
                                  int64_t before_at)
{
    return database_run(database, "DELETE FROM budgets WHERE zone = ? AND spent_at < ?",
                        "ti", zone, before_at);
}

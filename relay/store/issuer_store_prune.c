/* What issuer.db forgets. Each statement follows an index on the time that decides, so
 * that its cost is what goes, not what stays.
 *
 * Forgetting must not make anything possible a second time: an order's row may go while
 * the ledger still knows its number ("finalize") and the newOrder that made it ("order"),
 * so these two are kept longer than the rows. */
#include "relay/store/issuer_store.h"

int issuer_store_forget_orders(struct database *database, const char *zone,
                               enum issuer_store_state state, int64_t expired_before_at)
{
    return database_run(database,
                        "DELETE FROM orders WHERE state = ? AND expires_at < ?"
                        " AND zone = ?",
                        "tit", issuer_store_state_text(state), expired_before_at, zone);
}

int issuer_store_forget_issuances(struct database *database, const char *zone)
{
    return database_run(database, "DELETE FROM issuances WHERE done = 1 AND zone = ?",
                        "t", zone);
}

int issuer_store_forget_certificates(struct database *database, const char *zone,
                                     int64_t ended_before_at)
{
    return database_run(database,
                        "DELETE FROM certificates WHERE not_after_at < ? AND zone = ?",
                        "it", ended_before_at, zone);
}

/* A row that is never asked about again must not stand first in the order of asking. */
int issuer_store_end_checks(struct database *database, const char *zone, int64_t now_at)
{
    return database_run(database,
                        "UPDATE certificates SET ari_checked_at = 9223372036854775807"
                        " WHERE not_after_at <= ? AND zone = ?"
                        " AND ari_checked_at < 9223372036854775807",
                        "it", now_at, zone);
}

int issuer_store_forget_revocations(struct database *database, const char *zone,
                                    int64_t before_at)
{
    return database_run(database,
                        "DELETE FROM revocations WHERE answered_at < ? AND zone = ?",
                        "it", before_at, zone);
}

int issuer_store_forget_entries(struct database *database, const char *zone,
                                const char *kind, int64_t before_at)
{
    return database_run(database,
                        "DELETE FROM ledger WHERE zone = ? AND kind = ? AND at < ?",
                        "tti", zone, kind, before_at);
}

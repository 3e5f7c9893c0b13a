/* What the operator looks for in issuer.db, and what goes when a device is forgotten. A chain is
 * some kilobytes: none of these statements reads one. */
#include "relay/store/issuer_store.h"

struct life_query {
    issuer_store_life_fn *fn;
    void *arg;
    bool called;
};

static int visit_life(const struct database_row *row, void *arg)
{
    struct life_query *query = arg;
    struct issuer_store_life life = {
        .id = database_text(row, 0),
        .cert_id = database_text(row, 1),
        .serial = database_text(row, 2),
        .not_before_at = database_i64(row, 3),
        .not_after_at = database_i64(row, 4),
    };

    query->called = true;
    return query->fn(&life, query->arg);
}

int issuer_store_current_life(struct database *database, const char *zone, const char *id,
                              issuer_store_life_fn *fn, void *arg)
{
    struct life_query query = {fn, arg, false};
    int error = database_query(
        database,
        "SELECT id, cert_id, serial, not_before_at, not_after_at FROM certificates"
        " WHERE zone = ? AND id = ? AND revoked_at = 0 AND lane = 'device'"
        " ORDER BY not_after_at DESC, rev DESC LIMIT 1",
        visit_life, &query, "tt", zone, id);

    return error == 0 && !query.called ? ERROR_NOT_FOUND : error;
}

/* A renewal that named no predecessor leaves the old row as if it counted: a later one of the
 * same id decides. */
#define IS_CURRENT                                                                       \
    " AND lane = 'device' AND revoked_at = 0 AND replaced = 0 AND NOT EXISTS"            \
    " (SELECT 1 FROM certificates AS later WHERE later.zone = certificates.zone"         \
    " AND later.id = certificates.id AND later.not_after_at > certificates.not_after_at" \
    " AND later.revoked_at = 0 AND later.lane = 'device')"

int issuer_store_ending(struct database *database, const char *zone,
                        const struct issuer_store_ending_page *page,
                        issuer_store_life_fn *fn, void *arg)
{
    struct life_query query = {fn, arg, false};

    return database_query(
        database,
        "SELECT id, cert_id, serial, not_before_at, not_after_at FROM certificates"
        " WHERE zone = ? AND not_after_at <= ? AND (not_after_at, id) > (?, ?)" IS_CURRENT
        " ORDER BY not_after_at, id LIMIT ?",
        visit_life, &query, "tiiti", zone, page->until_at, page->after_at, page->after_id,
        page->limit);
}

int issuer_store_lives_of_serial(struct database *database, const char *zone,
                                 const char *serial, int64_t limit,
                                 issuer_store_life_fn *fn, void *arg)
{
    struct life_query query = {fn, arg, false};

    return database_query(
        database,
        "SELECT id, cert_id, serial, not_before_at, not_after_at FROM certificates"
        " WHERE zone = ? AND serial >= ? AND serial < ? || '{' ORDER BY serial LIMIT ?",
        visit_life, &query, "ttti", zone, serial, serial, limit);
}

int issuer_store_lives_of_id(struct database *database, const char *zone, const char *id,
                             int64_t now_at, issuer_store_life_fn *fn, void *arg)
{
    struct life_query query = {fn, arg, false};

    return database_query(
        database,
        "SELECT id, cert_id, serial, not_before_at, not_after_at FROM certificates"
        " WHERE zone = ? AND id = ? AND not_after_at > ? AND revoked_at = 0"
        " AND lane = 'device' ORDER BY not_after_at",
        visit_life, &query, "tti", zone, id, now_at);
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

/* They expired long ago, before any other. */
int issuer_store_end_ready_orders(struct database *database, const char *zone,
                                  int64_t rev, const char *id, const char *problem)
{
    static const int64_t long_ago_at = 1;
    int count = 0;
    int error = database_run(database,
                             "UPDATE orders SET expires_at = ?, rev = ?"
                             " WHERE zone = ? AND id = ? AND state = 'ready'",
                             "iitt", long_ago_at, rev, zone, id);

    return error != 0 ? error
                      : issuer_store_expire_orders(database, zone, rev, long_ago_at,
                                                   problem, &count);
}

int issuer_store_count_processing(struct database *database, const char *zone,
                                  const char *id, int64_t *ret_count)
{
    return database_query(database,
                          "SELECT count(*) FROM orders WHERE zone = ? AND id = ?"
                          " AND state = 'processing'",
                          take_i64, ret_count, "tt", zone, id);
}

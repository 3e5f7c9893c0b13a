/* A version is written once and never changed: it is what devices agreed to. */
#include "relay/store/front_store.h"

int front_store_add_terms(struct database *database, const char *zone, int64_t rev,
                          const struct front_store_terms *terms)
{
    return database_run(database,
                        "INSERT INTO terms (zone, version, rev, text, since_at)"
                        " VALUES (?, ?, ?, ?, ?)",
                        "ttiti", zone, terms->version, rev, terms->text, terms->since_at);
}

struct terms_query {
    front_store_terms_fn *fn;
    void *arg;
    bool found;
};

static int terms_row(const struct database_row *row, void *arg)
{
    struct terms_query *query = arg;
    struct front_store_terms terms = {
        .version = database_text(row, 0),
        .text = database_text(row, 1),
        .since_at = database_i64(row, 2),
    };

    query->found = true;
    return query->fn(&terms, query->arg);
}

#define TERMS_COLUMNS "SELECT version, text, since_at FROM terms"

int front_store_get_terms(struct database *database, const char *zone,
                          const char *version, front_store_terms_fn *fn, void *arg)
{
    struct terms_query query = {.fn = fn, .arg = arg};
    int error = database_query(database, TERMS_COLUMNS " WHERE zone = ? AND version = ?",
                               terms_row, &query, "tt", zone, version);

    return error != 0 || query.found ? error : ERROR_NOT_FOUND;
}

int front_store_all_terms(struct database *database, const char *zone, int64_t max,
                          front_store_terms_fn *fn, void *arg)
{
    struct terms_query query = {.fn = fn, .arg = arg};

    return database_query(database,
                          TERMS_COLUMNS " WHERE zone = ?"
                                        " ORDER BY since_at DESC, version LIMIT ?",
                          terms_row, &query, "ti", zone, max);
}

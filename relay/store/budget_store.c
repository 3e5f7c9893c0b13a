#include "relay/store/budget_store.h"

#include "base/core/text.h"

#define DOMAIN_PREFIX "certificates:"
#define FORMER_BUCKET "certificates"

bool budget_store_domain_bucket(const char *domain,
                                char ret_name[static BUDGET_STORE_NAME_SIZE])
{
    return text_format(ret_name, BUDGET_STORE_NAME_SIZE, DOMAIN_PREFIX "%s", domain);
}

/* The zone in the row of bucket NAME. */
static const char *owner_of(const char *zone, const char *name)
{
    return text_starts_with(name, DOMAIN_PREFIX) ? "" : zone;
}

static int take_bucket(const struct database_row *row, void *arg)
{
    struct budget_store_bucket *bucket = arg;

    bucket->full_at_us = database_i64(row, 0);
    bucket->held = database_i64(row, 1);
    return 0;
}

int budget_store_bucket(struct database *database, const char *zone, const char *ca,
                        const char *name, struct budget_store_bucket *ret_bucket)
{
    struct budget_store_bucket bucket = {0};
    int error =
        database_query(database,
                       "SELECT full_at_us, held FROM buckets"
                       " WHERE zone = ? AND ca = ? AND bucket = ?",
                       take_bucket, &bucket, "ttt", owner_of(zone, name), ca, name);

    if (error == 0) {
        *ret_bucket = bucket;
    }
    return error;
}

int budget_store_put_bucket(struct database *database, const char *zone, int64_t rev,
                            const char *ca, const char *name,
                            const struct budget_store_bucket *bucket)
{
    return database_run(
        database,
        "INSERT OR REPLACE INTO buckets (zone, ca, bucket, rev, full_at_us, held)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        "tttiii", owner_of(zone, name), ca, name, rev, bucket->full_at_us, bucket->held);
}

int budget_store_forget_full(struct database *database, const char *zone, int64_t now_us)
{
    return database_run(database,
                        "DELETE FROM buckets WHERE zone = ? AND held = 0"
                        " AND full_at_us <= ? AND bucket <> 'orders'",
                        "ti", zone, now_us);
}

int budget_store_put_hold(struct database *database, const char *zone, int64_t rev,
                          const struct budget_store_hold *hold)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO holds"
                        " (zone, number, bucket, rev, ca, units, held_at)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?)",
                        "tttitii", zone, hold->number, hold->bucket, rev, hold->ca,
                        hold->units, hold->held_at);
}

struct hold_sink {
    budget_store_hold_fn *fn;
    void *arg;
};

static int take_hold(const struct database_row *row, void *arg)
{
    const struct hold_sink *sink = arg;
    struct budget_store_hold hold = {
        .number = database_text(row, 0),
        .ca = database_text(row, 1),
        .bucket = database_text(row, 2),
        .units = database_i64(row, 3),
        .held_at = database_i64(row, 4),
    };

    return sink->fn(&hold, sink->arg);
}

int budget_store_holds_of(struct database *database, const char *zone, const char *number,
                          budget_store_hold_fn *fn, void *arg)
{
    struct hold_sink sink = {fn, arg};

    return database_query(database,
                          "SELECT number, ca, bucket, units, held_at FROM holds"
                          " WHERE zone = ? AND number = ?",
                          take_hold, &sink, "tt", zone, number);
}

int budget_store_end_hold(struct database *database, const char *zone, const char *number,
                          const char *bucket)
{
    return database_run(database,
                        "DELETE FROM holds WHERE zone = ? AND number = ? AND bucket = ?",
                        "ttt", zone, number, bucket);
}

#define EXPIRED_NUMBERS                                                                  \
    "(SELECT number FROM orders WHERE state = 'ready' AND expires_at <= ? AND zone = ?)"

int budget_store_end_expired(struct database *database, const char *zone, int64_t rev,
                             int64_t now_at)
{
    int error =
        database_run(database,
                     "UPDATE buckets SET rev = ?, held = held - (SELECT SUM(h.units)"
                     " FROM holds h WHERE h.zone = ? AND h.ca = buckets.ca"
                     " AND h.bucket = buckets.bucket AND h.number IN " EXPIRED_NUMBERS ")"
                     " WHERE zone IN (?, '') AND (ca, bucket) IN (SELECT ca, bucket"
                     " FROM holds WHERE zone = ? AND number IN " EXPIRED_NUMBERS ")",
                     "ititttit", rev, zone, now_at, zone, zone, zone, now_at, zone);

    if (error == 0) {
        error = database_run(database,
                             "UPDATE buckets SET held = 0 WHERE zone IN (?, '')"
                             " AND held < 0",
                             "t", zone);
    }
    return error != 0 ? error
                      : database_run(database,
                                     "DELETE FROM holds WHERE zone = ?"
                                     " AND number IN " EXPIRED_NUMBERS,
                                     "tit", zone, now_at, zone);
}

int budget_store_clear_shared(struct database *database, int64_t rev)
{
    return database_run(database, "UPDATE buckets SET rev = ?, held = 0 WHERE zone = ''",
                        "i", rev);
}

int budget_store_add_shared(struct database *database, const char *zone)
{
    return database_run(database,
                        "UPDATE buckets SET held = held + (SELECT"
                        " COALESCE(SUM(h.units), 0) FROM holds h WHERE h.zone = ?"
                        " AND h.ca = buckets.ca AND h.bucket = buckets.bucket)"
                        " WHERE zone = ''",
                        "t", zone);
}

struct spending_sink {
    budget_store_spending_fn *fn;
    void *arg;
};

static int take_spending(const struct database_row *row, void *arg)
{
    const struct spending_sink *sink = arg;
    struct budget_store_spending spending = {
        .number = database_text(row, 0),
        .ca = database_text(row, 1),
        .budget = database_text(row, 2),
        .spent_at = database_i64(row, 3),
        .open = database_i64(row, 4) != 0,
    };

    return sink->fn(&spending, sink->arg);
}

int budget_store_spendings(struct database *database, const char *zone,
                           budget_store_spending_fn *fn, void *arg)
{
    struct spending_sink sink = {fn, arg};

    return database_query(database,
                          "SELECT b.number, b.ca, b.budget, b.spent_at, EXISTS (SELECT 1"
                          " FROM orders o WHERE o.zone = b.zone AND o.number = b.number"
                          " AND (o.state = 'ready'"
                          " OR (o.state = 'processing' AND b.budget <> 'orders')))"
                          " FROM budgets b WHERE b.zone = ?"
                          " ORDER BY b.ca, b.budget, b.spent_at",
                          take_spending, &sink, "t", zone);
}

int budget_store_forget_spendings(struct database *database, const char *zone)
{
    return database_run(database, "DELETE FROM budgets WHERE zone = ?", "t", zone);
}

struct former_sink {
    budget_store_former_fn *fn;
    void *arg;
};

static int take_former(const struct database_row *row, void *arg)
{
    const struct former_sink *sink = arg;
    struct budget_store_bucket bucket = {.full_at_us = database_i64(row, 1),
                                         .held = database_i64(row, 2)};

    return sink->fn(database_text(row, 0), &bucket, sink->arg);
}

int budget_store_former(struct database *database, const char *zone,
                        budget_store_former_fn *fn, void *arg)
{
    struct former_sink sink = {fn, arg};

    return database_query(database,
                          "SELECT ca, full_at_us, held FROM buckets WHERE zone = ?"
                          " AND bucket = '" FORMER_BUCKET "' ORDER BY ca",
                          take_former, &sink, "t", zone);
}

int budget_store_end_former(struct database *database, const char *zone, int64_t rev,
                            const char *name)
{
    int error = database_run(database,
                             "UPDATE holds SET rev = ?, bucket = ? WHERE zone = ?"
                             " AND bucket = '" FORMER_BUCKET "'",
                             "itt", rev, name, zone);

    return error != 0
               ? error
               : database_run(
                     database,
                     "DELETE FROM buckets WHERE zone = ? AND bucket = '" FORMER_BUCKET
                     "'",
                     "t", zone);
}

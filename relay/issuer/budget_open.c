/* What former issuers have counted in another form. */
#include "relay/issuer/budget_parts.h"
#include "relay/store/budget_store.h"

enum { US_PER_S = 1000000 };

struct import {
    struct database *database;
    const char *zone;
    const struct budget_rules *rules;
    int64_t rev;
    int64_t now_at;
};

static int import_one(const struct budget_store_spending *spending, void *arg)
{
    const struct import *import = arg;
    const struct bucket_limit *limit = budget_limit_of(import->rules, spending->budget);
    struct budget_store_bucket bucket;
    struct budget_store_hold hold = {
        .number = spending->number,
        .ca = spending->ca,
        .bucket = spending->budget,
        .units = 1,
        .held_at = import->now_at,
    };
    int error = budget_store_bucket(import->database, import->zone, spending->ca,
                                    spending->budget, &bucket);

    if (error == 0 && spending->open) {
        bucket.held++;
        error = budget_store_put_hold(import->database, import->zone, import->rev, &hold);
    } else if (error == 0) {
        bucket.full_at_us =
            bucket_spend(limit, bucket.full_at_us, spending->spent_at * US_PER_S, 1);
    }
    return error == 0
               ? budget_store_put_bucket(import->database, import->zone, import->rev,
                                         spending->ca, spending->budget, &bucket)
               : error;
}

/* The debt and the holds of a bucket that was the zone's own go over to the domain's. Debts are
 * time: those of buckets that had a part of the CA's figure each are longer together than all
 * that the CA can have counted. */
static int join_former(const char *ca, const struct budget_store_bucket *former,
                       void *arg)
{
    const struct import *import = arg;
    const struct bucket_limit *limit = &import->rules->certificates;
    int64_t now_us = import->now_at * US_PER_S;
    int64_t former_us = bucket_judge(limit, former->full_at_us, now_us);
    int64_t empty_us = now_us + limit->size * bucket_interval_us(limit);
    char name[BUDGET_STORE_NAME_SIZE];
    struct budget_store_bucket bucket;
    int error = budget_store_domain_bucket(import->rules->domain, name) ? 0 : ERROR_LIMIT;

    if (error == 0) {
        error = budget_store_bucket(import->database, import->zone, ca, name, &bucket);
    }
    if (error != 0) {
        return error;
    }
    if (former_us > now_us) {
        bucket.full_at_us = (bucket.full_at_us > now_us ? bucket.full_at_us : now_us) +
                            former_us - now_us;
        bucket.full_at_us = bucket.full_at_us < empty_us ? bucket.full_at_us : empty_us;
    }
    bucket.held += former->held;
    return budget_store_put_bucket(import->database, import->zone, import->rev, ca, name,
                                   &bucket);
}

static int join_formers(struct import *import)
{
    char name[BUDGET_STORE_NAME_SIZE];
    int error = budget_store_former(import->database, import->zone, join_former, import);

    if (error == 0 && !budget_store_domain_bucket(import->rules->domain, name)) {
        error = ERROR_LIMIT;
    }
    return error == 0 ? budget_store_end_former(import->database, import->zone,
                                                import->rev, name)
                      : error;
}

int budget_open(struct database *database, const char *zone,
                const struct budget_rules *rules, int64_t now_at)
{
    struct import import = {
        .database = database, .zone = zone, .rules = rules, .now_at = now_at};
    int error = database_begin(database, &import.rev);

    if (error != 0) {
        return error;
    }
    error = budget_store_spendings(database, zone, import_one, &import);
    if (error == 0) {
        error = budget_store_forget_spendings(database, zone);
    }
    if (error == 0) {
        error = join_formers(&import);
    }
    if (error == 0) {
        error = budget_move_places(database, zone, import.rev, now_at);
    }
    if (error != 0) {
        database_rollback(database);
        return error;
    }
    return database_commit(database);
}

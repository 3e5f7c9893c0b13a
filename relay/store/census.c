/* The indexes certificates_lives and certificates_issued are partial: their conditions must stand
 * in each query as they do in schema.c. Renewed certificates are mostly marked as replaced, but
 * not all. */
#include "relay/store/census.h"

#include <stddef.h>

enum { DAY_S = 86400, EXPIRED_S = 30 * DAY_S };

const char *const census_lives[] = {
    [CENSUS_EXPIRED] = "expired", [CENSUS_DAY_1] = "1d",      [CENSUS_DAY_3] = "3d",
    [CENSUS_DAY_7] = "7d",        [CENSUS_DAY_14] = "14d",    [CENSUS_DAY_30] = "30d",
    [CENSUS_LONGER] = "more",     [CENSUS_LIFE_COUNT] = NULL,
};

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

static int take_lives(const struct database_row *row, void *arg)
{
    int64_t *ended = arg;
    for (int i = 0; i < CENSUS_LIFE_COUNT; i++) {
        ended[i] = database_i64(row, i);
    }
    return 0;
}

/* One pass over the index, in which a device's certificates lie beside each other: its last one
 * counts. To look for a later one of each would be a walk down a tree a device. */
int census_certificates(struct database *issuer, const char *zone, int64_t now_at,
                        int64_t ret_counts[static CENSUS_LIFE_COUNT])
{
    int64_t ended[CENSUS_LIFE_COUNT] = {0}; /* by each moment; the last: all */
    int error = database_query(
        issuer,
        "SELECT COALESCE(SUM(CASE WHEN m <= ? THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN m <= ? THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN m <= ? THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN m <= ? THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN m <= ? THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN m <= ? THEN 1 ELSE 0 END), 0), COUNT(*)"
        " FROM (SELECT MAX(not_after_at) AS m FROM certificates WHERE zone = ?"
        " AND lane = 'device' AND replaced = 0 AND revoked_at = 0 GROUP BY id) AS lives"
        " WHERE m > ?",
        take_lives, ended, "iiiiiiti", now_at, now_at + 1 * DAY_S, now_at + 3 * DAY_S,
        now_at + 7 * DAY_S, now_at + 14 * DAY_S, now_at + 30 * (int64_t)DAY_S, zone,
        now_at - EXPIRED_S);
    for (int i = 0; error == 0 && i < CENSUS_LIFE_COUNT; i++) {
        ret_counts[i] = ended[i] - (i > 0 ? ended[i - 1] : 0);
    }
    return error;
}

int census_issued(struct database *issuer, const char *zone, int64_t from_at,
                  int64_t before_at, int64_t *ret_count)
{
    return database_query(issuer,
                          "SELECT COUNT(*) FROM certificates WHERE zone = ?"
                          " AND lane = 'device' AND not_before_at >= ?"
                          " AND not_before_at < ?",
                          take_i64, ret_count, "tii", zone, from_at, before_at);
}

int census_last_issued(struct database *issuer, const char *zone, int64_t *ret_at)
{
    return database_query(issuer,
                          "SELECT COALESCE(MAX(not_before_at), 0) FROM certificates"
                          " WHERE zone = ? AND lane = 'device'",
                          take_i64, ret_at, "t", zone);
}

int census_devices(struct database *front, const char *zone, int64_t *ret_count)
{
    return database_query(front,
                          "SELECT COUNT(*) FROM accounts WHERE zone = ? AND status ="
                          " 'valid'",
                          take_i64, ret_count, "t", zone);
}

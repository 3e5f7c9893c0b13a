/* The indexes certificates_current and certificates_issued are partial: their conditions must
 * stand in each query as they do in schema.c. Renewed certificates are mostly marked as
 * replaced; for the others, near their end, a newer one of the device is looked for. */
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

static int count_between(struct database *issuer, const char *zone, int64_t after_at,
                         int64_t until_at, int64_t *ret_count)
{
    return database_query(
        issuer,
        "SELECT COUNT(*) FROM certificates AS c WHERE c.zone = ? AND c.lane = 'device'"
        " AND c.replaced = 0 AND c.revoked_at = 0 AND c.not_after_at > ?"
        " AND c.not_after_at <= ? AND NOT EXISTS (SELECT 1 FROM certificates AS n"
        " WHERE n.zone = c.zone AND n.id = c.id AND n.not_after_at > c.not_after_at)",
        take_i64, ret_count, "tii", zone, after_at, until_at);
}

int census_certificates(struct database *issuer, const char *zone, int64_t now_at,
                        int64_t ret_counts[static CENSUS_LIFE_COUNT])
{
    static const int64_t ends_s[CENSUS_LIFE_COUNT] = {
        [CENSUS_EXPIRED] = 0,         [CENSUS_DAY_1] = 1 * DAY_S,
        [CENSUS_DAY_3] = 3 * DAY_S,   [CENSUS_DAY_7] = 7 * DAY_S,
        [CENSUS_DAY_14] = 14 * DAY_S, [CENSUS_DAY_30] = 30 * DAY_S,
    };
    int64_t counts[CENSUS_LIFE_COUNT] = {0};
    int64_t after_at = now_at - EXPIRED_S;
    int error = 0;
    for (size_t i = 0; error == 0 && i < CENSUS_LONGER; i++) {
        error = count_between(issuer, zone, after_at, now_at + ends_s[i], &counts[i]);
        after_at = now_at + ends_s[i];
    }
    if (error == 0) {
        error = database_query(issuer,
                               "SELECT COUNT(*) FROM certificates WHERE zone = ?"
                               " AND lane = 'device' AND replaced = 0 AND revoked_at = 0"
                               " AND not_after_at > ?",
                               take_i64, &counts[CENSUS_LONGER], "ti", zone, after_at);
    }
    for (size_t i = 0; error == 0 && i < CENSUS_LIFE_COUNT; i++) {
        ret_counts[i] = counts[i];
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

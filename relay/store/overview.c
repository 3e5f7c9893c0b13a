#include "relay/store/overview.h"

struct rows {
    overview_device_fn *device;
    overview_change_fn *change;
    overview_id_fn *id;
    void *arg;
};

static int take_device(const struct database_row *row, void *arg)
{
    const struct rows *rows = arg;
    const struct overview_device device = {
        .id = database_text(row, 0),
        .status = database_text(row, 1),
        .token = database_text(row, 2),
        .created_at = database_i64(row, 3),
    };
    return rows->device(&device, rows->arg);
}

static int take_change(const struct database_row *row, void *arg)
{
    const struct rows *rows = arg;
    const struct overview_change change = {
        .at = database_i64(row, 0),
        .who = database_text(row, 1),
        .action = database_text(row, 2),
        .detail = database_text(row, 3),
    };
    return rows->change(&change, rows->arg);
}

static int take_id(const struct database_row *row, void *arg)
{
    const struct rows *rows = arg;
    return rows->id(database_text(row, 0), database_i64(row, 1), rows->arg);
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

/* Ids are of a-z and 2-7, so that '~' comes behind all that begin with PREFIX. */
int overview_devices(struct database *front, const char *zone, const char *prefix,
                     const char *after, int64_t limit, overview_device_fn *fn, void *arg)
{
    struct rows rows = {.device = fn, .arg = arg};
    return database_query(front,
                          "SELECT id, status, token, created_at FROM accounts"
                          " WHERE zone = ? AND id >= ? AND id < ? || '~' AND id > ?"
                          " ORDER BY id LIMIT ?",
                          take_device, &rows, "tttti", zone, prefix, prefix, after,
                          limit);
}

int overview_count_clones(struct database *front, const char *zone, int64_t *ret_count)
{
    return database_query(
        front, "SELECT COUNT(*) FROM receipts WHERE zone = ? AND cloned_at > 0", take_i64,
        ret_count, "t", zone);
}

int overview_changes(struct database *admin, const char *zone, int64_t limit,
                     overview_change_fn *fn, void *arg)
{
    struct rows rows = {.change = fn, .arg = arg};
    return database_query(admin,
                          "SELECT at, who, action, detail FROM audit WHERE zone = ?"
                          " ORDER BY number DESC LIMIT ?",
                          take_change, &rows, "ti", zone, limit);
}

int overview_expired(struct database *issuer, const char *zone, int64_t after_at,
                     int64_t until_at, int64_t limit, overview_id_fn *fn, void *arg)
{
    struct rows rows = {.id = fn, .arg = arg};
    return database_query(
        issuer,
        "SELECT c.id, c.not_after_at FROM certificates AS c WHERE c.zone = ?"
        " AND c.lane = 'device' AND c.replaced = 0 AND c.revoked_at = 0"
        " AND c.not_after_at > ? AND c.not_after_at <= ? AND NOT EXISTS (SELECT 1"
        " FROM certificates AS n WHERE n.zone = c.zone AND n.id = c.id"
        " AND n.not_after_at > c.not_after_at) ORDER BY c.not_after_at LIMIT ?",
        take_id, &rows, "tiii", zone, after_at, until_at, limit);
}

/* By the ledger, which has an index by time: `orders` is kept for months. */
int overview_count_orders(struct database *issuer, const char *zone, int64_t after_at,
                          int64_t until_at, int64_t *ret_count)
{
    return database_query(issuer,
                          "SELECT COUNT(*) FROM ledger WHERE zone = ? AND kind = 'order'"
                          " AND at > ? AND at <= ?",
                          take_i64, ret_count, "tii", zone, after_at, until_at);
}

int overview_last_backup(struct database *admin, int64_t *ret_at)
{
    bool has = false;
    int64_t at = 0;
    int error = database_has_table(admin, "notes", &has);
    if (error == 0 && has) {
        error = database_query(
            admin, "SELECT COALESCE(MAX(at), 0) FROM notes WHERE what = 'backup'",
            take_i64, &at, "");
    }
    if (error == 0) {
        *ret_at = at;
    }
    return error;
}

int overview_count_serial(struct database *issuer, const char *zone, const char *serial,
                          int64_t *ret_count)
{
    return database_query(
        issuer, "SELECT COUNT(*) FROM certificates WHERE zone = ? AND serial = ?",
        take_i64, ret_count, "tt", zone, serial);
}

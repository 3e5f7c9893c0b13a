/* What the operator looks for in front.db, and what goes when a device is forgotten. A million
 * devices must cost no more than what is shown: each statement follows an index, takes a page
 * at a time, and leaves the signed registrations on the disk. */
#include "relay/store/front_store.h"

struct id_visit {
    front_store_id_fn *fn;
    void *arg;
};

static int visit_id(const struct database_row *row, void *arg)
{
    const struct id_visit *visit = arg;

    return visit->fn(database_text(row, 0), visit->arg);
}

/* '{' is the character after 'z': what begins with PREFIX is a range of the key. */
int front_store_ids(struct database *database, const char *zone, const char *prefix,
                    const char *after_id, int64_t limit, front_store_id_fn *fn, void *arg)
{
    struct id_visit visit = {fn, arg};

    return database_query(database,
                          "SELECT id FROM accounts WHERE zone = ? AND id >= ? AND id > ?"
                          " AND id < ? || '{' ORDER BY id LIMIT ?",
                          visit_id, &visit, "tttti", zone, prefix, after_id, prefix,
                          limit);
}

int front_store_ids_of_token(struct database *database, const char *zone,
                             const char *token, const char *after_id, int64_t limit,
                             front_store_id_fn *fn, void *arg)
{
    struct id_visit visit = {fn, arg};

    return database_query(
        database,
        "SELECT id FROM accounts WHERE zone = ? AND token = ? AND id > ?"
        " ORDER BY id LIMIT ?",
        visit_id, &visit, "ttti", zone, token, after_id, limit);
}

int front_store_ids_of_contact(struct database *database, const char *zone,
                               const char *text, int64_t limit, front_store_id_fn *fn,
                               void *arg)
{
    struct id_visit visit = {fn, arg};

    return database_query(database,
                          "SELECT id FROM accounts WHERE zone = ? AND contact <> '[]'"
                          " AND instr(lower(contact), lower(?)) > 0 LIMIT ?",
                          visit_id, &visit, "tti", zone, text, limit);
}

int front_store_ids_of_address(struct database *database, const char *zone,
                               const char *text, int64_t limit, front_store_id_fn *fn,
                               void *arg)
{
    struct id_visit visit = {fn, arg};

    return database_query(
        database,
        "SELECT id FROM addresses WHERE zone = ? AND addresses <> ''"
        " AND instr(' ' || addresses || ' ', ' ' || ? || ' ') > 0 LIMIT ?",
        visit_id, &visit, "tti", zone, text, limit);
}

int front_store_ids_cloned(struct database *database, const char *zone,
                           const char *after_id, int64_t limit, front_store_id_fn *fn,
                           void *arg)
{
    struct id_visit visit = {fn, arg};
    bool has = false;
    int error = database_has_table(database, "receipts", &has);

    if (error != 0 || !has) {
        return error;
    }
    return database_query(database,
                          "SELECT id FROM receipts WHERE zone = ? AND cloned_at > 0"
                          " AND id > ? ORDER BY id LIMIT ?",
                          visit_id, &visit, "tti", zone, after_id, limit);
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int front_store_count_accounts(struct database *database, const char *zone,
                               int64_t *ret_count)
{
    return database_query(database, "SELECT count(*) FROM accounts WHERE zone = ?",
                          take_i64, ret_count, "t", zone);
}

int front_store_last_request(struct database *database, const char *zone,
                             int64_t *ret_rev)
{
    return database_query(database,
                          "SELECT coalesce(max(rev), 0) FROM requests WHERE zone = ?",
                          take_i64, ret_rev, "t", zone);
}

/* The publication stays as a tombstone: the DNS follows it. Its signed text goes. */
int front_store_forget_device(struct database *database, const char *zone, int64_t rev,
                              const char *id)
{
    int error =
        database_run(database,
                     "UPDATE addresses SET rev = ?, addresses = '', jws = '', gone = 1"
                     " WHERE zone = ? AND id = ?",
                     "itt", rev, zone, id);

    if (error == 0) {
        error = database_run(database, "DELETE FROM receipts WHERE zone = ? AND id = ?",
                             "tt", zone, id);
    }
    if (error == 0) {
        error = database_run(database, "DELETE FROM accounts WHERE zone = ? AND id = ?",
                             "tt", zone, id);
    }
    if (error == 0 && database_changes(database) == 0) {
        error = ERROR_NOT_FOUND;
    }
    return error;
}

int front_store_reactivate(struct database *database, const char *zone, int64_t rev,
                           const char *id)
{
    int error = database_run(database,
                             "UPDATE accounts SET rev = ?, status = 'valid'"
                             " WHERE zone = ? AND id = ? AND status = 'deactivated'",
                             "itt", rev, zone, id);

    return error == 0 && database_changes(database) == 0 ? ERROR_NOT_FOUND : error;
}

#include "relay/store/audit_store.h"

#include "base/core/clock.h"

#include <inttypes.h>
#include <string.h>

static int take_head(const struct database_row *row, void *arg)
{
    struct audit_store_head *head = arg;

    head->number = database_i64(row, 0);
    return text_copy(head->hash, sizeof(head->hash), database_text(row, 1))
               ? 0
               : ERROR_SYNTAX;
}

int audit_store_head(struct database *database, const char *zone,
                     struct audit_store_head *ret_head)
{
    struct audit_store_head head = {0};
    int error = database_query(database,
                               "SELECT number, hash FROM audit WHERE zone = ?"
                               " ORDER BY number DESC LIMIT 1",
                               take_head, &head, "t", zone);

    if (error == 0) {
        *ret_head = head;
    }
    return error;
}

/* The hash of the row NUMBER after one with the hash BEFORE. Texts end with their NUL in the
 * hashed bytes, so that no two different lines hash alike. */
static int chain_hash(const char *before, const struct audit_store_row *row,
                      char ret_hash[static AUDIT_STORE_HASH_CAPACITY])
{
    struct buffer input = buffer_init(8192);
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = 0;

    buffer_printf(&input, "%s\n%" PRId64 "\n%" PRId64 "\n", before, row->number, row->at);
    buffer_append(&input, row->who, strlen(row->who) + 1);
    buffer_append(&input, row->action, strlen(row->action) + 1);
    error = buffer_append(&input, row->detail, strlen(row->detail) + 1);
    if (error == 0) {
        error = digest_sha256(input.data, input.size, hash);
    }
    if (error == 0) {
        text_hex(hash, sizeof(hash), ret_hash);
    }
    buffer_free(&input);
    return error;
}

static int append(struct database *database, const char *zone, int64_t rev,
                  const struct audit_store_line *line)
{
    struct audit_store_head last;
    char hash[AUDIT_STORE_HASH_CAPACITY];
    struct audit_store_row row = {.at = clock_wall_at(),
                                  .who = line->who,
                                  .action = line->action,
                                  .detail = line->detail};
    int error = audit_store_head(database, zone, &last);

    if (error == 0) {
        row.number = last.number + 1;
        error = chain_hash(last.hash, &row, hash);
    }
    if (error != 0) {
        return error;
    }
    return database_run(
        database,
        "INSERT INTO audit (zone, number, rev, at, who, action, detail, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        "tiiitttt", zone, row.number, rev, row.at, row.who, row.action, row.detail, hash);
}

int audit_store_finish(struct database *database, const char *zone, int64_t rev,
                       int result, const struct audit_store_line *line)
{
    if (result == 0) {
        result = append(database, zone, rev, line);
    }
    if (result == 0) {
        result = database_commit(database);
    }
    if (result != 0) {
        database_rollback(database);
    }
    return result;
}

struct visit {
    audit_store_fn *fn;
    void *arg;
};

static int visit_row(const struct database_row *row, void *arg)
{
    const struct visit *visit = arg;
    struct audit_store_row found = {
        .number = database_i64(row, 0),
        .at = database_i64(row, 1),
        .who = database_text(row, 2),
        .action = database_text(row, 3),
        .detail = database_text(row, 4),
        .hash = database_text(row, 5),
    };

    return visit->fn(&found, visit->arg);
}

int audit_store_rows(struct database *database, const char *zone, int64_t after,
                     int64_t limit, audit_store_fn *fn, void *arg)
{
    struct visit visit = {fn, arg};

    return database_query(database,
                          "SELECT number, at, who, action, detail, hash FROM audit"
                          " WHERE zone = ? AND number > ? ORDER BY number LIMIT ?",
                          visit_row, &visit, "tii", zone, after, limit);
}

struct check {
    struct audit_store_head last;
    int64_t broken;
};

static int check_row(const struct audit_store_row *row, void *arg)
{
    struct check *check = arg;
    char hash[AUDIT_STORE_HASH_CAPACITY];
    int error = 0;

    if (check->broken != 0) {
        return 0;
    }
    error = chain_hash(check->last.hash, row, hash);
    if (error != 0 && error != ERROR_LIMIT) {
        return error;
    }
    if (error != 0 || row->number != check->last.number + 1 ||
        strcmp(hash, row->hash) != 0) {
        check->broken =
            row->number == check->last.number + 1 ? row->number : check->last.number + 1;
        return 0;
    }
    check->last.number = row->number;
    memcpy(check->last.hash, hash, sizeof(hash));
    return 0;
}

int audit_store_verify(struct database *database, const char *zone,
                       struct audit_store_head *ret_head, int64_t *ret_broken)
{
    struct check check = {.broken = 0};
    int error = audit_store_rows(database, zone, INT64_MIN, INT64_MAX, check_row, &check);

    if (error == 0) {
        *ret_head = check.last;
        *ret_broken = check.broken;
    }
    return error;
}

/* Each change and its line in the audit are one transaction, see audit_store.h. */
#include "relay/store/admin_store.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "relay/store/audit_store.h"
#include "relay/store/token.h"

#include <inttypes.h>

static int put_token(struct database *database, const char *zone, int64_t rev,
                     const struct admin_store_token *token)
{
    return database_run(
        database,
        "INSERT INTO tokens (zone, kid, rev, label, created_at, expires_at,"
        " max_devices) VALUES (?, ?, ?, ?, ?, ?, ?)",
        "ttitiii", zone, token->kid, rev, token->label, token->created_at,
        token->expires_at, token->max_devices);
}

int admin_store_put_token(struct database *database, const char *zone,
                          const struct admin_store_token *token, const char *who)
{
    int64_t rev = 0;
    char detail[512];
    struct audit_store_line line = {who, "token-add", detail};
    if (!text_format(detail, sizeof(detail), "%s %s", token->kid, token->label)) {
        return ERROR_LIMIT;
    }
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = put_token(database, zone, rev, token);
    return audit_store_finish(database, zone, rev, result, &line);
}

int admin_store_put_tokens(struct database *database, const char *zone,
                           const struct admin_store_token *token, const char *kids,
                           size_t count, const char *who)
{
    int64_t rev = 0;
    char detail[512];
    struct audit_store_line line = {who, "token-bulk", detail};
    if (!text_format(detail, sizeof(detail), "%zu tokens, the first %s %s", count, kids,
                     token->label)) {
        return ERROR_LIMIT;
    }
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct admin_store_token one = *token;
        one.kid = kids + i * (TOKEN_KID_SIZE + 1);
        result = put_token(database, zone, rev, &one);
    }
    return audit_store_finish(database, zone, rev, result, &line);
}

int admin_store_end_token(struct database *database, const char *zone, const char *kid,
                          const char *who)
{
    int64_t rev = 0;
    struct audit_store_line line = {who, "token-end", kid};
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = database_run(
        database,
        "UPDATE tokens SET gone = 1, rev = ? WHERE zone = ? AND kid = ? AND gone = 0",
        "itt", rev, zone, kid);
    if (result == 0 && database_changes(database) == 0) {
        result = ERROR_NOT_FOUND;
    }
    return audit_store_finish(database, zone, rev, result, &line);
}

struct token_visit {
    admin_store_token_fn *fn;
    void *arg;
    size_t count;
};

static int visit_token(const struct database_row *row, void *arg)
{
    struct token_visit *visit = arg;
    struct admin_store_token token = {
        .kid = database_text(row, 0),
        .label = database_text(row, 1),
        .created_at = database_i64(row, 2),
        .expires_at = database_i64(row, 3),
        .max_devices = database_i64(row, 4),
        .gone = database_i64(row, 5) != 0,
        .rev = database_i64(row, 6),
    };
    visit->count++;
    return visit->fn(&token, visit->arg);
}

#define TOKEN_COLUMNS                                                                    \
    "SELECT kid, label, created_at, expires_at, max_devices, gone, rev FROM tokens"

int admin_store_get_token(struct database *database, const char *zone, const char *kid,
                          admin_store_token_fn *fn, void *arg)
{
    struct token_visit visit = {fn, arg, 0};
    int result = database_query(database, TOKEN_COLUMNS " WHERE zone = ? AND kid = ?",
                                visit_token, &visit, "tt", zone, kid);
    return result == 0 && visit.count == 0 ? ERROR_NOT_FOUND : result;
}

int admin_store_tokens(struct database *database, const char *zone,
                       admin_store_token_fn *fn, void *arg)
{
    struct token_visit visit = {fn, arg, 0};
    return database_query(database,
                          TOKEN_COLUMNS " WHERE zone = ? ORDER BY created_at, kid",
                          visit_token, &visit, "t", zone);
}

int admin_store_block(struct database *database, const char *zone, const char *id,
                      const char *reason, const char *who)
{
    int64_t rev = 0;
    char detail[512];
    struct audit_store_line line = {who, "block", detail};
    if (!text_format(detail, sizeof(detail), "%s %s", id, reason)) {
        return ERROR_LIMIT;
    }
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = database_run(
        database,
        "INSERT INTO blocks (zone, id, rev, reason, blocked_at, gone)"
        " VALUES (?, ?, ?, ?, ?, 0)"
        " ON CONFLICT (zone, id) DO UPDATE SET rev = excluded.rev,"
        " reason = excluded.reason, blocked_at = excluded.blocked_at, gone = 0",
        "ttiti", zone, id, rev, reason, clock_wall_at());
    return audit_store_finish(database, zone, rev, result, &line);
}

int admin_store_unblock(struct database *database, const char *zone, const char *id,
                        const char *who)
{
    int64_t rev = 0;
    struct audit_store_line line = {who, "unblock", id};
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = database_run(
        database,
        "UPDATE blocks SET gone = 1, rev = ? WHERE zone = ? AND id = ? AND gone = 0",
        "itt", rev, zone, id);
    if (result == 0 && database_changes(database) == 0) {
        result = ERROR_NOT_FOUND;
    }
    return audit_store_finish(database, zone, rev, result, &line);
}

static int see_block(const struct database_row *row, void *arg)
{
    bool *blocked = arg;
    *blocked = database_i64(row, 0) != 0;
    return 0;
}

int admin_store_is_blocked(struct database *database, const char *zone, const char *id,
                           bool *ret_blocked)
{
    bool blocked = false;
    int result = database_query(
        database, "SELECT 1 FROM blocks WHERE zone = ? AND id = ? AND gone = 0",
        see_block, &blocked, "tt", zone, id);
    if (result == 0) {
        *ret_blocked = blocked;
    }
    return result;
}

struct block_visit {
    admin_store_block_fn *fn;
    void *arg;
    bool called;
};

static int visit_block(const struct database_row *row, void *arg)
{
    struct block_visit *visit = arg;
    visit->called = true;
    struct admin_store_block block = {
        .id = database_text(row, 0),
        .reason = database_text(row, 1),
        .blocked_at = database_i64(row, 2),
        .gone = database_i64(row, 3) != 0,
        .rev = database_i64(row, 4),
    };
    return visit->fn(&block, visit->arg);
}

#define BLOCK_COLUMNS "SELECT id, reason, blocked_at, gone, rev FROM blocks"

int admin_store_blocks_since(struct database *database, const char *zone,
                             int64_t after_rev, admin_store_block_fn *fn, void *arg)
{
    struct block_visit visit = {fn, arg, false};
    return database_query(database,
                          BLOCK_COLUMNS " WHERE zone = ? AND rev > ? ORDER BY rev",
                          visit_block, &visit, "ti", zone, after_rev);
}

int admin_store_get_block(struct database *database, const char *zone, const char *id,
                          admin_store_block_fn *fn, void *arg)
{
    struct block_visit visit = {fn, arg, false};
    int result =
        database_query(database, BLOCK_COLUMNS " WHERE zone = ? AND id = ? AND gone = 0",
                       visit_block, &visit, "tt", zone, id);
    return result == 0 && !visit.called ? ERROR_NOT_FOUND : result;
}

int admin_store_blocks_after(struct database *database, const char *zone,
                             const char *after_id, int64_t limit,
                             admin_store_block_fn *fn, void *arg)
{
    struct block_visit visit = {fn, arg, false};
    return database_query(database,
                          BLOCK_COLUMNS " WHERE zone = ? AND id > ? AND gone = 0"
                                        " ORDER BY id LIMIT ?",
                          visit_block, &visit, "tti", zone, after_id, limit);
}

static int see_move(const struct database_row *row, void *arg)
{
    struct admin_store_move *move = arg;
    move->serial = database_i64(row, 0);
    move->issued_at = database_i64(row, 3);
    return text_copy(move->target, sizeof(move->target), database_text(row, 1)) &&
                   text_copy(move->pin, sizeof(move->pin), database_text(row, 2))
               ? 0
               : ERROR_SYNTAX;
}

int admin_store_last_move(struct database *database, const char *zone,
                          struct admin_store_move *ret_move)
{
    struct admin_store_move move = {.serial = 0};
    bool has = false;
    int result = database_has_table(database, "moves", &has);
    if (result == 0 && has) {
        result = database_query(database,
                                "SELECT serial, target, pin, issued_at FROM moves"
                                " WHERE zone = ? ORDER BY serial DESC LIMIT 1",
                                see_move, &move, "t", zone);
    }
    if (result == 0 && move.serial == 0) {
        result = ERROR_NOT_FOUND;
    }
    if (result == 0) {
        *ret_move = move;
    }
    return result;
}

int admin_store_put_move(struct database *database, const char *zone,
                         struct admin_store_move *move, const char *who)
{
    struct admin_store_move last = {.serial = 0};
    int64_t rev = 0;
    char detail[LIMIT_URL_BYTES + 128];
    struct audit_store_line line = {who, "move", detail};
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = admin_store_last_move(database, zone, &last);
    if (result == ERROR_NOT_FOUND) {
        result = 0;
    }
    int64_t serial = (last.serial > move->serial ? last.serial : move->serial) + 1;
    if (result == 0 && !text_format(detail, sizeof(detail), "%" PRId64 " %s %s", serial,
                                    move->target, move->pin)) {
        result = ERROR_LIMIT;
    }
    if (result == 0) {
        result = database_run(
            database,
            "INSERT INTO moves (zone, serial, rev, target, pin, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            "tiitti", zone, serial, rev, move->target, move->pin, move->issued_at);
    }
    result = audit_store_finish(database, zone, rev, result, &line);
    if (result == 0) {
        move->serial = serial;
    }
    return result;
}

static int take_serial(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int admin_store_last_rollover(struct database *database, const char *zone,
                              int64_t *ret_serial)
{
    int64_t serial = 0;
    bool has = false;
    int result = database_has_table(database, "rollovers", &has);
    if (result == 0 && has) {
        result = database_query(database,
                                "SELECT COALESCE(MAX(serial), 0) FROM rollovers"
                                " WHERE zone = ?",
                                take_serial, &serial, "t", zone);
    }
    if (result == 0) {
        *ret_serial = serial;
    }
    return result;
}

int admin_store_ask_rollover(struct database *database, const char *zone, int64_t at,
                             const char *who, int64_t *serial)
{
    struct audit_store_line line = {who, "ca-rollover", ""};
    int64_t rev = 0;
    int64_t last = 0;
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = admin_store_last_rollover(database, zone, &last);
    int64_t next = (last > *serial ? last : *serial) + 1;
    if (result == 0) {
        result = database_run(database,
                              "INSERT INTO rollovers (zone, serial, rev, asked_at)"
                              " VALUES (?, ?, ?, ?)",
                              "tiii", zone, next, rev, at);
    }
    result = audit_store_finish(database, zone, rev, result, &line);
    if (result == 0) {
        *serial = next;
    }
    return result;
}

int admin_store_settle_clone(struct database *database, const char *zone, const char *id,
                             int64_t at, const char *who)
{
    struct audit_store_line line = {who, "settle-clone", id};
    int64_t rev = 0;
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = database_run(database,
                          "INSERT OR REPLACE INTO clones (zone, id, rev, settled_at)"
                          " VALUES (?, ?, ?, ?)",
                          "ttii", zone, id, rev, at);
    return audit_store_finish(database, zone, rev, result, &line);
}

static int see_moment(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int admin_store_clone_settled_at(struct database *database, const char *zone,
                                 const char *id, int64_t *ret_at)
{
    int64_t at = 0;
    bool has = false;
    int result = database_has_table(database, "clones", &has);
    if (result == 0 && has) {
        result = database_query(database,
                                "SELECT settled_at FROM clones WHERE zone = ? AND id = ?",
                                see_moment, &at, "tt", zone, id);
    }
    if (result == 0) {
        *ret_at = at;
    }
    return result;
}

/* ---- wishes ---- */

int admin_store_put_wish(struct database *database, const char *zone,
                         const struct admin_store_wish *wish, const char *who,
                         int64_t *ret_number)
{
    int64_t rev = 0;
    int64_t last = 0;
    char detail[512];
    struct audit_store_line line = {who, wish->kind, detail};
    if (!text_format(detail, sizeof(detail), "%s%s%s", wish->id,
                     wish->id[0] != '\0' && wish->detail[0] != '\0' ? " " : "",
                     wish->detail)) {
        return ERROR_LIMIT;
    }
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = database_query(database,
                            "SELECT coalesce(max(number), 0) FROM wishes WHERE zone = ?",
                            see_moment, &last, "t", zone);
    if (result == 0) {
        last = wish->number > last ? wish->number : last;
        result = database_run(
            database,
            "INSERT INTO wishes (zone, number, rev, kind, id, detail, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            "tiittti", zone, last + 1, rev, wish->kind, wish->id, wish->detail, wish->at);
    }
    result = audit_store_finish(database, zone, rev, result, &line);
    if (result == 0) {
        *ret_number = last + 1;
    }
    return result;
}

struct wish_visit {
    admin_store_wish_fn *fn;
    void *arg;
};

static int visit_wish(const struct database_row *row, void *arg)
{
    const struct wish_visit *visit = arg;
    struct admin_store_wish wish = {
        .number = database_i64(row, 0),
        .kind = database_text(row, 1),
        .id = database_text(row, 2),
        .detail = database_text(row, 3),
        .at = database_i64(row, 4),
    };
    return visit->fn(&wish, visit->arg);
}

int admin_store_wishes_after(struct database *database, const char *zone, int64_t after,
                             int64_t limit, admin_store_wish_fn *fn, void *arg)
{
    struct wish_visit visit = {fn, arg};
    bool has = false;
    int result = database_has_table(database, "wishes", &has);
    if (result != 0 || !has) {
        return result;
    }
    return database_query(database,
                          "SELECT number, kind, id, detail, at FROM wishes"
                          " WHERE zone = ? AND number > ? ORDER BY number LIMIT ?",
                          visit_wish, &visit, "tii", zone, after, limit);
}

int admin_store_wishes_of(struct database *database, const char *zone, const char *id,
                          admin_store_wish_fn *fn, void *arg)
{
    struct wish_visit visit = {fn, arg};
    bool has = false;
    int result = database_has_table(database, "wishes", &has);
    if (result != 0 || !has) {
        return result;
    }
    return database_query(database,
                          "SELECT number, kind, id, detail, at FROM wishes"
                          " WHERE zone = ? AND id = ? ORDER BY number",
                          visit_wish, &visit, "tt", zone, id);
}

/* ---- notes ---- */

static int put_note(struct database *database, const char *zone, int64_t rev,
                    const char *what, const char *content, int64_t at)
{
    return database_run(database,
                        "INSERT OR REPLACE INTO notes (zone, what, rev, content, at) "
                        "VALUES (?, ?, ?, ?, ?)",
                        "ttiti", zone, what, rev, content, at);
}

int admin_store_put_note(struct database *database, const char *zone, const char *what,
                         const char *content, int64_t at)
{
    int64_t rev = 0;
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = put_note(database, zone, rev, what, content, at);
    if (result == 0) {
        result = database_commit(database);
    }
    if (result != 0) {
        database_rollback(database);
    }
    return result;
}

int admin_store_note_backup(struct database *database, const char *zone,
                            const char *target, int64_t at, const char *who)
{
    int64_t rev = 0;
    struct audit_store_line line = {who, "backup", target};
    int result = database_begin(database, &rev);
    if (result != 0) {
        return result;
    }
    result = put_note(database, zone, rev, "backup", target, at);
    return audit_store_finish(database, zone, rev, result, &line);
}

int admin_store_note_restore(struct database *database, const char *zone,
                             const char *source, const char *who)
{
    int64_t rev = 0;
    struct audit_store_line line = {who, "restore", source};
    int result = database_begin(database, &rev);
    return result != 0 ? result : audit_store_finish(database, zone, rev, 0, &line);
}

static int see_note(const struct database_row *row, void *arg)
{
    struct admin_store_note *note = arg;
    note->at = database_i64(row, 1);
    text_printable(note->content, sizeof(note->content), database_text(row, 0),
                   database_text_size(row, 0));
    return 0;
}

int admin_store_get_note(struct database *database, const char *zone, const char *what,
                         struct admin_store_note *ret_note)
{
    struct admin_store_note note = {.at = -1};
    bool has = false;
    int result = database_has_table(database, "notes", &has);
    if (result == 0 && has) {
        result = database_query(
            database, "SELECT content, at FROM notes WHERE zone = ? AND what = ?",
            see_note, &note, "tt", zone, what);
    }
    if (result == 0 && note.at < 0) {
        result = ERROR_NOT_FOUND;
    }
    if (result == 0) {
        *ret_note = note;
    }
    return result;
}

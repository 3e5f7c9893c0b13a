/* Places are counted by blocks of tickets: level 1 has 256 of them each, level 2 has 65536.
 * Those before a ticket are the whole blocks before its own at level 2, then at level 1, then
 * the places in its own block: at most some hundred rows each. */
#include "relay/store/queue_store.h"

enum { BLOCK_BITS = 8, LEVELS = 2 };

struct place_sink {
    queue_store_place_fn *fn;
    void *arg;
    bool found;
};

#define PLACE_COLUMNS "ticket, id, reason, asked_at, turn_at, kept_until_at"

static int read_place(const struct database_row *row, void *arg)
{
    struct place_sink *sink = arg;
    struct queue_store_place place = {
        .ticket = database_i64(row, 0),
        .id = database_text(row, 1),
        .reason = database_text(row, 2),
        .asked_at = database_i64(row, 3),
        .turn_at = database_i64(row, 4),
        .kept_until_at = database_i64(row, 5),
    };

    sink->found = true;
    return sink->fn(&place, sink->arg);
}

int queue_store_place(struct database *database, const char *zone, const char *id,
                      queue_store_place_fn *fn, void *arg)
{
    struct place_sink sink = {.fn = fn, .arg = arg};
    int error = database_query(
        database, "SELECT " PLACE_COLUMNS " FROM queue WHERE zone = ? AND id = ?",
        read_place, &sink, "tt", zone, id);

    return error == 0 && !sink.found ? ERROR_NOT_FOUND : error;
}

int queue_store_places(struct database *database, const char *zone, int64_t limit,
                       queue_store_place_fn *fn, void *arg)
{
    return queue_store_places_after(database, zone, -1, limit, fn, arg);
}

int queue_store_places_after(struct database *database, const char *zone,
                             int64_t after_ticket, int64_t limit,
                             queue_store_place_fn *fn, void *arg)
{
    struct place_sink sink = {.fn = fn, .arg = arg};

    return database_query(database,
                          "SELECT " PLACE_COLUMNS
                          " FROM queue WHERE zone = ? AND ticket > ?"
                          " ORDER BY ticket LIMIT ?",
                          read_place, &sink, "tii", zone, after_ticket, limit);
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int queue_store_last(struct database *database, const char *zone, int64_t *ret_ticket)
{
    return database_query(database,
                          "SELECT COALESCE(MAX(ticket), -1) FROM queue WHERE zone = ?",
                          take_i64, ret_ticket, "t", zone);
}

int queue_store_add(struct database *database, const char *zone, int64_t rev,
                    const struct queue_store_place *place)
{
    int64_t ticket = 0;
    int error = queue_store_last(database, zone, &ticket);

    ticket = ticket + 1 > place->ticket ? ticket + 1 : place->ticket;
    if (error == 0) {
        error = database_run(database,
                             "INSERT INTO queue (zone, ticket, rev, id, reason, asked_at,"
                             " turn_at, kept_until_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                             "tiittiii", zone, ticket, rev, place->id, place->reason,
                             place->asked_at, place->turn_at, place->kept_until_at);
    }
    for (int level = 1; error == 0 && level <= LEVELS; level++) {
        error = database_run(database,
                             "INSERT INTO queue_blocks (zone, level, block, places)"
                             " VALUES (?, ?, ?, 1) ON CONFLICT (zone, level, block)"
                             " DO UPDATE SET places = places + 1",
                             "tii", zone, (int64_t)level, ticket >> (level * BLOCK_BITS));
    }
    return error;
}

int queue_store_set(struct database *database, const char *zone, int64_t rev,
                    const struct queue_store_place *place)
{
    return database_run(database,
                        "UPDATE queue SET rev = ?, reason = ?, turn_at = ?,"
                        " kept_until_at = ? WHERE zone = ? AND ticket = ?",
                        "itiiti", rev, place->reason, place->turn_at,
                        place->kept_until_at, zone, place->ticket);
}

int queue_store_remove(struct database *database, const char *zone, int64_t ticket)
{
    int error = database_run(database, "DELETE FROM queue WHERE zone = ? AND ticket = ?",
                             "ti", zone, ticket);

    if (error != 0 || database_changes(database) == 0) {
        return error;
    }
    for (int level = 1; error == 0 && level <= LEVELS; level++) {
        int64_t block = ticket >> (level * BLOCK_BITS);

        error = database_run(database,
                             "UPDATE queue_blocks SET places = places - 1"
                             " WHERE zone = ? AND level = ? AND block = ?",
                             "tii", zone, (int64_t)level, block);
        if (error == 0) {
            error = database_run(database,
                                 "DELETE FROM queue_blocks WHERE zone = ? AND level = ?"
                                 " AND block = ? AND places <= 0",
                                 "tii", zone, (int64_t)level, block);
        }
    }
    return error;
}

struct tickets {
    int64_t at[QUEUE_STORE_LOST_MAX];
    int count;
};

static int take_ticket(const struct database_row *row, void *arg)
{
    struct tickets *tickets = arg;

    tickets->at[tickets->count++] = database_i64(row, 0);
    return 0;
}

int queue_store_remove_lost(struct database *database, const char *zone, int64_t at,
                            int *ret_count)
{
    struct tickets tickets = {.count = 0};
    int error = database_query(database,
                               "SELECT ticket FROM queue WHERE zone = ?"
                               " AND kept_until_at < ? ORDER BY kept_until_at LIMIT ?",
                               take_ticket, &tickets, "tii", zone, at,
                               (int64_t)QUEUE_STORE_LOST_MAX);

    for (int i = 0; error == 0 && i < tickets.count; i++) {
        error = queue_store_remove(database, zone, tickets.at[i]);
    }
    if (error == 0) {
        *ret_count = tickets.count;
    }
    return error;
}

int queue_store_shift(struct database *database, const char *zone, int64_t rev,
                      int64_t shift_s)
{
    return database_run(database,
                        "UPDATE queue SET rev = ?, kept_until_at = kept_until_at + ?"
                        " WHERE zone = ?",
                        "iit", rev, shift_s, zone);
}

static int count_blocks(struct database *database, const char *zone, int level,
                        int64_t from, int64_t to, int64_t *sum)
{
    int64_t count = 0;
    int error = database_query(database,
                               "SELECT COALESCE(SUM(places), 0) FROM queue_blocks"
                               " WHERE zone = ? AND level = ? AND block >= ?"
                               " AND block < ?",
                               take_i64, &count, "tiii", zone, (int64_t)level, from, to);

    *sum += count;
    return error;
}

int queue_store_count_ahead(struct database *database, const char *zone, int64_t ticket,
                            int64_t *ret_count)
{
    int64_t from = 0;
    int64_t sum = 0;
    int64_t rest = 0;
    int error = 0;

    for (int level = LEVELS; error == 0 && level >= 1; level--) {
        int64_t own = ticket >> (level * BLOCK_BITS);

        error = count_blocks(database, zone, level, from, own, &sum);
        from = own << BLOCK_BITS; /* its first block, or place, one level down */
    }
    if (error == 0) {
        error = database_query(database,
                               "SELECT COUNT(*) FROM queue WHERE zone = ?"
                               " AND ticket >= ? AND ticket < ?",
                               take_i64, &rest, "tii", zone, from, ticket);
    }
    if (error == 0) {
        *ret_count = sum + rest;
    }
    return error;
}

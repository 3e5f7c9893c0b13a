#include "relay/store/ca_store.h"

#include <string.h>

bool ca_store_is_refused(const char *state)
{
    return strcmp(state, "refused") == 0 || strcmp(state, "no-key") == 0 ||
           strcmp(state, "unusable") == 0;
}

int ca_store_put_state(struct database *database, const char *zone, int64_t rev,
                       const char *ca, const struct ca_store_state *state)
{
    return database_run(
        database,
        "INSERT OR REPLACE INTO ca_states (zone, ca, rev, state, reason, until_at, terms,"
        " thumbprint, rollover_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "ttittittii", zone, ca, rev, state->state, state->reason, state->until_at,
        state->terms, state->thumbprint, state->rollover_at, state->changed_at);
}

struct sink {
    ca_store_state_fn *fn;
    void *arg;
    bool found;
};

static int read_state(const struct database_row *row, void *arg)
{
    struct sink *sink = arg;
    struct ca_store_state state = {
        .state = database_text(row, 0),
        .reason = database_text(row, 1),
        .until_at = database_i64(row, 2),
        .terms = database_text(row, 3),
        .thumbprint = database_text(row, 4),
        .rollover_at = database_i64(row, 5),
        .changed_at = database_i64(row, 6),
    };

    sink->found = true;
    return sink->fn(&state, sink->arg);
}

int ca_store_state(struct database *database, const char *zone, const char *ca,
                   ca_store_state_fn *fn, void *arg)
{
    struct sink sink = {.fn = fn, .arg = arg};
    bool has = false;
    int error = database_has_table(database, "ca_states", &has);

    if (error == 0 && has) {
        error = database_query(database,
                               "SELECT state, reason, until_at, terms, thumbprint,"
                               " rollover_at, changed_at FROM ca_states"
                               " WHERE zone = ? AND ca = ?",
                               read_state, &sink, "tt", zone, ca);
    }
    return error == 0 && !sink.found ? ERROR_NOT_FOUND : error;
}

#include "relay/store/wish_answer.h"

#include <string.h>

static const char *const state_texts[] = {
    [WISH_ANSWER_BEGUN] = "begun",
    [WISH_ANSWER_DONE] = "done",
    [WISH_ANSWER_FAILED] = "failed",
};

int wish_answer_put(struct database *database, const char *zone, int64_t rev,
                    const struct wish_answer *answer)
{
    return database_run(
        database,
        "INSERT OR REPLACE INTO wish_answers"
        " (zone, number, rev, state, content, at) VALUES (?, ?, ?, ?, ?, ?)",
        "tiitti", zone, answer->number, rev, state_texts[answer->state], answer->content,
        answer->at);
}

struct visit {
    wish_answer_fn *fn;
    void *arg;
    bool called;
};

static int visit_answer(const struct database_row *row, void *arg)
{
    struct visit *visit = arg;
    struct wish_answer answer = {
        .number = database_i64(row, 0),
        .state = WISH_ANSWER_FAILED,
        .content = database_text(row, 2),
        .at = database_i64(row, 3),
    };

    for (int i = 0; i <= WISH_ANSWER_FAILED; i++) {
        if (strcmp(database_text(row, 1), state_texts[i]) == 0) {
            answer.state = (enum wish_answer_state)i;
        }
    }
    visit->called = true;
    return visit->fn(&answer, visit->arg);
}

/* A role that was not started since its file had no such table has answered nothing. */
static int ask(struct database *database, struct visit *visit, const char *sql,
               const char *zone, int64_t number)
{
    bool has = false;
    int error = database_has_table(database, "wish_answers", &has);

    if (error == 0 && has) {
        error = database_query(database, sql, visit_answer, visit, "ti", zone, number);
    }
    return error;
}

int wish_answer_get(struct database *database, const char *zone, int64_t number,
                    wish_answer_fn *fn, void *arg)
{
    struct visit visit = {fn, arg, false};
    int error = ask(database, &visit,
                    "SELECT number, state, content, at FROM wish_answers"
                    " WHERE zone = ? AND number = ?",
                    zone, number);

    return error == 0 && !visit.called ? ERROR_NOT_FOUND : error;
}

int wish_answer_begun(struct database *database, const char *zone, wish_answer_fn *fn,
                      void *arg)
{
    struct visit visit = {fn, arg, false};

    return ask(database, &visit,
               "SELECT number, state, content, at FROM wish_answers"
               " WHERE zone = ? AND number >= ? AND state = 'begun' ORDER BY number",
               zone, 0);
}

static int take_number(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int wish_answer_last(struct database *database, const char *zone, int64_t *ret_number)
{
    return database_query(
        database, "SELECT coalesce(max(number), 0) FROM wish_answers WHERE zone = ?",
        take_number, ret_number, "t", zone);
}

/* One question per server, transport and name. TCP is asked once UDP shows the values, so
 * that a server that lags is not asked twice as often. Questions that did not bring the
 * values are put again after a pause that doubles from 10 to 200 ms; a server that stays
 * silent is named in the failure, as that is what the operator has to repair. */
#include "relay/issuer/propagation.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/net/resolve.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEADLINE_MS = 15000,
    ANSWER_MS = 2000,
    PAUSE_MIN_MS = 10,
    PAUSE_MAX_MS = 200,
};

struct question {
    struct propagation *owner;
    size_t server;
    size_t record; /* the first one with this name */
    enum resolve_transport transport;
    struct resolve_query *query; /* NULL: not under way */
    bool done;
    int last_error;
};

struct propagation {
    struct loop *loop;
    const struct propagation_servers *servers;
    struct acme_record records[LIMIT_ORDER_NAMES];
    size_t record_count;
    struct loop_timer *timer;
    int64_t started_mono_ms;
    int64_t pause_ms;
    propagation_fn *fn;
    void *arg;
    size_t question_count;
    struct question questions[];
};

static void finish(struct propagation *propagation, int error, const char *text)
{
    loop_timer_cancel(propagation->timer);
    propagation->fn(error, text, clock_mono_ms() - propagation->started_mono_ms,
                    propagation->arg);
}

static void fail_late(struct propagation *propagation)
{
    char text[LIMIT_DETAIL_BYTES] = "";

    for (size_t i = 0; i < propagation->question_count; i++) {
        const struct question *question = &propagation->questions[i];
        char server[ADDRESS_TEXT_CAPACITY];

        if (question->done) {
            continue;
        }
        address_text(&propagation->servers->at[question->server], server);
        (void)text_format(text, sizeof(text),
                          "the name server %s does not show the value at %s over %s (%s)",
                          server, propagation->records[question->record].name,
                          question->transport == RESOLVE_UDP ? "UDP" : "TCP",
                          question->last_error == 0 ? "another value"
                                                    : error_text(question->last_error));
        break;
    }
    finish(propagation, ERROR_TIMEOUT, text);
}

/* Whether the answer holds every value that belongs at the question's name. */
static bool shows_all(const struct propagation *propagation,
                      const struct question *question,
                      const struct resolve_answer *answer)
{
    const char *name = propagation->records[question->record].name;

    for (size_t i = 0; i < propagation->record_count; i++) {
        bool shown = false;

        if (strcmp(propagation->records[i].name, name) != 0) {
            continue;
        }
        for (size_t j = 0; j < answer->text_count && !shown; j++) {
            shown =
                strcmp(buffer_text(answer->texts[j]), propagation->records[i].value) == 0;
        }
        if (!shown) {
            return false;
        }
    }
    return true;
}

static void on_answer(const struct resolve_answer *answer, void *arg)
{
    struct question *question = arg;
    struct propagation *propagation = question->owner;
    bool all_done = true;

    question->query = NULL;
    question->last_error = answer->error;
    if (answer->error == 0 && shows_all(propagation, question, answer)) {
        if (question->transport == RESOLVE_TCP) {
            question->done = true;
        } else {
            question->transport = RESOLVE_TCP;
            question->last_error = ERROR_STATE;
            loop_timer_set(propagation->timer, 0);
            return;
        }
    }
    for (size_t i = 0; i < propagation->question_count; i++) {
        all_done = all_done && propagation->questions[i].done;
    }
    if (all_done) {
        finish(propagation, 0, "");
        return;
    }
    if (!question->done) {
        loop_timer_set(propagation->timer, propagation->pause_ms);
        propagation->pause_ms = propagation->pause_ms * 2 > PAUSE_MAX_MS
                                    ? PAUSE_MAX_MS
                                    : propagation->pause_ms * 2;
    }
}

static void ask_open(struct propagation *propagation)
{
    for (size_t i = 0; i < propagation->question_count; i++) {
        struct question *question = &propagation->questions[i];
        int error = 0;

        if (question->done || question->query != NULL) {
            continue;
        }
        error = resolve_text_at(
            propagation->loop, &propagation->servers->at[question->server],
            question->transport, propagation->records[question->record].name, ANSWER_MS,
            on_answer, question, &question->query);
        if (error != 0) {
            question->query = NULL;
            question->last_error = error;
            loop_timer_set(propagation->timer, PAUSE_MAX_MS);
        }
    }
}

static void on_timer(void *arg)
{
    struct propagation *propagation = arg;

    if (clock_mono_ms() - propagation->started_mono_ms > DEADLINE_MS) {
        fail_late(propagation);
        return;
    }
    ask_open(propagation);
}

static void add_questions(struct propagation *propagation)
{
    for (size_t i = 0; i < propagation->record_count; i++) {
        bool repeated = false;

        for (size_t j = 0; j < i; j++) {
            repeated = repeated || strcmp(propagation->records[i].name,
                                          propagation->records[j].name) == 0;
        }
        for (size_t s = 0; !repeated && s < propagation->servers->count; s++) {
            propagation->questions[propagation->question_count++] = (struct question){
                .owner = propagation,
                .server = s,
                .record = i,
                .transport = RESOLVE_UDP,
                .last_error = ERROR_STATE,
            };
        }
    }
}

int propagation_new(struct loop *loop, const struct propagation_servers *servers,
                    const struct acme_record *records, size_t record_count,
                    unsigned first_ms, propagation_fn *fn, void *arg,
                    struct propagation **ret_propagation)
{
    struct propagation *propagation = NULL;
    int error = 0;

    if (record_count == 0 || record_count > LIMIT_ORDER_NAMES || servers->count == 0) {
        return ERROR_RANGE;
    }
    propagation = calloc(1, sizeof(*propagation) +
                                servers->count * record_count * sizeof(struct question));
    if (propagation == NULL) {
        return ERROR_MEMORY;
    }
    propagation->loop = loop;
    propagation->servers = servers;
    propagation->record_count = record_count;
    propagation->started_mono_ms = clock_mono_ms();
    propagation->pause_ms = PAUSE_MIN_MS;
    propagation->fn = fn;
    propagation->arg = arg;
    for (size_t i = 0; i < record_count; i++) {
        propagation->records[i] = records[i];
    }
    add_questions(propagation);
    error = loop_timer_new(loop, on_timer, propagation, &propagation->timer);
    if (error != 0) {
        free(propagation);
        return error;
    }
    loop_timer_set(propagation->timer, first_ms);
    *ret_propagation = propagation;
    return 0;
}

void propagation_free(struct propagation *propagation)
{
    if (propagation == NULL) {
        return;
    }
    for (size_t i = 0; i < propagation->question_count; i++) {
        if (propagation->questions[i].query != NULL) {
            resolve_cancel(propagation->questions[i].query);
        }
    }
    loop_timer_free(propagation->timer);
    free(propagation);
}

#include "relay/admin/admin_wish.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "relay/store/schema.h"
#include "relay/store/wish_answer.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 30000 };

/* A role whose answer is waited for. */
struct answerer {
    const char *role;
    const char *file;
    const char *const *schema;
    struct database *database;
    bool wanted;
    bool answered;
    enum wish_answer_state state;
    char content[LIMIT_DETAIL_BYTES];
};

static int take_answer(const struct wish_answer *answer, void *arg)
{
    struct answerer *answerer = arg;

    answerer->answered = answer->state != WISH_ANSWER_BEGUN;
    answerer->state = answer->state;
    text_printable(answerer->content, sizeof(answerer->content), answer->content,
                   strlen(answer->content));
    return 0;
}

static void look(const struct admin_stores *stores, struct answerer *answerer,
                 int64_t number)
{
    if (!answerer->wanted || answerer->answered) {
        return;
    }
    if (answerer->database == NULL &&
        database_open(stores->config->store, answerer->file, DATABASE_READER,
                      answerer->schema, &answerer->database) != 0) {
        answerer->database = NULL;
        return;
    }
    (void)!wish_answer_get(answerer->database, stores->zone, number, take_answer,
                           answerer);
}

static bool is_open(const struct answerer *answerer)
{
    return answerer->wanted && !answerer->answered;
}

static bool runs(const struct admin_stores *stores, const struct answerer *answerer)
{
    return database_has_writer(stores->config->store, answerer->file);
}

/* Until all have answered, none that could runs, or the time is over. */
static void wait_answers(const struct admin_stores *stores, struct answerer answerers[2],
                         int64_t number)
{
    int64_t until_mono_ms = clock_mono_ms() + WAIT_MS;

    for (;;) {
        bool hope = false;

        for (size_t i = 0; i < 2; i++) {
            look(stores, &answerers[i], number);
            hope = hope || (is_open(&answerers[i]) && runs(stores, &answerers[i]));
        }
        if (!hope || clock_mono_ms() >= until_mono_ms) {
            return;
        }
        admin_stores_pause();
    }
}

static int report(const struct admin_stores *stores, const struct answerer *answerer)
{
    if (!answerer->wanted) {
        return ADMIN_DONE;
    }
    if (!answerer->answered) {
        fprintf(stderr, "latchkey-relay: written down; %s %s\n", answerer->role,
                runs(stores, answerer) ? "has not ended it yet, and goes on trying"
                                       : "does not run: it is done at its next start");
        return ADMIN_PENDING;
    }
    if (answerer->content[0] != '\0') {
        fprintf(stderr, "latchkey-relay: %s: %s\n", answerer->role, answerer->content);
    }
    return answerer->state == WISH_ANSWER_DONE ? ADMIN_DONE : ADMIN_FAILED;
}

/* What has a number that was answered already would be taken for done. */
static int64_t last_answered(const struct admin_stores *stores)
{
    struct database *const databases[] = {stores->front, stores->issuer};
    int64_t last = 0;

    for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++) {
        int64_t number = 0;
        bool has = false;

        if (databases[i] != NULL &&
            database_has_table(databases[i], "wish_answers", &has) == 0 && has &&
            wish_answer_last(databases[i], stores->zone, &number) == 0 &&
            admin_stores_last(number) > last) {
            last = number;
        }
    }
    return last;
}

int admin_wish_run(const struct admin_stores *stores, const struct admin_store_wish *wish,
                   bool of_front, bool of_issuer)
{
    struct answerer answerers[] = {
        {.role = "front", .file = "front.db", .schema = schema_front, .wanted = of_front},
        {.role = "the issuer",
         .file = "issuer.db",
         .schema = schema_issuer,
         .wanted = of_issuer},
    };
    struct admin_store_wish numbered = *wish;
    struct database *admin = NULL;
    int64_t number = 0;
    int status = ADMIN_DONE;
    int error = admin_stores_write(stores->config, &admin);

    if (error != 0) {
        return ADMIN_FAILED;
    }
    numbered.number = last_answered(stores);
    error =
        admin_store_put_wish(admin, stores->zone, &numbered, admin_stores_who(), &number);
    if (error != 0) {
        status = admin_stores_fail(wish->kind, error, admin);
        database_close(admin);
        return status;
    }
    database_close(admin);
    wait_answers(stores, answerers, number);
    for (size_t i = 0; i < 2; i++) {
        int one = report(stores, &answerers[i]);

        status = status == ADMIN_DONE || one == ADMIN_FAILED ? one : status;
        database_close(answerers[i].database);
    }
    return status;
}

/* Polling costs 3 us while nothing changes (PRAGMA data_version), so that it can be done
 * every few milliseconds while devices are served, and every 30 ms else.
 *
 * A row is input from a process that may be captured: numbers and ids that no front of
 * ours would write are passed over, and what a decision needs is derived from the signed
 * bytes. */
#include "relay/issuer/requests.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/lanname.h"
#include "relay/issuer/acceptance.h"
#include "relay/issuer/admission.h"
#include "relay/issuer/issuance.h"
#include "relay/issuer/leave.h"
#include "relay/issuer/revoke.h"
#include "relay/issuer/statements.h"
#include "relay/store/schema.h"

#include <stdlib.h>
#include <string.h>

enum {
    POLL_BUSY_MS = 4,
    POLL_IDLE_MS = 30,
    BUSY_AFTER_MS = 2000, /* how long after a request the next is expected soon */
    BATCH_COUNT = 128,
    OPEN_AGAIN_MS = 500,
    NUMBER_SIZE = 32,
};

struct requests {
    struct issuer *issuer;
    struct loop_timer *timer;
    int64_t cursor; /* the last revision of front.db decided on */
    int64_t last_mono_ms;
    int64_t opened_mono_ms; /* last try to open front.db */
    bool behind;
    bool complained;  /* that something can't be read; once, until it is over */
    size_t count;     /* of this batch */
    int64_t complete; /* of front.db: all rows up to it are decided */
    int own_error;    /* of our own store */
    int64_t rev;
};

static bool is_number(const char *text)
{
    return strlen(text) == NUMBER_SIZE && strspn(text, "0123456789abcdef") == NUMBER_SIZE;
}

static bool is_id(const char *text)
{
    return text[0] == '\0' || (strlen(text) == LANNAME_ID_SIZE &&
                               lanname_is_id((const uint8_t *)text, LANNAME_ID_SIZE));
}

static int decide(struct issuer *issuer, int64_t rev,
                  const struct front_store_request *request)
{
    if (!is_number(request->number) || !is_id(request->id)) {
        log_warning("a request '%.64s' of '%.64s' is none of ours; ignoring it",
                    request->number, request->id);
        return 0;
    }
    if (strcmp(request->kind, "order") == 0) {
        return admission_order(issuer, rev, request);
    }
    if (strcmp(request->kind, "finalize") == 0) {
        return acceptance_finalize(issuer, rev, request);
    }
    if (strcmp(request->kind, "revoke") == 0) {
        return revoke_request(issuer, rev, request);
    }
    if (strcmp(request->kind, "leave") == 0) {
        return leave_request(issuer, rev, request);
    }
    if (strcmp(request->kind, "time") == 0) {
        return statements_time(issuer, rev, request);
    }
    if (strcmp(request->kind, "relay") == 0) {
        return acceptance_relay(issuer, rev, request);
    }
    log_warning("a request of kind '%.32s' is unknown; ignoring it", request->kind);
    return 0;
}

static void complain(struct requests *requests, const char *name, int error)
{
    if (!requests->complained) {
        log_error("'%s/%s' can't be read (%s): nothing is decided until it can",
                  requests->issuer->config->store, name, error_text(error));
    }
    requests->complained = true;
}

/* admin.db holds tokens and blocks. While there is none, nobody is blocked; one that is
 * there and can't be read must not mean the same. */
static int open_admin(struct requests *requests)
{
    struct issuer *issuer = requests->issuer;
    int error = 0;

    if (issuer->admin == NULL) {
        error = database_open(issuer->config->store, "admin.db", DATABASE_READER,
                              schema_admin, &issuer->admin);
    }
    if (error != 0 && error != ERROR_NOT_FOUND) {
        complain(requests, "admin.db", error);
        return error;
    }
    return 0;
}

static int take_request(const struct front_store_request *request, void *arg)
{
    struct requests *requests = arg;
    struct issuer *issuer = requests->issuer;
    int64_t rev = 0;
    int error = open_admin(requests);

    requests->complete = request->rev - 1; /* rows come in order of their revision */
    if (error != 0) {
        return error;
    }
    error = commit_begin(issuer->commit, &rev);
    if (error == 0) {
        error = decide(issuer, rev, request);
    }
    if (error != 0) {
        log_error("request '%s' (%s) can't be decided: %s", request->number,
                  request->kind, error_text(error));
        requests->own_error = error;
        return error;
    }
    requests->cursor = request->rev;
    requests->rev = rev;
    requests->count++;
    return 0;
}

static int put_cursor(struct requests *requests)
{
    struct issuer *issuer = requests->issuer;
    struct issuer_store_entry entry = {
        .kind = "cursor", .what = "front", .id = "", .at = requests->cursor};

    return issuer_store_put_entry(issuer->database, issuer->config->zone, requests->rev,
                                  &entry);
}

/* front.db is another's file: what can't be read of it ends nothing here. It is opened
 * again, and read from the last revision that was decided as a whole. */
static void give_up_batch(struct requests *requests, int error)
{
    struct issuer *issuer = requests->issuer;

    complain(requests, "front.db", error);
    requests->cursor = requests->count > 0 && requests->complete < requests->cursor
                           ? requests->complete
                           : requests->cursor;
    requests->behind = false;
    database_close(issuer->front);
    issuer->front = NULL;
}

static void read_batch(struct requests *requests)
{
    struct issuer *issuer = requests->issuer;
    int error = 0;

    requests->count = 0;
    requests->own_error = 0;
    error =
        front_store_requests_since(issuer->front, issuer->config->zone, requests->cursor,
                                   BATCH_COUNT, take_request, requests);
    requests->behind = requests->count >= BATCH_COUNT;
    if (requests->own_error != 0) {
        (void)commit_fail(issuer->commit, requests->own_error, "decisions");
        return;
    }
    if (error != 0) {
        give_up_batch(requests, error);
    } else if (requests->count > 0) {
        requests->complained = false;
    }
    if (requests->count > 0) {
        requests->last_mono_ms = clock_mono_ms();
        error = put_cursor(requests);
        if (error != 0) {
            (void)commit_fail(issuer->commit, error, "decisions");
        }
    }
}

/* front.db made anew counts from the beginning. */
static void check_cursor(struct requests *requests)
{
    int64_t front_rev = 0;

    if (database_revision(requests->issuer->front, &front_rev) == 0 &&
        front_rev < requests->cursor) {
        log_warning(
            "front.db is older than what was decided on; reading it from the start");
        requests->cursor = 0;
    }
}

static void open_front(struct requests *requests)
{
    struct issuer *issuer = requests->issuer;
    int64_t now_mono_ms = clock_mono_ms();
    int error = 0;

    if (issuer->front != NULL ||
        (requests->opened_mono_ms != 0 &&
         now_mono_ms - requests->opened_mono_ms < OPEN_AGAIN_MS)) {
        return;
    }
    requests->opened_mono_ms = now_mono_ms;
    error = database_open(issuer->config->store, "front.db", DATABASE_READER,
                          schema_front, &issuer->front);
    if (error == 0) {
        requests->behind = true;
        check_cursor(requests);
    } else if (error != ERROR_NOT_FOUND) {
        complain(requests, "front.db", error);
    }
}

static void on_timer(void *arg)
{
    struct requests *requests = arg;
    struct issuer *issuer = requests->issuer;
    bool busy = false;

    if (commit_error(issuer->commit) != 0) {
        return;
    }
    open_front(requests);
    if (issuer->front != NULL && (requests->behind || database_changed(issuer->front))) {
        check_cursor(requests);
        read_batch(requests);
    }
    busy = issuance_count(issuer->issuances) > 0 ||
           clock_mono_ms() - requests->last_mono_ms < BUSY_AFTER_MS;
    loop_timer_set(requests->timer, requests->behind ? 0
                                    : busy           ? POLL_BUSY_MS
                                                     : POLL_IDLE_MS);
}

int requests_open(struct issuer *issuer, struct requests **ret_requests)
{
    struct requests *requests = calloc(1, sizeof(*requests));
    int error = 0;

    if (requests == NULL) {
        return ERROR_MEMORY;
    }
    requests->issuer = issuer;
    error = issuer_store_entry_at(issuer->database, issuer->config->zone, "cursor",
                                  "front", &requests->cursor);
    if (requests->cursor < 0) {
        requests->cursor = 0;
    }
    if (error == 0) {
        error = loop_timer_new(issuer->loop, on_timer, requests, &requests->timer);
    }
    if (error != 0) {
        free(requests);
        return error;
    }
    loop_timer_set(requests->timer, 0);
    *ret_requests = requests;
    return 0;
}

void requests_close(struct requests *requests)
{
    if (requests == NULL) {
        return;
    }
    loop_timer_free(requests->timer);
    free(requests);
}

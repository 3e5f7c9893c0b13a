/* When the power comes back to a town, ten thousand devices ask in the same second. One
 * question to the issuer is under way at any time; whoever comes meanwhile is gathered for the
 * next, and one signature answers a whole gathering. So a crowd costs a few rows and signatures,
 * and a device alone waits for nobody. Beyond a full gathering the answer is to come again. */
#include "relay/front/timekeeper.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "relay/front/journal.h"
#include "relay/front/quota.h"
#include "relay/front/response.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/url.h"

#include <stdlib.h>
#include <string.h>

enum {
    POLL_MS = 5,
    APART_MS = 20,     /* between two questions to the issuer */
    ANSWER_MS = 5000,  /* the issuer's time for one */
    ROW_KEPT_S = 120,  /* in front.db */
    ROWS_AT_ONCE = 64, /* removed with each question */
    COME_AGAIN_S = 2,
};

struct gathering {
    json_t *nonces;        /* NULL: nobody is in it */
    struct request *first; /* by next and previous */
};

struct timekeeper {
    const struct service_base *base;
    struct loop_timer *timer;
    struct gathering next;  /* gathers */
    struct gathering asked; /* the issuer was asked */
    char number[REQUEST_NUMBER_CAPACITY];
    int64_t asked_mono_ms;
};

static void take_off(struct request *request)
{
    struct gathering *gathering = request->extra;

    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        gathering->first = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
    request->next = NULL;
    request->previous = NULL;
    request->extra = NULL;
    request->drop = NULL;
}

static void drop(struct request *request)
{
    take_off(request);
    request_free(request);
}

static void put_on(struct gathering *gathering, struct request *request)
{
    request->previous = NULL;
    request->next = gathering->first;
    if (request->next != NULL) {
        request->next->previous = request;
    }
    gathering->first = request;
    request->extra = gathering;
    request->drop = drop;
}

/* Takes the first out of GATHERING; NULL when there is none. */
static struct request *take_first(struct gathering *gathering)
{
    struct request *request = gathering->first;

    if (request != NULL) {
        take_off(request);
    }
    return request;
}

static void end_gathering(struct gathering *gathering)
{
    json_decref(gathering->nonces);
    gathering->nonces = NULL;
}

static void respond_all(struct gathering *gathering, const struct buffer *statement)
{
    struct request *request = take_first(gathering);

    while (request != NULL) {
        response_bytes(request, 200, JWS_CONTENT_TYPE, statement->data, statement->size);
        request = take_first(gathering);
    }
    end_gathering(gathering);
}

static void refuse_all(struct gathering *gathering)
{
    struct request *request = take_first(gathering);

    while (request != NULL) {
        response_retry_after(request, COME_AGAIN_S);
        response_status(request, 503, ACME_PROBLEM_SERVER_INTERNAL,
                        "the relay can't sign the time at this moment");
        request = take_first(gathering);
    }
    end_gathering(gathering);
}

static int write_question(struct timekeeper *keeper)
{
    struct service *service = keeper->base->service;
    struct buffer nonces = buffer_init(STATEMENT_BYTES_MAX);
    int64_t now_at = clock_wall_at();
    int64_t gone = 0;
    char url[LIMIT_URL_BYTES];
    int64_t rev = 0;
    int error =
        url_time(keeper->base->url, url) ? service_number(keeper->number) : ERROR_LIMIT;

    if (error == 0) {
        error = json_dump(keeper->asked.nonces, &nonces);
    }
    if (error == 0) {
        error = journal_begin(service->journal, &rev);
    }
    if (error == 0) {
        error = front_store_remove_requests(service->front, service->zone, "time",
                                            now_at - ROW_KEPT_S, ROWS_AT_ONCE, &gone);
    }
    if (error == 0) {
        struct front_store_request row = {
            .number = keeper->number,
            .kind = "time",
            .id = "",
            .jws = buffer_text(&nonces),
            .jwk = url, /* the answer is signed for the base that was asked */
            .received_at = now_at,
        };

        error = front_store_add_request(service->front, service->zone, rev, &row);
    }
    buffer_free(&nonces);
    return error;
}

static void ask(struct timekeeper *keeper)
{
    int error = 0;

    keeper->asked.nonces = keeper->next.nonces;
    keeper->next.nonces = NULL;
    for (struct request *request = take_first(&keeper->next); request != NULL;
         request = take_first(&keeper->next)) {
        put_on(&keeper->asked, request);
    }
    keeper->asked_mono_ms = clock_mono_ms();
    error = write_question(keeper);
    if (error != 0) {
        log_error("the issuer can't be asked for the time: %s", error_text(error));
        refuse_all(&keeper->asked);
    }
}

static void look(struct timekeeper *keeper)
{
    struct service *service = keeper->base->service;
    struct database *issuer = service_issuer(service);
    struct buffer statement = buffer_init(STATEMENT_BYTES_MAX);
    int error = issuer == NULL ? ERROR_NOT_FOUND
                               : issuer_store_time(issuer, service->zone, keeper->number,
                                                   &statement);

    if (error == 0) {
        respond_all(&keeper->asked, &statement);
    } else if (clock_mono_ms() - keeper->asked_mono_ms >= ANSWER_MS) {
        log_warning("the issuer did not sign the time within %d s (%s)", ANSWER_MS / 1000,
                    error_text(error));
        refuse_all(&keeper->asked);
    }
    buffer_free(&statement);
}

static void tick(void *arg)
{
    struct timekeeper *keeper = arg;

    if (keeper->asked.nonces != NULL) {
        look(keeper);
    }
    if (keeper->asked.nonces == NULL && keeper->next.nonces != NULL &&
        clock_mono_ms() - keeper->asked_mono_ms >= APART_MS) {
        ask(keeper);
    }
    if (keeper->asked.nonces != NULL || keeper->next.nonces != NULL) {
        loop_timer_set(keeper->timer, POLL_MS);
    }
}

int timekeeper_new(const struct service_base *base, struct timekeeper **ret_keeper)
{
    struct timekeeper *keeper = calloc(1, sizeof(*keeper));
    int error = 0;

    if (keeper == NULL) {
        return ERROR_MEMORY;
    }
    keeper->base = base;
    keeper->asked_mono_ms = -APART_MS;
    error = loop_timer_new(base->service->loop, tick, keeper, &keeper->timer);
    if (error != 0) {
        free(keeper);
        return error;
    }
    *ret_keeper = keeper;
    return 0;
}

static void free_all(struct gathering *gathering)
{
    for (struct request *request = take_first(gathering); request != NULL;
         request = take_first(gathering)) {
        request_free(request);
    }
    end_gathering(gathering);
}

void timekeeper_free(struct timekeeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    free_all(&keeper->next);
    free_all(&keeper->asked);
    loop_timer_free(keeper->timer);
    free(keeper);
}

static void refuse(struct request *request, int64_t wait_s, const char *text)
{
    response_retry_after(request, wait_s);
    response_error(request, ACME_PROBLEM_RATE_LIMITED, "%s", text);
}

static void gather(struct timekeeper *keeper, struct request *request, const char *nonce)
{
    struct gathering *gathering = &keeper->next;

    if (gathering->nonces == NULL) {
        gathering->nonces = json_array();
    }
    if (gathering->nonces == NULL ||
        json_array_append_new(gathering->nonces, json_string(nonce)) != 0) {
        response_internal(request, ERROR_MEMORY, "the time");
        return;
    }
    put_on(gathering, request);
    tick(keeper);
}

void timekeeper_respond(struct request *request)
{
    struct timekeeper *keeper = request->base->timekeeper;
    const char *nonce = json_get_text(request->payload, "nonce");
    int64_t wait_s = 0;

    if (nonce == NULL || json_object_size(request->payload) != 1 ||
        !statement_is_nonce(nonce)) {
        response_error(request, ACME_PROBLEM_MALFORMED,
                       "the payload must be {\"nonce\": \"16 octets in base64url\"} and "
                       "nothing else");
        return;
    }
    wait_s =
        quota_take(request->service->quota, QUOTA_TIME, request->id, clock_mono_ms());
    if (wait_s > 0) {
        refuse(request, wait_s, "too many questions for the time with this key");
    } else if (json_array_size(keeper->next.nonces) >= STATEMENT_NONCES_MAX) {
        refuse(request, COME_AGAIN_S,
               "very many devices ask for the time at this moment");
    } else {
        gather(keeper, request, nonce);
    }
}

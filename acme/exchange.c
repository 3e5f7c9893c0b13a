/* One request to the CA.
 *
 * What is tried again here, at once or after a wait: badNonce (RFC 8555 6.5, ten times in
 * a row, then it counts as trouble of the server), no response, and 5xx as long as the
 * wait asked for is short. Everything else, and every long wait, is the caller's to
 * decide: a machine that waits an hour inside would hide it. A POST that is not
 * idempotent is never repeated blindly after a lost response; its caller looks at the
 * resource first. */
#include "acme/exchange.h"

#include "acme/acme_retry_after.h"
#include "acme/failure.h"
#include "base/core/json.h"

#include <stdlib.h>
#include <string.h>

enum {
    SERVER_TRIES = 4,
    WAIT_HERE_MAX_S = 10, /* longer waits are the caller's */
    NONCE_WAIT_MS = 100,  /* doubled for each further badNonce */
    NONCE_WAIT_MAX_MS = 2000,
    NONCE_HEADERS_MAX = 4,
};

int exchange_start(struct exchange *exchange, enum exchange_kind kind, const char *what,
                   const char *url, const json_t *payload, const char *accept,
                   size_t max_response_bytes, bool is_idempotent)
{
    int error = 0;

    exchange_free(exchange);
    exchange->kind = kind;
    exchange->what = what;
    exchange->accept = accept;
    exchange->max_response_bytes = max_response_bytes;
    exchange->is_idempotent = is_idempotent;
    exchange->payload = buffer_init(LIMIT_JWS_BYTES);
    exchange->body = buffer_init(2 * LIMIT_JWS_BYTES);
    exchange->url = strdup(url);
    if (exchange->url == NULL)
        error = ERROR_MEMORY;
    if (error == 0 && payload != NULL)
        error = json_dump(payload, &exchange->payload);
    if (error != 0)
        exchange_free(exchange);
    return error;
}

void exchange_free(struct exchange *exchange)
{
    free(exchange->url);
    buffer_free(&exchange->payload);
    buffer_free(&exchange->body);
    memset(exchange, 0, sizeof(*exchange));
}

const char *exchange_header(const struct acme_response *response, const char *name,
                            size_t index)
{
    return response->header != NULL ? response->header(response->header_arg, name, index)
                                    : NULL;
}

static bool is_post(const struct exchange *exchange)
{
    return exchange->kind == EXCHANGE_POST_JWK || exchange->kind == EXCHANGE_POST_KID;
}

static const char *method(const struct exchange *exchange)
{
    switch (exchange->kind) {
    case EXCHANGE_GET:
        return "GET";
    case EXCHANGE_HEAD:
        return "HEAD";
    case EXCHANGE_POST_JWK:
    case EXCHANGE_POST_KID:
        break;
    }
    return "POST";
}

static int sign(struct exchange *exchange, struct exchange_session *session,
                const struct nonce *nonce)
{
    buffer_reset(&exchange->body);
    exchange->nonce_number = nonce->number;
    exchange->account_generation = session->account_generation;
    return jws_make(&session->signer,
                    exchange->kind == EXCHANGE_POST_KID ? session->account_url : NULL,
                    nonce->text, exchange->url, exchange->payload.data,
                    exchange->payload.size, &exchange->body);
}

const struct acme_error *exchange_session_failure(const struct exchange_session *session,
                                                  struct acme_now now)
{
    const struct acme_error *failed = session->failed;

    return failed != NULL && failure_is_over(failed, now.at) ? NULL : failed;
}

void exchange_next(struct exchange *exchange, struct exchange_session *session,
                   struct acme_now now, struct acme_step *ret_step,
                   struct acme_error *ret_error)
{
    struct nonce nonce;
    struct acme_step step = {.want = ACME_WANT_RESPONSE};
    const struct acme_error *failed = exchange_session_failure(session, now);

    if (exchange->in_flight) {
        *ret_step = step;
        return;
    }
    if (exchange->kind == EXCHANGE_POST_KID && failed != NULL) {
        *ret_error = *failed;
        step.want = ACME_WANT_FAILED;
    } else if (exchange->kind == EXCHANGE_POST_KID &&
               (!session->ready || (session->held && !exchange->passes_hold))) {
        step.want = ACME_WANT_SHARED;
    } else if (now.mono_ms < exchange->wait_until_mono_ms) {
        step.want = ACME_WANT_WAIT;
        step.wait_ms = exchange->wait_until_mono_ms - now.mono_ms;
    } else if (is_post(exchange) && !nonce_pool_take(&session->nonces, &nonce)) {
        session->nonce_wanted = true;
        step.want = ACME_WANT_SHARED;
    } else if (is_post(exchange) && sign(exchange, session, &nonce) != 0) {
        failure_set(ret_error, ACME_ERROR_MEMORY, ACME_SCOPE_NAME,
                    now.at + FAILURE_BUSY_S, true, "%s: the request could not be signed",
                    exchange->what);
        step.want = ACME_WANT_FAILED;
    } else {
        exchange->request = (struct acme_request){
            .method = method(exchange),
            .url = exchange->url,
            .content_type = is_post(exchange) ? JWS_CONTENT_TYPE : NULL,
            .accept = exchange->accept,
            .body = buffer_bytes(&exchange->body),
            .max_response_bytes = exchange->max_response_bytes,
        };
        exchange->in_flight = true;
        step.want = ACME_WANT_REQUEST;
        step.request = &exchange->request;
    }
    *ret_step = step;
}

static void wait_ms(struct exchange *exchange, const struct exchange_session *session,
                    struct acme_now now, int64_t delay_ms)
{
    /* Up to a quarter more, so that those who failed together do not come back together.
     */
    uint64_t jitter = delay_ms >= 4 ? session->random((uint64_t)delay_ms / 4) : 0;

    exchange->wait_until_mono_ms = now.mono_ms + delay_ms + (int64_t)jitter;
}

/* No response, or trouble of the server: again after a while, or given up. */
static enum exchange_outcome retry_server(struct exchange *exchange,
                                          const struct exchange_session *session,
                                          const char *retry_after, struct acme_now now)
{
    int64_t backoff_s = (int64_t)1 << exchange->server_tries;
    int64_t delay_s = acme_retry_after_at(retry_after, now.at, backoff_s) - now.at;

    if (++exchange->server_tries > SERVER_TRIES || delay_s > WAIT_HERE_MAX_S)
        return EXCHANGE_FAILED;
    wait_ms(exchange, session, now, delay_s * 1000);
    return EXCHANGE_AGAIN;
}

static enum exchange_outcome retry_nonce(struct exchange *exchange,
                                         struct exchange_session *session,
                                         struct acme_now now)
{
    unsigned tries = ++exchange->nonce_tries;
    int64_t delay_ms = 0;

    if (tries > LIMIT_NONCE_TRIES) {
        exchange->nonce_tries = 0;
        return retry_server(exchange, session, NULL, now);
    }
    if (tries > 1) {
        delay_ms = (int64_t)NONCE_WAIT_MS << (tries - 2);
        if (delay_ms > NONCE_WAIT_MAX_MS)
            delay_ms = NONCE_WAIT_MAX_MS;
    }
    wait_ms(exchange, session, now, delay_ms);
    return EXCHANGE_AGAIN;
}

static enum exchange_outcome lost(struct exchange *exchange,
                                  const struct exchange_session *session,
                                  const struct acme_response *response,
                                  struct acme_now now, struct acme_error *ret_error)
{
    /* A certificate that does not verify will not do so in a second. */
    bool is_final = response->error == ERROR_SIGNATURE ||
                    response->error == ERROR_LIMIT || response->error == ERROR_MEMORY;

    if (!is_final && !exchange->is_idempotent) {
        exchange->server_tries++;
        return EXCHANGE_UNSURE;
    }
    if (!is_final && retry_server(exchange, session, NULL, now) == EXCHANGE_AGAIN)
        return EXCHANGE_AGAIN;
    failure_set(ret_error, ACME_ERROR_NET, ACME_SCOPE_CA, now.at + FAILURE_BUSY_S, true,
                "%s: no response from %s: %s", exchange->what, exchange->url,
                response->error_text != NULL && response->error_text[0] != '\0'
                    ? response->error_text
                    : error_text(response->error));
    return EXCHANGE_FAILED;
}

static enum exchange_outcome refused(struct exchange *exchange,
                                     struct exchange_session *session,
                                     const struct acme_response *response,
                                     const char *retry_after, struct acme_now now,
                                     struct acme_error *ret_error)
{
    struct acme_problem problem;

    acme_problem_parse(response->status, response->body.data, response->body.size,
                       &problem);
    if (problem.type == ACME_PROBLEM_BAD_NONCE && is_post(exchange)) {
        nonce_pool_drop_older(&session->nonces, exchange->nonce_number);
        if (retry_nonce(exchange, session, now) == EXCHANGE_AGAIN)
            return EXCHANGE_AGAIN;
    } else if (response->status >= 500 &&
               retry_server(exchange, session, retry_after, now) == EXCHANGE_AGAIN) {
        return EXCHANGE_AGAIN;
    }
    if (problem.type == ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST &&
        exchange->kind == EXCHANGE_POST_KID &&
        exchange->account_generation == session->account_generation) {
        session->account_lost = true;
        session->ready = false;
    }
    failure_from_problem(ret_error, &problem, exchange->what, retry_after, now.at);
    return EXCHANGE_FAILED;
}

enum exchange_outcome exchange_response(struct exchange *exchange,
                                        struct exchange_session *session,
                                        const struct acme_response *response,
                                        struct acme_now now, struct acme_error *ret_error)
{
    const char *retry_after, *nonce;

    exchange->in_flight = false;
    if (response->error != 0)
        return lost(exchange, session, response, now, ret_error);
    for (size_t i = 0; i < NONCE_HEADERS_MAX; i++) {
        nonce = exchange_header(response, "replay-nonce", i);
        if (nonce == NULL)
            break;
        nonce_pool_put(&session->nonces, nonce);
    }
    if (response->status >= 200 && response->status <= 299)
        return EXCHANGE_OK;
    retry_after = exchange_header(response, "retry-after", 0);
    if (response->status >= 400 && response->status <= 599)
        return refused(exchange, session, response, retry_after, now, ret_error);
    /* Redirects are for browsers: a signed request names its one URL. */
    failure_set(ret_error, ACME_ERROR_PROTOCOL, ACME_SCOPE_CA, now.at + FAILURE_NAME_S,
                false, "%s: unexpected status %d from %s", exchange->what,
                response->status, exchange->url);
    return EXCHANGE_FAILED;
}

/* Cache-Control is no-store throughout: only the directory and renewal information could
 * be cached at all, and both are asked for rarely. */
#include "relay/front/response.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/log.h"
#include "relay/front/meter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static void add_common(struct request *request)
{
    char nonce[NONCE_CAPACITY];

    if (request->post &&
        nonce_make(request->service->nonces, clock_wall_at(), nonce) == 0) {
        response_header(request, "Replay-Nonce", nonce);
    }
    if (!request->is_directory) {
        response_header(request, "Link", request->base->index_link);
    }
    response_header(request, "Cache-Control", "no-store");
    response_header(request, "Access-Control-Allow-Origin", "*");
    response_header(request, "Access-Control-Expose-Headers",
                    "Link, Location, Replay-Nonce, Retry-After");
    response_header(request, "X-Content-Type-Options", "nosniff");
}

void response_header(struct request *request, const char *name, const char *value)
{
    if (request->exchange != NULL) {
        http_exchange_add_header(request->exchange, name, value);
    }
}

void response_retry_after(struct request *request, int64_t seconds)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, seconds > 0 ? seconds : 1);
    response_header(request, "Retry-After", text);
}

void response_bytes(struct request *request, int status, const char *content_type,
                    const void *body, size_t size)
{
    struct http_exchange *exchange = request->exchange;

    if (exchange != NULL) {
        add_common(request);
        front_meter_response(request->service->meter, request, status);
        request->exchange = NULL;
        http_exchange_respond(exchange, status, content_type, body, size);
    }
    request_free(request);
}

static void respond_value(struct request *request, int status, const char *content_type,
                          json_t *value)
{
    struct buffer body = buffer_init(LIMIT_JSON_BYTES);

    if (value == NULL || json_dump(value, &body) != 0) {
        static const char poor[] =
            "{\"type\":\"urn:ietf:params:acme:error:serverInternal\"}";

        response_bytes(request, 500, "application/problem+json", poor, sizeof(poor) - 1);
    } else {
        response_bytes(request, status, content_type, body.data, body.size);
    }
    buffer_free(&body);
    json_decref(value);
}

void response_json(struct request *request, int status, json_t *body)
{
    respond_value(request, status, "application/json", body);
}

void response_problem(struct request *request, const struct acme_problem *problem)
{
    json_t *value = NULL;
    int error = acme_problem_to_json(problem, &value);

    front_meter_problem(request->service->meter, problem->type);
    log_debug("%s: %d %s: %s", request->id[0] != '\0' ? request->id : "-",
              problem->status, acme_problem_type_text(problem->type), problem->detail);
    respond_value(request, problem->status, "application/problem+json",
                  error == 0 ? value : NULL);
}

void response_error(struct request *request, enum acme_problem_type type,
                    const char *format, ...)
{
    struct acme_problem problem;
    char detail[LIMIT_DETAIL_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    acme_problem_set(&problem, type, "%s", detail);
    response_problem(request, &problem);
}

void response_status(struct request *request, int status, enum acme_problem_type type,
                     const char *format, ...)
{
    struct acme_problem problem;
    char detail[LIMIT_DETAIL_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    acme_problem_set(&problem, type, "%s", detail);
    problem.status = status;
    response_problem(request, &problem);
}

void response_internal(struct request *request, int error, const char *what)
{
    bool later = error == ERROR_BUSY || error == ERROR_LIMIT || error == ERROR_TIMEOUT;

    log_error("%s: %s: %s", request->id[0] != '\0' ? request->id : "-", what,
              error_text(error));
    if (later) {
        response_retry_after(request, 30);
    }
    response_status(request, later ? 503 : 500, ACME_PROBLEM_SERVER_INTERNAL,
                    "the relay has a fault of its own; try again later");
}

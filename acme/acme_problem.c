/* Problem documents.
 *
 * What a CA writes here ends up in logs and on a device's page, so that every text is
 * made printable and cut when it is read, not where it is shown. Reading never fails: a
 * proxy's HTML page, an empty body or a document of another type all give
 * ACME_PROBLEM_NONE, and the caller decides by the HTTP status then. */
#include "acme/acme_problem.h"

#include "acme/jws.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define URN "urn:ietf:params:acme:error:"

enum { PROBLEM_BYTES_MAX = 64 << 10 };

static const struct {
    const char *text;
    int status;
} types[ACME_PROBLEM_COUNT] = {
    [ACME_PROBLEM_NONE] = {"", 500},
    [ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST] = {"accountDoesNotExist", 400},
    [ACME_PROBLEM_ALREADY_REPLACED] = {"alreadyReplaced", 409},
    [ACME_PROBLEM_ALREADY_REVOKED] = {"alreadyRevoked", 400},
    [ACME_PROBLEM_BAD_CSR] = {"badCSR", 400},
    [ACME_PROBLEM_BAD_NONCE] = {"badNonce", 400},
    [ACME_PROBLEM_BAD_PUBLIC_KEY] = {"badPublicKey", 400},
    [ACME_PROBLEM_BAD_REVOCATION_REASON] = {"badRevocationReason", 400},
    [ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM] = {"badSignatureAlgorithm", 400},
    [ACME_PROBLEM_CAA] = {"caa", 403},
    [ACME_PROBLEM_COMPOUND] = {"compound", 400},
    [ACME_PROBLEM_CONFLICT] = {"conflict", 409},
    [ACME_PROBLEM_CONNECTION] = {"connection", 400},
    [ACME_PROBLEM_DNS] = {"dns", 400},
    [ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED] = {"externalAccountRequired", 403},
    [ACME_PROBLEM_INCORRECT_RESPONSE] = {"incorrectResponse", 403},
    [ACME_PROBLEM_INVALID_CONTACT] = {"invalidContact", 400},
    [ACME_PROBLEM_INVALID_PROFILE] = {"invalidProfile", 400},
    [ACME_PROBLEM_MALFORMED] = {"malformed", 400},
    [ACME_PROBLEM_ORDER_NOT_READY] = {"orderNotReady", 403},
    [ACME_PROBLEM_RATE_LIMITED] = {"rateLimited", 429},
    [ACME_PROBLEM_REJECTED_IDENTIFIER] = {"rejectedIdentifier", 400},
    [ACME_PROBLEM_SERVER_INTERNAL] = {"serverInternal", 500},
    [ACME_PROBLEM_TLS] = {"tls", 400},
    [ACME_PROBLEM_UNAUTHORIZED] = {"unauthorized", 403},
    [ACME_PROBLEM_UNSUPPORTED_CONTACT] = {"unsupportedContact", 400},
    [ACME_PROBLEM_UNSUPPORTED_IDENTIFIER] = {"unsupportedIdentifier", 400},
    [ACME_PROBLEM_USER_ACTION_REQUIRED] = {"userActionRequired", 403},
};

const char *acme_problem_type_text(enum acme_problem_type type)
{
    return (unsigned)type < ACME_PROBLEM_COUNT ? types[type].text : "";
}

int acme_problem_type_status(enum acme_problem_type type)
{
    return (unsigned)type < ACME_PROBLEM_COUNT ? types[type].status : 500;
}

static enum acme_problem_type type_from_text(const char *text)
{
    if (text == NULL || !text_starts_with(text, URN))
        return ACME_PROBLEM_NONE;
    text += strlen(URN);
    for (int type = ACME_PROBLEM_NONE + 1; type < ACME_PROBLEM_COUNT; type++) {
        if (strcmp(types[type].text, text) == 0)
            return (enum acme_problem_type)type;
    }
    return ACME_PROBLEM_NONE;
}

static void copy_printable(char *ret_text, size_t capacity, const char *text)
{
    ret_text[0] = '\0';
    if (text != NULL)
        text_printable(ret_text, capacity, text, strlen(text));
}

/* Our own details are cut rather than refused when they are too long. */
static void PRINTF_LIKE(3, 0)
    format_detail(char *ret_text, size_t capacity, const char *format, va_list arguments)
{
    char text[LIMIT_DETAIL_BYTES];
    int size = vsnprintf(text, sizeof(text), format, arguments);

    copy_printable(ret_text, capacity, size < 0 ? "" : text);
}

void acme_problem_set(struct acme_problem *ret_problem, enum acme_problem_type type,
                      const char *format, ...)
{
    va_list arguments;

    memset(ret_problem, 0, sizeof(*ret_problem));
    ret_problem->type = type;
    ret_problem->status = acme_problem_type_status(type);
    va_start(arguments, format);
    format_detail(ret_problem->detail, sizeof(ret_problem->detail), format, arguments);
    va_end(arguments);
}

void acme_problem_add(struct acme_problem *problem, enum acme_problem_type type,
                      const char *identifier, const char *format, ...)
{
    struct acme_subproblem *sub;
    va_list arguments;

    if (problem->subproblem_count >= ACME_SUBPROBLEMS_MAX)
        return;
    sub = &problem->subproblems[problem->subproblem_count++];
    sub->type = type;
    copy_printable(sub->identifier, sizeof(sub->identifier), identifier);
    va_start(arguments, format);
    format_detail(sub->detail, sizeof(sub->detail), format, arguments);
    va_end(arguments);
}

static void read_subproblems(const json_t *list, struct acme_problem *problem)
{
    size_t count = json_array_size(list);

    for (size_t i = 0; i < count && problem->subproblem_count < ACME_SUBPROBLEMS_MAX;
         i++) {
        const json_t *value = json_array_get(list, i);
        struct acme_subproblem *sub = &problem->subproblems[problem->subproblem_count];

        if (!json_is_object(value))
            continue;
        sub->type = type_from_text(json_get_text(value, "type"));
        copy_printable(sub->detail, sizeof(sub->detail), json_get_text(value, "detail"));
        copy_printable(sub->identifier, sizeof(sub->identifier),
                       json_get_text(json_get_object(value, "identifier"), "value"));
        problem->subproblem_count++;
    }
}

void acme_problem_from_json(const json_t *value, int status,
                            struct acme_problem *ret_problem)
{
    memset(ret_problem, 0, sizeof(*ret_problem));
    ret_problem->status = status;
    if (!json_is_object(value))
        return;
    ret_problem->type = type_from_text(json_get_text(value, "type"));
    copy_printable(ret_problem->detail, sizeof(ret_problem->detail),
                   json_get_text(value, "detail"));
    copy_printable(ret_problem->instance, sizeof(ret_problem->instance),
                   json_get_text(value, "instance"));
    if (status == 0) {
        int64_t stated = json_get_i64(value, "status", 0);

        ret_problem->status = stated >= 400 && stated <= 599 ? (int)stated : 0;
    }
    read_subproblems(json_get_array(value, "subproblems"), ret_problem);
}

void acme_problem_parse(int status, const void *body, size_t size,
                        struct acme_problem *ret_problem)
{
    json_t *value = NULL;

    if (json_parse(body, size, PROBLEM_BYTES_MAX, &value) != 0)
        value = NULL;
    acme_problem_from_json(value, status, ret_problem);
    json_decref(value);
}

static int set_type(json_t *object, enum acme_problem_type type)
{
    char text[sizeof(URN) + 32];

    if (type == ACME_PROBLEM_NONE)
        return json_set_text(object, "type", "about:blank");
    if (!text_format(text, sizeof(text), URN "%s", acme_problem_type_text(type)))
        return ERROR_INTERNAL;
    return json_set_text(object, "type", text);
}

static int subproblem_to_json(const struct acme_subproblem *sub, json_t **ret_value)
{
    json_t *object = json_object(), *identifier = NULL;
    int error = object != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = set_type(object, sub->type);
    if (error == 0)
        error = json_set_text(object, "detail", sub->detail);
    if (error == 0 && sub->identifier[0] != '\0') {
        error = (identifier = json_object()) != NULL ? 0 : ERROR_MEMORY;
        if (error == 0)
            error = json_set_text(identifier, "type", "dns");
        if (error == 0)
            error = json_set_text(identifier, "value", sub->identifier);
        if (error == 0)
            error = json_set_take(object, "identifier", json_incref(identifier));
        json_decref(identifier);
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    *ret_value = object;
    return 0;
}

/* RFC 8555 6.2: a badSignatureAlgorithm answer lists what is supported. */
static int set_algorithms(json_t *object)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;

    for (int alg = JWS_ES256; error == 0 && alg <= JWS_EDDSA; alg++) {
        if (json_array_append_new(list, json_string(jws_alg_text((enum jws_alg)alg))) !=
            0)
            error = ERROR_MEMORY;
    }
    if (error != 0) {
        json_decref(list);
        return error;
    }
    return json_set_take(object, "algorithms", list);
}

static int set_subproblems(json_t *object, const struct acme_problem *problem)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;

    for (size_t i = 0; error == 0 && i < problem->subproblem_count; i++) {
        json_t *value = NULL;

        error = subproblem_to_json(&problem->subproblems[i], &value);
        if (error == 0 && json_array_append_new(list, value) != 0)
            error = ERROR_MEMORY;
    }
    if (error != 0) {
        json_decref(list);
        return error;
    }
    return json_set_take(object, "subproblems", list);
}

int acme_problem_to_json(const struct acme_problem *problem, json_t **ret_value)
{
    json_t *object = json_object();
    int error = object != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = set_type(object, problem->type);
    if (error == 0)
        error = json_set_text(object, "detail", problem->detail);
    if (error == 0 && problem->status != 0)
        error = json_set_i64(object, "status", problem->status);
    if (error == 0 && problem->instance[0] != '\0')
        error = json_set_text(object, "instance", problem->instance);
    if (error == 0 && problem->type == ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM)
        error = set_algorithms(object);
    if (error == 0 && problem->subproblem_count > 0)
        error = set_subproblems(object, problem);
    if (error != 0) {
        json_decref(object);
        return error;
    }
    *ret_value = object;
    return 0;
}

int acme_problem_dump(const struct acme_problem *problem, struct buffer *body)
{
    json_t *value = NULL;
    int error = acme_problem_to_json(problem, &value);

    if (error == 0)
        error = json_dump(value, body);
    json_decref(value);
    return error;
}

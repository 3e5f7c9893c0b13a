/* Which problem is whose fault.
 *
 * The caller needs to know what to slow down (one name, the account, everything towards
 * this CA, or nothing helps but the operator) and until when. The type of the problem
 * decides, not the status: rateLimited comes with 429 and with 503, unauthorized means
 * the account on one resource and the DNS record on another (the order corrects that
 * where it knows better). */
#include "acme/failure.h"

#include "acme/acme_retry_after.h"
#include "base/core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void PRINTF_LIKE(2, 0)
    set_text(struct acme_error *error, const char *format, va_list arguments)
{
    char text[LIMIT_DETAIL_BYTES];
    int size = vsnprintf(text, sizeof(text), format, arguments);

    if (size < 0)
        text[0] = '\0';
    text_printable(error->text, sizeof(error->text), text, strlen(text));
}

void failure_set(struct acme_error *ret_error, enum acme_error_type type,
                 enum acme_error_scope scope, int64_t retry_at, bool resumable,
                 const char *format, ...)
{
    va_list arguments;

    memset(ret_error, 0, sizeof(*ret_error));
    ret_error->type = type;
    ret_error->scope = scope;
    ret_error->retry_at = retry_at;
    ret_error->resumable = resumable;
    va_start(arguments, format);
    set_text(ret_error, format, arguments);
    va_end(arguments);
}

struct verdict {
    enum acme_error_type type;
    enum acme_error_scope scope;
    int64_t retry_s; /* 0: never by itself */
    bool resumable;
};

/* The CA says which limit only in words; those of one name are known (Boulder). */
static struct verdict judge_rate_limit(const struct acme_problem *problem)
{
    const char *detail = problem->detail;

    if (strstr(detail, "unpause") != NULL)
        return (struct verdict){ACME_ERROR_PAUSED, ACME_SCOPE_OPERATOR, 0, true};
    if (problem->status == 503 || strstr(detail, "Service busy") != NULL)
        return (struct verdict){ACME_ERROR_RATE_LIMIT, ACME_SCOPE_CA, FAILURE_BUSY_S,
                                true};
    if (strstr(detail, "exact set") != NULL ||
        strstr(detail, "failed authorizations") != NULL)
        return (struct verdict){ACME_ERROR_RATE_LIMIT, ACME_SCOPE_NAME, FAILURE_NAME_S,
                                true};
    return (struct verdict){ACME_ERROR_RATE_LIMIT, ACME_SCOPE_ACCOUNT, FAILURE_BUSY_S,
                            true};
}

/* Without an ACME type only the status is left. */
static struct verdict judge_status(int status)
{
    if (status == 429)
        return (struct verdict){ACME_ERROR_RATE_LIMIT, ACME_SCOPE_ACCOUNT, FAILURE_BUSY_S,
                                true};
    if (status >= 500)
        return (struct verdict){ACME_ERROR_SERVER, ACME_SCOPE_CA, FAILURE_BUSY_S, true};
    if (status == 401 || status == 403)
        return (struct verdict){ACME_ERROR_ACCOUNT, ACME_SCOPE_ACCOUNT, FAILURE_NAME_S,
                                false};
    if (status == 404 || status == 410 || status == 0)
        return (struct verdict){ACME_ERROR_ORDER, ACME_SCOPE_NAME, FAILURE_NAME_S, false};
    return (struct verdict){ACME_ERROR_PROTOCOL, ACME_SCOPE_CA, FAILURE_NAME_S, false};
}

static struct verdict judge(const struct acme_problem *problem)
{
    switch (problem->type) {
    case ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST:
        return (struct verdict){ACME_ERROR_ACCOUNT, ACME_SCOPE_OPERATOR, 0, true};
    case ACME_PROBLEM_UNAUTHORIZED:
        return (struct verdict){ACME_ERROR_ACCOUNT, ACME_SCOPE_ACCOUNT, FAILURE_NAME_S,
                                false};
    case ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED:
        return (struct verdict){ACME_ERROR_EAB, ACME_SCOPE_OPERATOR, 0, false};
    case ACME_PROBLEM_USER_ACTION_REQUIRED:
        return (struct verdict){ACME_ERROR_USER_ACTION, ACME_SCOPE_OPERATOR, 0, true};
    case ACME_PROBLEM_RATE_LIMITED:
        return judge_rate_limit(problem);
    case ACME_PROBLEM_BAD_NONCE:
    case ACME_PROBLEM_SERVER_INTERNAL:
        return (struct verdict){ACME_ERROR_SERVER, ACME_SCOPE_CA, FAILURE_BUSY_S, true};
    case ACME_PROBLEM_BAD_CSR:
    case ACME_PROBLEM_BAD_PUBLIC_KEY:
        return (struct verdict){ACME_ERROR_CSR, ACME_SCOPE_NAME, 0, false};
    case ACME_PROBLEM_REJECTED_IDENTIFIER:
    case ACME_PROBLEM_UNSUPPORTED_IDENTIFIER:
    case ACME_PROBLEM_INVALID_CONTACT:
    case ACME_PROBLEM_UNSUPPORTED_CONTACT:
    case ACME_PROBLEM_INVALID_PROFILE:
    case ACME_PROBLEM_ALREADY_REPLACED:
    case ACME_PROBLEM_ALREADY_REVOKED:
    case ACME_PROBLEM_BAD_REVOCATION_REASON:
    case ACME_PROBLEM_CONFLICT:
        return (struct verdict){ACME_ERROR_REJECTED, ACME_SCOPE_NAME, 0, false};
    case ACME_PROBLEM_CAA:
        return (struct verdict){ACME_ERROR_CAA, ACME_SCOPE_OPERATOR, FAILURE_CAA_S,
                                false};
    case ACME_PROBLEM_COMPOUND:
    case ACME_PROBLEM_CONNECTION:
    case ACME_PROBLEM_DNS:
    case ACME_PROBLEM_INCORRECT_RESPONSE:
    case ACME_PROBLEM_TLS:
        return (struct verdict){ACME_ERROR_DNS, ACME_SCOPE_NAME, FAILURE_NAME_S, false};
    case ACME_PROBLEM_ORDER_NOT_READY:
        return (struct verdict){ACME_ERROR_ORDER, ACME_SCOPE_NAME, FAILURE_NAME_S, false};
    case ACME_PROBLEM_MALFORMED:
    case ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM:
        return problem->status == 404
                   ? judge_status(404)
                   : (struct verdict){ACME_ERROR_PROTOCOL, ACME_SCOPE_NAME,
                                      FAILURE_NAME_S, false};
    case ACME_PROBLEM_NONE:
    case ACME_PROBLEM_COUNT:
        break;
    }
    return judge_status(problem->status);
}

void failure_from_problem(struct acme_error *ret_error,
                          const struct acme_problem *problem, const char *what,
                          const char *retry_after, int64_t now_at)
{
    struct verdict verdict = judge(problem);
    const char *type = acme_problem_type_text(problem->type);
    /* PROBLEM may be the one inside RET_ERROR. */
    struct acme_problem copy = *problem;
    int64_t retry_at = 0;
    char status[16] = "";

    if (problem->status != 0)
        (void)snprintf(status, sizeof(status), " %d", problem->status);
    if (retry_after != NULL || verdict.retry_s != 0)
        retry_at = acme_retry_after_at(retry_after, now_at, verdict.retry_s);
    /* A header of a proxy does not make a final no less final. */
    if (verdict.retry_s == 0)
        retry_at = 0;
    failure_set(ret_error, verdict.type, verdict.scope, retry_at, verdict.resumable,
                "%s:%s %s%s%s", what, status, type[0] != '\0' ? type : "no ACME problem",
                copy.detail[0] != '\0' ? ": " : "", copy.detail);
    ret_error->problem = copy;
}

bool failure_is_over(const struct acme_error *error, int64_t now_at)
{
    return error->retry_at != 0 &&
           (now_at >= error->retry_at || error->retry_at > now_at + FAILURE_WAIT_MAX_S);
}

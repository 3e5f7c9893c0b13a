#include "acme/acme_error.h"

const char *acme_error_type_text(enum acme_error_type type)
{
    switch (type) {
    case ACME_ERROR_NONE:
        return "none";
    case ACME_ERROR_NET:
        return "net";
    case ACME_ERROR_SERVER:
        return "server";
    case ACME_ERROR_PROTOCOL:
        return "protocol";
    case ACME_ERROR_RATE_LIMIT:
        return "rate-limit";
    case ACME_ERROR_PAUSED:
        return "paused";
    case ACME_ERROR_ACCOUNT:
        return "account";
    case ACME_ERROR_EAB:
        return "eab";
    case ACME_ERROR_USER_ACTION:
        return "user-action";
    case ACME_ERROR_REJECTED:
        return "rejected";
    case ACME_ERROR_CSR:
        return "csr";
    case ACME_ERROR_DNS:
        return "dns";
    case ACME_ERROR_CAA:
        return "caa";
    case ACME_ERROR_ORDER:
        return "order";
    case ACME_ERROR_CHAIN:
        return "chain";
    case ACME_ERROR_PUBLISH:
        return "publish";
    case ACME_ERROR_MEMORY:
        return "memory";
    }
    return "unknown";
}

const char *acme_error_scope_text(enum acme_error_scope scope)
{
    switch (scope) {
    case ACME_SCOPE_NAME:
        return "name";
    case ACME_SCOPE_ACCOUNT:
        return "account";
    case ACME_SCOPE_CA:
        return "ca";
    case ACME_SCOPE_OPERATOR:
        return "operator";
    }
    return "unknown";
}

#include "base/core/error.h"

#include <stddef.h>

static const char *const texts[] = {
    [-ERROR_NONE] = "no error",
    [-ERROR_MEMORY] = "out of memory",
    [-ERROR_LIMIT] = "a limit was reached",
    [-ERROR_SYNTAX] = "malformed input",
    [-ERROR_RANGE] = "outside what is allowed",
    [-ERROR_NOT_FOUND] = "not found",
    [-ERROR_EXISTS] = "exists already",
    [-ERROR_IO] = "input/output error",
    [-ERROR_CRYPTO] = "cryptographic library error",
    [-ERROR_SIGNATURE] = "the signature does not verify",
    [-ERROR_UNSUPPORTED] = "not supported",
    [-ERROR_STATE] = "called at the wrong moment",
    [-ERROR_TIMEOUT] = "timed out",
    [-ERROR_CONFLICT] = "changed by somebody else meanwhile",
    [-ERROR_BUSY] = "busy, try again",
    [-ERROR_DENIED] = "not allowed",
    [-ERROR_INTERNAL] = "internal error",
};

#define TEXT_COUNT (sizeof(texts) / sizeof(texts[0]))
_Static_assert(TEXT_COUNT == -ERROR_INTERNAL + 1, "each error has a text");

const char *error_text(int error)
{
    if (error > 0 || error <= -(int)TEXT_COUNT || texts[-error] == NULL) {
        return "unknown error";
    }
    return texts[-error];
}

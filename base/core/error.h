/* The project's one error enum. Fallible functions return int: 0 or a negative error. */
#ifndef BASE_CORE_ERROR_H
#define BASE_CORE_ERROR_H

/* Marks a function whose result must be looked at. */
#define MUST_CHECK __attribute__((warn_unused_result))
/* printf-like checking: FMT is the index of the format argument. */
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

enum error {
    ERROR_NONE = 0,
    ERROR_MEMORY = -1,       /* an allocation failed */
    ERROR_LIMIT = -2,        /* a maximum was reached */
    ERROR_SYNTAX = -3,       /* malformed input */
    ERROR_RANGE = -4,        /* well-formed, but outside what is allowed */
    ERROR_NOT_FOUND = -5,    /* no such thing */
    ERROR_EXISTS = -6,       /* there is one already */
    ERROR_IO = -7,           /* the system said no; errno tells */
    ERROR_CRYPTO = -8,       /* OpenSSL said no */
    ERROR_SIGNATURE = -9,    /* a signature or MAC does not verify */
    ERROR_UNSUPPORTED = -10, /* known, but not offered here */
    ERROR_STATE = -11,       /* called at the wrong moment */
    ERROR_TIMEOUT = -12,     /* a deadline passed */
    ERROR_CONFLICT = -13,    /* somebody else changed it meanwhile (stale generation) */
    ERROR_BUSY = -14,        /* try again */
    ERROR_DENIED = -15,      /* not allowed */
    ERROR_INTERNAL = -16,    /* a bug of ours */
};

/* One short English sentence without a full stop. Never NULL. Does not block. */
const char *error_text(int error);

#endif

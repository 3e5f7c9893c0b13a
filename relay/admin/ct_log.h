/* What a monitor of Certificate Transparency logs says of a zone: a JSON array as crt.sh answers,
 * objects with "serial_number", "name_value" (names, a line each), "issuer_name", "not_before" and
 * "not_after" among others. Pure. */
#ifndef RELAY_ADMIN_CT_LOG_H
#define RELAY_ADMIN_CT_LOG_H

#include "base/core/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CT_LOG_BYTES_MAX = 4 << 20, /* of an answer */
    CT_LOG_ENTRIES_MAX = 20000,
    CT_LOG_SERIAL_CAPACITY = 65,
    CT_LOG_TEXT_CAPACITY = 256,
};

struct ct_log_entry {
    char serial
        [CT_LOG_SERIAL_CAPACITY];      /* lower-case hex of its octets, as in the store */
    char names[CT_LOG_TEXT_CAPACITY];  /* printable, one blank between; cut */
    char issuer[CT_LOG_TEXT_CAPACITY]; /* printable; cut */
    int64_t not_before_at;
    int64_t not_after_at;
};

/* ENTRY is borrowed for the call. A negative result ends the reading and is its result. */
typedef int ct_log_fn(const struct ct_log_entry *entry, void *arg);

/* Calls FN for each entry. ERROR_SYNTAX when the text is no such array or an entry lacks its serial
 * or its times, ERROR_LIMIT when it is too large or has too many. */
int ct_log_read(const void *text, size_t size, ct_log_fn *fn, void *arg) MUST_CHECK;

#endif

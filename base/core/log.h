/* The log of a program: one line an event, to standard error (with systemd's <N> prefix
 * when JOURNAL_STREAM is set). Libraries (base, dns, acme) log nothing above debug. */
#ifndef BASE_CORE_LOG_H
#define BASE_CORE_LOG_H

#include "base/core/error.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* NAME ("front", "latchkey") starts each line; it must stay valid. */
void log_open(const char *name, enum log_level level);
/* Writes one line, without allocation, cut at LIMIT_LOG_BYTES; control characters become
 * '?'. Keeps errno. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif

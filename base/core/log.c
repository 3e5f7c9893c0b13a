/* One write(2) per line, so that lines of several processes on one stderr do not mix.
 * With the journal behind stderr the level travels as systemd's <N> prefix and the
 * journal adds the time; else the time and the level stand in the line. */
#include "base/core/log.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "base/core/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *name;
    const char *prefix; /* sd-daemon(3) */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", "<3>"},
    [LOG_LEVEL_WARNING] = {"warning", "<4>"},
    [LOG_LEVEL_INFO] = {"info", "<6>"},
    [LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

static struct {
    const char *name;
    enum log_level level;
    bool journal;
} state = {.name = "latchkey", .level = LOG_LEVEL_INFO};

void log_open(const char *name, enum log_level level)
{
    const char *stream = getenv("JOURNAL_STREAM");
    state.name = name;
    state.level = level;
    state.journal = stream != NULL && stream[0] != '\0';
}

/* snprintf's result as the count of bytes that really stand in the line. */
static size_t clamp(int written, size_t room)
{
    if (written < 0 || room == 0) {
        return 0;
    }
    return (size_t)written < room ? (size_t)written : room - 1;
}

void log_write(enum log_level level, const char *format, ...)
{
    if (level > state.level) {
        return;
    }
    int errno_kept = errno;
    char line[LIMIT_LOG_BYTES];
    size_t size = 0;
    if (state.journal) {
        size = clamp(
            snprintf(line, sizeof(line), "%s%s: ", levels[level].prefix, state.name),
            sizeof(line));
    } else {
        char time[TEXT_TIME_CAPACITY];
        text_time(clock_wall_at(), time);
        size = clamp(snprintf(line, sizeof(line), "%s %s: %s: ", time, state.name,
                              levels[level].name),
                     sizeof(line));
    }
    va_list arguments;
    va_start(arguments, format);
    errno = errno_kept; /* for %m */
    size += clamp(vsnprintf(line + size, sizeof(line) - size, format, arguments),
                  sizeof(line) - size);
    va_end(arguments);
    for (size_t i = 0; i < size; i++) {
        /* Bytes above 0x7f may be UTF-8 of a name; C0 and DEL could forge lines or drive
         * a terminal. */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[size] = '\n';
    ssize_t written = write(STDERR_FILENO, line, size + 1);
    (void)written; /* there is nobody left to tell */
    errno = errno_kept;
}

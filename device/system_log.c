/* journalctl is started without a shell, and gets nothing of our environment. Where the log
 * goes elsewhere there is nothing that we could know of. */
#include "device/system_log.h"

#include "base/core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(int out, pid_t *ret_pid)
{
    static char program[] = "/usr/bin/journalctl";
    static char unit[] = "--unit=latchkey";
    static char lines[] = "--lines=1000";
    static char pager[] = "--no-pager";
    static char format[] = "--output=short-iso";
    static char path[] = "PATH=/usr/bin:/bin";
    char *arguments[] = {program, unit, lines, pager, format, NULL};
    char *environment[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return ERROR_MEMORY;
    }
    int status = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (status == 0) {
        status = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
                                                  O_WRONLY, 0);
    }
    if (status == 0) {
        status = posix_spawn(ret_pid, program, &actions, NULL, arguments, environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    return status == 0 ? 0 : ERROR_NOT_FOUND;
}

static int read_all(int fd, int wait_ms, struct buffer *text)
{
    int64_t until_mono_ms = clock_mono_ms() + wait_ms;
    for (;;) {
        char chunk[4096];
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left_ms = until_mono_ms - clock_mono_ms();
        int count = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count == 0) {
            return ERROR_TIMEOUT;
        }
        ssize_t size = count > 0 ? read(fd, chunk, sizeof(chunk)) : -1;
        if (size == 0) {
            return 0;
        }
        if (size < 0 && errno != EINTR) {
            return ERROR_IO;
        }
        if (size > 0 && buffer_append(text, chunk, (size_t)size) < 0) {
            /* Enough. */
            return text->error == ERROR_LIMIT ? 0 : text->error;
        }
    }
}

int system_log_read(int wait_ms, struct buffer *text)
{
    int pair[2] = {-1, -1};
    int status = 0;
    pid_t pid = 0;
    if (pipe2(pair, O_CLOEXEC) != 0) {
        return ERROR_IO;
    }
    int error = start(pair[1], &pid);
    close(pair[1]);
    if (error == 0) {
        error = read_all(pair[0], wait_ms, text);
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (error == 0 && text->size == 0) {
            error = ERROR_NOT_FOUND;
        }
    }
    close(pair[0]);
    return error;
}

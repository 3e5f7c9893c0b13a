/* The end of the command is the end of the process that was started, not of its output: a
 * reload may leave a daemon behind that has inherited the pipe. So SIGCHLD tells the end, and
 * the output is what the pipe holds then.
 *
 * A group that outlives its time is killed as a whole: the shell script of a maker may wait
 * for a child of its own. */
#include "device/hook.h"

#include "base/core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TAIL_BYTES = 512, ENVIRONMENT_BYTES = 4200 };

struct hook {
    struct loop_signal *child;
    struct loop_watch *output;
    struct loop_timer *deadline;
    pid_t pid; /* 0: none, or reaped */
    int fd;    /* of the pipe's end that we read */
    unsigned timeout_s;
    bool is_late;
    char tail[TAIL_BYTES]; /* the end of the output */
    size_t tail_size;
    hook_fn *fn;
    void *arg;
};

const char *hook_split(const char *text, struct hook_command *ret_command)
{
    struct hook_command command = {.count = 0};
    size_t starts[HOOK_WORDS_MAX];
    size_t out = 0;
    bool is_word = false;
    bool is_quoted = false;
    if (strlen(text) >= sizeof(command.text)) {
        return "must be shorter than 1024 characters";
    }
    for (const char *at = text;; at++) {
        bool is_blank = (*at == ' ' || *at == '\t') && !is_quoted;
        if (*at == '\0' || is_blank) {
            if (is_word) {
                command.text[out++] = '\0';
            }
            is_word = false;
            if (*at == '\0') {
                break;
            }
            continue;
        }
        if (!is_word) {
            if (command.count == HOOK_WORDS_MAX) {
                return "must have at most 32 words";
            }
            starts[command.count++] = out;
            is_word = true;
        }
        if (*at == '"') {
            is_quoted = !is_quoted;
        } else {
            command.text[out++] = *at;
        }
    }
    if (is_quoted) {
        return "has a quotation mark without its second";
    }
    if (command.count > 0 && command.text[0] != '/') {
        return "must begin with the path of a program, such as /usr/sbin/nginx";
    }
    *ret_command = command;
    for (size_t i = 0; i < command.count; i++) {
        ret_command->words[i] = ret_command->text + starts[i];
    }
    return NULL;
}

const char *hook_check(const struct hook_command *command)
{
    struct stat info;
    if (command->count == 0) {
        return NULL;
    }
    if (stat(command->words[0], &info) != 0) {
        return errno == ENOENT ? "there is no such program" : strerror(errno);
    }
    if (!S_ISREG(info.st_mode) || access(command->words[0], X_OK) != 0) {
        return "it is no program that may be run";
    }
    return NULL;
}

static void keep_tail(struct hook *hook, const char *data, size_t size)
{
    if (size > TAIL_BYTES) {
        data += size - TAIL_BYTES;
        size = TAIL_BYTES;
    }
    size_t kept =
        TAIL_BYTES - size < hook->tail_size ? TAIL_BYTES - size : hook->tail_size;
    memmove(hook->tail, hook->tail + hook->tail_size - kept, kept);
    memcpy(hook->tail + kept, data, size);
    hook->tail_size = kept + size;
}

/* What is there; false when there is no more. *RET_END at the end of the output for good: the
 * command may close it and go on, and would then be reported as readable all the time. */
static bool read_output(struct hook *hook, bool *ret_end)
{
    char chunk[1024];
    ssize_t size = read(hook->fd, chunk, sizeof(chunk));
    if (size > 0) {
        keep_tail(hook, chunk, (size_t)size);
    }
    *ret_end = size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN);
    return size > 0 || (size < 0 && errno == EINTR);
}

static void on_output(int fd, unsigned events, void *arg)
{
    struct hook *hook = arg;
    (void)fd;
    (void)events;
    bool is_end = false;
    if (!read_output(hook, &is_end) && is_end) {
        loop_watch_free(hook->output);
        hook->output = NULL;
    }
}

/* The last line that holds anything. */
static void last_line(const struct hook *hook, char *ret_line, size_t capacity)
{
    size_t end = hook->tail_size;
    while (end > 0 && strchr(" \t\r\n", hook->tail[end - 1]) != NULL) {
        end--;
    }
    size_t start = end;
    while (start > 0 && hook->tail[start - 1] != '\n') {
        start--;
    }
    text_printable(ret_line, capacity, hook->tail + start, end - start);
}

static void finish(struct hook *hook, int status)
{
    enum { READS_MAX = 256 }; /* more than a pipe holds, but not for ever */
    char text[80];
    char line[TAIL_BYTES + 1];
    bool is_end = false;
    for (int i = 0; i < READS_MAX && read_output(hook, &is_end); i++) {
    }
    last_line(hook, line, sizeof(line));
    if (hook->is_late) {
        text_format(text, sizeof(text), "was killed after %u s", hook->timeout_s);
    } else if (WIFSIGNALED(status)) {
        text_format(text, sizeof(text), "was ended by signal %d", WTERMSIG(status));
    } else {
        text_format(text, sizeof(text), "ended with status %d", WEXITSTATUS(status));
    }
    struct hook_result result = {
        .is_good = !hook->is_late && WIFEXITED(status) && WEXITSTATUS(status) == 0,
        .text = text,
        .line = line,
    };
    hook_fn *fn = hook->fn;
    void *arg = hook->arg;
    hook_free(hook);
    fn(&result, arg);
}

static void on_child(int signal, void *arg)
{
    struct hook *hook = arg;
    int status = 0;
    (void)signal;
    if (hook->pid <= 0 || waitpid(hook->pid, &status, WNOHANG) != hook->pid) {
        return; /* another child of ours */
    }
    if (hook->is_late) {
        kill(-hook->pid, SIGKILL);
    }
    hook->pid = 0;
    finish(hook, status);
}

static void on_deadline(void *arg)
{
    struct hook *hook = arg;
    hook->is_late = true;
    kill(-hook->pid, SIGKILL); /* SIGCHLD follows */
}

/* Signals as a program expects them: the agent ignores SIGPIPE, and watches others. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t defaults;
    sigset_t none;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGINT);
    int status = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP |
                                                          POSIX_SPAWN_SETSIGDEF |
                                                          POSIX_SPAWN_SETSIGMASK);
    if (status == 0) {
        status = posix_spawnattr_setpgroup(attributes, 0);
    }
    if (status == 0) {
        status = posix_spawnattr_setsigdefault(attributes, &defaults);
    }
    return status == 0 ? posix_spawnattr_setsigmask(attributes, &none) : status;
}

static int set_files(posix_spawn_file_actions_t *actions, int out)
{
    int status =
        posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (status == 0) {
        status = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
    }
    return status == 0 ? posix_spawn_file_actions_adddup2(actions, out, STDERR_FILENO)
                       : status;
}

static int spawn(const struct hook_command *command, const char *folder, int out,
                 pid_t *ret_pid)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char home[] = "HOME=/";
    char live[ENVIRONMENT_BYTES];
    char *environment[] = {path, home, live, NULL};
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    if (!text_format(live, sizeof(live), "LATCHKEY_LIVE=%s", folder)) {
        errno = ENAMETOOLONG;
        return ERROR_IO;
    }
    int status = posix_spawnattr_init(&attributes);
    if (status == 0) {
        status = posix_spawn_file_actions_init(&actions);
        if (status == 0) {
            status = set_attributes(&attributes);
            if (status == 0) {
                status = set_files(&actions, out);
            }
            if (status == 0) {
                status = posix_spawn(ret_pid, command->words[0], &actions, &attributes,
                                     command->words, environment);
            }
            posix_spawn_file_actions_destroy(&actions);
        }
        posix_spawnattr_destroy(&attributes);
    }
    errno = status;
    return status == 0 ? 0 : ERROR_IO;
}

static int open_events(struct loop *loop, struct hook *hook)
{
    int error = loop_signal_new(loop, SIGCHLD, on_child, hook, &hook->child);
    if (error == 0) {
        error = loop_timer_new(loop, on_deadline, hook, &hook->deadline);
    }
    if (error == 0) {
        error = loop_watch_new(loop, hook->fd, LOOP_READ, on_output, hook, &hook->output);
    }
    return error;
}

int hook_start(struct loop *loop, const struct hook_command *command, const char *folder,
               unsigned timeout_s, hook_fn *fn, void *arg, struct hook **ret_hook)
{
    int ends[2] = {-1, -1};
    struct hook *hook = calloc(1, sizeof(*hook));
    if (hook == NULL) {
        return ERROR_MEMORY;
    }
    *hook = (struct hook){.fd = -1, .timeout_s = timeout_s, .fn = fn, .arg = arg};
    int error = pipe2(ends, O_CLOEXEC) == 0 ? 0 : ERROR_IO;
    if (error == 0) {
        hook->fd = ends[0];
        /* Only our end: a program does not expect its output to be non-blocking. */
        error = fcntl(hook->fd, F_SETFL, O_NONBLOCK) == 0 ? 0 : ERROR_IO;
    }
    if (error == 0) {
        error = open_events(loop, hook);
    }
    if (error == 0) {
        error = spawn(command, folder, ends[1], &hook->pid);
    }
    int errno_kept = errno;
    if (ends[1] >= 0) {
        close(ends[1]);
    }
    if (error < 0) {
        hook->pid = 0;
        hook_free(hook);
        errno = errno_kept;
        return error;
    }
    loop_timer_set(hook->deadline, (int64_t)timeout_s * 1000);
    *ret_hook = hook;
    return 0;
}

void hook_free(struct hook *hook)
{
    if (hook == NULL) {
        return;
    }
    if (hook->pid > 0) {
        int status = 0;
        kill(-hook->pid, SIGKILL);
        while (waitpid(hook->pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    loop_signal_free(hook->child);
    if (hook->output != NULL) {
        loop_watch_free(hook->output);
    }
    if (hook->deadline != NULL) {
        loop_timer_free(hook->deadline);
    }
    if (hook->fd >= 0) {
        close(hook->fd);
    }
    free(hook);
}

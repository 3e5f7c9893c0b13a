/* Messages are datagrams of a socket pair, so that they keep their ends: an octet for the kind and
 * the input one way, the status (four octets) and the output the other. The helper ends when the
 * role does: its socket then reads an end. */
#include "relay/admin/errand.h"

#include "base/core/buffer.h"
#include "base/core/clock.h"
#include "base/core/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAD_BYTES = 4, EXEC_FAILED = 127, FIRST_SIGNAL_STATUS = 128 };

struct errand {
    char *command;
    char *config_path;
    int64_t max_ms;
    int fd;
    pid_t pid;
    bool busy;
    enum errand_kind kind;
    struct loop_watch *watch;
    errand_fn *fn;
    void *arg;
};

/* ---- the helper ---- */

/* INPUT of a delegation's check is the zone. */
static _Noreturn void become(const struct errand *errand, enum errand_kind kind,
                             struct bytes input)
{
    static char path[] =
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char language[] = "LANG=C";
    static char program[] = "latchkey-relay";
    static char option[] = "--config";
    static char zone_option[] = "--zone";
    static char check[] = "check-delegation";
    static char zone[ERRAND_INPUT_MAX + 1];
    char *const environment[] = {path, language, NULL};
    char *const own[] = {program, option, errand->config_path, zone_option, zone,
                         check,   NULL};
    memcpy(zone, input.data, input.size);
    char *const command[] = {errand->command, NULL};
    if (kind == ERRAND_COMMAND) {
        execve(errand->command, command, environment);
    } else {
        execve("/proc/self/exe", own, environment);
    }
    _exit(EXEC_FAILED);
}

/* A child with its ends of the pipes as standard input and output, in a group of its own. */
static pid_t start(const struct errand *errand, enum errand_kind kind, struct bytes input,
                   int input_fd, int output_fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)signal(SIGPIPE, SIG_DFL);
        if (dup2(input_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
            dup2(output_fd, STDERR_FILENO) < 0) {
            _exit(EXEC_FAILED);
        }
        become(errand, kind, input);
    }
    return pid;
}

/* Reads until the child's end closes, or the time is up. False when it is. */
static bool collect(int fd, int64_t until_mono_ms, struct buffer *output)
{
    for (;;) {
        char chunk[1024];
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left_ms = until_mono_ms - clock_mono_ms();
        int count = left_ms > 0 ? poll(&ready, 1, (int)left_ms) : 0;
        if (count == 0) {
            return false;
        }
        ssize_t size = count > 0 ? read(fd, chunk, sizeof(chunk)) : -1;
        if (size == 0) {
            return true;
        }
        if (size > 0) {
            /* More than is kept is read all the same: the child must not block. */
            size_t room = ERRAND_OUTPUT_MAX - output->size;
            (void)buffer_append(output, chunk, (size_t)size < room ? (size_t)size : room);
        } else if (errno != EINTR && errno != EAGAIN) {
            return true;
        }
    }
}

/* A child that has closed its output may go on for ever. */
static bool has_ended_by(pid_t pid, int64_t until_mono_ms)
{
    struct pollfd ended = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    int count = -1;
    while (ended.fd >= 0 && count < 0) {
        int64_t left_ms = until_mono_ms - clock_mono_ms();
        count = poll(&ended, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count < 0 && errno != EINTR) {
            break;
        }
    }
    if (ended.fd >= 0) {
        close(ended.fd);
    }
    return count > 0;
}

static int wait_status(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return WIFSIGNALED(status) ? FIRST_SIGNAL_STATUS + WTERMSIG(status)
                               : WEXITSTATUS(status);
}

static int run(const struct errand *errand, enum errand_kind kind, struct bytes input,
               struct buffer *output)
{
    int in[2];
    int out[2];
    int status = -1;
    if (pipe2(in, O_CLOEXEC) != 0) {
        return -1;
    }
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return -1;
    }
    pid_t pid = start(errand, kind, input, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    /* It fits into the pipe, which nobody has written to: this can't block. */
    (void)!write(in[1], input.data, input.size);
    close(in[1]);
    if (pid > 0) {
        int64_t until_mono_ms = clock_mono_ms() + errand->max_ms;
        bool in_time =
            collect(out[0], until_mono_ms, output) && has_ended_by(pid, until_mono_ms);
        if (!in_time) {
            (void)kill(-pid, SIGKILL);
        }
        status = wait_status(pid);
        status = in_time ? status : -1;
    }
    close(out[0]);
    return status;
}

static _Noreturn void serve(const struct errand *errand, int fd)
{
    static uint8_t message[1 + ERRAND_INPUT_MAX];
    static uint8_t reply[HEAD_BYTES + ERRAND_OUTPUT_MAX];
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN); /* the role ends us */
    for (;;) {
        struct buffer output = buffer_init(ERRAND_OUTPUT_MAX);
        struct writer writer = writer_init(reply, sizeof(reply));
        ssize_t size = recv(fd, message, sizeof(message), 0);
        if (size <= 0) {
            _exit(EXIT_SUCCESS);
        }
        int status = run(errand, message[0] == 0 ? ERRAND_COMMAND : ERRAND_DELEGATION,
                         (struct bytes){message + 1, (size_t)size - 1}, &output);
        writer_u32(&writer, (uint32_t)status);
        writer_bytes(&writer, output.data, output.size);
        buffer_free(&output);
        if (send(fd, reply, writer_size(&writer), 0) < 0) {
            _exit(EXIT_FAILURE);
        }
    }
}

/* ---- the role's side ---- */

int errand_new(const char *command, const char *config_path, int64_t max_ms,
               struct errand **ret_errand)
{
    struct errand *errand = calloc(1, sizeof(*errand));
    int fds[2] = {-1, -1};
    if (errand == NULL) {
        return ERROR_MEMORY;
    }
    errand->fd = -1;
    errand->max_ms = max_ms;
    errand->command = strdup(command);
    errand->config_path = strdup(config_path);
    int error = errand->command == NULL || errand->config_path == NULL ? ERROR_MEMORY : 0;
    if (error == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        error = ERROR_IO;
    }
    if (error == 0) {
        errand->fd = fds[0];
        errand->pid = fork();
        if (errand->pid == 0) {
            close(fds[0]);
            serve(errand, fds[1]);
        }
        close(fds[1]);
        error = errand->pid < 0 ? ERROR_IO : 0;
    }
    if (error != 0) {
        errand_free(errand);
        return error;
    }
    *ret_errand = errand;
    return 0;
}

void errand_free(struct errand *errand)
{
    if (errand == NULL) {
        return;
    }
    loop_watch_free(errand->watch);
    if (errand->fd >= 0) {
        close(errand->fd);
    }
    /* A confined process may not signal; the helper then ends with it (PR_SET_PDEATHSIG). */
    if (errand->pid > 0 && kill(errand->pid, SIGTERM) == 0) {
        (void)waitpid(errand->pid, NULL, 0);
    }
    free(errand->command);
    free(errand->config_path);
    free(errand);
}

static void on_reply(int fd, unsigned events, void *arg)
{
    struct errand *errand = arg;
    uint8_t reply[HEAD_BYTES + ERRAND_OUTPUT_MAX];
    (void)events;
    ssize_t size = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size < HEAD_BYTES) { /* the helper has ended */
        loop_watch_free(errand->watch);
        errand->watch = NULL;
    }
    struct reader reader = reader_init(reply, size > 0 ? (size_t)size : 0);
    int status = (int)reader_u32(&reader);
    struct bytes output = reader_bytes(&reader, reader_left(&reader));
    if (errand->busy) {
        errand->busy = false;
        errand->fn(errand->kind, reader.failed ? -1 : status, output, errand->arg);
    }
}

int errand_watch(struct errand *errand, struct loop *loop, errand_fn *fn, void *arg)
{
    loop_watch_free(errand->watch);
    errand->watch = NULL;
    errand->fn = fn;
    errand->arg = arg;
    return loop_watch_new(loop, errand->fd, LOOP_READ, on_reply, errand, &errand->watch);
}

bool errand_is_busy(const struct errand *errand)
{
    return errand->busy;
}

int errand_send(struct errand *errand, enum errand_kind kind, struct bytes input)
{
    uint8_t message[1 + ERRAND_INPUT_MAX];
    struct writer writer = writer_init(message, sizeof(message));
    if (errand->busy) {
        return ERROR_BUSY;
    }
    writer_u8(&writer, (uint8_t)kind);
    writer_bytes(&writer, input.data, input.size);
    if (writer.failed) {
        return ERROR_LIMIT;
    }
    if (errand->watch == NULL || send(errand->fd, message, writer_size(&writer),
                                      MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        return ERROR_IO;
    }
    errand->kind = kind;
    errand->busy = true;
    return 0;
}

/* The worker is a process of its own because it parses HTTP, JSON and certificates from
 * outside with large libraries. It gets no key: it asks. Each question is answered by one
 * handler below, in the order it came; a message that breaks the protocol ends the
 * session. The last message (done, window, failed) is kept until the worker has closed
 * its end, so that its exit status is seen too. */
#include "device/worker_session.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "device/child.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORKER_FD = 3,
    EXIT_GRACE_MS = 2000,
    READ_BYTES = 16 << 10,
    LONGEST_WAIT_S = 86400,
    ENVIRONMENT_MAX = 7,
};

extern char **environ;

struct worker_session {
    struct loop *loop;
    bool may_leave;
    struct loop_watch *watch;
    struct loop_timer *deadline;
    struct key *key;
    char *directory;
    char *csr;
    json_t *publication; /* counter, addresses and receipt of the task, or NULL */
    char *nonce;         /* of a question for the time, or NULL */
    const struct worker_session_handlers *handlers;
    void *arg;
    int fd;
    pid_t pid;
    struct buffer input;
    struct buffer output;
    struct worker_message last; /* done, window or failed, once it came */
};

/* What a program needs to run as it should on any system, and what the sanitizers read. The rest
 * of our environment is nothing that a process which talks to the network should know. */
static void pick_environment(char *ret_environment[static ENVIRONMENT_MAX + 1])
{
    static const char *const names[ENVIRONMENT_MAX] = {
        "PATH=", "LANG=", "LC_ALL=", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "LSAN_OPTIONS=",
        "UBSAN_OPTIONS="};
    size_t count = 0;
    for (char **at = environ; *at != NULL; at++) {
        for (size_t i = 0; i < ENVIRONMENT_MAX && count < ENVIRONMENT_MAX; i++) {
            if (text_starts_with(*at, names[i])) {
                ret_environment[count++] = *at;
                break;
            }
        }
    }
    ret_environment[count] = NULL;
}

static int spawn_worker(const char *path, int fd, pid_t *ret_pid)
{
    char name[] = "latchkey-worker";
    char option[] = "--socket";
    char number[] = "3";
    char *arguments[] = {name, option, number, NULL};
    char *environment[ENVIRONMENT_MAX + 1];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int status = posix_spawn_file_actions_init(&actions);
    if (status == 0) {
        status = posix_spawnattr_init(&attributes);
    }
    if (status == 0) {
        pick_environment(environment);
        /* A group of its own, which ends as a whole: what a captured worker starts, too. */
        status = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
        if (status == 0) {
            status = posix_spawnattr_setpgroup(&attributes, 0);
        }
        if (status == 0) {
            status = posix_spawn_file_actions_adddup2(&actions, fd, WORKER_FD);
        }
        if (status == 0) {
            status =
                posix_spawn(ret_pid, path, &actions, &attributes, arguments, environment);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    errno = status;
    return status == 0 ? 0 : ERROR_IO;
}

static void reap(struct worker_session *session)
{
    if (session->pid <= 0) {
        return;
    }
    int status = 0;
    /* It has closed its end or is to end now; after SIGKILL this waits for microseconds.
     */
    kill(-session->pid, SIGKILL); /* the group that it leads */
    kill(session->pid, SIGKILL);
    while (waitpid(session->pid, &status, 0) < 0 && errno == EINTR) {
    }
    session->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        log_warning("worker: ended with status %d", WEXITSTATUS(status));
    }
}

void worker_session_free(struct worker_session *session)
{
    if (session == NULL) {
        return;
    }
    reap(session);
    if (session->watch != NULL) {
        loop_watch_free(session->watch);
    }
    if (session->deadline != NULL) {
        loop_timer_free(session->deadline);
    }
    if (session->fd >= 0) {
        close(session->fd);
    }
    worker_message_free(&session->last);
    buffer_free(&session->input);
    buffer_free(&session->output);
    key_free(session->key);
    free(session->directory);
    free(session->csr);
    json_decref(session->publication);
    free(session->nonce);
    free(session);
}

/* Calls `end` with RESULT, and is gone. */
static void finish(struct worker_session *session, const struct worker_result *result)
{
    void (*end)(const struct worker_result *, void *) = session->handlers->end;
    void *arg = session->arg;
    reap(session);
    end(result, arg);
    worker_session_free(session);
}

static void finish_broken(struct worker_session *session, const char *text)
{
    struct worker_result result = {
        .outcome = WORKER_OUTCOME_FAILED,
        .code = "worker",
        .text = text,
        .detail = "",
        .keep_order = true,
    };
    finish(session, &result);
}

static const char *text_or_empty(const json_t *object, const char *key)
{
    const char *text = json_get_text(object, key);
    return text != NULL ? text : "";
}

/* What the relay asked for, or what a captured worker says it did: never below nothing,
 * and held to a day, after which asking again harms nobody. */
static int64_t wait_s(const json_t *body)
{
    int64_t asked_s = json_get_i64(body, "retry_after_s", 0);
    if (asked_s < 0) {
        return 0;
    }
    return asked_s < LONGEST_WAIT_S ? asked_s : LONGEST_WAIT_S;
}

static void finish_by_last(struct worker_session *session)
{
    const json_t *body = session->last.body;
    struct worker_result result = {
        .outcome = session->last.type == WORKER_DONE     ? WORKER_OUTCOME_DONE
                   : session->last.type == WORKER_PUBLISHED ? WORKER_OUTCOME_DONE
                   : session->last.type == WORKER_TIME      ? WORKER_OUTCOME_TIME
                   : session->last.type == WORKER_WINDOW    ? WORKER_OUTCOME_WINDOW
                   : session->last.type == WORKER_DIAGNOSIS ? WORKER_OUTCOME_DIAGNOSIS
                                                            : WORKER_OUTCOME_FAILED,
        .code = text_or_empty(body, "code"),
        .text = text_or_empty(body, "text"),
        .detail = text_or_empty(body, "detail"),
        .retry_after_s = wait_s(body),
        .permanent = json_get_bool(body, "permanent", false),
        .keep_order = json_get_bool(body, "keep_order", false),
        .has_window = json_object_get(body, "start_at") != NULL,
        .window_start_at = json_get_i64(body, "start_at", 0),
        .window_end_at = json_get_i64(body, "end_at", 0),
        .statement = text_or_empty(body, "statement"),
        .receipt = text_or_empty(body, "receipt"),
        .is_matched = json_get_bool(body, "matched", true),
        .is_cloned = json_get_bool(body, "cloned", false),
        .diagnosis = body,
    };
    finish(session, &result);
}

/* Sends what waits; the rest goes when the socket is writable again. */
static int flush(struct worker_session *session)
{
    while (session->output.size > 0) {
        ssize_t size =
            send(session->fd, session->output.data, session->output.size, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            break;
        }
        buffer_consume(&session->output, (size_t)size);
    }
    if (session->output.size > 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        return ERROR_IO;
    }
    unsigned events = LOOP_READ | (session->output.size > 0 ? LOOP_WRITE : 0);
    return loop_watch_set(session->watch, events);
}

static int reply_text(struct worker_session *session, enum worker_message_type type,
                      const char *member, const char *text)
{
    struct worker_message message = {.body = NULL};
    int error = worker_message_new(type, &message);
    if (error == 0 && member != NULL) {
        error = json_set_text(message.body, member, text);
    }
    if (error == 0) {
        error = worker_message_write(&message, &session->output);
    }
    worker_message_free(&message);
    return error;
}

static int answer_sign_jws(struct worker_session *session, const json_t *body,
                           char *reason, size_t capacity)
{
    const char *input = json_get_text(body, "input");
    char id[KEY_ID_SIZE + 1];
    uint8_t signature[KEY_SIGNATURE_MAX];
    char text[TEXT_BASE64URL_SIZE(KEY_SIGNATURE_MAX) + 1];
    size_t size = 0;
    int error = key_id(session->key, id);
    if (error < 0) {
        return error;
    }
    struct signing_rules rules = {
        .key = session->key,
        .id = id,
        .directory = session->directory,
        .csr = session->csr != NULL ? session->csr : "",
        .publication = session->publication,
        .may_leave = session->may_leave,
        .nonce = session->nonce,
    };
    error = signing_rules_check(&rules, input, strlen(input), reason, capacity);
    if (error == ERROR_DENIED) {
        log_warning("worker: refused to sign for it: %s", reason);
    }
    if (error == 0) {
        error = key_sign(session->key, input, strlen(input), signature, &size);
    }
    if (error < 0) {
        return error;
    }
    text_base64url(signature, size, text);
    return reply_text(session, WORKER_SIGNATURE, "signature", text);
}

static int remember_csr(struct worker_session *session, const char *csr)
{
    char *copy = strdup(csr);
    if (copy == NULL) {
        return ERROR_MEMORY;
    }
    free(session->csr);
    session->csr = copy;
    return 0;
}

static int answer_sign_csr(struct worker_session *session, const json_t *body,
                           char *reason, size_t capacity)
{
    if (session->handlers->csr == NULL) {
        return ERROR_DENIED;
    }
    struct buffer csr = buffer_init(LIMIT_CSR_BYTES * 2);
    int error = session->handlers->csr(json_get_text(body, "zone"), &csr, reason,
                                       capacity, session->arg);
    if (error == 0) {
        error = remember_csr(session, buffer_text(&csr));
    }
    if (error == 0) {
        error = reply_text(session, WORKER_CSR, "csr", buffer_text(&csr));
    }
    buffer_free(&csr);
    return error;
}

static int answer_save(struct worker_session *session, const json_t *body, char *reason,
                       size_t capacity)
{
    if (session->handlers->save != NULL) {
        int error = session->handlers->save(json_get_text(body, "account_url"),
                                            json_get_text(body, "order"), reason,
                                            capacity, session->arg);
        if (error < 0) {
            return error;
        }
    }
    return reply_text(session, WORKER_SAVED, NULL, NULL);
}

static int answer_certificate(struct worker_session *session, const json_t *body,
                              char *reason, size_t capacity)
{
    if (session->handlers->certificate == NULL) {
        return ERROR_DENIED;
    }
    int error = session->handlers->certificate(json_get_text(body, "chain"), reason, capacity,
                                               session->arg);
    return error < 0 ? error : reply_text(session, WORKER_INSTALLED, NULL, NULL);
}

static int answer_relay(struct worker_session *session, const json_t *body, char *reason,
                        size_t capacity)
{
    int error = session->handlers->relay != NULL
                    ? session->handlers->relay(body, reason, capacity, session->arg)
                    : 0;
    return error < 0 ? error : reply_text(session, WORKER_SAVED, NULL, NULL);
}

/* A question is answered by its handler, or refused with the reason. */
static int answer(struct worker_session *session, struct worker_message *message)
{
    char reason[LIMIT_DETAIL_BYTES] = "";
    int error = ERROR_STATE;
    switch (message->type) {
    case WORKER_SIGN_JWS:
        error = answer_sign_jws(session, message->body, reason, sizeof(reason));
        break;
    case WORKER_SIGN_CSR:
        error = answer_sign_csr(session, message->body, reason, sizeof(reason));
        break;
    case WORKER_SAVE:
        error = answer_save(session, message->body, reason, sizeof(reason));
        break;
    case WORKER_CERTIFICATE:
        error = answer_certificate(session, message->body, reason, sizeof(reason));
        break;
    case WORKER_RELAY:
        error = answer_relay(session, message->body, reason, sizeof(reason));
        break;
    case WORKER_DONE:
    case WORKER_WINDOW:
    case WORKER_TIME:
    case WORKER_PUBLISHED:
    case WORKER_DIAGNOSIS:
    case WORKER_FAILED:
        session->last = *message;
        message->body = NULL;
        loop_timer_set(session->deadline, EXIT_GRACE_MS);
        return 0;
    case WORKER_TASK:
    case WORKER_SIGNATURE:
    case WORKER_CSR:
    case WORKER_SAVED:
    case WORKER_INSTALLED:
    case WORKER_REFUSED:
    case WORKER_MESSAGE_COUNT:
        return ERROR_STATE;
    }
    if (error < 0) {
        error = reply_text(session, WORKER_REFUSED, "reason",
                           reason[0] != '\0' ? reason : error_text(error));
    }
    return error;
}

static int answer_all(struct worker_session *session)
{
    while (session->last.body == NULL) {
        struct worker_message message = {.body = NULL};
        int error = worker_message_take(&session->input, &message);
        if (error == ERROR_BUSY) {
            return flush(session);
        }
        if (error == 0) {
            error = answer(session, &message);
        }
        worker_message_free(&message);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

static void on_event(int fd, unsigned events, void *arg)
{
    struct worker_session *session = arg;
    char chunk[READ_BYTES];
    if ((events & LOOP_WRITE) != 0 && flush(session) < 0) {
        finish_broken(session, "the worker does not listen");
        return;
    }
    if ((events & LOOP_READ) == 0) {
        return;
    }
    ssize_t size = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0) {
        if (session->last.body != NULL) {
            finish_by_last(session);
        } else {
            finish_broken(session, "the worker ended without a result");
        }
        return;
    }
    int error = buffer_append(&session->input, chunk, (size_t)size);
    if (error == 0) {
        error = answer_all(session);
    }
    if (error < 0) {
        finish_broken(session, "the worker broke the protocol");
    }
}

static void on_deadline(void *arg)
{
    struct worker_session *session = arg;
    if (session->last.body != NULL) {
        log_warning("worker: did not end by itself");
        finish_by_last(session);
        return;
    }
    finish_broken(session, "the worker took too long");
}

static int open_channel(struct worker_session *session, const char *worker)
{
    int pair[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        return ERROR_IO;
    }
    session->fd = pair[0];
    int error = spawn_worker(worker, pair[1], &session->pid);
    int reason = errno;
    close(pair[1]);
    errno = reason;
    return error;
}

/* What the task wants published, if anything: nothing else will be signed. */
static int remember_publication(struct worker_session *session, const json_t *task)
{
    json_t *counter = json_object_get(task, "counter");
    json_t *addresses = json_object_get(task, "addresses");
    if (counter == NULL || addresses == NULL) {
        return 0;
    }
    json_t *receipt = json_object_get(task, "receipt");
    session->publication = json_object();
    return session->publication != NULL &&
                   json_object_set(session->publication, "counter", counter) == 0 &&
                   json_object_set(session->publication, "addresses", addresses) == 0 &&
                   (receipt == NULL ||
                    json_object_set(session->publication, "receipt", receipt) == 0)
               ? 0
               : ERROR_MEMORY;
}

int worker_session_start(struct loop *loop, const struct worker_session_options *options,
                         const struct worker_message *task,
                         struct worker_session **ret_session)
{
    struct worker_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return ERROR_MEMORY;
    }
    session->loop = loop;
    session->fd = -1;
    session->handlers = options->handlers;
    session->arg = options->arg;
    session->key = key_ref(options->key);
    session->may_leave = options->may_leave;
    session->input = buffer_init(LIMIT_WORKER_MESSAGE_BYTES + READ_BYTES + 4);
    session->output = buffer_init_secret(LIMIT_WORKER_MESSAGE_BYTES * 2);
    session->directory = strdup(options->directory);
    int error = session->directory != NULL ? 0 : ERROR_MEMORY;
    const char *nonce = json_get_text(task->body, "nonce");
    if (error == 0 && nonce != NULL) {
        session->nonce = strdup(nonce);
        error = session->nonce != NULL ? 0 : ERROR_MEMORY;
    }
    if (error == 0) {
        error = remember_publication(session, task->body);
    }
    if (error == 0) {
        error = worker_message_write(task, &session->output);
    }
    if (error == 0) {
        error = loop_timer_new(loop, on_deadline, session, &session->deadline);
    }
    if (error == 0) {
        error = open_channel(session, options->worker);
    }
    if (error == 0) {
        error = loop_watch_new(loop, session->fd, LOOP_READ, on_event, session,
                               &session->watch);
    }
    if (error == 0) {
        error = flush(session);
    }
    if (error < 0) {
        int reason = errno;
        worker_session_free(session);
        errno = reason;
        return error;
    }
    loop_timer_set(session->deadline, (int64_t)options->timeout_s * 1000);
    *ret_session = session;
    return 0;
}

int worker_session_find(const char *configured, char *ret_path, size_t capacity)
{
    if (configured != NULL && configured[0] != '\0') {
        return text_copy(ret_path, capacity, configured) ? 0 : ERROR_LIMIT;
    }
    return child_find("latchkey-worker", ret_path, capacity);
}

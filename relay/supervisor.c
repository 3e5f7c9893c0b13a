/* The supervisor does nothing but start, wait and start again: it holds no store, no key and
 * but the socket on which its roles say that they are ready, so there is little in it that
 * could fail. Signals and that socket are waited for by poll, which is also its only clock. */
#include "relay/supervisor.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/notify.h"
#include "relay/role_notices.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The command itself knows whether a backup is due. */
enum { BACKUP_FIRST_MS = 300000, BACKUP_EVERY_MS = 3600000 };
enum {
    PAUSE_MIN_MS = 500,
    PAUSE_MAX_MS = 60000,
    HEALTHY_MS = 30000,
    STOP_MS = 10000,
    ROLES_MAX = 4,
    NOTICES_MAX = 64,
};

struct role {
    const char *name;
    pid_t pid; /* 0 while it does not run */
    bool is_ready;
    int64_t started_mono_ms;
    int64_t start_mono_ms; /* when to start it again */
    int64_t pause_ms;
};

struct supervisor {
    const char *program;
    const char *config_path;
    struct role roles[ROLES_MAX];
    size_t role_count;
    int64_t backup_mono_ms; /* when to offer the next nightly backup */
    int signal_fd;
    int notices_fd;
    bool is_told; /* that all are ready, since the start or the last reload */
    bool stopping;
};

static void start_role(struct supervisor *supervisor, struct role *role,
                       const sigset_t *old_mask)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* A role must not outlive its supervisor, even one that was killed. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sigprocmask(SIG_SETMASK, old_mask, NULL);
        execl(supervisor->program, supervisor->program, "--config",
              supervisor->config_path, role->name, (char *)NULL);
        _exit(127);
    }
    role->started_mono_ms = clock_mono_ms();
    if (pid < 0) {
        log_error("can't start %s: %s", role->name, strerror(errno));
        role->start_mono_ms = role->started_mono_ms + PAUSE_MAX_MS;
        return;
    }
    role->pid = pid;
    log_info("started %s, pid %d", role->name, (int)pid);
}

/* Nobody waits for it, and another that runs still makes this one end at once. */
static void offer_backup(struct supervisor *supervisor, const sigset_t *old_mask)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms < supervisor->backup_mono_ms) {
        return;
    }
    supervisor->backup_mono_ms = now_ms + BACKUP_EVERY_MS;
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sigprocmask(SIG_SETMASK, old_mask, NULL);
        unsetenv("NOTIFY_SOCKET");
        execl(supervisor->program, supervisor->program, "--config",
              supervisor->config_path, "backup", "--nightly", (char *)NULL);
        _exit(127);
    }
}

static void note_end(struct supervisor *supervisor, pid_t pid, int status)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < supervisor->role_count; i++) {
        struct role *role = &supervisor->roles[i];
        if (role->pid != pid) {
            continue;
        }
        role->pid = 0;
        role->is_ready = false;
        if (supervisor->stopping) {
            continue;
        }
        bool healthy = now_ms - role->started_mono_ms >= HEALTHY_MS;
        role->pause_ms =
            healthy || role->pause_ms == 0 ? PAUSE_MIN_MS : role->pause_ms * 2;
        if (role->pause_ms > PAUSE_MAX_MS) {
            role->pause_ms = PAUSE_MAX_MS;
        }
        role->start_mono_ms = now_ms + role->pause_ms;
        log_warning("%s ended (%s %d), starting it again in %d ms", role->name,
                    WIFSIGNALED(status) ? "signal" : "status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                    (int)role->pause_ms);
    }
}

static bool any_running(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->role_count; i++) {
        if (supervisor->roles[i].pid != 0) {
            return true;
        }
    }
    return false;
}

static void signal_all(const struct supervisor *supervisor, int signal)
{
    for (size_t i = 0; i < supervisor->role_count; i++) {
        if (supervisor->roles[i].pid != 0) {
            kill(supervisor->roles[i].pid, signal);
        }
    }
}

static void reap(struct supervisor *supervisor)
{
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0;
         pid = waitpid(-1, &status, WNOHANG)) {
        note_end(supervisor, pid, status);
    }
}

/* Starts what is due; the time until the next start in ms, a minute at most. */
static int64_t start_due(struct supervisor *supervisor, const sigset_t *old_mask)
{
    int64_t now_ms = clock_mono_ms();
    int64_t wait_ms = PAUSE_MAX_MS;
    for (size_t i = 0; i < supervisor->role_count; i++) {
        struct role *role = &supervisor->roles[i];
        if (role->pid == 0 && role->start_mono_ms <= now_ms) {
            start_role(supervisor, role, old_mask);
        }
        if (role->pid == 0 && role->start_mono_ms - now_ms < wait_ms) {
            wait_ms = role->start_mono_ms - now_ms;
        }
    }
    return wait_ms;
}

/* Any local user can send to the socket, so that a turn takes only some: the rest waits. */
static void take_notices(struct supervisor *supervisor)
{
    pid_t sender = 0;
    bool is_ready = false;
    for (unsigned taken = 0;
         taken < NOTICES_MAX &&
         role_notices_take(supervisor->notices_fd, &sender, &is_ready);
         taken++) {
        for (size_t i = 0; i < supervisor->role_count; i++) {
            struct role *role = &supervisor->roles[i];
            role->is_ready = role->is_ready || (is_ready && role->pid == sender);
        }
    }
}

/* The relay is ready when all of it is. */
static void tell_ready(struct supervisor *supervisor)
{
    bool all = true;
    for (size_t i = 0; i < supervisor->role_count; i++) {
        all = all && supervisor->roles[i].is_ready;
    }
    if (all && !supervisor->is_told) {
        notify_ready("Runs dns, issuer, front%s",
                     supervisor->role_count == ROLES_MAX ? ", admin" : "");
        supervisor->is_told = true;
    }
}

/* The signal that came within WAIT_MS, or 0. Takes the roles' notices meanwhile. */
static int wait_signal(struct supervisor *supervisor, int64_t wait_ms)
{
    struct pollfd ears[] = {{.fd = supervisor->signal_fd, .events = POLLIN},
                            {.fd = supervisor->notices_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    int64_t alive_ms = notify_watchdog_ms() / 2;
    if (alive_ms > 0 && alive_ms < wait_ms) {
        wait_ms = alive_ms;
    }
    (void)poll(ears, 2, (int)(wait_ms > 0 ? wait_ms : 0));
    notify_alive();
    take_notices(supervisor);
    ssize_t size = read(supervisor->signal_fd, &info, sizeof(info));
    return size == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

static void reload_all(struct supervisor *supervisor)
{
    notify_reloading();
    supervisor->is_told = false;
    for (size_t i = 0; i < supervisor->role_count; i++) {
        supervisor->roles[i].is_ready = false;
    }
    signal_all(supervisor, SIGHUP);
}

static void stop_all(struct supervisor *supervisor)
{
    int64_t deadline_ms = clock_mono_ms() + STOP_MS;
    supervisor->stopping = true;
    notify_stopping();
    signal_all(supervisor, SIGTERM);
    while (any_running(supervisor) && clock_mono_ms() < deadline_ms) {
        (void)wait_signal(supervisor, 100);
        reap(supervisor);
    }
    signal_all(supervisor, SIGKILL);
}

/* SET is blocked by then. */
static int open_ears(struct supervisor *supervisor, const sigset_t *set)
{
    supervisor->signal_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    int error = supervisor->signal_fd >= 0 ? role_notices_open(&supervisor->notices_fd)
                                           : ERROR_IO;
    if (error != 0) {
        log_error("can't start: %s",
                  error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

static void run(struct supervisor *supervisor, const sigset_t *old_mask)
{
    supervisor->backup_mono_ms = clock_mono_ms() + BACKUP_FIRST_MS;
    for (;;) {
        int64_t wait_ms = start_due(supervisor, old_mask);
        offer_backup(supervisor, old_mask);
        int signal = wait_signal(supervisor, wait_ms);
        reap(supervisor);
        tell_ready(supervisor);
        if (signal == SIGHUP) {
            reload_all(supervisor);
        } else if (signal == SIGTERM || signal == SIGINT) {
            break;
        }
    }
    stop_all(supervisor);
}

int supervisor_run(const char *program, const char *config_path, bool with_admin)
{
    struct supervisor supervisor = {
        .program = program,
        .config_path = config_path,
        .roles = {{.name = "dns"},
                  {.name = "issuer"},
                  {.name = "front"},
                  {.name = "admin"}},
        .role_count = with_admin ? 4 : 3,
        .signal_fd = -1,
        .notices_fd = -1,
    };
    sigset_t set;
    sigset_t old_mask;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old_mask);
    if (open_ears(&supervisor, &set) != 0) {
        return EXIT_FAILURE;
    }
    run(&supervisor, &old_mask);
    close(supervisor.signal_fd);
    close(supervisor.notices_fd);
    return EXIT_SUCCESS;
}

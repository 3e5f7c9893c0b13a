/* latchkey-mdns ends when D-Bus goes away or is not there, when Avahi has no name left, or
 * by a fault of its own: each time it is started again, seconds later at first, ten minutes
 * later in the end, so that a device without Avahi spends next to nothing on it. */
#include "device/announcer.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "device/backoff.h"
#include "device/child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEADY_MS = 60 * 1000 };

static const struct backoff_range restart_range = {.first_s = 3, .longest_s = 600};

struct announcer {
    struct loop *loop;
    struct loop_timer *restart;
    struct loop_watch *watch;
    struct child child;
    char *program;
    struct mdns_facts facts;
    bool has_facts;
    struct mdns_report report;
    unsigned failures;
    int64_t started_mono_ms;
    announcer_fn *fn;
    void *arg;
};

static void set_report(struct announcer *announcer, const struct mdns_report *report)
{
    const struct mdns_report *last = &announcer->report;
    if (last->state != report->state || strcmp(last->host, report->host) != 0 ||
        strcmp(last->detail, report->detail) != 0) {
        announcer->report = *report;
        announcer->fn(report, announcer->arg);
    }
}

static void set_state(struct announcer *announcer, enum mdns_state state,
                      const char *detail)
{
    struct mdns_report report = {.state = state};
    text_copy(report.detail, sizeof(report.detail), detail);
    set_report(announcer, &report);
}

static void send_facts(struct announcer *announcer)
{
    struct buffer message = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    /* A program that is stuck is no reason to wait: what it missed it gets at its next
       start, and a full socket means hundreds of unread messages. */
    if (mdns_message_write_facts(&announcer->facts, &message) == 0) {
        (void)send(announcer->child.fd, message.data, message.size, MSG_NOSIGNAL);
    }
    buffer_free(&message);
}

/* It has ended, or breaks the protocol. */
static void end(struct announcer *announcer)
{
    if (announcer->watch != NULL) {
        loop_watch_free(announcer->watch);
        announcer->watch = NULL;
    }
    int status = child_end(&announcer->child);
    bool is_absent = WIFEXITED(status) && WEXITSTATUS(status) == MDNS_EXIT_ABSENT;
    if (clock_mono_ms() - announcer->started_mono_ms > STEADY_MS) {
        announcer->failures = 0;
    }
    announcer->failures++;
    loop_timer_set(announcer->restart,
                   backoff_wait_ms(&restart_range, announcer->failures, random_below));
    if (is_absent) {
        set_state(announcer, MDNS_ABSENT, "no Avahi, or no D-Bus to reach it by");
    } else {
        set_state(announcer, MDNS_FAILED, "latchkey-mdns ended");
    }
}

static void on_report(int fd, unsigned events, void *arg)
{
    struct announcer *announcer = arg;
    struct mdns_report report;
    char message[LIMIT_MDNS_MESSAGE_BYTES];
    (void)events;
    ssize_t size = recv(fd, message, sizeof(message), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0) {
        end(announcer);
    } else if (mdns_message_read_report(message, (size_t)size, &report) < 0) {
        log_warning("mDNS: latchkey-mdns says what is not understood; starting it anew");
        end(announcer);
    } else {
        set_report(announcer, &report);
    }
}

static void start(struct announcer *announcer)
{
    /* Nothing of the agent's environment but where D-Bus is. */
    char bus[256] = "";
    const char *given = getenv("DBUS_SYSTEM_BUS_ADDRESS");
    char *environment[] = {bus, NULL};
    if (given == NULL ||
        !text_format(bus, sizeof(bus), "DBUS_SYSTEM_BUS_ADDRESS=%s", given)) {
        environment[0] = NULL;
    }
    announcer->started_mono_ms = clock_mono_ms();
    int error = child_start(announcer->program, "latchkey-mdns", SOCK_SEQPACKET,
                            environment, &announcer->child);
    if (error == 0) {
        error = loop_watch_new(announcer->loop, announcer->child.fd, LOOP_READ, on_report,
                               announcer, &announcer->watch);
    }
    if (error < 0) {
        log_warning("mDNS: '%s' can't be started: %s", announcer->program,
                    error == ERROR_IO ? strerror(errno) : error_text(error));
        end(announcer);
        return;
    }
    send_facts(announcer);
}

static void on_restart(void *arg)
{
    start(arg);
}

int announcer_new(struct loop *loop, const char *program, announcer_fn *fn, void *arg,
                  struct announcer **ret_announcer)
{
    struct announcer *announcer = calloc(1, sizeof(*announcer));
    if (announcer == NULL) {
        return ERROR_MEMORY;
    }
    announcer->loop = loop;
    announcer->child.fd = -1;
    announcer->fn = fn;
    announcer->arg = arg;
    announcer->program = strdup(program);
    int error = announcer->program != NULL
                    ? loop_timer_new(loop, on_restart, announcer, &announcer->restart)
                    : ERROR_MEMORY;
    if (error < 0) {
        announcer_free(announcer);
        return error;
    }
    *ret_announcer = announcer;
    return 0;
}

static bool is_same(const struct mdns_facts *a, const struct mdns_facts *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->service, b->service) == 0 &&
           strcmp(a->id, b->id) == 0 && a->port == b->port &&
           own_addresses_equal(&a->addresses, &b->addresses);
}

void announcer_tell(struct announcer *announcer, const struct mdns_facts *facts)
{
    bool is_first = !announcer->has_facts;
    if (!is_first && is_same(facts, &announcer->facts)) {
        return;
    }
    announcer->facts = *facts;
    announcer->has_facts = true;
    if (is_first) {
        start(announcer);
    } else if (announcer->child.fd >= 0) {
        send_facts(announcer);
    }
}

void announcer_free(struct announcer *announcer)
{
    if (announcer == NULL) {
        return;
    }
    if (announcer->watch != NULL) {
        loop_watch_free(announcer->watch);
    }
    if (announcer->restart != NULL) {
        loop_timer_free(announcer->restart);
    }
    (void)child_end(&announcer->child);
    free(announcer->program);
    free(announcer);
}

/* latchkey-mdns: announces the device on the local link through Avahi for as long as the
 * agent lives. A program of its own because Avahi's client library brings D-Bus and what
 * that needs, which the resident agent must not carry; and because what speaks to the
 * whole link has no business near the keys. It gets names, a port and addresses, and
 * nothing else. */
#include "base/core/log.h"
#include "base/core/text.h"
#include "device/mdns_group.h"
#include "device/mdns_message.h"

#include <avahi-common/simple-watch.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, DESCRIPTOR_MAX = 1023 };

struct mdns {
    int fd;
    AvahiSimplePoll *poll;
    struct mdns_group *group;
};

static void print_help(FILE *out)
{
    fputs("Usage: latchkey-mdns --socket FD | --help | --version\n"
          "\n"
          "Announces the device on the local link through Avahi. latchkey starts it: it "
          "is not\n"
          "meant to be started by hand.\n"
          "\n"
          "  --socket FD   the descriptor on which latchkey says what to announce\n",
          out);
}

static void send_report(const struct mdns_report *report, void *arg)
{
    struct mdns *mdns = arg;
    struct buffer message = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    /* The agent that does not read is not worth waiting for: it hears the next state. */
    if (mdns_message_write_report(report, &message) == 0) {
        (void)send(mdns->fd, message.data, message.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    buffer_free(&message);
}

static void on_message(AvahiWatch *watch, int fd, AvahiWatchEvent event, void *arg)
{
    struct mdns *mdns = arg;
    struct mdns_facts facts;
    char message[LIMIT_MDNS_MESSAGE_BYTES];
    (void)watch;
    (void)event;
    ssize_t size = recv(fd, message, sizeof(message), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0 || mdns_message_read_facts(message, (size_t)size, &facts) < 0) {
        /* The agent is gone, or is none. */
        avahi_simple_poll_quit(mdns->poll);
        return;
    }
    mdns_group_announce(mdns->group, &facts);
}

/* 0 when the agent has ended, MDNS_EXIT_ABSENT when there is nothing to announce by. */
static int announce(int fd)
{
    struct mdns mdns = {.fd = fd};
    AvahiWatch *watch = NULL;
    int status = EXIT_FAILURE;
    mdns.poll = avahi_simple_poll_new();
    if (mdns.poll == NULL) {
        return status;
    }
    const AvahiPoll *poll = avahi_simple_poll_get(mdns.poll);
    int error = mdns_group_new(poll, send_report, &mdns, &mdns.group);
    if (error < 0) {
        status = error == ERROR_UNSUPPORTED ? MDNS_EXIT_ABSENT : EXIT_FAILURE;
        goto out;
    }
    watch = poll->watch_new(poll, fd, AVAHI_WATCH_IN, on_message, &mdns);
    if (watch == NULL) {
        goto out;
    }
    int turn = 0;
    while (turn == 0 && !mdns_group_is_over(mdns.group)) {
        turn = avahi_simple_poll_iterate(mdns.poll, -1);
    }
    status = turn > 0 ? EXIT_SUCCESS : MDNS_EXIT_ABSENT;
    poll->watch_free(watch);
out:
    mdns_group_free(mdns.group);
    avahi_simple_poll_free(mdns.poll);
    return status;
}

static int serve(const char *descriptor)
{
    static const struct rlimit no_core = {0, 0};
    uint64_t fd = 0;
    struct stat info;
    if (text_u64(descriptor, DESCRIPTOR_MAX, &fd) < 0 || fstat((int)fd, &info) != 0 ||
        !S_ISSOCK(info.st_mode)) {
        fprintf(stderr, "latchkey-mdns: '%s' is no socket of latchkey's; see --help\n",
                descriptor);
        return EXIT_USAGE;
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
    log_open("mdns", LOG_LEVEL_INFO);
    return announce((int)fd);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--socket") == 0) {
        return serve(argv[2]);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("latchkey-mdns " LATCHKEY_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help(stdout);
        return EXIT_SUCCESS;
    }
    if (argc > 1) {
        fprintf(stderr, "latchkey-mdns: '%s' is not understood\n", argv[argc - 1]);
    }
    print_help(stderr);
    return EXIT_USAGE;
}

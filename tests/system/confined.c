/* confined ROLE CONFIG ACT [ARGUMENT]: confines itself as ROLE does, tries one act, and prints
 * "done" or why it failed (EPERM, EACCES ...). Built without sanitizers, as release builds are:
 * those need calls that the roles are denied. */
#include "base/core/text.h"
#include "relay/confinement.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0 ? 0 : -1;
}

static int read_file(const char *path)
{
    return try_open(path, O_RDONLY);
}

static int write_file(const char *path)
{
    return try_open(path, O_WRONLY);
}

static int make_file(const char *path)
{
    return try_open(path, O_WRONLY | O_CREAT | O_EXCL);
}

static int rename_file(const char *path)
{
    char other[4200];
    snprintf(other, sizeof(other), "%s.other", path);
    return rename(path, other);
}

static int link_file(const char *path)
{
    char other[4200];
    snprintf(other, sizeof(other), "%s.link", path);
    return symlink(path, other);
}

static int open_socket(int family, int type, int protocol)
{
    return socket(family, type | SOCK_CLOEXEC, protocol) >= 0 ? 0 : -1;
}

static int unix_socket(const char *argument)
{
    (void)argument;
    return open_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int netlink_socket(const char *argument)
{
    (void)argument;
    return open_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int packet_socket(const char *argument)
{
    (void)argument;
    return open_socket(AF_PACKET, SOCK_RAW, 0);
}

static int raw_socket(const char *argument)
{
    (void)argument;
    return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int tcp_socket(const char *argument)
{
    (void)argument;
    return open_socket(AF_INET6, SOCK_STREAM, 0);
}

static int udp_socket(const char *argument)
{
    (void)argument;
    return open_socket(AF_INET, SOCK_DGRAM, 0);
}

static int made_before = -1; /* a socket that the role might have inherited */

static uint16_t port_of(const char *text)
{
    uint64_t port = 0;
    return text_u64(text, UINT16_MAX, &port) == 0 ? (uint16_t)port : 0;
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port_of(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int tcp_connect(const char *port)
{
    struct sockaddr_in address = loopback(port);
    return connect(made_before, (struct sockaddr *)&address, sizeof(address));
}

static int tcp_bind(const char *port)
{
    struct sockaddr_in address = loopback(port);
    return bind(made_before, (struct sockaddr *)&address, sizeof(address));
}

static int tcp_listen(const char *argument)
{
    (void)argument;
    return listen(made_before, 5);
}

static int run_program(const char *path)
{
    char *arguments[] = {(char *)(uintptr_t)path, NULL};
    return execv(path, arguments);
}

static int fork_process(const char *argument)
{
    (void)argument;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    return pid > 0 ? 0 : -1;
}

static void *nothing(void *arg)
{
    return arg;
}

static int start_thread(const char *argument)
{
    pthread_t thread;
    (void)argument;
    errno = pthread_create(&thread, NULL, nothing, NULL);
    return errno == 0 ? 0 : -1;
}

static int trace_parent(const char *argument)
{
    (void)argument;
    return (int)ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static int read_parent(const char *argument)
{
    (void)argument;
    return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static int signal_parent(const char *argument)
{
    (void)argument;
    return kill(getppid(), SIGCONT);
}

static int mount_folder(const char *path)
{
    return mount("none", path, "tmpfs", 0, NULL);
}

static int new_namespace(const char *argument)
{
    (void)argument;
    return unshare(CLONE_NEWUSER);
}

static int become_root(const char *argument)
{
    (void)argument;
    return setuid(0);
}

static int change_root(const char *path)
{
    return chroot(path);
}

static int code_from_data(const char *argument)
{
    (void)argument;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
               ? 0
               : -1;
}

static int raise_limit(const char *argument)
{
    const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    (void)argument;
    return setrlimit(RLIMIT_CORE, &limit);
}

static int use_bpf(const char *argument)
{
    (void)argument;
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int use_io_uring(const char *argument)
{
    (void)argument;
    return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int use_keyring(const char *argument)
{
    (void)argument;
    return (int)syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static int gain_rights(const char *argument)
{
    (void)argument;
    return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static const struct {
    const char *name;
    int (*act)(const char *argument);
} acts[] = {
    {"read", read_file},         {"write", write_file},
    {"make", make_file},         {"rename", rename_file},
    {"remove", unlink},          {"link", link_file},
    {"unix", unix_socket},       {"netlink", netlink_socket},
    {"packet", packet_socket},   {"raw", raw_socket},
    {"tcp", tcp_socket},         {"udp", udp_socket},
    {"connect", tcp_connect},    {"bind", tcp_bind},
    {"listen", tcp_listen},      {"exec", run_program},
    {"fork", fork_process},      {"thread", start_thread},
    {"ptrace", trace_parent},    {"read-memory", read_parent},
    {"signal", signal_parent},   {"mount", mount_folder},
    {"unshare", new_namespace},  {"setuid", become_root},
    {"chroot", change_root},     {"code", code_from_data},
    {"limit", raise_limit},      {"bpf", use_bpf},
    {"io-uring", use_io_uring},  {"keyctl", use_keyring},
    {"privileges", gain_rights},
};

static int enter(const char *role, const char *config_path)
{
    static const char *const names[] = {[CONFINEMENT_FRONT] = "front",
                                        [CONFINEMENT_ISSUER] = "issuer",
                                        [CONFINEMENT_DNS] = "dns",
                                        [CONFINEMENT_ADMIN] = "admin"};
    struct relay_config config;
    struct buffer report = buffer_init(4096);
    int error = relay_config_read(config_path, &config, &report);
    for (size_t i = 0; error == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(role, names[i]) == 0) {
            error = confinement_enter((enum confinement_role)i, &config);
        }
    }
    fputs(buffer_text(&report), stderr);
    buffer_free(&report);
    relay_config_free(&config);
    return error;
}

int main(int argc, char **argv)
{
    const char *argument = argc > 4 ? argv[4] : "";
    made_before = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (argc < 4 || enter(argv[1], argv[2]) != 0) {
        return 2;
    }
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (strcmp(argv[3], acts[i].name) == 0) {
            int result = acts[i].act(argument);
            puts(result == 0 ? "done" : strerrorname_np(errno));
            return 0;
        }
    }
    return 3;
}

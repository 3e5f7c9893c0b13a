#include "device/child.h"

#include "base/core/text.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_FD = 3, PATH_CAPACITY = 4096 };

int child_find(const char *program, char *ret_path, size_t capacity)
{
    char self[PATH_CAPACITY];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (size < 0) {
        return ERROR_IO;
    }
    self[size] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) {
        return ERROR_LIMIT;
    }
    *slash = '\0';
    return text_format(ret_path, capacity, "%s/%s", self, program) ? 0 : ERROR_LIMIT;
}

/* posix_spawn returns the number of an error, 0 when all went well. */
static int spawn(const char *path, char *const arguments[], char *const environment[],
                 int fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int status = posix_spawn_file_actions_init(&actions);
    if (status != 0) {
        return status;
    }
    status = posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
    if (status == 0) {
        status = posix_spawn(ret_pid, path, &actions, NULL, arguments, environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

int child_start(const char *path, const char *name, int type, char *const environment[],
                struct child *ret_child)
{
    char name_copy[64];
    char option[] = "--socket";
    char number[] = "3";
    char *arguments[] = {name_copy, option, number, NULL};
    int pair[2] = {-1, -1};
    pid_t pid = 0;
    if (!text_copy(name_copy, sizeof(name_copy), name)) {
        return ERROR_LIMIT;
    }
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        return ERROR_IO;
    }
    int status = spawn(path, arguments, environment, pair[1], &pid);
    close(pair[1]);
    if (status != 0) {
        close(pair[0]);
        errno = status;
        return ERROR_IO;
    }
    *ret_child = (struct child){.pid = pid, .fd = pair[0]};
    return 0;
}

int child_end(struct child *child)
{
    int status = 0;
    if (child->fd >= 0) {
        close(child->fd);
        child->fd = -1;
    }
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
        }
        child->pid = 0;
    }
    return status;
}

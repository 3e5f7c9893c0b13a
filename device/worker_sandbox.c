/* The worker runs under the agent's uid, so file modes alone would let a worker that
 * was taken over by a hostile response read the identity key. Landlock takes the whole
 * file system away but for what name look-ups, TLS and the loader still need to read.
 * It needs no privilege, and denies instead of killing. */
#include "device/worker_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the first version of the interface knows; all of it is denied where no rule
 * allows it. */
static const uint64_t accesses_1 =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;

void worker_sandbox_close_descriptors(int fd)
{
    if (fd > 3) {
        (void)close_range(3, (unsigned)fd - 1, 0);
    }
    (void)close_range((unsigned)(fd < 3 ? 2 : fd) + 1, ~0U, 0);
}

/* Lets PATH and what is below it be read; fine when there is none. */
static int allow(int ruleset, const char *path)
{
    struct stat info;
    struct landlock_path_beneath_attr rule = {.allowed_access =
                                                  LANDLOCK_ACCESS_FS_READ_FILE};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) {
        return errno == ENOENT ? 0 : ERROR_IO;
    }
    if (fstat(rule.parent_fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
    }
    long result =
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return result == 0 ? 0 : ERROR_IO;
}

static int restrict_self(int ruleset, const char *ca_file)
{
    static const char *const readable[] = {"/etc",
                                           "/usr",
                                           "/lib",
                                           "/lib64",
                                           "/dev/urandom",
                                           "/proc/self",
                                           /* where it leads to, e.g. on OpenWrt */
                                           "/etc/resolv.conf",
                                           "/run/systemd/resolve"};
    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
        int error = allow(ruleset, readable[i]);
        if (error != 0) {
            return error;
        }
    }
    if (ca_file != NULL && ca_file[0] != '\0' && allow(ruleset, ca_file) != 0) {
        return ERROR_IO;
    }
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : ERROR_IO;
}

int worker_sandbox_enter(const char *ca_file)
{
    struct landlock_ruleset_attr rules = {.handled_access_fs = accesses_1};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return ERROR_IO;
    }
    long ruleset = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
    if (ruleset < 0) {
        return errno == ENOSYS || errno == EOPNOTSUPP ? ERROR_UNSUPPORTED : ERROR_IO;
    }
    int error = restrict_self((int)ruleset, ca_file);
    close((int)ruleset);
    return error;
}

/* By system calls: glibc has no functions for them, and Debian 12's header ends at version 2.
 * A kernel takes what it knows: newer rights are left out for an older one. */
#include "base/core/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct landlock_ruleset_attr as of version 6; shorter before. */
struct ruleset {
    uint64_t files;
    uint64_t net;    /* from version 4 */
    uint64_t scoped; /* from version 6 */
};

enum {
    VERSION_REFER = 2,
    VERSION_TRUNCATE = 3,
    VERSION_NET = 4,
    VERSION_SCOPE = 6,
    NET_BIND_TCP = 1 << 0,
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0,
    SCOPE_SIGNAL = 1 << 1,
};

static const uint64_t file_refer = 1ULL << 13;
static const uint64_t file_truncate = 1ULL << 14;

static const uint64_t read_file = LANDLOCK_ACCESS_FS_READ_FILE;
static const uint64_t read_folder = LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t write_file = LANDLOCK_ACCESS_FS_WRITE_FILE;
static const uint64_t write_folder =
    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG;
/* Allowed by no rule. */
static const uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                              LANDLOCK_ACCESS_FS_MAKE_SOCK |
                              LANDLOCK_ACCESS_FS_MAKE_FIFO |
                              LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

int landlock_version(void)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

/* What the kernel can deny of the file system. */
static uint64_t known_files(int version)
{
    return read_file | read_folder | write_file | write_folder | never |
           (version >= VERSION_REFER ? file_refer : 0) |
           (version >= VERSION_TRUNCATE ? file_truncate : 0);
}

int landlock_new(unsigned denials, int *ret_ruleset)
{
    int version = landlock_version();
    struct ruleset rules = {.files = known_files(version)};
    size_t size = sizeof(rules.files);
    if (version == 0) {
        return ERROR_UNSUPPORTED;
    }
    if (version >= VERSION_NET) {
        rules.net = ((denials & LANDLOCK_TCP_BIND) != 0 ? NET_BIND_TCP : 0) |
                    ((denials & LANDLOCK_TCP_CONNECT) != 0 ? NET_CONNECT_TCP : 0);
        size += sizeof(rules.net);
    }
    if (version >= VERSION_SCOPE) {
        rules.scoped = (denials & LANDLOCK_OUTSIDE) != 0
                           ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL
                           : 0;
        size += sizeof(rules.scoped);
    }
    long ruleset = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (ruleset < 0) {
        return ERROR_IO;
    }
    *ret_ruleset = (int)ruleset;
    return 0;
}

int landlock_allow(int ruleset, const char *path, enum landlock_access access)
{
    struct stat info;
    struct landlock_path_beneath_attr rule = {
        .allowed_access = access == LANDLOCK_LIST ? 0 : read_file};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) {
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : ERROR_IO;
    }
    bool folder = fstat(rule.parent_fd, &info) == 0 && S_ISDIR(info.st_mode);
    rule.allowed_access |= folder ? read_folder : 0;
    if (access == LANDLOCK_WRITE) {
        rule.allowed_access |= write_file | file_truncate;
        rule.allowed_access |= folder ? write_folder | file_refer : 0;
    }
    rule.allowed_access &= known_files(landlock_version());
    if (rule.allowed_access == 0) {
        close(rule.parent_fd);
        return 0; /* no folder: there is nothing to list */
    }
    long result =
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int errno_kept = errno;
    close(rule.parent_fd);
    errno = errno_kept;
    return result == 0 ? 0 : ERROR_IO;
}

int landlock_enter(int ruleset, int error)
{
    if (error == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                       syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)) {
        error = ERROR_IO;
    }
    int errno_kept = errno;
    close(ruleset);
    errno = errno_kept;
    return error;
}

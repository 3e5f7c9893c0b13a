/* Landlock (Linux 5.13): a process gives up what it will not need, for good, without any
 * privilege; what is not allowed then fails with EACCES (EPERM for signals). For the calling
 * thread and those it makes later: so before the first one. */
#ifndef BASE_CORE_LANDLOCK_H
#define BASE_CORE_LANDLOCK_H

#include "base/core/error.h"

enum landlock_access {
    LANDLOCK_READ = 1,  /* files and folders */
    LANDLOCK_WRITE = 2, /* read, write, make, rename and remove files and folders */
    LANDLOCK_LIST = 3,  /* a folder's names alone */
};

/* What a ruleset denies beside files, as far as the kernel can. */
enum landlock_denial {
    LANDLOCK_TCP_BIND = 1,    /* 6.7 */
    LANDLOCK_TCP_CONNECT = 2, /* 6.7 */
    LANDLOCK_OUTSIDE = 4, /* 6.12: signals to, and abstract sockets of, other processes */
};

/* The version of the kernel's interface; 0: it has none. */
int landlock_version(void);
/* A ruleset that allows no file. DENIALS: enum landlock_denial. ERROR_UNSUPPORTED without
 * Landlock; ERROR_IO. Given to landlock_enter in any case. */
int landlock_new(unsigned denials, int *ret_ruleset) MUST_CHECK;
/* Allows ACCESS to PATH, and to what is below a folder; fine when there is none. A rule is for
 * the file that is there now: one that is replaced by rename needs its folder. */
int landlock_allow(int ruleset, const char *path, enum landlock_access access) MUST_CHECK;
/* Closes RULESET and, with ERROR 0, puts it into force, and no_new_privs with it. */
int landlock_enter(int ruleset, int error) MUST_CHECK;

#endif

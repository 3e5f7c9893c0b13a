/* The worker runs under the agent's uid, so file modes alone would let a worker that
 * was taken over by a hostile response read the identity key. Landlock takes the whole
 * file system away but for what name look-ups, TLS and the loader still need to read.
 * It needs no privilege, and denies instead of killing. */
#include "device/worker_sandbox.h"

#include "base/core/landlock.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

void worker_sandbox_close_descriptors(int fd)
{
    if (fd > 3) {
        (void)close_range(3, (unsigned)fd - 1, 0);
    }
    (void)close_range((unsigned)(fd < 3 ? 2 : fd) + 1, ~0U, 0);
}

int worker_sandbox_enter(const char *ca_file)
{
    static const char *const readable[] = {"/etc", "/usr", "/lib", "/lib64",
                                           "/dev/urandom", "/proc/self",
                                           /* where it leads to, e.g. on OpenWrt */
                                           "/etc/resolv.conf", "/run/systemd/resolve"};
    int ruleset = -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return ERROR_IO; /* without Landlock, too */
    }
    int error = landlock_new(0, &ruleset);
    if (error != 0) {
        return error;
    }
    for (size_t i = 0; error == 0 && i < sizeof(readable) / sizeof(readable[0]); i++) {
        error = landlock_allow(ruleset, readable[i], LANDLOCK_READ);
    }
    if (error == 0 && ca_file != NULL && ca_file[0] != '\0') {
        error = landlock_allow(ruleset, ca_file, LANDLOCK_READ);
    }
    return landlock_enter(ruleset, error);
}

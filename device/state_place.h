/* Whether a folder lies on a file system that forgets it at the next boot. */
#ifndef DEVICE_STATE_PLACE_H
#define DEVICE_STATE_PLACE_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* The word for the memory that FOLDER is kept in: "tmpfs", "ramfs", "an overlay on tmpfs",
 * "an overlay on ramfs"; NULL when it lasts, or nothing is known against it. An overlay
 * whose upper folder can't be seen from here (a container's) is taken to last. */
const char *state_place_volatile(const char *folder);

/* The same for an overlay by the line of /proc/self/mountinfo of MAJOR:MINOR: copies its
 * upper folder. False when there is none. For tests. */
bool state_place_upper(const char *mountinfo, unsigned major, unsigned minor,
                       char *ret_upper, size_t capacity);

#endif

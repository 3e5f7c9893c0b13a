/* FOLDER/live: key and chain as other servers take them: privkey.pem, fullchain.pem and both as
 * bundle.pem. `live` is a link to live-<number>, and one rename(2) switches all three. */
#ifndef DEVICE_LIVE_H
#define DEVICE_LIVE_H

#include "device/bundle.h"

#include <sys/types.h>

enum { LIVE_PATH_CAPACITY = 4096, LIVE_FINGERPRINT_CAPACITY = 65 };

struct live {
    char folder[LIVE_PATH_CAPACITY]; /* the state folder */
    gid_t group;                     /* FILE_ANY_GROUP: only our own user reads */
    bool is_made;                    /* there is a link already */
    unsigned current;                /* number of the folder; 0: none */
    unsigned previous;               /* 0: none */
    char fingerprint[LIVE_FINGERPRINT_CAPACITY]; /* hex SHA-256 of the current leaf;
                                                             "" : none, or unusable */
    char previous_fingerprint[LIVE_FINGERPRINT_CAPACITY]; /* of the one before */
};

/* The number of a group by its name or number. ERROR_NOT_FOUND. */
int live_find_group(const char *name, gid_t *ret_group) MUST_CHECK;
/* Looks what is in FOLDER (the state folder, which must exist), gives it the modes that GROUP
 * needs, and removes what a crash has left. A link that is damaged, or whose files have other
 * modes, counts as none: the next live_put replaces it. ERROR_IO with errno. Blocks on the
 * disk. */
int live_open(const char *folder, gid_t group, struct live *ret_live) MUST_CHECK;
/* Makes BUNDLE the current one; nothing happens when it is already. On a failure what was there
 * stays. The one before is kept, all others are removed. Blocks on the disk. */
int live_put(struct live *live, const struct bundle *bundle) MUST_CHECK;

#endif

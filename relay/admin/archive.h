/* A backup's file: a plain tar (POSIX ustar) of plain files, so that an operator can look into
 * it with what every system has; and last in it a manifest with the SHA-256 of each, so that
 * one that was cut or altered is refused as a whole. Names are flat: "front.db",
 * "relay-key.pem". */
#ifndef RELAY_ADMIN_ARCHIVE_H
#define RELAY_ADMIN_ARCHIVE_H

#include "base/core/buffer.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <sys/types.h>

enum {
    ARCHIVE_MEMBERS_MAX = 128, /* five of each zone, of which there may be 17 */
    ARCHIVE_NAME_CAPACITY = 100,
    ARCHIVE_OWNER_CAPACITY = 32,
    ARCHIVE_HASH_CAPACITY = TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1,
    ARCHIVE_REASON_CAPACITY = 256,
};

struct archive_member {
    char name[ARCHIVE_NAME_CAPACITY];
    char user[ARCHIVE_OWNER_CAPACITY];
    char group[ARCHIVE_OWNER_CAPACITY];
    mode_t mode;
    uint64_t size;
    int64_t modified_at;
    off_t offset; /* of its content, in a file that was read */
    char hash[ARCHIVE_HASH_CAPACITY];
};

/* ---- writing ---- */

struct archive_writer {
    int fd; /* borrowed */
    struct archive_member members[ARCHIVE_MEMBERS_MAX];
    size_t count;
};

/* Adds the regular file PATH under NAME, with its mode, owner and time. A symbolic link is not
 * followed (ERROR_IO, ELOOP): it may be another's. ERROR_NOT_FOUND; ERROR_CONFLICT when it
 * changed its size meanwhile: the archive is of no use then. */
int archive_add(struct archive_writer *writer, const char *name,
                const char *path) MUST_CHECK;
/* Adds the manifest, which holds MADE_AT and says ABOUT, and the end. */
int archive_finish(struct archive_writer *writer, int64_t made_at,
                   const char *about) MUST_CHECK;

/* ---- reading ---- */

struct archive {
    struct archive_member members[ARCHIVE_MEMBERS_MAX]; /* without the manifest */
    size_t count;
    int64_t made_at;
    char about[ARCHIVE_REASON_CAPACITY];
};

/* Reads all of FD, a file, and verifies it. ERROR_SYNTAX, ERROR_CONFLICT (a hash is another
 * one) and ERROR_LIMIT come with the reason in words. */
int archive_read(int fd, struct archive *ret_archive,
                 char reterr_reason[static ARCHIVE_REASON_CAPACITY]) MUST_CHECK;
/* The member NAME, or NULL. */
const struct archive_member *archive_find(const struct archive *archive,
                                          const char *name);
/* Copies MEMBER's content into the file descriptor TO, and verifies its hash again. */
int archive_extract(int fd, const struct archive_member *member, int to) MUST_CHECK;

#endif

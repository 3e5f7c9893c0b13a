/* Files with secrets: keys, and the relay's secret. Who else may read one is looked at before it
 * is believed, so that a wrong mode is found at the start and not by somebody else. */
#ifndef RELAY_STORE_PRIVATE_FILE_H
#define RELAY_STORE_PRIVATE_FILE_H

#include "base/core/buffer.h"
#include "base/crypto/key.h"

enum private_file_readers {
    PRIVATE_FILE_OWNER, /* 0600 at most: keys */
    PRIVATE_FILE_GROUP, /* 0640 at most: what the roles' users share */
    /* 0600, or 0640 with a group that this process is in beside its own: ssl-cert, say, whose
     * members are chosen. Its own group may be that of all roles, or of all users. */
    PRIVATE_FILE_MEMBERS,
};

/* As file_read(), but ERROR_DENIED, with a line in the log that says how to mend it, when others
 * than READERS can read PATH, or can write it. */
int private_file_read(const char *path, enum private_file_readers readers,
                      struct buffer *buffer) MUST_CHECK;
/* The private key in the PEM file PATH. ERROR_SYNTAX for a public key, or none; else as
 * private_file_read. */
int private_file_read_key(const char *path, enum private_file_readers readers,
                          struct key **ret_key) MUST_CHECK;
/* Writes a new P-256 key to PATH, 0600. ERROR_EXISTS when there is such a file. */
int private_file_make_key(const char *path, struct key **ret_key) MUST_CHECK;

#endif

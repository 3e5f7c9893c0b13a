/* Files with secrets: keys, and the relay's secret. Who else may read one is looked at before it
 * is believed, so that a wrong mode is found at the start and not by somebody else. */
#ifndef RELAY_STORE_PRIVATE_FILE_H
#define RELAY_STORE_PRIVATE_FILE_H

#include "base/core/buffer.h"

enum private_file_readers {
    PRIVATE_FILE_OWNER, /* 0600 at most: keys */
    PRIVATE_FILE_GROUP, /* 0640 at most: what the roles' users share */
};

/* As file_read(), but ERROR_DENIED, with a line in the log that says how to mend it, when others
 * than READERS can read PATH, or can write it. */
int private_file_read(const char *path, enum private_file_readers readers,
                      struct buffer *buffer) MUST_CHECK;

#endif

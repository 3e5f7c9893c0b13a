/* A tar archive (POSIX.1-1988 ustar) of small files, made in memory. Pure: no I/O. */
#ifndef DEVICE_TAR_H
#define DEVICE_TAR_H

#include "base/core/buffer.h"

enum { TAR_NAME_BYTES = 100, TAR_BLOCK_BYTES = 512 };

/* Appends a file of mode 0600 to ARCHIVE, whose maximum holds. ERROR_LIMIT for a name that
 * does not fit, or when the archive is full; ERROR_RANGE for a time before 1970. */
int tar_add(struct buffer *archive, const char *name, struct bytes content,
            int64_t modified_at) MUST_CHECK;
/* Ends the archive. */
int tar_end(struct buffer *archive) MUST_CHECK;

#endif

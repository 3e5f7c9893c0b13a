/* Files: bounded reads, atomic and durable writes, locks. All block on the disk. errno is
 * kept on ERROR_IO. */
#ifndef BASE_CORE_FILE_H
#define BASE_CORE_FILE_H

#include "base/core/buffer.h"

#include <sys/types.h>

#define FILE_ANY_GROUP ((gid_t)-1)

/* Appends the whole file to BUFFER (its max holds). ERROR_NOT_FOUND when there is none. Only a
 * regular file is read (ERROR_IO with EINVAL or EISDIR else): it never waits for a FIFO's other
 * end. */
int file_read(const char *path, struct buffer *buffer) MUST_CHECK;
/* Writes a temporary beside PATH, fsyncs it, renames it over PATH and fsyncs the folder:
 * after a crash there is either the old file or the new one, whole. MODE is exact,
 * whatever the umask. */
int file_write_atomic(const char *path, const void *data, size_t size,
                      mode_t mode) MUST_CHECK;
/* As file_write_atomic, but ERROR_EXISTS when PATH is there already (link(2) decides, not
 * a check). */
int file_write_new(const char *path, const void *data, size_t size,
                   mode_t mode) MUST_CHECK;
/* Writes a new file at once under its own name, and fsyncs it: for folders that nobody looks
 * into before they are whole. ERROR_EXISTS when there is one. */
int file_write_part(const char *path, const void *data, size_t size, mode_t mode,
                    gid_t group) MUST_CHECK;
/* Makes PATH a symbolic link to TARGET in one step, whatever PATH was (but a folder), and
 * fsyncs the folder that it is in. */
int file_link_atomic(const char *path, const char *target) MUST_CHECK;
/* fsyncs a folder: what is in it now stays in it. */
int file_sync_folder(const char *folder) MUST_CHECK;
/* Removes a folder that holds files only; of a link to one, the link. */
int file_remove_folder(const char *folder) MUST_CHECK;
/* Makes a folder and its parents with MODE; fine when it exists. */
int file_make_folder(const char *path, mode_t mode) MUST_CHECK;
/* Takes an exclusive lock on PATH (made if missing) without waiting: a descriptor to keep
 * open, or ERROR_BUSY. The lock ends with the process. */
int file_lock(const char *path, int *ret_fd) MUST_CHECK;
/* Whether a process holds PATH by file_lock(). False, too, when that can't be seen: another
 * container's locks are not shown. */
bool file_is_locked(const char *path);
/* ERROR_NOT_FOUND when there was none. */
int file_remove(const char *path) MUST_CHECK;
/* Removes what writers that were killed have left in FOLDER. The caller holds the lock of
 * all who write there. */
int file_remove_temporaries(const char *folder) MUST_CHECK;

#endif

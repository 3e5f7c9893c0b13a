#include "relay/store/private_file.h"

#include "base/core/file.h"
#include "base/core/log.h"

#include <sys/stat.h>

static bool is_private(const char *path, enum private_file_readers readers)
{
    const mode_t denied = readers == PRIVATE_FILE_GROUP ? 0037 : 0077;
    struct stat info;
    if (stat(path, &info) != 0 || (info.st_mode & denied) == 0) {
        return true; /* a missing file is file_read()'s to report */
    }
    log_error("'%s' has mode %04o: others can %s it; mend it with: chmod %s '%s'", path,
              (unsigned)(info.st_mode & 07777),
              (info.st_mode & denied & 0044) != 0 ? "read" : "change",
              readers == PRIVATE_FILE_GROUP ? "0640" : "0600", path);
    return false;
}

int private_file_read(const char *path, enum private_file_readers readers,
                      struct buffer *buffer)
{
    return is_private(path, readers) ? file_read(path, buffer) : ERROR_DENIED;
}

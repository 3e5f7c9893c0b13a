#include "relay/store/private_file.h"

#include "base/core/file.h"
#include "base/core/log.h"

#include <sys/stat.h>

enum { KEY_BYTES_MAX = 16 << 10 };

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

int private_file_read_key(const char *path, enum private_file_readers readers,
                          struct key **ret_key)
{
    struct buffer pem = buffer_init_secret(KEY_BYTES_MAX);
    struct key *key = NULL;
    int error = private_file_read(path, readers, &pem);
    if (error == 0) {
        error = key_from_pem(pem.data, pem.size, &key);
    }
    if (error == 0 && !key_is_private(key)) {
        error = ERROR_SYNTAX;
    }
    buffer_free(&pem);
    if (error != 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

int private_file_make_key(const char *path, struct key **ret_key)
{
    struct buffer pem = buffer_init_secret(KEY_BYTES_MAX);
    struct key *key = NULL;
    int error = key_generate(KEY_P256, &key);
    if (error == 0) {
        error = key_to_pem(key, &pem);
    }
    if (error == 0) {
        error = file_write_new(path, pem.data, pem.size, 0600);
    }
    buffer_free(&pem);
    if (error != 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

#include "relay/store/private_file.h"

#include "base/core/file.h"
#include "base/core/log.h"

#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES_MAX = 16 << 10, GROUPS_MAX = 256 };

static bool is_member(gid_t group)
{
    gid_t groups[GROUPS_MAX];
    int count = group != getegid() ? getgroups(GROUPS_MAX, groups) : 0;
    for (int i = 0; i < count; i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

static mode_t denied_to(enum private_file_readers readers, const struct stat *info)
{
    switch (readers) {
    case PRIVATE_FILE_OWNER:
        return 0077;
    case PRIVATE_FILE_GROUP:
        return 0037;
    case PRIVATE_FILE_MEMBERS:
        return is_member(info->st_gid) ? 0037 : 0077;
    }
    return 0077;
}

static bool is_private(const char *path, enum private_file_readers readers)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return true; /* a missing file is file_read()'s to report */
    }
    mode_t denied = denied_to(readers, &info);
    if ((info.st_mode & denied) == 0) {
        return true;
    }
    if (readers == PRIVATE_FILE_MEMBERS && (info.st_mode & 0037) == 0) {
        /* No number: in a unit with PrivateUsers= it would be nobody's. */
        log_error(
            "'%s' has mode %04o, and this role was not put into its group: mend it "
            "with SupplementaryGroups= in the role's unit, or with: chmod 0600 '%s'",
            path, (unsigned)(info.st_mode & 07777), path);
        return false;
    }
    log_error("'%s' has mode %04o: others can %s it; mend it with: chmod %s '%s'", path,
              (unsigned)(info.st_mode & 07777),
              (info.st_mode & denied & 0044) != 0 ? "read" : "change",
              denied == 0037 ? "0640" : "0600", path);
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

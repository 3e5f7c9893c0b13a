#include "relay/store/place.h"

#include "base/core/file.h"
#include "base/core/text.h"

#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not through a link: the store's own folder decides who the roles are. */
static bool is_folder(const char *store, const char *role, struct stat *ret_status)
{
    char path[PATH_MAX];
    return text_format(path, sizeof(path), "%s/%s", store, role) &&
           lstat(path, ret_status) == 0 && S_ISDIR(ret_status->st_mode);
}

int place_path(const char *store, const char *role, const char *name, char *ret_path,
               size_t capacity)
{
    struct stat status;
    bool fits = is_folder(store, role, &status)
                    ? text_format(ret_path, capacity, "%s/%s/%s", store, role, name)
                    : text_format(ret_path, capacity, "%s/%s", store, name);
    return fits ? 0 : ERROR_LIMIT;
}

int place_become(const char *store, const char *role)
{
    struct stat status;
    if (geteuid() != 0 || !is_folder(store, role, &status) || status.st_uid == 0) {
        return 0;
    }
    bool became = setgroups(0, NULL) == 0 && setgid(status.st_gid) == 0 &&
                  setuid(status.st_uid) == 0;
    return became ? 0 : ERROR_DENIED;
}

int place_hold(const char *store, const char *role)
{
    char name[32];
    char path[PATH_MAX];
    int fd = -1;
    int error = text_format(name, sizeof(name), "%s.lock", role)
                    ? place_path(store, role, name, path, sizeof(path))
                    : ERROR_LIMIT;
    return error == 0 ? file_lock(path, &fd) : error;
}

bool place_is_held(const char *store, const char *role)
{
    bool has_database = strcmp(role, "front") == 0 || strcmp(role, "issuer") == 0;
    char name[32];
    char path[PATH_MAX];
    return text_format(name, sizeof(name), "%s%s.lock", role,
                       has_database ? ".db" : "") &&
           place_path(store, role, name, path, sizeof(path)) == 0 && file_is_locked(path);
}

/* Only what the table knows is removed: a state_folder that somebody has set to a folder
 * with other things in it must not cost those. What the agent's parts put into the folder
 * stands here, so whoever adds a file adds a row; tests/system/test_factory.py finds one
 * that was forgotten. */
#include "device/factory.h"

#include "base/core/file.h"
#include "base/core/text.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAPACITY = 4096 };

static const char identity_file[] = "identity.pem";
static const char lock_file[] = "lock";

static const struct {
    const char *name;
    bool is_prefix;
} known[] = {
    {"admin", true},          /* the secret of the pages' owner */
    {"apps.json", false},     /* pins of phones */
    {"candidate.pem", false}, /* certificates and their keys */
    {"control.sock", false},  /* of an agent that was killed */
    {"diagnosis", true},      /* what the doctor found last */
    {"fallback.pem", false},  /* */
    {"live", true},           /* files for other servers, and the link to them */
    {"own", true},            /* the owner's certificate and its key */
    {"pending.pem", false},   /* */
    {"state.json", false},    /* */
    {"trusted.pem", false},   /* */
};

static bool is_known(const char *name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].is_prefix ? text_starts_with(name, known[i].name)
                               : strcmp(name, known[i].name) == 0) {
            return true;
        }
    }
    return false;
}

/* A file, a link, or a folder of files; what a link leads to stays. */
static int remove_one(const char *folder, const char *name)
{
    char path[PATH_CAPACITY];
    struct stat info;
    if (!text_format(path, sizeof(path), "%s/%s", folder, name)) {
        return ERROR_LIMIT;
    }
    if (lstat(path, &info) != 0) {
        return ERROR_IO;
    }
    if (S_ISDIR(info.st_mode)) {
        return file_remove_folder(path);
    }
    return unlink(path) == 0 ? 0 : ERROR_IO;
}

/* One pass over the folder; *RET_LEFT counts what stays. */
static int wipe_known(const char *folder, factory_fn *fn, void *arg, size_t *ret_left)
{
    DIR *entries = opendir(folder);
    int result = 0;
    if (entries == NULL) {
        return errno == ENOENT || errno == ENOTDIR ? ERROR_NOT_FOUND : ERROR_IO;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL;
         entry = readdir(entries)) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            strcmp(name, lock_file) == 0 || strcmp(name, identity_file) == 0) {
            continue;
        }
        int error = is_known(name) ? remove_one(folder, name) : ERROR_UNSUPPORTED;
        fn(name, error, arg);
        *ret_left += error != 0 ? 1 : 0;
        if (error == ERROR_IO) {
            result = ERROR_IO;
        }
    }
    int reason = errno;
    closedir(entries);
    errno = reason;
    return result;
}

int factory_wipe(const char *folder, factory_fn *fn, void *arg)
{
    char path[PATH_CAPACITY];
    size_t left = 0;
    if (!text_format(path, sizeof(path), "%s/%s", folder, identity_file)) {
        return ERROR_LIMIT;
    }
    int error = file_remove_temporaries(folder);
    if (error == 0) {
        error = wipe_known(folder, fn, arg, &left);
    }
    if (error == 0) {
        error = file_sync_folder(folder);
    }
    if (error < 0) {
        return error;
    }
    error = file_remove(path);
    if (error != ERROR_NOT_FOUND) {
        fn(identity_file, error, arg);
    }
    if (error == 0) {
        error = file_sync_folder(folder);
    }
    if (error == ERROR_NOT_FOUND) {
        error = 0;
    }
    return error == 0 && left > 0 ? ERROR_EXISTS : error;
}

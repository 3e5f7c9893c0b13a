#include "relay/admin/backup_folder.h"

#include "base/core/text.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES_MAX = 4096 };

static const char prefix[] = "latchkey-";
static const char suffix[] = ".tar";

bool backup_folder_name(int64_t at, char ret_name[static BACKUP_FOLDER_NAME_CAPACITY])
{
    char time[TEXT_TIME_CAPACITY];

    text_time(at, time);
    for (char *c = strchr(time, ':'); c != NULL; c = strchr(c, ':')) {
        *c = '-';
    }
    return text_format(ret_name, BACKUP_FOLDER_NAME_CAPACITY, "%s%s%s", prefix, time,
                       suffix);
}

/* False when NAME is none that backup_folder_name() makes. */
static bool time_of(const char *name, int64_t *ret_at)
{
    char time[TEXT_TIME_CAPACITY];
    char again[BACKUP_FOLDER_NAME_CAPACITY];
    int64_t at = 0;

    if (!text_starts_with(name, prefix) ||
        !text_format(time, sizeof(time), "%.20s", name + strlen(prefix)) ||
        strlen(time) != 20) {
        return false;
    }
    time[13] = ':';
    time[16] = ':';
    if (text_time_parse(time, &at) != 0 || !backup_folder_name(at, again) ||
        strcmp(name, again) != 0) {
        return false;
    }
    *ret_at = at;
    return true;
}

struct found {
    char name[BACKUP_FOLDER_NAME_CAPACITY];
    int64_t age_s;
};

struct found_list {
    struct found *at;
    size_t count;
};

static int by_age(const void *a, const void *b)
{
    const struct found *first = a;
    const struct found *second = b;

    return (first->age_s > second->age_s) - (first->age_s < second->age_s);
}

static int take(struct found_list *list, const char *name, int64_t now_at)
{
    struct found *file = &list->at[list->count];
    int64_t at = 0;

    if (list->count == FILES_MAX || !time_of(name, &at)) {
        return 0;
    }
    file->age_s = at > now_at ? at - now_at : now_at - at;
    list->count++;
    return text_copy(file->name, sizeof(file->name), name) ? 0 : ERROR_LIMIT;
}

/* The folder's backups, the newest first. LIST->at is the caller's to free in any case. */
static int list_files(const char *folder, int64_t now_at, struct found_list *list)
{
    DIR *stream = opendir(folder);
    struct dirent *entry = NULL;
    int error = 0;

    if (stream == NULL) {
        return errno == ENOENT ? 0 : errno == EACCES ? ERROR_DENIED : ERROR_IO;
    }
    list->at = calloc(FILES_MAX, sizeof(*list->at));
    error = list->at == NULL ? ERROR_MEMORY : 0;
    while (error == 0 && (entry = readdir(stream)) != NULL) {
        error = take(list, entry->d_name, now_at);
    }
    (void)closedir(stream);
    if (error == 0) {
        qsort(list->at, list->count, sizeof(list->at[0]), by_age);
    }
    return error;
}

int backup_folder_newest(const char *folder, int64_t now_at, int64_t *ret_at)
{
    struct found_list list = {.count = 0};
    int error = list_files(folder, now_at, &list);

    if (error == 0) {
        *ret_at = list.count > 0 ? now_at - list.at[0].age_s : 0;
    }
    free(list.at);
    return error;
}

static void remove_file(const char *folder, const char *name)
{
    char path[PATH_MAX];

    if (text_format(path, sizeof(path), "%s/%s", folder, name)) {
        (void)unlink(path);
    }
}

void backup_folder_prune(const char *folder, int64_t now_at, size_t keep)
{
    struct found_list list = {.count = 0};

    if (list_files(folder, now_at, &list) == 0) {
        for (size_t i = keep; i < list.count; i++) {
            remove_file(folder, list.at[i].name);
        }
    }
    free(list.at);
}

void backup_folder_remove_parts(const char *folder)
{
    DIR *stream = opendir(folder);
    struct dirent *entry = NULL;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        if (text_ends_with(entry->d_name, ".part")) {
            remove_file(folder, entry->d_name);
        }
    }
    if (stream != NULL) {
        (void)closedir(stream);
    }
}

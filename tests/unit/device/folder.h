/* A temporary folder for a test's files. */
#ifndef TESTS_UNIT_DEVICE_FOLDER_H
#define TESTS_UNIT_DEVICE_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static inline int folder_make(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/latchkey-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static inline const char *folder_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static inline int folder_remove(void **state)
{
    (void)state;
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        return 1;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL;
         entry = readdir(entries)) {
        if (entry->d_name[0] != '.') {
            unlink(folder_path(entry->d_name));
        }
    }
    closedir(entries);
    return rmdir(folder);
}

static inline void folder_write(const char *name, const char *text)
{
    FILE *file = fopen(folder_path(name), "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        abort();
    }
}

#endif

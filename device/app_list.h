/* The apps that have enrolled: FOLDER/apps.json. An app is its key; the device knows the
 * key's hash. */
#ifndef DEVICE_APP_LIST_H
#define DEVICE_APP_LIST_H

#include "base/core/buffer.h"
#include "base/core/limits.h"
#include "base/crypto/key.h"

enum { APP_NAME_MAX = 64, APP_ID_SIZE = 16, APP_HASH_SIZE = 32 };

struct app {
    char id[APP_ID_SIZE + 1];    /* hex of the hash's beginning */
    char name[APP_NAME_MAX + 1]; /* what it called itself: UTF-8 without controls */
    uint8_t hash[APP_HASH_SIZE]; /* SHA-256 of the SPKI of its key */
    int64_t enrolled_at;
};

struct app_list {
    size_t count;
    struct app at[LIMIT_DEVICE_APPS];
};

/* Reads PATH; no file is an empty list. ERROR_SYNTAX for one that makes no sense, ERROR_IO:
 * the list is empty then. Blocks on the disk. */
int app_list_load(const char *path, struct app_list *ret_list) MUST_CHECK;
/* Writes it atomically and durably, mode 0600. Blocks on the disk. */
int app_list_save(const char *path, const struct app_list *list) MUST_CHECK;
/* The same from and to text. */
int app_list_parse(const void *data, size_t size, struct app_list *ret_list) MUST_CHECK;
int app_list_dump(const struct app_list *list, struct buffer *text) MUST_CHECK;

/* Whether an app may call itself so: 1 to APP_NAME_MAX octets, no control characters. */
bool app_list_is_name(const char *name);
/* Adds an app, or renames the one that has this key already. ERROR_LIMIT when the list is
 * full, ERROR_RANGE for the name. */
int app_list_add(struct app_list *list, const char *name, const struct key *key,
                 int64_t now_at) MUST_CHECK;
/* The app of this key, borrowed, or NULL. */
const struct app *app_list_find(const struct app_list *list, const struct key *key);
/* ERROR_NOT_FOUND when none has this id. */
int app_list_remove(struct app_list *list, const char *id) MUST_CHECK;

#endif

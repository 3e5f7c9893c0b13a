#include "device/app_list.h"

#include "base/core/file.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <string.h>

enum { FILE_BYTES = 16 << 10 };

bool app_list_is_name(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];
        /* U+0080 to U+009F are commands to a terminal, too. */
        bool is_c1 = c == 0xc2 && (unsigned char)name[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || is_c1) {
            return false;
        }
    }
    return size > 0 && size <= APP_NAME_MAX;
}

static int fill(struct app *app, const char *name, const uint8_t *hash, int64_t at)
{
    if (!app_list_is_name(name) || !text_copy(app->name, sizeof(app->name), name)) {
        return ERROR_RANGE;
    }
    memcpy(app->hash, hash, sizeof(app->hash));
    text_hex(hash, APP_ID_SIZE / 2, app->id);
    app->enrolled_at = at;
    return 0;
}

static struct app *find(struct app_list *list, const uint8_t *hash)
{
    for (size_t i = 0; i < list->count; i++) {
        if (digest_equal(list->at[i].hash, hash, APP_HASH_SIZE)) {
            return &list->at[i];
        }
    }
    return NULL;
}

static int parse_app(const json_t *entry, struct app_list *list)
{
    uint8_t hash[APP_HASH_SIZE];
    size_t size = 0;
    const char *name = json_get_text(entry, "name");
    const char *pin = json_get_text(entry, "pin");
    int64_t at = json_get_i64(entry, "enrolledAt", -1);
    if (name == NULL || pin == NULL || at < 0 || list->count == LIMIT_DEVICE_APPS ||
        text_base64url_decode(pin, strlen(pin), hash, sizeof(hash), &size) < 0 ||
        size != sizeof(hash) || find(list, hash) != NULL ||
        fill(&list->at[list->count], name, hash, at) < 0) {
        return ERROR_SYNTAX;
    }
    list->count++;
    return 0;
}

int app_list_parse(const void *data, size_t size, struct app_list *ret_list)
{
    struct app_list list = {.count = 0};
    json_t *object = NULL;
    json_t *entry = NULL;
    size_t index = 0;
    *ret_list = list;
    int error = json_parse(data, size, FILE_BYTES, &object);
    if (error < 0) {
        return error;
    }
    json_t *apps = json_get_array(object, "apps");
    error = apps == NULL ? ERROR_SYNTAX : 0;
    json_array_foreach(apps, index, entry)
    {
        if (error == 0) {
            error = parse_app(entry, &list);
        }
    }
    json_decref(object);
    if (error == 0) {
        *ret_list = list;
    }
    return error;
}

static int dump_app(const struct app *app, json_t *apps)
{
    char pin[KEY_PIN_SIZE + 1];
    json_t *entry = json_object();
    text_base64url(app->hash, sizeof(app->hash), pin);
    int error = json_set_text(entry, "id", app->id);
    if (error == 0) {
        error = json_set_text(entry, "name", app->name);
    }
    if (error == 0) {
        error = json_set_text(entry, "pin", pin);
    }
    if (error == 0) {
        error = json_set_i64(entry, "enrolledAt", app->enrolled_at);
    }
    if (error == 0) {
        return json_array_append_new(apps, entry) == 0 ? 0 : ERROR_MEMORY;
    }
    json_decref(entry);
    return error;
}

int app_list_dump(const struct app_list *list, struct buffer *text)
{
    json_t *object = json_object();
    json_t *apps = json_array();
    int error = 0;
    for (size_t i = 0; i < list->count && error == 0; i++) {
        error = dump_app(&list->at[i], apps);
    }
    if (error == 0) {
        error = json_set_take(object, "apps", apps);
        apps = NULL;
    }
    if (error == 0) {
        error = json_dump(object, text);
    }
    json_decref(apps);
    json_decref(object);
    return error;
}

int app_list_load(const char *path, struct app_list *ret_list)
{
    struct buffer text = buffer_init(FILE_BYTES);
    *ret_list = (struct app_list){.count = 0};
    int error = file_read(path, &text);
    if (error == 0) {
        error = app_list_parse(text.data, text.size, ret_list);
    }
    buffer_free(&text);
    return error == ERROR_NOT_FOUND ? 0 : error;
}

int app_list_save(const char *path, const struct app_list *list)
{
    struct buffer text = buffer_init(FILE_BYTES);
    int error = app_list_dump(list, &text);
    if (error == 0) {
        error = file_write_atomic(path, text.data, text.size, 0600);
    }
    buffer_free(&text);
    return error;
}

int app_list_add(struct app_list *list, const char *name, const struct key *key,
                 int64_t now_at)
{
    uint8_t hash[APP_HASH_SIZE];
    int error = key_spki_sha256(key, hash);
    if (error < 0) {
        return error;
    }
    struct app *app = find(list, hash);
    if (app != NULL) {
        return fill(app, name, hash, now_at);
    }
    if (list->count == LIMIT_DEVICE_APPS) {
        return ERROR_LIMIT;
    }
    error = fill(&list->at[list->count], name, hash, now_at);
    if (error == 0) {
        list->count++;
    }
    return error;
}

const struct app *app_list_find(const struct app_list *list, const struct key *key)
{
    uint8_t hash[APP_HASH_SIZE];
    const struct app *found = NULL;
    if (key_spki_sha256(key, hash) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (digest_equal(list->at[i].hash, hash, sizeof(hash))) {
            found = &list->at[i];
        }
    }
    return found;
}

int app_list_remove(struct app_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->at[i].id, id) == 0) {
            list->count--;
            memmove(&list->at[i], &list->at[i + 1],
                    (list->count - i) * sizeof(list->at[0]));
            return 0;
        }
    }
    return ERROR_NOT_FOUND;
}

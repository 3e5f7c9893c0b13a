/* Items go to the caller's storage; a folder is a storage of our own with the same callbacks.
 * Its files are those of the agent's state folder, so that a product may change from one to
 * the other and keeps its name. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_CAPACITY = 4096, RETRY_MS = 10 * 1000 };

_Static_assert((int)BUNDLE_BYTES <= (int)LATCHKEY_ITEM_MAX &&
                   (int)LIMIT_STATE_BYTES <= (int)LATCHKEY_ITEM_MAX,
               "every item fits");

static bool write_path(const struct latchkey *handle, const char *name,
                       char ret_path[static PATH_CAPACITY])
{
    return text_format(ret_path, PATH_CAPACITY, "%s/%s", handle->folder, name);
}

static int folder_load(void *arg, const char *name, void *buffer, size_t capacity,
                       size_t *ret_size)
{
    const struct latchkey *handle = arg;
    char path[PATH_CAPACITY];
    struct buffer data = buffer_init_secret(capacity);
    if (!write_path(handle, name, path)) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    int error = file_read(path, &data);
    if (error == 0 && data.size > 0) {
        memcpy(buffer, data.data, data.size);
    }
    if (error == 0) {
        *ret_size = data.size;
    }
    buffer_free(&data);
    return latchkey_view_error(error);
}

static int folder_save(void *arg, const char *name, const void *data, size_t data_size)
{
    const struct latchkey *handle = arg;
    char path[PATH_CAPACITY];
    if (!write_path(handle, name, path)) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    int error =
        data != NULL ? file_write_atomic(path, data, data_size, 0600) : file_remove(path);
    return error == ERROR_NOT_FOUND ? LATCHKEY_OK : latchkey_view_error(error);
}

int latchkey_store_open_folder(struct latchkey *handle)
{
    char path[PATH_CAPACITY];
    int error = file_make_folder(handle->folder, 0700);
    if (error == 0 && !write_path(handle, "lock", path)) {
        error = ERROR_RANGE;
    }
    if (error == 0) {
        error = file_lock(path, &handle->lock_fd);
    }
    if (error == 0) {
        /* What cannot be tidied up is no reason not to start. */
        (void)!file_remove_temporaries(handle->folder);
        handle->storage = (struct latchkey_storage){
            .arg = handle,
            .load = folder_load,
            .save = folder_save,
        };
    }
    return error;
}

int latchkey_store_load(struct latchkey *handle, const char *name, struct buffer *pem)
{
    size_t size = 0;
    void *data = malloc(LATCHKEY_ITEM_MAX);
    if (data == NULL) {
        return ERROR_MEMORY;
    }
    int error = latchkey_view_taken(
        handle->storage.load(handle->storage.arg, name, data, LATCHKEY_ITEM_MAX, &size));
    if (error == 0 && size > LATCHKEY_ITEM_MAX) {
        error = ERROR_LIMIT;
    }
    if (error == 0) {
        error = buffer_append(pem, data, size);
    }
    digest_wipe(data, LATCHKEY_ITEM_MAX);
    free(data);
    return error;
}

static void note_outcome(struct latchkey *handle, bool failed)
{
    failed = failed || handle->is_state_unsaved || handle->is_trusted_unsaved ||
             handle->is_fallback_unsaved;
    handle->is_changed = handle->is_changed || handle->disk_failed != failed;
    handle->disk_failed = failed;
}

int latchkey_store_save(struct latchkey *handle, const char *name, struct bytes data)
{
    int error = latchkey_view_taken(
        handle->storage.save(handle->storage.arg, name, data.data, data.size));
    note_outcome(handle, error < 0);
    return error;
}

void latchkey_store_remove(struct latchkey *handle, const char *name)
{
    int error = handle->storage.save(handle->storage.arg, name, NULL, 0);
    note_outcome(handle, error < 0 && error != LATCHKEY_ERROR_NOT_FOUND);
}

int latchkey_store_save_state(struct latchkey *handle)
{
    struct buffer text = buffer_init(LIMIT_STATE_BYTES);
    int error = agent_state_dump(&handle->state, &text);
    if (error == 0) {
        error = latchkey_store_save(handle, "state.json", buffer_bytes(&text));
    }
    buffer_free(&text);
    handle->is_state_unsaved = error < 0;
    note_outcome(handle, error < 0);
    return error;
}

static int save_bundle(struct latchkey *handle, const char *name,
                       const struct bundle *bundle)
{
    struct buffer pem = buffer_init_secret(BUNDLE_BYTES);
    int error = bundle_dump(bundle, &pem);
    if (error == 0) {
        error = latchkey_store_save(handle, name, buffer_bytes(&pem));
    }
    buffer_free(&pem);
    return error;
}

void latchkey_store_save_trusted(struct latchkey *handle, const struct bundle *bundle)
{
    handle->is_trusted_unsaved = save_bundle(handle, "trusted.pem", bundle) < 0;
    note_outcome(handle, handle->is_trusted_unsaved);
}

void latchkey_store_save_fallback(struct latchkey *handle, const struct bundle *bundle)
{
    handle->is_fallback_unsaved = save_bundle(handle, "fallback.pem", bundle) < 0;
    note_outcome(handle, handle->is_fallback_unsaved);
}

void latchkey_store_retry(struct latchkey *handle)
{
    int64_t now_mono_ms = clock_mono_ms();
    if (!handle->disk_failed || now_mono_ms < handle->save_again_mono_ms) {
        return;
    }
    handle->save_again_mono_ms = now_mono_ms + RETRY_MS;
    if (handle->is_trusted_unsaved && handle->trusted.cert != NULL) {
        latchkey_store_save_trusted(handle, &handle->trusted);
    }
    if (handle->is_fallback_unsaved) {
        latchkey_store_save_fallback(handle, &handle->fallback);
    }
    if (handle->is_state_unsaved) {
        latchkey_store_save_state(handle);
    }
}

int latchkey_store_load_bundle(struct latchkey *handle, const char *name,
                               struct bundle *ret_bundle)
{
    struct buffer pem = buffer_init_secret(BUNDLE_BYTES);
    int error = latchkey_store_load(handle, name, &pem);
    if (error == 0) {
        error = bundle_parse(buffer_text(&pem), pem.size, ret_bundle);
    }
    buffer_free(&pem);
    return error;
}

#include "device/pin_store.h"

#include "base/core/file.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <string.h>

enum { FILE_BYTES = 16 << 10, VERSION = 1 };

static int parse_pins(const json_t *pins, struct pin_store *store)
{
    const json_t *entry = NULL;
    size_t index = 0;
    char pin[TEXT_BASE32_SIZE(PIN_PAYLOAD_HASH_SIZE) + 1];
    json_array_foreach(pins, index, entry)
    {
        const char *text = json_string_value(entry);
        size_t size = 0;
        if (text == NULL || store->pin_count == PIN_STORE_PINS_MAX ||
            text_base64url_decode(text, strlen(text), store->pins[store->pin_count],
                                  PIN_PAYLOAD_HASH_SIZE, &size) < 0 ||
            size != PIN_PAYLOAD_HASH_SIZE) {
            return ERROR_SYNTAX;
        }
        store->pin_count++;
    }
    if (store->pin_count == 0) {
        return ERROR_SYNTAX;
    }
    text_base32(store->pins[0], PIN_PAYLOAD_HASH_SIZE, pin);
    memcpy(store->id, pin, KEY_ID_SIZE);
    store->id[KEY_ID_SIZE] = '\0';
    return 0;
}

static int parse_places(const json_t *places, struct pin_store *store)
{
    const json_t *entry = NULL;
    size_t index = 0;
    json_array_foreach(places, index, entry)
    {
        const char *text = json_string_value(entry);
        if (text == NULL || store->place_count == QR_ADDRESSES_MAX ||
            pin_payload_place(text, &store->places[store->place_count]) < 0) {
            return ERROR_SYNTAX;
        }
        store->place_count++;
    }
    return 0;
}

static int parse_object(const json_t *object, struct pin_store *store)
{
    const char *zone = json_get_text(object, "zone");
    const char *key = json_get_text(object, "key");
    if (json_get_i64(object, "v", 0) != VERSION ||
        !text_copy(store->zone, sizeof(store->zone), zone != NULL ? zone : "")) {
        return ERROR_SYNTAX;
    }
    store->verified_at = json_get_i64(object, "verifiedAt", 0);
    store->counter = json_get_i64(object, "counter", 0);
    int error = parse_pins(json_get_array(object, "pins"), store);
    if (error == 0) {
        error = parse_places(json_get_array(object, "places"), store);
    }
    if (error == 0 && key != NULL) {
        error = key_from_pem(key, strlen(key), &store->key);
    }
    return error == 0 && store->key != NULL && !key_is_private(store->key) ? ERROR_SYNTAX
                                                                           : error;
}

int pin_store_parse(const void *data, size_t size, struct pin_store *ret_store)
{
    struct pin_store store = {.pin_count = 0};
    json_t *object = NULL;
    *ret_store = store;
    int error = json_parse(data, size, FILE_BYTES, &object);
    if (error == 0) {
        error = parse_object(object, &store);
    }
    json_decref(object);
    if (error < 0) {
        pin_store_free(&store);
        return error;
    }
    *ret_store = store;
    return 0;
}

static int dump_pins(const struct pin_store *store, json_t *object)
{
    json_t *pins = json_array();
    int error = 0;
    for (size_t i = 0; i < store->pin_count; i++) {
        char text[TEXT_BASE64URL_SIZE(PIN_PAYLOAD_HASH_SIZE) + 1];
        text_base64url(store->pins[i], PIN_PAYLOAD_HASH_SIZE, text);
        if (json_array_append_new(pins, json_string(text)) != 0) {
            error = ERROR_MEMORY;
        }
    }
    int set_error = json_set_take(object, "pins", pins);
    return error == 0 ? set_error : error;
}

static int dump_places(const struct pin_store *store, json_t *object)
{
    json_t *places = json_array();
    int error = 0;
    for (size_t i = 0; i < store->place_count; i++) {
        char text[ADDRESS_TEXT_CAPACITY];
        address_text(&store->places[i], text);
        if (json_array_append_new(places, json_string(text)) != 0) {
            error = ERROR_MEMORY;
        }
    }
    int set_error = json_set_take(object, "places", places);
    return error == 0 ? set_error : error;
}

static int dump_key(const struct pin_store *store, json_t *object)
{
    struct buffer pem = buffer_init_secret(FILE_BYTES);
    int error = key_to_pem(store->key, &pem);
    if (error == 0) {
        error = json_set_text(object, "key", buffer_text(&pem));
    }
    buffer_free(&pem);
    return error;
}

int pin_store_dump(const struct pin_store *store, struct buffer *text)
{
    json_t *object = json_object();
    int error = json_set_i64(object, "v", VERSION);
    if (error == 0) {
        error = json_set_text(object, "id", store->id);
    }
    if (error == 0 && store->zone[0] != '\0') {
        error = json_set_text(object, "zone", store->zone);
    }
    if (error == 0) {
        error = dump_pins(store, object);
    }
    if (error == 0) {
        error = dump_places(store, object);
    }
    if (error == 0) {
        error = json_set_i64(object, "verifiedAt", store->verified_at);
    }
    if (error == 0) {
        error = json_set_i64(object, "counter", store->counter);
    }
    if (error == 0 && store->key != NULL) {
        error = dump_key(store, object);
    }
    if (error == 0) {
        error = json_dump(object, text);
    }
    json_decref(object);
    return error;
}

int pin_store_load(const char *path, struct pin_store *ret_store)
{
    struct buffer text = buffer_init_secret(FILE_BYTES);
    *ret_store = (struct pin_store){.pin_count = 0};
    int error = file_read(path, &text);
    if (error == 0) {
        error = pin_store_parse(text.data, text.size, ret_store);
    }
    buffer_free(&text);
    return error;
}

int pin_store_save(const char *path, const struct pin_store *store, bool exists_ok)
{
    struct buffer text = buffer_init_secret(FILE_BYTES);
    int error = pin_store_dump(store, &text);
    if (error == 0) {
        error = exists_ok ? file_write_atomic(path, text.data, text.size, 0600)
                          : file_write_new(path, text.data, text.size, 0600);
    }
    buffer_free(&text);
    return error;
}

void pin_store_free(struct pin_store *store)
{
    key_free(store->key);
    *store = (struct pin_store){.pin_count = 0};
}

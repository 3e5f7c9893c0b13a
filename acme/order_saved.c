/* The durable form of an order.
 *
 * Only what the CA can't tell again is kept: the order's URL, what it was asked for with,
 * and the records that may still be shown. Everything else is read from the order when it
 * is resumed, so that a state saved too early or too late is never wrong, only older. */
#include "acme/order_saved.h"

#include "acme/origin.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum { SAVED_VERSION = 1 };

static int write_records(const struct acme_order *order, json_t *object)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;

    for (size_t i = 0; error == 0 && i < order->record_count; i++) {
        json_t *record = json_object();

        error = record != NULL ? json_set_text(record, "name", order->records[i].name)
                               : ERROR_MEMORY;
        if (error == 0)
            error = json_set_text(record, "value", order->records[i].value);
        if (error == 0 && json_array_append(list, record) != 0)
            error = ERROR_MEMORY;
        json_decref(record);
    }
    if (error != 0) {
        json_decref(list);
        return error;
    }
    return json_set_take(object, "records", list);
}

int order_saved_write(const struct acme_order *order, struct buffer *json)
{
    json_t *object = json_object();
    int error = object != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = json_set_i64(object, "version", SAVED_VERSION);
    if (error == 0)
        error = json_set_text(object, "directory",
                              client_session_directory_url(order->client));
    if (error == 0)
        error = json_set_text(object, "csr", order->csr_hash);
    if (error == 0)
        error = json_set_text(object, "url", order->url);
    if (error == 0)
        error = json_set_text(object, "profile", order->profile);
    if (error == 0)
        error = json_set_text(object, "replaces", order->replaces);
    if (error == 0)
        error = json_set_i64(object, "restarts", order->restarts);
    if (error == 0)
        error = write_records(order, object);
    if (error == 0)
        error = json_dump(object, json);
    json_decref(object);
    return error;
}

static bool is_value(const char *text)
{
    return strlen(text) == KEY_PIN_SIZE &&
           text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                             "0123456789-_")] == '\0';
}

/* A record is only taken back at a challenge name of one of our own names. */
static bool is_our_name(const struct acme_order *order, const char *name)
{
    static const char prefix[] = "_acme-challenge.";

    if (!text_starts_with(name, prefix))
        return false;
    for (size_t i = 0; i < order->csr.name_count; i++) {
        const char *own = order->csr.names[i];

        if (text_starts_with(own, "*."))
            own += 2;
        if (strcmp(own, name + strlen(prefix)) == 0)
            return true;
    }
    return false;
}

static int read_records(struct acme_order *order, const json_t *list)
{
    size_t count = json_array_size(list);

    if (count > LIMIT_CHALLENGE_VALUES)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        const char *name = json_get_text(value, "name");
        const char *text = json_get_text(value, "value");
        struct acme_record *record = &order->records[i];

        if (name == NULL || text == NULL || !is_value(text) ||
            !is_our_name(order, name) ||
            !text_copy(record->name, sizeof(record->name), name) ||
            !text_copy(record->value, sizeof(record->value), text))
            return ERROR_SYNTAX;
    }
    order->record_count = count;
    return 0;
}

static int read_wish(const json_t *object, const char *key, size_t size_max,
                     char **ret_text)
{
    const char *text = json_get_text(object, key);

    free(*ret_text);
    *ret_text = NULL;
    if (text == NULL)
        return json_object_get(object, key) == NULL ? 0 : ERROR_SYNTAX;
    if (strlen(text) > size_max)
        return ERROR_SYNTAX;
    *ret_text = strdup(text);
    return *ret_text != NULL ? 0 : ERROR_MEMORY;
}

int order_saved_read(struct acme_order *order, const void *json, size_t size)
{
    const char *origin = client_session_directory_url(order->client);
    const char *directory, *csr, *url;
    json_t *object = NULL;
    int64_t restarts;
    int error = json_parse(json, size, ACME_ORDER_SAVE_MAX, &object);

    if (error != 0)
        return error == ERROR_MEMORY ? error : ERROR_SYNTAX;
    directory = json_get_text(object, "directory");
    csr = json_get_text(object, "csr");
    url = json_get_text(object, "url");
    restarts = json_get_i64(object, "restarts", -1);
    if (json_get_i64(object, "version", 0) != SAVED_VERSION || directory == NULL ||
        csr == NULL || restarts < 0 || restarts > 1000 ||
        (url == NULL && json_object_get(object, "url") != NULL))
        error = ERROR_SYNTAX;
    else if (strcmp(directory, origin) != 0 || strcmp(csr, order->csr_hash) != 0)
        error = ERROR_CONFLICT;
    else if (url != NULL && !origin_is_same(url, origin))
        error = ERROR_SYNTAX;
    if (error == 0)
        error = read_wish(object, "url", LIMIT_URL_BYTES, &order->url);
    if (error == 0)
        error = read_wish(object, "profile", 64, &order->profile);
    if (error == 0)
        error = read_wish(object, "replaces", CERT_ID_MAX, &order->replaces);
    if (error == 0)
        error = read_records(order, json_get_array(object, "records"));
    if (error == 0)
        order->restarts = (unsigned)restarts;
    json_decref(object);
    return error;
}

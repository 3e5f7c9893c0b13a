/* Order objects.
 *
 * The names in the order must be those asked for, or a confused CA (or a proxy between)
 * could make us prove control of, and publish records for, names that nobody asked for.
 */
#include "acme/order_message.h"

#include "acme/origin.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdio.h>
#include <string.h>

struct fault {
    char *reason;
    size_t capacity;
};

static int wrong(struct fault fault, const char *text)
{
    (void)snprintf(fault.reason, fault.capacity, "%s", text);
    return ERROR_SYNTAX;
}

static int read_status(const json_t *object, enum order_status *ret_status,
                       struct fault fault)
{
    static const char *const texts[] = {"pending", "ready", "processing", "valid",
                                        "invalid"};
    const char *status = json_get_text(object, "status");

    for (size_t i = 0; status != NULL && i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(texts[i], status) == 0) {
            *ret_status = (enum order_status)i;
            return 0;
        }
    }
    (void)snprintf(fault.reason, fault.capacity, "the order's status is '%.32s'",
                   status != NULL ? status : "");
    return ERROR_SYNTAX;
}

static int check_names(const json_t *object, char *const *names, size_t name_count,
                       struct fault fault)
{
    const json_t *list = json_get_array(object, "identifiers");
    bool seen[LIMIT_ORDER_NAMES] = {false};

    if (list == NULL || json_array_size(list) != name_count)
        return wrong(fault, "the order's identifiers are not those asked for");
    for (size_t i = 0; i < name_count; i++) {
        const json_t *identifier = json_array_get(list, i);
        const char *type = json_get_text(identifier, "type");
        const char *value = json_get_text(identifier, "value");
        size_t at = 0;

        while (value != NULL && at < name_count &&
               (seen[at] || !text_equal_nocase(names[at], value)))
            at++;
        if (type == NULL || strcmp(type, "dns") != 0 || value == NULL || at == name_count)
            return wrong(fault, "the order's identifiers are not those asked for");
        seen[at] = true;
    }
    return 0;
}

static int read_authorizations(const json_t *object, size_t name_count,
                               const char *origin, struct order_message *message,
                               struct fault fault)
{
    const json_t *list = json_get_array(object, "authorizations");
    size_t count = json_array_size(list);

    /* What is ready needs none; some servers then leave the member out. */
    if (list == NULL && message->status != ORDER_STATUS_PENDING)
        return 0;
    if (count == 0 && message->status == ORDER_STATUS_PENDING)
        return wrong(fault, "the order is pending without authorizations");
    if (count > name_count)
        return wrong(fault, "the order has more authorizations than names");
    for (size_t i = 0; i < count; i++) {
        const char *url = json_string_value(json_array_get(list, i));

        if (!origin_is_same(url, origin))
            return wrong(fault, "an authorization is no https URL of the CA's origin");
        message->authorizations[i] = url;
    }
    message->authorization_count = count;
    return 0;
}

static int read_urls(const json_t *object, const char *origin,
                     struct order_message *message, struct fault fault)
{
    message->finalize = json_get_text(object, "finalize");
    message->certificate = json_get_text(object, "certificate");
    if (!origin_is_same(message->finalize, origin) &&
        (message->finalize != NULL || message->status == ORDER_STATUS_PENDING ||
         message->status == ORDER_STATUS_READY))
        return wrong(fault, "finalize is no https URL of the CA's origin");
    if (message->certificate != NULL && !origin_is_same(message->certificate, origin))
        return wrong(fault, "certificate is no https URL of the CA's origin");
    if (message->certificate == NULL && message->status == ORDER_STATUS_VALID)
        return wrong(fault, "the order is valid without a certificate");
    return 0;
}

int order_message_parse(const void *body, size_t size, char *const *names,
                        size_t name_count, const char *origin,
                        struct order_message *ret_message, char *reason,
                        size_t reason_capacity)
{
    struct order_message message = {0};
    struct fault fault = {reason, reason_capacity};
    const char *expires;
    int error = json_parse(body, size, LIMIT_JSON_BYTES, &message.object);

    if (error != 0 || !json_is_object(message.object)) {
        (void)wrong(fault, "the order is no JSON object");
        error = error == ERROR_MEMORY ? error : ERROR_SYNTAX;
        goto out;
    }
    error = read_status(message.object, &message.status, fault);
    if (error == 0)
        error = check_names(message.object, names, name_count, fault);
    if (error == 0)
        error = read_authorizations(message.object, name_count, origin, &message, fault);
    if (error == 0)
        error = read_urls(message.object, origin, &message, fault);
    expires = json_get_text(message.object, "expires");
    if (expires != NULL && text_time_parse(expires, &message.expires_at) != 0)
        message.expires_at = 0;
    acme_problem_from_json(json_object_get(message.object, "error"), 0, &message.problem);
out:
    if (error != 0)
        order_message_free(&message);
    else
        *ret_message = message;
    return error;
}

void order_message_free(struct order_message *message)
{
    json_decref(message->object);
    message->object = NULL;
}

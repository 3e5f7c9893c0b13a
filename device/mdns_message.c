#include "device/mdns_message.h"

#include "base/core/json.h"
#include "base/core/text.h"

#include <string.h>

static const char *const state_words[] = {
    [MDNS_OFF] = "off",       [MDNS_WAITING] = "waiting", [MDNS_ANNOUNCED] = "announced",
    [MDNS_ABSENT] = "absent", [MDNS_FAILED] = "failed",
};

enum { STATE_COUNT = sizeof(state_words) / sizeof(state_words[0]) };

const char *mdns_message_state_text(enum mdns_state state)
{
    return state_words[state];
}

static int set_addresses(json_t *object, const struct own_addresses *addresses)
{
    json_t *list = json_array();
    for (size_t i = 0; i < addresses->count; i++) {
        char text[46];
        lanname_address_text(&addresses->at[i], text);
        if (json_array_append_new(list, json_string(text)) != 0) {
            json_decref(list);
            return ERROR_MEMORY;
        }
    }
    return json_set_take(object, "addresses", list);
}

int mdns_message_write_facts(const struct mdns_facts *facts, struct buffer *buffer)
{
    json_t *object = json_object();
    int error =
        object != NULL ? json_set_text(object, "host", facts->host) : ERROR_MEMORY;
    if (error == 0) {
        error = json_set_text(object, "service", facts->service);
    }
    if (error == 0) {
        error = json_set_text(object, "id", facts->id);
    }
    if (error == 0) {
        error = json_set_i64(object, "port", facts->port);
    }
    if (error == 0) {
        error = set_addresses(object, &facts->addresses);
    }
    if (error == 0) {
        error = json_dump(object, buffer);
    }
    json_decref(object);
    return error;
}

int mdns_message_write_report(const struct mdns_report *report, struct buffer *buffer)
{
    json_t *object = json_object();
    int error = object != NULL ? json_set_text(object, "state",
                                               mdns_message_state_text(report->state))
                               : ERROR_MEMORY;
    if (error == 0) {
        error = json_set_text(object, "host", report->host);
    }
    if (error == 0) {
        error = json_set_text(object, "detail", report->detail);
    }
    if (error == 0) {
        error = json_dump(object, buffer);
    }
    json_decref(object);
    return error;
}

static int take_text(const json_t *object, const char *key, char *ret_text,
                     size_t capacity)
{
    const char *text = json_get_text(object, key);
    if (text == NULL) {
        return ERROR_SYNTAX;
    }
    return text_copy(ret_text, capacity, text) ? 0 : ERROR_LIMIT;
}

static int take_addresses(const json_t *object, struct own_addresses *addresses)
{
    const json_t *list = json_get_array(object, "addresses");
    if (list == NULL) {
        return ERROR_SYNTAX;
    }
    if (json_array_size(list) > LIMIT_DEVICE_ADDRESSES) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL ||
            !lanname_address_parse(text, &addresses->at[addresses->count])) {
            return ERROR_SYNTAX;
        }
        addresses->count++;
    }
    return 0;
}

static int take_facts(const json_t *object, struct mdns_facts *facts)
{
    int64_t port = json_get_i64(object, "port", -1);
    if (port < 0 || port > UINT16_MAX) {
        return ERROR_SYNTAX;
    }
    facts->port = (uint16_t)port;
    int error = take_text(object, "host", facts->host, sizeof(facts->host));
    if (error == 0) {
        error = take_text(object, "service", facts->service, sizeof(facts->service));
    }
    if (error == 0) {
        error = take_text(object, "id", facts->id, sizeof(facts->id));
    }
    if (error == 0) {
        error = take_addresses(object, &facts->addresses);
    }
    return error;
}

int mdns_message_read_facts(const void *data, size_t size, struct mdns_facts *ret_facts)
{
    struct mdns_facts facts = {.port = 0};
    json_t *object = NULL;
    int error = json_parse(data, size, LIMIT_MDNS_MESSAGE_BYTES, &object);
    if (error == 0) {
        error = take_facts(object, &facts);
    }
    json_decref(object);
    if (error == 0) {
        *ret_facts = facts;
    }
    return error;
}

static int take_state(const json_t *object, enum mdns_state *ret_state)
{
    const char *word = json_get_text(object, "state");
    for (size_t i = 0; word != NULL && i < STATE_COUNT; i++) {
        if (strcmp(word, state_words[i]) == 0) {
            *ret_state = (enum mdns_state)i;
            return 0;
        }
    }
    return ERROR_SYNTAX;
}

/* The host goes into certificates: nothing but a name under .local may stand there. */
static bool is_local_name(const char *host)
{
    size_t label = strcspn(host, ".");
    return lanname_is_host_label((const uint8_t *)host, label) &&
           strcmp(host + label, ".local") == 0;
}

int mdns_message_read_report(const void *data, size_t size,
                             struct mdns_report *ret_report)
{
    struct mdns_report report = {.state = MDNS_OFF};
    json_t *object = NULL;
    int error = json_parse(data, size, LIMIT_MDNS_MESSAGE_BYTES, &object);
    if (error == 0) {
        error = take_state(object, &report.state);
    }
    if (error == 0) {
        error = take_text(object, "host", report.host, sizeof(report.host));
    }
    if (error == 0) {
        error = take_text(object, "detail", report.detail, sizeof(report.detail));
    }
    json_decref(object);
    if (error == 0 && report.state == MDNS_ANNOUNCED && !is_local_name(report.host)) {
        error = ERROR_SYNTAX;
    }
    if (error == 0) {
        *ret_report = report;
    }
    return error;
}

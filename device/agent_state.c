#include "device/agent_state.h"

#include "base/core/file.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };

/* Text members by table, so that reading and writing can't drift apart. */
struct text_member {
    const char *name;
    size_t offset;
    size_t capacity;
};

#define TEXT_MEMBER(field)                                                               \
    {                                                                                    \
#field, offsetof(struct agent_state, field),                                     \
            sizeof(((struct agent_state *)NULL)->field)                                  \
    }

static const struct text_member text_members[] = {
    TEXT_MEMBER(zone),
    TEXT_MEMBER(account_url),
    TEXT_MEMBER(live_confirmed),
    TEXT_MEMBER(fallback_fingerprint),
    TEXT_MEMBER(fallback_names),
    TEXT_MEMBER(failure_code),
    TEXT_MEMBER(failure_text),
    TEXT_MEMBER(csr),
    TEXT_MEMBER(directory),
    TEXT_MEMBER(relay_zone),
    TEXT_MEMBER(relay_pin),
    TEXT_MEMBER(receipt),
    TEXT_MEMBER(moved_from),
    TEXT_MEMBER(moved_to),
    TEXT_MEMBER(moved_pin),
    TEXT_MEMBER(move_about),
    TEXT_MEMBER(move_second),
    TEXT_MEMBER(move_third),
};

struct number_member {
    const char *name;
    size_t offset;
};

#define NUMBER_MEMBER(field)                                                             \
    {                                                                                    \
#field, offsetof(struct agent_state, field)                                      \
    }

static const struct number_member number_members[] = {
    NUMBER_MEMBER(counter),       NUMBER_MEMBER(published_at), NUMBER_MEMBER(obtained_at),
    NUMBER_MEMBER(hold_until_at), NUMBER_MEMBER(failure_at),
    NUMBER_MEMBER(cloned_at),     NUMBER_MEMBER(move_serial),  NUMBER_MEMBER(moved_issued_at),
    NUMBER_MEMBER(time_floor_at), NUMBER_MEMBER(move_second_serial),
    NUMBER_MEMBER(move_third_serial),
};

enum {
    TEXT_COUNT = sizeof(text_members) / sizeof(text_members[0]),
    NUMBER_COUNT = sizeof(number_members) / sizeof(number_members[0]),
};

static int read_members(const json_t *object, struct agent_state *state)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        const char *text = json_get_text(object, text_members[i].name);
        char *field = (char *)state + text_members[i].offset;
        if (text != NULL && !text_copy(field, text_members[i].capacity, text)) {
            return ERROR_RANGE;
        }
    }
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        int64_t value = json_get_i64(object, number_members[i].name, 0);
        if (value < 0) {
            return ERROR_RANGE;
        }
        memcpy((char *)state + number_members[i].offset, &value, sizeof(value));
    }
    return agent_state_set_order(state, json_get_text(object, "order"));
}

static int read_published(const json_t *object, struct own_addresses *ret_published)
{
    const json_t *list = json_get_array(object, "published");
    if (json_array_size(list) > LIMIT_DEVICE_ADDRESSES) {
        return ERROR_RANGE;
    }
    struct own_addresses published = {.count = 0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL ||
            !lanname_address_parse(text, &published.at[published.count])) {
            return ERROR_RANGE;
        }
        published.count++;
    }
    *ret_published = published;
    return 0;
}

int agent_state_parse(const void *data, size_t size, struct agent_state *ret_state)
{
    *ret_state = (struct agent_state){.counter = 0};
    struct agent_state state = {.counter = 0};
    json_t *object = NULL;
    int error = json_parse(data, size, LIMIT_STATE_BYTES, &object);
    if (error < 0) {
        goto out;
    }
    if (!json_is_object(object) || json_get_i64(object, "version", 0) != VERSION) {
        error = ERROR_RANGE;
        goto out;
    }
    error = read_members(object, &state);
    if (error == 0) {
        error = read_published(object, &state.published);
    }
    if (error == 0) {
        *ret_state = state;
        state.order = NULL;
    }
out:
    agent_state_free(&state);
    json_decref(object);
    return error;
}

static int write_published(const struct own_addresses *published, json_t *object)
{
    json_t *list = json_array();
    for (size_t i = 0; i < published->count; i++) {
        char text[46];
        lanname_address_text(&published->at[i], text);
        if (json_array_append_new(list, json_string(text)) != 0) {
            json_decref(list);
            return ERROR_MEMORY;
        }
    }
    return json_set_take(object, "published", list);
}

static int write_members(const struct agent_state *state, json_t *object)
{
    int error = json_set_i64(object, "version", VERSION);
    for (size_t i = 0; i < TEXT_COUNT && error == 0; i++) {
        const char *field = (const char *)state + text_members[i].offset;
        error = json_set_text(object, text_members[i].name, field);
    }
    for (size_t i = 0; i < NUMBER_COUNT && error == 0; i++) {
        int64_t value = 0;
        memcpy(&value, (const char *)state + number_members[i].offset, sizeof(value));
        error = json_set_i64(object, number_members[i].name, value);
    }
    if (error == 0) {
        error = json_set_text(object, "order", state->order);
    }
    return error == 0 ? write_published(&state->published, object) : error;
}

int agent_state_dump(const struct agent_state *state, struct buffer *text)
{
    json_t *object = json_object();
    if (object == NULL) {
        return ERROR_MEMORY;
    }
    int error = write_members(state, object);
    if (error == 0) {
        error = json_dump(object, text);
    }
    json_decref(object);
    return error;
}

int agent_state_load(const char *path, struct agent_state *ret_state)
{
    *ret_state = (struct agent_state){.counter = 0};
    struct buffer text = buffer_init(LIMIT_STATE_BYTES);
    int error = file_read(path, &text);
    if (error == 0) {
        error = agent_state_parse(text.data, text.size, ret_state);
    }
    buffer_free(&text);
    return error;
}

int agent_state_save(const char *path, const struct agent_state *state)
{
    struct buffer text = buffer_init(LIMIT_STATE_BYTES);
    int error = agent_state_dump(state, &text);
    if (error == 0) {
        error = file_write_atomic(path, text.data, text.size, 0600);
    }
    buffer_free(&text);
    return error;
}

int agent_state_set_order(struct agent_state *state, const char *text)
{
    char *copy = NULL;
    if (text != NULL) {
        copy = strdup(text);
        if (copy == NULL) {
            return ERROR_MEMORY;
        }
    }
    free(state->order);
    state->order = copy;
    return 0;
}

void agent_state_free(struct agent_state *state)
{
    free(state->order);
    state->order = NULL;
}

bool agent_state_turn_to(struct agent_state *state, const char *directory)
{
    if (strcmp(state->directory, directory) == 0) {
        return false;
    }
    bool is_turn = state->directory[0] != '\0';
    text_copy(state->directory, sizeof(state->directory), directory);
    state->account_url[0] = '\0';
    state->relay_zone[0] = '\0';
    state->relay_pin[0] = '\0';
    state->receipt[0] = '\0';
    state->cloned_at = 0;
    state->hold_until_at = 0;
    state->published_at = 0;
    state->published.count = 0;
    free(state->order);
    state->order = NULL;
    return is_turn;
}

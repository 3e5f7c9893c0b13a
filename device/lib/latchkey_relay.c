/* Whether the relay is the one we know (device/relay_facts.c judges, as for the agent), and its
 * word on whether another device has our key. A relay that shows another key than at first, and is
 * not pinned, is still asked for certificates: it is not believed in anything else here. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

int latchkey_relay_split(struct latchkey *handle)
{
    char *hash = strchr(handle->directory, '#');
    if (hash == NULL) {
        return 0;
    }
    *hash = '\0';
    return statement_is_pin(hash + 1) &&
                   text_copy(handle->relay_pin, sizeof(handle->relay_pin), hash + 1)
               ? 0
               : ERROR_SYNTAX;
}

/* The members of meta.latchkey under the names that relay_facts_read knows. */
static int rename_members(const json_t *relay, json_t **ret_message)
{
    json_t *message = json_object();
    int error = message == NULL ? ERROR_MEMORY : 0;
    if (error == 0) {
        error = json_set_text(message, "zone", json_get_text(relay, "zone"));
    }
    json_t *key = json_object_get(relay, "relayKey");
    if (error == 0 && key != NULL) {
        error = json_set_take(message, "relay_key", json_incref(key));
    }
    if (error < 0) {
        json_decref(message);
        return error;
    }
    *ret_message = message;
    return 0;
}

static void remember(struct latchkey *handle, const struct relay_facts *facts)
{
    struct agent_state *state = &handle->state;
    if (state->relay_zone[0] == '\0') {
        text_copy(state->relay_zone, sizeof(state->relay_zone), facts->zone);
    }
    if (state->relay_pin[0] == '\0') {
        text_copy(state->relay_pin, sizeof(state->relay_pin), facts->pin);
    }
}

int latchkey_relay_check(struct latchkey *handle, const json_t *relay,
                         const char **ret_code, char *reason, size_t capacity)
{
    struct relay_facts facts = {.key = NULL};
    json_t *message = NULL;
    struct relay_known known = {
        .pin = handle->relay_pin,
        .remembered = handle->relay_pin[0] != '\0' ? "" : handle->state.relay_pin,
        .zone = handle->state.relay_zone,
    };
    *ret_code = "device";
    int error = rename_members(relay, &message);
    if (error < 0) {
        text_copy(reason, capacity, error_text(error));
        return error;
    }
    error = relay_facts_read(message, handle->directory, &facts, reason, capacity);
    if (error == 0) {
        switch (relay_facts_judge(&facts, &known, reason, capacity)) {
        case RELAY_NOT_ITSELF:
            *ret_code = "relay-not-itself";
            error = ERROR_DENIED;
            break;
        case RELAY_ZONE_CHANGED:
            *ret_code = "zone-changed";
            error = ERROR_DENIED;
            break;
        case RELAY_KEY_CHANGED:
            break;
        case RELAY_ITSELF:
            remember(handle, &facts);
            break;
        }
    }
    relay_facts_free(&facts);
    json_decref(message);
    return error;
}

void latchkey_relay_take_receipt(struct latchkey *handle, struct bytes body)
{
    json_t *object = NULL;
    if (json_parse(body.data, body.size, LIMIT_JSON_BYTES, &object) < 0) {
        return; /* a relay that gives none */
    }
    const char *receipt = json_get_text(object, "receipt");
    if (receipt != NULL && statement_is_nonce(receipt) &&
        text_copy(handle->state.receipt, sizeof(handle->state.receipt), receipt)) {
        bool is_cloned = json_get_bool(object, "cloned", false);
        bool was_cloned = handle->state.cloned_at != 0;
        if (is_cloned != was_cloned) {
            handle->state.cloned_at = is_cloned ? clock_system_at() : 0;
        }
        handle->end.is_unmatched = !json_get_bool(object, "matched", true);
    }
    json_decref(object);
}

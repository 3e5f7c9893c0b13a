#include "device/relay_facts.h"

#include "base/core/text.h"
#include "base/lanname.h"
#include "device/signing_rules.h"

#include <string.h>

bool relay_facts_is_zone(const char *text)
{
    size_t label = 0;
    if (text == NULL || text[0] == '\0' || strlen(text) >= STATEMENT_ZONE_CAPACITY) {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        bool ldh = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '-';
        if (!ldh && (*at != '.' || label == 0)) {
            return false;
        }
        label = ldh ? label + 1 : 0;
        if (label > LANNAME_LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

static int read_key(const json_t *message, struct relay_facts *facts)
{
    const json_t *jwk = json_object_get(message, "relay_key");
    if (jwk == NULL) {
        return 0;
    }
    int error = key_from_jwk(jwk, &facts->key);
    return error == 0 ? statement_pin(facts->key, facts->pin) : error;
}

int relay_facts_read(const json_t *message, const char *directory,
                     struct relay_facts *ret_facts, char *reason, size_t capacity)
{
    struct relay_facts facts = {.key = NULL};
    const char *zone = json_get_text(message, "zone");
    const char *time_url = json_get_text(message, "time_url");
    if (!relay_facts_is_zone(zone) || !text_copy(facts.zone, sizeof(facts.zone), zone)) {
        text_copy(reason, capacity, "the relay's zone is no domain name");
        return ERROR_RANGE;
    }
    if (time_url != NULL &&
        (!signing_rules_is_of_relay(time_url, directory) ||
         !text_copy(facts.time_url, sizeof(facts.time_url), time_url))) {
        text_copy(reason, capacity, "the relay's timeUrl is not at the relay");
        return ERROR_RANGE;
    }
    if (read_key(message, &facts) < 0) {
        relay_facts_free(&facts);
        text_copy(reason, capacity, "the relay's relayKey is no key");
        return ERROR_RANGE;
    }
    facts.moved_to = json_get_text(message, "moved_to");
    *ret_facts = facts;
    return 0;
}

void relay_facts_free(struct relay_facts *facts)
{
    key_free(facts->key);
    facts->key = NULL;
}

enum relay_verdict relay_facts_judge(const struct relay_facts *facts,
                                     const struct relay_known *known, char *reason,
                                     size_t capacity)
{
    if (known->pin[0] != '\0' && strcmp(facts->pin, known->pin) != 0) {
        text_format(
            reason, capacity,
            "the relay's key has the pin '%s', but '%s' is expected: this is another "
            "relay, or somebody in its place",
            facts->pin, known->pin);
        return RELAY_NOT_ITSELF;
    }
    if (known->zone[0] != '\0' && strcmp(facts->zone, known->zone) != 0) {
        text_format(
            reason, capacity,
            "the relay's zone was '%.120s' and is '%.120s' now: that is not taken over "
            "by itself",
            known->zone, facts->zone);
        return RELAY_ZONE_CHANGED;
    }
    if (known->remembered[0] != '\0' && strcmp(facts->pin, known->remembered) != 0) {
        text_format(reason, capacity,
                    "the relay showed a key with the pin '%s' at first, and '%s' now",
                    known->remembered, facts->pin);
        return RELAY_KEY_CHANGED;
    }
    return RELAY_ITSELF;
}

/* Authorization objects.
 *
 * A CA may offer challenges that did not exist when this was written; some have no token
 * (dns-persist-01). They are skipped, not failed on. The token is held to RFC 8555 8.1's
 * alphabet before it goes anywhere. */
#include "acme/authz_message.h"

#include "acme/origin.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdio.h>
#include <string.h>

static bool is_token(const char *token)
{
    size_t size;

    if (token == NULL)
        return false;
    size = strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                         "0123456789-_");
    return size > 0 && size <= LIMIT_TOKEN_BYTES && token[size] == '\0';
}

static const char *without_wildcard(const char *name)
{
    return text_starts_with(name, "*.") ? name + 2 : name;
}

static int read_name(const json_t *object, char *const *names, size_t name_count,
                     struct authz_message *message)
{
    const json_t *identifier = json_get_object(object, "identifier");
    const char *type = json_get_text(identifier, "type");
    const char *value = json_get_text(identifier, "value");

    if (type == NULL || strcmp(type, "dns") != 0 || value == NULL)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < name_count; i++) {
        if (text_equal_nocase(without_wildcard(names[i]), without_wildcard(value))) {
            /* Ours, not the CA's spelling, is what gets published. */
            message->name = without_wildcard(names[i]);
            return 0;
        }
    }
    return ERROR_SYNTAX;
}

static int read_status(const json_t *object, struct authz_message *message)
{
    const char *status = json_get_text(object, "status");
    static const char *const dead[] = {"invalid", "deactivated", "expired", "revoked"};

    if (status == NULL)
        return ERROR_SYNTAX;
    if (strcmp(status, "valid") == 0) {
        message->status = AUTHZ_VALID;
        return 0;
    }
    /* Not in RFC 8555 for an authorization, but seen. */
    if (strcmp(status, "pending") == 0 || strcmp(status, "processing") == 0) {
        message->status = AUTHZ_PENDING;
        return 0;
    }
    for (size_t i = 0; i < sizeof(dead) / sizeof(dead[0]); i++) {
        if (strcmp(status, dead[i]) == 0) {
            message->status = AUTHZ_DEAD;
            return 0;
        }
    }
    return ERROR_SYNTAX;
}

static void read_challenges(const json_t *object, const char *origin,
                            struct authz_message *message)
{
    const json_t *list = json_get_array(object, "challenges");
    size_t count = json_array_size(list);

    for (size_t i = 0; i < count; i++) {
        const json_t *challenge = json_array_get(list, i);
        const char *type = json_get_text(challenge, "type");
        const char *status = json_get_text(challenge, "status");
        const char *url = json_get_text(challenge, "url");
        const char *token = json_get_text(challenge, "token");
        const json_t *error = json_get_object(challenge, "error");

        if (type == NULL || strcmp(type, "dns-01") != 0)
            continue;
        if (error != NULL)
            acme_problem_from_json(error, 0, &message->problem);
        if (message->has_challenge || !is_token(token) || !origin_is_same(url, origin))
            continue;
        message->has_challenge = true;
        message->challenge_url = url;
        message->token = token;
        message->is_challenge_pending = status == NULL || strcmp(status, "pending") == 0;
    }
}

int authz_message_parse(const void *body, size_t size, char *const *names,
                        size_t name_count, const char *origin,
                        struct authz_message *ret_message, char *reason,
                        size_t reason_capacity)
{
    struct authz_message message = {0};
    int error = json_parse(body, size, LIMIT_JSON_BYTES, &message.object);
    const char *text = "the authorization is no JSON object";

    if (error == 0 && !json_is_object(message.object))
        error = ERROR_SYNTAX;
    if (error == 0) {
        text = "the authorization is for a name that was not asked for";
        error = read_name(message.object, names, name_count, &message);
    }
    if (error == 0) {
        text = "the authorization's status is unknown";
        error = read_status(message.object, &message);
    }
    if (error != 0) {
        (void)snprintf(reason, reason_capacity, "%s", text);
        authz_message_free(&message);
        return error == ERROR_MEMORY ? error : ERROR_SYNTAX;
    }
    read_challenges(message.object, origin, &message);
    *ret_message = message;
    return 0;
}

void authz_message_free(struct authz_message *message)
{
    json_decref(message->object);
    message->object = NULL;
}

#include "device/signing_rules.h"

#include "acme/acme.h"
#include "base/core/json.h"
#include "base/core/limits.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum { PROTECTED_BYTES = 8 << 10, TOKEN_MAX = 26 };

/* Compared as text: the relay writes its URLs from one configured base. */
bool signing_rules_is_of_relay(const char *url, const char *directory)
{
    const char *host = strstr(directory, "://");
    if (url == NULL || host == NULL) {
        return false;
    }
    const char *path = strchr(host + 3, '/');
    size_t origin_size = path != NULL ? (size_t)(path - directory) : strlen(directory);
    return strncmp(url, directory, origin_size) == 0 && url[origin_size] == '/';
}

static int decode(const char *text, size_t size, size_t max_bytes, struct buffer *bytes)
{
    uint8_t *data = NULL;
    size_t capacity = size / 4 * 3 + 3;
    size_t decoded = 0;
    if (capacity > max_bytes) {
        return ERROR_LIMIT;
    }
    data = malloc(capacity);
    if (data == NULL) {
        return ERROR_MEMORY;
    }
    int error = text_base64url_decode(text, size, data, capacity, &decoded);
    if (error == 0) {
        error = buffer_append(bytes, data, decoded);
    }
    free(data);
    return error;
}

static int parse_part(const char *text, size_t size, json_t **ret_object)
{
    struct buffer bytes = buffer_init(LIMIT_JWS_BYTES);
    json_t *value = NULL;
    int error = decode(text, size, LIMIT_JWS_BYTES, &bytes);
    if (error == 0) {
        error = json_parse(bytes.data, bytes.size, LIMIT_JWS_BYTES, &value);
    }
    if (error == 0 && !json_is_object(value)) {
        json_decref(value);
        error = ERROR_SYNTAX;
    }
    if (error == 0) {
        *ret_object = value;
    }
    buffer_free(&bytes);
    return error;
}

static bool is_own_jwk(const json_t *jwk, const struct key *key)
{
    json_t *own = NULL;
    bool equal = key_to_jwk(key, &own) == 0 && json_equal(jwk, own);
    json_decref(own);
    return equal;
}

static const char *check_protected(const struct signing_rules *rules,
                                   const json_t *header)
{
    const char *alg = json_get_text(header, "alg");
    const char *kid = json_get_text(header, "kid");
    const json_t *jwk = json_object_get(header, "jwk");
    if (json_object_size(header) != 4 || json_get_text(header, "nonce") == NULL) {
        return "the protected header must have alg, nonce, url, and jwk or kid";
    }
    if (alg == NULL || strcmp(alg, jws_alg_text(jws_alg_of_key(rules->key))) != 0) {
        return "alg is not that of the identity key";
    }
    if (!signing_rules_is_of_relay(json_get_text(header, "url"), rules->directory)) {
        return "url is not on the configured relay";
    }
    if (kid != NULL ? !signing_rules_is_of_relay(kid, rules->directory)
                    : !is_own_jwk(jwk, rules->key)) {
        return "kid or jwk is not this device's account at the configured relay";
    }
    return NULL;
}

/* Every identifier must be "<id>.<...>" or "*.<id>.<...>". */
static bool are_own_identifiers(const json_t *list, const char *id)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_get_text(json_array_get(list, i), "value");
        if (name == NULL) {
            return false;
        }
        name += text_starts_with(name, "*.") ? 2 : 0;
        if (!text_starts_with(name, id) || name[KEY_ID_SIZE] != '.') {
            return false;
        }
    }
    return json_array_size(list) > 0;
}

/* A counter that only rises must not be burnt: one publication with the greatest would be
 * the last. */
static bool is_publication_allowed(const struct signing_rules *rules,
                                   const json_t *payload)
{
    const json_t *counter = json_object_get(payload, "counter");
    const json_t *addresses = json_object_get(payload, "addresses");
    const json_t *receipt = json_object_get(payload, "receipt");
    if (counter == NULL && addresses == NULL && receipt == NULL) {
        return true;
    }
    /* A relay that gives no receipts is shown none. */
    if (receipt != NULL &&
        !json_equal(receipt, json_object_get(rules->publication, "receipt"))) {
        return false;
    }
    return json_equal(counter, json_object_get(rules->publication, "counter")) &&
           json_equal(addresses, json_object_get(rules->publication, "addresses"));
}

/* RFC 8555 7.3.6: final, so only when the owner asked for it. */
static const char *check_leaving(const struct signing_rules *rules, const json_t *payload)
{
    const char *status = json_get_text(payload, "status");
    return rules->may_leave && json_object_size(payload) == 1 && status != NULL &&
                   strcmp(status, "deactivated") == 0
               ? NULL
               : "nobody asked for this account's end";
}

/* The diagnosis' question whether a name was asked for: it changes nothing, and goes with
 * nothing else. */
static bool is_probe_allowed(const json_t *payload)
{
    const json_t *token = json_object_get(payload, "token");
    const char *text = json_string_value(token);
    return token == NULL ||
           (text != NULL && json_object_size(payload) == 1 && text[0] != '\0' &&
            strlen(text) <= TOKEN_MAX &&
            strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(text));
}

static const char *check_payload(const struct signing_rules *rules, const json_t *payload)
{
    if (json_object_get(payload, "status") != NULL) {
        return check_leaving(rules, payload);
    }
    static const char *const allowed[] = {
        "contact",
        "termsOfServiceAgreed",
        "onlyReturnExisting",
        "externalAccountBinding",
        "identifiers",
        "profile",
        "replaces",
        "csr",
        "counter",
        "addresses",
        "receipt",
        "nonce",
        "token",
    };
    size_t known = 0;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        known += json_object_get(payload, allowed[i]) != NULL ? 1 : 0;
    }
    if (known != json_object_size(payload)) {
        return "the payload has a member that no task of this device sends";
    }
    const json_t *identifiers = json_object_get(payload, "identifiers");
    if (identifiers != NULL && !are_own_identifiers(identifiers, rules->id)) {
        return "the order names something else than this device";
    }
    if (!is_publication_allowed(rules, payload)) {
        return "the addresses or their counter are not those that the device gave out";
    }
    if (!is_probe_allowed(payload)) {
        return "the question about a name is no token, or goes with something else";
    }
    const json_t *nonce = json_object_get(payload, "nonce");
    if (nonce != NULL && (rules->nonce == NULL || !json_is_string(nonce) ||
                          strcmp(json_string_value(nonce), rules->nonce) != 0)) {
        return "the question for the time is not the one that was made here";
    }
    const json_t *csr = json_object_get(payload, "csr");
    if (csr != NULL && (!json_is_string(csr) || rules->csr[0] == '\0' ||
                        strcmp(json_string_value(csr), rules->csr) != 0)) {
        return "the certificate request is not the one that was made here";
    }
    return NULL;
}

static const char *check(const struct signing_rules *rules, const char *input,
                         size_t size)
{
    const char *dot = memchr(input, '.', size);
    json_t *header = NULL;
    json_t *payload = NULL;
    const char *reason = NULL;
    if (dot == NULL || size > LIMIT_JWS_BYTES ||
        (size_t)(dot - input) > PROTECTED_BYTES) {
        return "this is no JWS signing input";
    }
    size_t payload_size = size - (size_t)(dot - input) - 1;
    if (parse_part(input, (size_t)(dot - input), &header) < 0) {
        return "the protected header is no JSON object in base64url";
    }
    reason = check_protected(rules, header);
    if (reason == NULL && payload_size > 0) {
        reason = parse_part(dot + 1, payload_size, &payload) < 0
                     ? "the payload is no JSON object in base64url"
                     : check_payload(rules, payload);
    }
    json_decref(payload);
    json_decref(header);
    return reason;
}

int signing_rules_check(const struct signing_rules *rules, const char *input, size_t size,
                        char *reason, size_t reason_capacity)
{
    const char *refusal = check(rules, input, size);
    if (refusal == NULL) {
        return 0;
    }
    text_copy(reason, reason_capacity, refusal);
    return ERROR_DENIED;
}

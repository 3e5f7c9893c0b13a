/* The signature is verified before anything in the payload but the key is looked at, and that
 * key is held to the pin first. */
#include "device/endorsement.h"

#include "base/core/json.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/crypto/cert_pin.h"
#include "base/crypto/digest.h"

#include <string.h>

enum {
    TEXT_BYTES = 8 << 10,
    PAYLOAD_BYTES = 4 << 10,
    PAYLOAD_MEMBERS = 7,
    NAMES_MAX = 8,
};

static const char type[] = "application/vnd.latchkey.endorse+json";

/* DSSE's PAE: "DSSEv1" SP size SP type SP size SP payload. */
static int encode(const void *payload, size_t size, struct buffer *pae)
{
    buffer_printf(pae, "DSSEv1 %zu %s %zu ", sizeof(type) - 1, type, size);
    return buffer_append(pae, payload, size);
}

static int set_octets(json_t *object, const char *name, const void *data, size_t size)
{
    char text[TEXT_BASE64URL_SIZE(PAYLOAD_BYTES) + 1];
    if (size > PAYLOAD_BYTES) {
        return ERROR_LIMIT;
    }
    text_base64url(data, size, text);
    return json_set_text(object, name, text);
}

static int tls_hash(const struct cert *cert, uint8_t ret_hash[static 32])
{
    struct key *key = NULL;
    int error = cert_key(cert, &key);
    if (error == 0) {
        error = key_spki_sha256(key, ret_hash);
    }
    key_free(key);
    return error;
}

static int fill_payload(const struct key *identity, const struct cert *cert,
                        json_t *payload)
{
    uint8_t hash[32];
    struct bytes spki = key_spki(identity);
    json_t *names = json_array();
    int error = tls_hash(cert, hash);
    for (size_t i = 0; i < cert_name_count(cert) && i < NAMES_MAX && error == 0; i++) {
        if (json_array_append_new(names, json_string(cert_name(cert, i))) != 0) {
            error = ERROR_MEMORY;
        }
    }
    if (error == 0) {
        error = json_set_i64(payload, "v", 1);
    }
    if (error == 0) {
        error = set_octets(payload, "spki", spki.data, spki.size);
    }
    if (error == 0) {
        error = set_octets(payload, "spki_tls", hash, sizeof(hash));
    }
    if (error == 0) {
        error = json_set_take(payload, "names", json_incref(names));
    }
    json_decref(names);
    if (error == 0) {
        error = json_set_i64(payload, "nbf", cert_not_before_at(cert));
    }
    if (error == 0) {
        error = json_set_i64(payload, "exp", cert_not_after_at(cert));
    }
    /* The CA's clock, which the device's need not agree with. */
    return error == 0 ? json_set_i64(payload, "ctr", cert_not_before_at(cert)) : error;
}

static int seal(const struct key *identity, const struct buffer *payload,
                json_t *envelope)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    struct buffer pae = buffer_init(PAYLOAD_BYTES + 128);
    json_t *signatures = json_array();
    json_t *one = json_object();
    int error = encode(payload->data, payload->size, &pae);
    if (error == 0) {
        error = key_sign(identity, pae.data, pae.size, signature, &size);
    }
    if (error == 0) {
        error = set_octets(one, "sig", signature, size);
    }
    if (error == 0 && json_array_append(signatures, one) != 0) {
        error = ERROR_MEMORY;
    }
    if (error == 0) {
        error = json_set_text(envelope, "payloadType", type);
    }
    if (error == 0) {
        error = set_octets(envelope, "payload", payload->data, payload->size);
    }
    if (error == 0) {
        error = json_set_take(envelope, "signatures", json_incref(signatures));
    }
    json_decref(one);
    json_decref(signatures);
    buffer_free(&pae);
    return error;
}

int endorsement_make(const struct key *identity, const struct cert *cert,
                     struct buffer *text)
{
    struct buffer dumped = buffer_init(PAYLOAD_BYTES);
    json_t *payload = json_object();
    json_t *envelope = json_object();
    int error = fill_payload(identity, cert, payload);
    if (error == 0) {
        error = json_dump(payload, &dumped);
    }
    if (error == 0) {
        error = seal(identity, &dumped, envelope);
    }
    if (error == 0) {
        error = json_dump(envelope, text);
    }
    json_decref(payload);
    json_decref(envelope);
    buffer_free(&dumped);
    return error;
}

/* --- the app's side --- */

/* An envelope taken apart. */
struct parts {
    uint8_t payload[PAYLOAD_BYTES];
    size_t payload_size;
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t signature_size;
    json_t *object; /* the payload's */
    struct key *key;
};

static bool get_octets(const json_t *object, const char *name, uint8_t *ret_data,
                       size_t capacity, size_t *ret_size)
{
    const char *text = json_get_text(object, name);
    return text != NULL &&
           text_base64url_decode(text, strlen(text), ret_data, capacity, ret_size) == 0;
}

static int open_envelope(const void *text, size_t size, struct parts *parts)
{
    json_t *envelope = NULL;
    int error = json_parse(text, size, TEXT_BYTES, &envelope);
    if (error < 0) {
        return error;
    }
    const char *said = json_get_text(envelope, "payloadType");
    const json_t *signatures = json_get_array(envelope, "signatures");
    if (json_object_size(envelope) != 3 || said == NULL || strcmp(said, type) != 0 ||
        json_array_size(signatures) != 1 ||
        !get_octets(envelope, "payload", parts->payload, sizeof(parts->payload),
                    &parts->payload_size) ||
        !get_octets(json_array_get(signatures, 0), "sig", parts->signature,
                    sizeof(parts->signature), &parts->signature_size)) {
        error = ERROR_SYNTAX;
    }
    json_decref(envelope);
    return error != 0 ? error
                      : json_parse(parts->payload, parts->payload_size, PAYLOAD_BYTES,
                                   &parts->object);
}

static const char *check_signature(struct parts *parts,
                                   const struct endorsement_rules *rules)
{
    uint8_t spki[KEY_SPKI_MAX];
    uint8_t hash[32];
    size_t size = 0;
    struct buffer pae = buffer_init(PAYLOAD_BYTES + 128);
    const char *wrong = NULL;
    if (!get_octets(parts->object, "spki", spki, sizeof(spki), &size) ||
        key_from_spki(spki, size, &parts->key) < 0 ||
        key_spki_sha256(parts->key, hash) < 0 ||
        !digest_equal(hash, rules->pin, sizeof(hash))) {
        wrong = "its endorsement is by another key than the pin's";
    } else if (encode(parts->payload, parts->payload_size, &pae) < 0 ||
               key_verify(parts->key, pae.data, pae.size, parts->signature,
                          parts->signature_size) < 0) {
        wrong = "its endorsement's signature is wrong";
    }
    buffer_free(&pae);
    return wrong;
}

/* "*.x" stands for one label. */
static bool covers(const json_t *names, const char *name)
{
    const json_t *entry = NULL;
    const char *dot = strchr(name, '.');
    size_t index = 0;
    json_array_foreach(names, index, entry)
    {
        const char *text = json_string_value(entry);
        if (text != NULL && (text_equal_nocase(text, name) ||
                             (text_starts_with(text, "*.") && dot != NULL &&
                              dot != name && text_equal_nocase(text + 1, dot)))) {
            return true;
        }
    }
    return false;
}

static const char *check_payload(const json_t *payload,
                                 const struct endorsement_rules *rules)
{
    uint8_t hash[32];
    size_t size = 0;
    int64_t counter = json_get_i64(payload, "ctr", -1);
    int64_t used_at = cert_pin_believed_at(
        &(struct cert_pin){.now_at = rules->now_at, .floor_at = rules->floor_at});
    if (json_object_size(payload) != PAYLOAD_MEMBERS ||
        json_get_i64(payload, "v", 0) != 1 || counter < 0 ||
        json_get_i64(payload, "nbf", -1) < 0 ||
        !get_octets(payload, "spki_tls", hash, sizeof(hash), &size) ||
        size != sizeof(hash)) {
        return "its endorsement is not as a device makes it";
    }
    if (!digest_equal(hash, rules->tls_hash, sizeof(hash))) {
        return "its endorsement is of another key than the one that it serves with";
    }
    if (!covers(json_get_array(payload, "names"), rules->name)) {
        return "its endorsement is for another name";
    }
    if (json_get_i64(payload, "exp", 0) <= used_at) {
        return "its endorsement has run out";
    }
    if (counter < rules->least_counter) {
        return "its endorsement is older than one that was seen before";
    }
    return NULL;
}

int endorsement_check(const void *text, size_t size,
                      const struct endorsement_rules *rules, int64_t *ret_counter,
                      char *reason, size_t reason_capacity)
{
    struct parts parts = {.payload_size = 0};
    const char *wrong = NULL;
    int error = open_envelope(text, size, &parts);
    if (error < 0) {
        wrong = "its endorsement can't be understood";
    } else {
        wrong = check_signature(&parts, rules);
    }
    if (wrong == NULL) {
        wrong = check_payload(parts.object, rules);
    }
    if (wrong == NULL) {
        *ret_counter = json_get_i64(parts.object, "ctr", 0);
    } else {
        text_copy(reason, reason_capacity, wrong);
        error = error == ERROR_MEMORY ? error : ERROR_DENIED;
    }
    key_free(parts.key);
    json_decref(parts.object);
    return error;
}

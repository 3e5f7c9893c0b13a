/* The flattened JSON form of a JWS.
 *
 * Everything is decoded by strict rules before anything is believed: exactly three
 * members, base64url without padding or stray bits, a header that is one JSON object
 * without duplicate keys. `crit` and `b64` change what the other members mean (RFC 7797),
 * so they are refused by name; other header members are left to the caller. */
#include "acme/jws_flat.h"

#include "base/core/json.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES_MAX = 8 << 10 };

/* Appends the decoded octets of TEXT. */
static int decode(const char *text, struct buffer *buffer)
{
    size_t size = strlen(text), capacity = size / 4 * 3 + 3, decoded = 0;
    uint8_t *data = malloc(capacity);
    int error = data != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = text_base64url_decode(text, size, data, capacity, &decoded);
    if (error == 0)
        error = buffer_append(buffer, data, decoded);
    free(data);
    return error;
}

static int encode(const void *data, size_t size, struct buffer *buffer)
{
    char *text = malloc(TEXT_BASE64URL_SIZE(size) + 1);
    int error = text != NULL ? 0 : ERROR_MEMORY;

    if (error == 0) {
        text_base64url(size > 0 ? data : "", size, text);
        error = buffer_append_text(buffer, text);
    }
    free(text);
    return error;
}

/* Memory is ours to blame, all else is the sender's. */
static int fail(int error, struct acme_problem *problem, const char *detail)
{
    if (error == ERROR_MEMORY)
        acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "out of memory");
    else
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "%s", detail);
    return error;
}

static int check_members(const json_t *object, struct acme_problem *problem)
{
    if (!json_is_object(object))
        return fail(ERROR_SYNTAX, problem, "the JWS is no JSON object");
    if (json_object_get(object, "header") != NULL)
        return fail(ERROR_SYNTAX, problem, "a JWS may have no unprotected header");
    if (json_object_get(object, "signatures") != NULL)
        return fail(ERROR_SYNTAX, problem, "a JWS may have one signature only");
    if (json_get_text(object, "protected") == NULL ||
        json_get_text(object, "payload") == NULL ||
        json_get_text(object, "signature") == NULL || json_object_size(object) != 3)
        return fail(ERROR_SYNTAX, problem,
                    "a JWS has exactly the texts protected, payload and signature");
    return 0;
}

static int read_header(const char *text, json_t **ret_header,
                       struct acme_problem *problem)
{
    struct buffer header = buffer_init(HEADER_BYTES_MAX);
    json_t *object = NULL;
    int error = decode(text, &header);

    if (error != 0) {
        error = fail(error, problem, "the protected header is not base64url or too long");
        goto out;
    }
    error = json_parse(header.data, header.size, HEADER_BYTES_MAX, &object);
    if (error != 0 || !json_is_object(object)) {
        error = fail(error != 0 ? error : ERROR_SYNTAX, problem,
                     "the protected header is no JSON object, or names something twice");
        goto out;
    }
    if (json_object_get(object, "crit") != NULL ||
        json_object_get(object, "b64") != NULL) {
        error = fail(ERROR_UNSUPPORTED, problem, "crit and b64 are not supported here");
        goto out;
    }
    *ret_header = json_incref(object);
out:
    json_decref(object);
    buffer_free(&header);
    return error;
}

int jws_flat_read(const json_t *object, struct jws_flat *ret_flat,
                  struct acme_problem *problem)
{
    struct jws_flat flat = {
        .input = buffer_init(LIMIT_JWS_BYTES),
        .payload = buffer_init(LIMIT_JWS_BYTES),
    };
    const char *protected, *payload, *signature;
    int error = check_members(object, problem);

    if (error != 0)
        return error;
    protected = json_get_text(object, "protected");
    payload = json_get_text(object, "payload");
    signature = json_get_text(object, "signature");
    error = read_header(protected, &flat.header, problem);
    if (error != 0)
        goto out;
    error = decode(payload, &flat.payload);
    if (error != 0) {
        error = fail(error, problem, "the payload is not base64url");
        goto out;
    }
    error = text_base64url_decode(signature, strlen(signature), flat.signature,
                                  sizeof(flat.signature), &flat.signature_size);
    if (error != 0) {
        error = fail(error, problem, "the signature is not base64url or too long");
        goto out;
    }
    (void)buffer_append_text(&flat.input, protected);
    (void)buffer_append_text(&flat.input, ".");
    error = buffer_append_text(&flat.input, payload);
    if (error != 0)
        error = fail(error, problem, "the JWS is too long");
out:
    if (error != 0)
        jws_flat_free(&flat);
    else
        *ret_flat = flat;
    return error;
}

void jws_flat_free(struct jws_flat *flat)
{
    json_decref(flat->header);
    flat->header = NULL;
    buffer_free(&flat->input);
    buffer_free(&flat->payload);
}

int jws_flat_input(const json_t *header, const void *payload, size_t payload_size,
                   struct buffer *input)
{
    struct buffer text = buffer_init(HEADER_BYTES_MAX);
    int error = json_dump(header, &text);

    if (error == 0)
        error = encode(text.data, text.size, input);
    if (error == 0)
        error = buffer_append_text(input, ".");
    if (error == 0)
        error = encode(payload, payload_size, input);
    buffer_free(&text);
    return error;
}

int jws_flat_write(const struct buffer *input, const uint8_t *signature,
                   size_t signature_size, json_t **ret_object)
{
    const char *text = buffer_text(input);
    const char *dot = strchr(text, '.');
    char signature_text[TEXT_BASE64URL_SIZE(KEY_SIGNATURE_MAX) + 1];
    json_t *object = json_object();
    int error = object != NULL ? 0 : ERROR_MEMORY;

    if (error == 0 && (dot == NULL || signature_size > KEY_SIGNATURE_MAX))
        error = ERROR_INTERNAL;
    if (error == 0)
        error =
            json_set_take(object, "protected", json_stringn(text, (size_t)(dot - text)));
    if (error == 0)
        error = json_set_text(object, "payload", dot + 1);
    if (error == 0) {
        text_base64url(signature, signature_size, signature_text);
        error = json_set_text(object, "signature", signature_text);
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    *ret_object = object;
    return 0;
}

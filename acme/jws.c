/* JSON Web Signatures of RFC 8555.
 *
 * The algorithm is never taken from the message: it follows from the key, and a header
 * that says otherwise is refused before anything is verified. That closes `none`, the use
 * of a public key as MAC key, and every mix-up between curves. A server parses first
 * (cheap), finds the key (jwk, or the account of kid), and then verifies. */
#include "acme/jws.h"

#include "acme/jws_flat.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

struct jws {
    struct jws_flat flat;
    enum jws_alg alg;
    struct key *key; /* of jwk, or NULL */
    const char *kid; /* these are borrowed from flat.header */
    const char *nonce;
    const char *url;
};

const char *jws_alg_text(enum jws_alg alg)
{
    switch (alg) {
    case JWS_ES256:
        return "ES256";
    case JWS_RS256:
        return "RS256";
    case JWS_ES384:
        return "ES384";
    case JWS_EDDSA:
        return "EdDSA";
    }
    return "";
}

enum jws_alg jws_alg_of_key(const struct key *key)
{
    switch (key_kind(key)) {
    case KEY_P256:
        return JWS_ES256;
    case KEY_P384:
        return JWS_ES384;
    case KEY_RSA:
        return JWS_RS256;
    case KEY_ED25519:
        return JWS_EDDSA;
    }
    return JWS_ES256;
}

static int make_header(const struct jws_signer *signer, const char *kid,
                       const char *nonce, const char *url, json_t **ret_header)
{
    json_t *header = json_object(), *jwk = NULL;
    int error = header != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = json_set_text(header, "alg", jws_alg_text(jws_alg_of_key(signer->key)));
    if (error == 0 && kid == NULL) {
        error = key_to_jwk(signer->key, &jwk);
        if (error == 0)
            error = json_set_take(header, "jwk", jwk);
    } else if (error == 0) {
        error = json_set_text(header, "kid", kid);
    }
    if (error == 0)
        error = json_set_text(header, "nonce", nonce);
    if (error == 0)
        error = json_set_text(header, "url", url);
    if (error != 0) {
        json_decref(header);
        return error;
    }
    *ret_header = header;
    return 0;
}

int jws_make(const struct jws_signer *signer, const char *kid, const char *nonce,
             const char *url, const void *payload, size_t payload_size,
             struct buffer *body)
{
    struct buffer input = buffer_init(LIMIT_JWS_BYTES);
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    json_t *header = NULL, *object = NULL;
    int error = make_header(signer, kid, nonce, url, &header);

    if (error == 0)
        error = jws_flat_input(header, payload, payload_size, &input);
    if (error == 0 && signer->sign != NULL)
        error = signer->sign(signer->arg, input.data, input.size, signature, &size);
    else if (error == 0)
        error = key_sign(signer->key, input.data, input.size, signature, &size);
    if (error == 0)
        error = jws_flat_write(&input, signature, size, &object);
    if (error == 0)
        error = json_dump(object, body);
    json_decref(object);
    json_decref(header);
    buffer_free(&input);
    return error;
}

static int read_alg(struct jws *jws, struct acme_problem *problem)
{
    const char *text = json_get_text(jws->flat.header, "alg");

    if (text == NULL) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "the JWS header has no alg");
        return ERROR_SYNTAX;
    }
    for (int alg = JWS_ES256; alg <= JWS_EDDSA; alg++) {
        if (strcmp(jws_alg_text((enum jws_alg)alg), text) == 0) {
            jws->alg = (enum jws_alg)alg;
            return 0;
        }
    }
    acme_problem_set(problem, ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM,
                     "the algorithm '%.32s' is not supported", text);
    return ERROR_UNSUPPORTED;
}

static int refuse_alg(const struct jws *jws, const struct key *key,
                      struct acme_problem *problem)
{
    acme_problem_set(problem, ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM,
                     "the algorithm is %s, but this key signs with %s",
                     jws_alg_text(jws->alg), jws_alg_text(jws_alg_of_key(key)));
    return ERROR_SIGNATURE;
}

static int read_jwk(const json_t *jwk, struct jws *jws, struct acme_problem *problem)
{
    int error = key_from_jwk(jwk, &jws->key);

    if (error == 0)
        return jws_alg_of_key(jws->key) == jws->alg ? 0
                                                    : refuse_alg(jws, jws->key, problem);
    if (error == ERROR_MEMORY)
        acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "out of memory");
    else if (error == ERROR_DENIED)
        acme_problem_set(problem, ACME_PROBLEM_BAD_PUBLIC_KEY,
                         "the jwk holds a private key: it must be thrown away");
    else
        acme_problem_set(
            problem, ACME_PROBLEM_BAD_PUBLIC_KEY,
            "the jwk is no well-formed P-256, P-384, RSA (2048 to 4096 bits) "
            "or Ed25519 key");
    return error;
}

static int read_key(struct jws *jws, struct acme_problem *problem)
{
    const json_t *jwk = json_object_get(jws->flat.header, "jwk");
    const json_t *kid = json_object_get(jws->flat.header, "kid");

    if ((jwk == NULL) == (kid == NULL)) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         "a JWS header has either jwk or kid");
        return ERROR_SYNTAX;
    }
    if (jwk != NULL)
        return read_jwk(jwk, jws, problem);
    jws->kid = json_string_value(kid);
    if (jws->kid == NULL || jws->kid[0] == '\0' || strlen(jws->kid) > LIMIT_URL_BYTES) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         "kid must be the account's URL, of at most %d octets",
                         LIMIT_URL_BYTES);
        return ERROR_SYNTAX;
    }
    return 0;
}

static bool is_base64url(const char *text)
{
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                             "0123456789-_")] == '\0';
}

static int read_nonce_and_url(struct jws *jws, struct acme_problem *problem)
{
    const json_t *header = jws->flat.header;

    jws->url = json_get_text(header, "url");
    if (jws->url == NULL || jws->url[0] == '\0' || strlen(jws->url) > LIMIT_URL_BYTES) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         "the JWS header needs a url of at most %d octets",
                         LIMIT_URL_BYTES);
        return ERROR_SYNTAX;
    }
    if (json_object_get(header, "nonce") == NULL) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_NONCE, "the JWS has no nonce");
        return ERROR_SYNTAX;
    }
    jws->nonce = json_get_text(header, "nonce");
    if (jws->nonce == NULL || jws->nonce[0] == '\0' ||
        strlen(jws->nonce) > LIMIT_NONCE_BYTES || !is_base64url(jws->nonce)) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "the nonce is not base64url");
        return ERROR_SYNTAX;
    }
    return 0;
}

int jws_parse(const void *data, size_t size, struct jws **ret_jws,
              struct acme_problem *problem)
{
    json_t *object = NULL;
    struct jws *jws = calloc(1, sizeof(*jws));
    int error = jws != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = json_parse(data, size, LIMIT_JWS_BYTES, &object);
    if (error == ERROR_MEMORY) {
        acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "out of memory");
        goto out;
    }
    if (error != 0) {
        acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                         error == ERROR_LIMIT
                             ? "the request is too large or too deeply nested"
                             : "the request is no JSON, or names something twice");
        goto out;
    }
    error = jws_flat_read(object, &jws->flat, problem);
    if (error == 0)
        error = read_alg(jws, problem);
    if (error == 0)
        error = read_key(jws, problem);
    if (error == 0)
        error = read_nonce_and_url(jws, problem);
out:
    json_decref(object);
    if (error != 0)
        jws_free(jws);
    else
        *ret_jws = jws;
    return error;
}

void jws_free(struct jws *jws)
{
    if (jws == NULL)
        return;
    key_free(jws->key);
    jws_flat_free(&jws->flat);
    free(jws);
}

const char *jws_url(const struct jws *jws)
{
    return jws->url;
}

const char *jws_nonce(const struct jws *jws)
{
    return jws->nonce;
}

const char *jws_kid(const struct jws *jws)
{
    return jws->kid;
}

struct key *jws_key(const struct jws *jws)
{
    return jws->key;
}

enum jws_alg jws_alg(const struct jws *jws)
{
    return jws->alg;
}

struct bytes jws_payload(const struct jws *jws)
{
    return buffer_bytes(&jws->flat.payload);
}

bool jws_is_post_as_get(const struct jws *jws)
{
    return jws->flat.payload.size == 0;
}

int jws_verify(const struct jws *jws, const struct key *key, struct acme_problem *problem)
{
    if (jws_alg_of_key(key) != jws->alg)
        return refuse_alg(jws, key, problem);
    if (key_verify(key, jws->flat.input.data, jws->flat.input.size, jws->flat.signature,
                   jws->flat.signature_size) != 0) {
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "the signature is not by this account's key");
        return ERROR_SIGNATURE;
    }
    return 0;
}

int jws_payload_object(const struct jws *jws, json_t **ret_object,
                       struct acme_problem *problem)
{
    json_t *object = NULL;
    int error = json_parse(jws->flat.payload.data, jws->flat.payload.size,
                           LIMIT_JWS_BYTES, &object);

    if (error == 0 && !json_is_object(object))
        error = ERROR_SYNTAX;
    if (error != 0) {
        json_decref(object);
        if (error == ERROR_MEMORY)
            acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "out of memory");
        else
            acme_problem_set(problem, ACME_PROBLEM_MALFORMED,
                             "the payload is no JSON object, or names something twice");
        return error;
    }
    *ret_object = object;
    return 0;
}

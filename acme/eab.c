/* External account binding (RFC 8555 7.3.4).
 *
 * The inner JWS is a MAC over the account's public key: whoever made it knew the token
 * and vouches for this key only. Each of HS256, HS384 and HS512 stands for itself here (a
 * known client took every size but 512 for 512). */
#include "acme/eab.h"

#include "acme/jws_flat.h"
#include "base/core/json.h"

#include <stdlib.h>
#include <string.h>

struct eab {
    struct jws_flat flat;
    const char *kid; /* borrowed from flat.header */
    enum digest_hash hash;
};

static const char *hash_text(enum digest_hash hash)
{
    switch (hash) {
    case DIGEST_SHA256:
        return "HS256";
    case DIGEST_SHA384:
        return "HS384";
    case DIGEST_SHA512:
        return "HS512";
    }
    return "";
}

static int make_header(const struct eab_credentials *credentials, const char *url,
                       json_t **ret_header)
{
    json_t *header = json_object();
    int error = header != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = json_set_text(header, "alg", hash_text(credentials->hash));
    if (error == 0)
        error = json_set_text(header, "kid", credentials->kid);
    if (error == 0)
        error = json_set_text(header, "url", url);
    if (error != 0) {
        json_decref(header);
        return error;
    }
    *ret_header = header;
    return 0;
}

int eab_make(const struct eab_credentials *credentials, const struct key *account,
             const char *url, json_t **ret_binding)
{
    struct buffer input = buffer_init(LIMIT_JWS_BYTES);
    struct buffer payload = buffer_init(LIMIT_JWS_BYTES);
    uint8_t mac[DIGEST_MAX_SIZE];
    size_t mac_size = 0;
    json_t *header = NULL, *jwk = NULL;
    int error = make_header(credentials, url, &header);

    if (error == 0)
        error = key_to_jwk(account, &jwk);
    if (error == 0)
        error = json_dump(jwk, &payload);
    if (error == 0)
        error = jws_flat_input(header, payload.data, payload.size, &input);
    if (error == 0)
        error = digest_hmac(credentials->hash, credentials->mac_key.data,
                            credentials->mac_key.size, input.data, input.size, mac,
                            &mac_size);
    if (error == 0)
        error = jws_flat_write(&input, mac, mac_size, ret_binding);
    json_decref(jwk);
    json_decref(header);
    buffer_free(&payload);
    buffer_free(&input);
    return error;
}

static int refuse(struct acme_problem *problem, const char *detail)
{
    acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "externalAccountBinding: %s",
                     detail);
    return ERROR_SYNTAX;
}

static int read_header(struct eab *eab, const char *url, struct acme_problem *problem)
{
    const json_t *header = eab->flat.header;
    const char *alg = json_get_text(header, "alg");
    const char *inner_url = json_get_text(header, "url");

    eab->kid = json_get_text(header, "kid");
    if (alg == NULL)
        return refuse(problem, "no alg");
    for (int hash = DIGEST_SHA256;; hash++) {
        if (hash > DIGEST_SHA512) {
            acme_problem_set(problem, ACME_PROBLEM_BAD_SIGNATURE_ALGORITHM,
                             "externalAccountBinding: alg must be HS256, HS384 or HS512");
            return ERROR_UNSUPPORTED;
        }
        if (strcmp(alg, hash_text((enum digest_hash)hash)) == 0) {
            eab->hash = (enum digest_hash)hash;
            break;
        }
    }
    if (eab->kid == NULL || eab->kid[0] == '\0' || strlen(eab->kid) >= EAB_KID_MAX)
        return refuse(problem, "kid is missing or too long");
    if (json_object_get(header, "nonce") != NULL ||
        json_object_get(header, "jwk") != NULL)
        return refuse(problem, "nonce and jwk may not be there");
    if (inner_url == NULL || strcmp(inner_url, url) != 0)
        return refuse(problem, "url is not that of the request");
    return 0;
}

static int check_payload(const struct eab *eab, const struct key *account,
                         struct acme_problem *problem)
{
    json_t *jwk = NULL;
    struct key *key = NULL;
    int error =
        json_parse(eab->flat.payload.data, eab->flat.payload.size, LIMIT_JWS_BYTES, &jwk);

    if (error == 0)
        error = key_from_jwk(jwk, &key);
    json_decref(jwk);
    if (error == ERROR_MEMORY) {
        acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "out of memory");
        return error;
    }
    if (error != 0 || !key_equal(key, account))
        error = refuse(problem, "the payload is not this account's key");
    key_free(key);
    return error;
}

int eab_parse(const json_t *binding, const struct key *account, const char *url,
              struct eab **ret_eab, struct acme_problem *problem)
{
    struct eab *eab = calloc(1, sizeof(*eab));
    int error;

    if (eab == NULL) {
        acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "out of memory");
        return ERROR_MEMORY;
    }
    error = jws_flat_read(binding, &eab->flat, problem);
    if (error == 0)
        error = read_header(eab, url, problem);
    if (error == 0)
        error = check_payload(eab, account, problem);
    if (error != 0)
        eab_free(eab);
    else
        *ret_eab = eab;
    return error;
}

const char *eab_kid(const struct eab *eab)
{
    return eab->kid;
}

int eab_verify(const struct eab *eab, const void *mac_key, size_t mac_key_size,
               struct acme_problem *problem)
{
    uint8_t mac[DIGEST_MAX_SIZE];
    size_t mac_size = 0;
    int error = digest_hmac(eab->hash, mac_key, mac_key_size, eab->flat.input.data,
                            eab->flat.input.size, mac, &mac_size);

    if (error != 0) {
        acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "the MAC can't be made");
        return error;
    }
    if (eab->flat.signature_size != mac_size ||
        !digest_equal(mac, eab->flat.signature, mac_size))
        error = ERROR_SIGNATURE;
    digest_wipe(mac, sizeof(mac));
    if (error != 0)
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "externalAccountBinding: the MAC is not by this kid's key");
    return error;
}

void eab_free(struct eab *eab)
{
    if (eab == NULL)
        return;
    jws_flat_free(&eab->flat);
    free(eab);
}

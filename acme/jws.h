/* JSON Web Signatures as RFC 8555 6.2 uses them: flattened JSON, protected header only.
 * Made by a client through a signer (so that the caller may hold no key), parsed and
 * verified by a server. */
#ifndef ACME_JWS_H
#define ACME_JWS_H

#include "acme/acme_problem.h"
#include "base/crypto/key.h"

#define JWS_CONTENT_TYPE "application/jose+json"

/* The algorithms accepted, each bound to one kind of key. */
enum jws_alg { JWS_ES256, JWS_RS256, JWS_ES384, JWS_EDDSA };

/* "ES256", "RS256", "ES384", "EdDSA". */
const char *jws_alg_text(enum jws_alg alg);
/* The one algorithm a key signs with here. */
enum jws_alg jws_alg_of_key(const struct key *key);

/* Signs DATA (the JWS signing input, ASCII) with the private half of the signer's key;
 * key_sign's contract: RET_SIGNATURE holds KEY_SIGNATURE_MAX. May block on another
 * process. */
typedef int jws_sign_fn(void *arg, const void *data, size_t size, uint8_t *ret_signature,
                        size_t *ret_size);

struct jws_signer {
    struct key *key;   /* the public half at least; borrowed */
    jws_sign_fn *sign; /* NULL: key is a pair and signs by itself */
    void *arg;
};

/* Appends a flattened JWS to BODY. KID NULL puts the signer's public key in as `jwk`.
 * NONCE NULL leaves it out. An empty payload is POST-as-GET. */
int jws_make(const struct jws_signer *signer, const char *kid, const char *nonce,
             const char *url, const void *payload, size_t payload_size,
             struct buffer *body) MUST_CHECK;

struct jws; /* parsed, not yet verified; immutable */

/* Reads a JWS of at most LIMIT_JWS_BYTES. Refuses: other members than protected, payload,
 * signature; an unprotected header, `signatures`, `crit`, `b64`; unknown, MAC or `none`
 * algorithms; both or neither of jwk and kid; an algorithm that is not the jwk's; a
 * missing nonce or url; duplicate keys, trailing bytes, padded or sloppy base64url. On
 * failure PROBLEM is what to answer (malformed, badSignatureAlgorithm, badPublicKey,
 * badNonce when it is missing); ERROR_MEMORY gives serverInternal. Free with jws_free. */
int jws_parse(const void *data, size_t size, struct jws **ret_jws,
              struct acme_problem *problem) MUST_CHECK;
void jws_free(struct jws *jws);

/* All borrowed from JWS. */
const char *jws_url(const struct jws *jws);
const char *jws_nonce(const struct jws *jws);
const char *jws_kid(const struct jws *jws); /* NULL when there is a jwk */
struct key *jws_key(
    const struct jws *jws); /* the jwk; NULL when there is a kid. key_ref() to keep it */
enum jws_alg jws_alg(const struct jws *jws);
struct bytes jws_payload(const struct jws *jws);
bool jws_is_post_as_get(const struct jws *jws); /* the payload is empty */

/* Checks the signature with KEY, and that the algorithm is the key's. ERROR_SIGNATURE,
 * with badSignatureAlgorithm or unauthorized in PROBLEM. */
int jws_verify(const struct jws *jws, const struct key *key,
               struct acme_problem *problem) MUST_CHECK;
/* The payload as JSON object (LIMIT_JSON_DEPTH, no duplicate keys); `malformed` in
 * PROBLEM else. The caller json_decref()s it. */
int jws_payload_object(const struct jws *jws, json_t **ret_object,
                       struct acme_problem *problem) MUST_CHECK;

#endif

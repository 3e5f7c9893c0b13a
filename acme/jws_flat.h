/* The flattened JSON form of a JWS (RFC 7515 7.2.2), before its header means anything.
 * Private to acme/: both the outer JWS and an external account binding have this shape.
 */
#ifndef ACME_JWS_FLAT_H
#define ACME_JWS_FLAT_H

#include "acme/acme_problem.h"
#include "base/crypto/key.h"

struct jws_flat {
    json_t *header;      /* the decoded protected header, an object */
    struct buffer input; /* protected "." payload, as received: what is signed */
    struct buffer payload;
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t signature_size;
};

/* Reads an object of exactly protected, payload and signature. Refuses `crit` and `b64`
 * in the header. On failure PROBLEM says why, and nothing needs to be freed. */
int jws_flat_read(const json_t *object, struct jws_flat *ret_flat,
                  struct acme_problem *problem) MUST_CHECK;
void jws_flat_free(struct jws_flat *flat);

/* Appends protected "." payload to INPUT. */
int jws_flat_input(const json_t *header, const void *payload, size_t payload_size,
                   struct buffer *input) MUST_CHECK;
/* The object for an INPUT made before and its signature; json_decref() it. */
int jws_flat_write(const struct buffer *input, const uint8_t *signature,
                   size_t signature_size, json_t **ret_object) MUST_CHECK;

#endif

/* A CA's directory (RFC 8555 7.1.1). Private to acme/. */
#ifndef ACME_DIRECTORY_H
#define ACME_DIRECTORY_H

#include "base/core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The texts are borrowed from `object`. All-zero is an unknown directory. */
struct directory {
    json_t *object;
    const char *new_nonce, *new_account, *new_order;
    const char *revoke_cert;  /* NULL: not offered */
    const char *renewal_info; /* NULL: not offered */
    const char *key_change;   /* NULL: not offered */
};

/* Reads a body from URL. Unknown members are ignored; every URL that we use must be of
 * URL's origin. On failure REASON says what is wrong. */
int directory_parse(const void *body, size_t size, const char *url,
                    struct directory *ret_directory, char *reason,
                    size_t reason_capacity) MUST_CHECK;
/* Whether `meta.profiles` lists it. */
bool directory_has_profile(const struct directory *directory, const char *profile);
void directory_free(struct directory *directory);

#endif

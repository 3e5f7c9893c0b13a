/* Renewal information (RFC 9773): the suggested window, and when within it to renew. */
#ifndef ACME_ACME_ARI_H
#define ACME_ACME_ARI_H

#include "base/core/buffer.h"

#include <jansson.h>

/* Uniform in 0..below-1; random_below of base/crypto fits. */
typedef uint64_t acme_random_fn(uint64_t below);

struct acme_ari {
    int64_t start_at;
    int64_t end_at;
    int64_t poll_at;           /* when to ask again: Retry-After held to 1 h .. 1 day */
    char explanation_url[256]; /* https, or "" */
};

/* Reads a renewalInfo object. ERROR_SYNTAX when it is none; ERROR_RANGE when the window
 * is absurd (end not after start, starts after NOT_AFTER_AT, or ends before
 * NOT_BEFORE_AT): fall back then. RETRY_AFTER is the header or NULL. */
int acme_ari_parse(const void *body, size_t size, const char *retry_after,
                   int64_t not_before_at, int64_t not_after_at, int64_t now_at,
                   struct acme_ari *ret_ari) MUST_CHECK;
/* A moment for renewal: uniform in the first 60 % of the window. A window in the past
 * gives a past moment (renew now). Draw once and keep it: a new draw at each poll would
 * drift. */
int64_t acme_ari_pick(const struct acme_ari *ari, acme_random_fn *random);
/* Without ARI: 2/3 of the life, 1/2 of one below 10 days, up to 5 % of the life later. */
int64_t acme_ari_fallback(int64_t not_before_at, int64_t not_after_at,
                          acme_random_fn *random);
/* The object for a server's response; json_decref() it. EXPLANATION_URL "" is left out.
 */
int acme_ari_to_json(const struct acme_ari *ari, json_t **ret_object) MUST_CHECK;

#endif

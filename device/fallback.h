/* The fallback certificate: what the device serves while it has no trusted one. Signed by
 * the identity key, for the device's own names and no address (see fallback.c). */
#ifndef DEVICE_FALLBACK_H
#define DEVICE_FALLBACK_H

#include "device/agent_state.h"
#include "device/bundle.h"
#include "device/identity.h"

enum { FALLBACK_MDNS_CAPACITY = 32 };

struct fallback_subject {
    const struct identity *identity;
    const char *zone;       /* "" while it is unknown */
    const char *local_name; /* "camera.local" */
    const char *mdns_name;  /* announced after a collision; NULL or "" : its usual one */
};

/* Loads the certificate at PATH if STATE says that it was made for SUBJECT and it is good
 * for another month; else makes one, writes it, and notes it in STATE (the caller saves
 * it). *RET_MADE says which. When the disk refuses, the certificate is used all the same,
 * and *RET_WRITTEN is false. Blocks on the disk. */
int fallback_open(const char *path, const struct fallback_subject *subject,
                  int64_t now_at, struct agent_state *state, struct bundle *ret_bundle,
                  bool *ret_made, bool *ret_written) MUST_CHECK;

/* The same without a file: whether BUNDLE is what STATE says was made for SUBJECT, and good
 * for another month; and making one, which STATE then notes. */
bool fallback_is_good(const struct bundle *bundle, const struct fallback_subject *subject,
                      int64_t now_at, const struct agent_state *state);
int fallback_make(const struct fallback_subject *subject, int64_t now_at,
                  struct agent_state *state, struct bundle *ret_bundle) MUST_CHECK;

/* Whether a fallback certificate of these dates is good for another month. One that has
 * not begun is not: it was made while the clock was wrong. */
bool fallback_is_in_date(int64_t not_before_at, int64_t not_after_at, int64_t now_at);

/* "latchkey-5tbi3ygz.local": what the device is announced as by mDNS, from its id. */
void fallback_mdns_name(const char *id, char ret_name[static FALLBACK_MDNS_CAPACITY]);

/* "camera.local" from the host name, or "latchkey.local". */
void fallback_local_name(char *ret_name, size_t capacity);

#endif

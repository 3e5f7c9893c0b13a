/* The identity key's word for the key of the trusted certificate, so that an app which holds
 * the device's pin believes that certificate too, whichever CA has issued it:
 *
 *     GET /.well-known/latchkey/endorse
 *     {"payloadType":"application/vnd.latchkey.endorse+json", "payload":"<base64url>",
 *      "signatures":[{"sig":"<base64url>"}]}
 *
 * in the form of DSSE (v1: what is signed is "DSSEv1", the lengths, the type and the
 * payload). The payload is {"v":1, "spki":"<DER of the identity key>", "spki_tls":"<SHA-256
 * of the TLS key's SPKI>", "names":[...], "nbf", "exp", "ctr"}; all octets in base64url,
 * times in seconds since 1970. ctr rises with every certificate. */
#ifndef DEVICE_ENDORSEMENT_H
#define DEVICE_ENDORSEMENT_H

#include "base/core/buffer.h"
#include "base/crypto/cert.h"

#define ENDORSEMENT_PATH "/.well-known/latchkey/endorse"

/* Appends IDENTITY's endorsement of the leaf of CERT. Signs once. */
int endorsement_make(const struct key *identity, const struct cert *cert,
                     struct buffer *text) MUST_CHECK;

/* What an app knows. */
struct endorsement_rules {
    const uint8_t *pin; /* 32 octets: of the identity key */
    const uint8_t
        *tls_hash;    /* 32 octets: SHA-256 of the SPKI that the server has shown */
    const char *name; /* the one that the server was asked for */
    int64_t now_at;   /* as in cert_pin.h */
    int64_t floor_at;
    int64_t least_counter; /* the greatest that was seen */
};

/* Judges an endorsement as it came. ERROR_DENIED with a sentence in REASON, ERROR_MEMORY;
 * *RET_COUNTER is to be remembered. */
int endorsement_check(const void *text, size_t size,
                      const struct endorsement_rules *rules, int64_t *ret_counter,
                      char *reason, size_t reason_capacity) MUST_CHECK;

#endif

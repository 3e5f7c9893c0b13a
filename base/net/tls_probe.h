/* A TLS handshake with a server by name, to see which certificate it serves. Renewed on disk
 * and old on the wire is the oldest of such systems' defects. */
#ifndef BASE_NET_TLS_PROBE_H
#define BASE_NET_TLS_PROBE_H

#include "base/core/reader.h"
#include "base/net/address.h"
#include "base/net/loop.h"

struct tls_probe;

/* ERROR is 0 and LEAF the DER of the leaf served (borrowed for the call); else REASON is a
 * sentence: ERROR_CRYPTO when there was a connection but no handshake, ERROR_IO or
 * ERROR_TIMEOUT. The probe is gone after it returns. */
typedef void tls_probe_fn(int error, const char *reason, struct bytes leaf, void *arg);

struct tls_probe_target {
    struct address address;
    const char *name;    /* SNI; copied */
    unsigned timeout_ms; /* for the whole */
};

/* Starts a handshake; FN is called once, never from within this call. The certificate is not
 * judged: that is the caller's. */
int tls_probe_start(struct loop *loop, const struct tls_probe_target *target,
                    tls_probe_fn *fn, void *arg, struct tls_probe **ret_probe) MUST_CHECK;
/* FN is not called any more; accepts NULL. */
void tls_probe_free(struct tls_probe *probe);

#endif

/* Connects to the device itself by name and looks whether a certificate is really served:
 * renewed on disk and old on the wire is the oldest of such systems' defects. */
#ifndef DEVICE_SELF_CHECK_H
#define DEVICE_SELF_CHECK_H

#include "base/net/address.h"
#include "base/net/loop.h"

struct self_check;

/* ERROR is 0 when the leaf served has the fingerprint; else REASON is a sentence. The
 * check is gone after it returns. */
typedef void self_check_fn(int error, const char *reason, void *arg);

struct self_check_target {
    struct address address;
    const char *name;        /* SNI; copied */
    const char *fingerprint; /* hex SHA-256 of the leaf's DER; copied */
};

/* Starts a TLS handshake; FN is called once, never from within this call, after 10 s at
 * the latest. The certificate's issuer is not judged: it was, before it was installed. */
int self_check_start(struct loop *loop, const struct self_check_target *target,
                     self_check_fn *fn, void *arg,
                     struct self_check **ret_check) MUST_CHECK;
void self_check_free(
    struct self_check *check); /* FN is not called any more; accepts NULL */

#endif

/* A certificate and its key, made by an identity of its own, for tests that need TLS. */
#ifndef TESTS_UNIT_NET_PAIR_H
#define TESTS_UNIT_NET_PAIR_H

#include "base/core/clock.h"
#include "base/crypto/cert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* After the standard headers it needs. */
#include <cmocka.h>

struct pair {
    struct key *identity;
    struct cert *identity_cert;
    struct key *key;
    struct cert *cert;
};

/* A leaf for NAME, signed by a fresh identity that may sign for
 * PERMITTED. */
static inline void pair_make_under(struct pair *pair, const char *permitted,
                                   const char *name)
{
    int64_t now_at = clock_wall_at();
    assert_int_equal(key_generate(KEY_P256, &pair->identity), 0);
    assert_int_equal(key_generate(KEY_P256, &pair->key), 0);
    assert_int_equal(
        cert_make_identity(pair->identity, "test", &permitted, 1, &pair->identity_cert),
        0);
    assert_int_equal(cert_make_leaf(pair->identity_cert, pair->identity, pair->key, &name,
                                    1, NULL, 0, now_at - 60, now_at + 86400,
                                    &pair->cert),
                     0);
}

static inline void pair_make(struct pair *pair, const char *name)
{
    pair_make_under(pair, "lan.test", name);
}

static inline void pair_free(struct pair *pair)
{
    cert_free(pair->cert);
    cert_free(pair->identity_cert);
    key_free(pair->key);
    key_free(pair->identity);
}

#endif

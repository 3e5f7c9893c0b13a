/* Keys in PKCS#11 tokens by libp11's engine: what distributions have that have no PKCS#11
 * provider for OpenSSL 3 yet. For key_uri.c only. */
#ifndef BASE_CRYPTO_KEY_ENGINE_H
#define BASE_CRYPTO_KEY_ENGINE_H

#include "base/core/error.h"

#include <stddef.h>

struct key_engine;
struct evp_pkey_st;

/* The private key at a pkcs11: URI (RFC 7512). Its `module-path` names the token's library;
 * a PIN comes by `pin-source=file:...` or `pin-value`. ERROR_UNSUPPORTED where OpenSSL has
 * no engines or the engine is not there; REASON says it. Free the key, then close. */
int key_engine_open(const char *uri, struct key_engine **ret_engine,
                    struct evp_pkey_st **ret_pkey, char *reason,
                    size_t reason_capacity) MUST_CHECK;
/* Accepts NULL. */
void key_engine_close(struct key_engine *engine);

#endif

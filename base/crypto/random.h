/* Random bytes from OpenSSL's generator. */
#ifndef BASE_CRYPTO_RANDOM_H
#define BASE_CRYPTO_RANDOM_H

#include "base/core/error.h"

#include <stddef.h>
#include <stdint.h>

/* SIZE bytes fit for keys and nonces. ERROR_CRYPTO when the generator fails. */
int random_bytes(void *ret_data, size_t size) MUST_CHECK;
/* Uniform in 0..below-1; BELOW > 0. For jitter: falls back to 0 when the generator fails.
 */
uint64_t random_below(uint64_t below);

#endif

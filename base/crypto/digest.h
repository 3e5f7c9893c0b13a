/* Hashes and MACs. None blocks; the output sizes are in the types. */
#ifndef BASE_CRYPTO_DIGEST_H
#define BASE_CRYPTO_DIGEST_H

#include "base/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SHA256_SIZE = 32, DIGEST_MAX_SIZE = 64 };

enum digest_hash { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

/* SHA-256 of SIZE bytes. ERROR_CRYPTO or ERROR_MEMORY from OpenSSL. */
int digest_sha256(const void *data, size_t size,
                  uint8_t ret_hash[static DIGEST_SHA256_SIZE]) MUST_CHECK;
/* SHA-256 of what comes in pieces. Free with digest_stream_free. */
struct digest_stream;
int digest_stream_new(struct digest_stream **ret_stream) MUST_CHECK;
int digest_stream_add(struct digest_stream *stream, const void *data, size_t size) MUST_CHECK;
/* The hash of all that was added; the stream begins anew. */
int digest_stream_end(struct digest_stream *stream,
                      uint8_t ret_hash[static DIGEST_SHA256_SIZE]) MUST_CHECK;
void digest_stream_free(struct digest_stream *stream);
/* HMAC (RFC 2104); *RET_SIZE is 32, 48 or 64. */
int digest_hmac(enum digest_hash hash, const void *key, size_t key_size, const void *data,
                size_t size, uint8_t ret_mac[static DIGEST_MAX_SIZE],
                size_t *ret_size) MUST_CHECK;
/* Constant time. */
bool digest_equal(const void *a, const void *b, size_t size);
/* Overwrites secrets; not optimised away. */
void digest_wipe(void *data, size_t size);

#endif

/* SipHash (Aumasson, Bernstein 2012): a hash under a secret key, so that nobody outside can
 * choose what collides. */
#ifndef BASE_CORE_SIPHASH_H
#define BASE_CORE_SIPHASH_H

#include "base/core/error.h"
#include "base/core/reader.h"

/* For tables: one round for each eight octets, three at the end. Does not block. */
uint64_t siphash_13(const uint64_t key[static 2], const void *data, size_t size);
/* As a short MAC (RFC 9018 4.4): two and four. Does not block. */
uint64_t siphash_24(const uint64_t key[static 2], const void *data, size_t size);
/* A random key from the kernel. ERROR_IO. */
int siphash_key(uint64_t ret_key[static 2]) MUST_CHECK;

#endif

/* PEM around DER that we made (RFC 7468). */
#ifndef BASE_CRYPTO_PEM_H
#define BASE_CRYPTO_PEM_H

#include "base/core/buffer.h"

/* Appends a block "-----BEGIN LABEL-----" with DER to TEXT. */
int pem_write(const char *label, struct bytes der, struct buffer *text) MUST_CHECK;

#endif

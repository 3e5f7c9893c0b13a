#include "base/crypto/digest.h"

#include "base/crypto/openssl.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

int digest_sha256(const void *data, size_t size,
                  uint8_t ret_hash[static DIGEST_SHA256_SIZE])
{
    if (EVP_Digest(data, size, ret_hash, NULL, EVP_sha256(), NULL) != 1) {
        return openssl_error(ERROR_CRYPTO);
    }
    return 0;
}

struct digest_stream {
    EVP_MD_CTX *context;
};

int digest_stream_new(struct digest_stream **ret_stream)
{
    struct digest_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return ERROR_MEMORY;
    }
    stream->context = EVP_MD_CTX_new();
    if (stream->context == NULL ||
        EVP_DigestInit_ex(stream->context, EVP_sha256(), NULL) != 1) {
        digest_stream_free(stream);
        return openssl_error(ERROR_CRYPTO);
    }
    *ret_stream = stream;
    return 0;
}

int digest_stream_add(struct digest_stream *stream, const void *data, size_t size)
{
    return EVP_DigestUpdate(stream->context, data, size) == 1 ? 0
                                                              : openssl_error(ERROR_CRYPTO);
}

int digest_stream_end(struct digest_stream *stream,
                      uint8_t ret_hash[static DIGEST_SHA256_SIZE])
{
    if (EVP_DigestFinal_ex(stream->context, ret_hash, NULL) != 1 ||
        EVP_DigestInit_ex(stream->context, EVP_sha256(), NULL) != 1) {
        return openssl_error(ERROR_CRYPTO);
    }
    return 0;
}

void digest_stream_free(struct digest_stream *stream)
{
    if (stream != NULL) {
        EVP_MD_CTX_free(stream->context);
        free(stream);
    }
}

static const EVP_MD *hash_md(enum digest_hash hash)
{
    switch (hash) {
    case DIGEST_SHA256:
        return EVP_sha256();
    case DIGEST_SHA384:
        return EVP_sha384();
    case DIGEST_SHA512:
        return EVP_sha512();
    }
    return NULL;
}

int digest_hmac(enum digest_hash hash, const void *key, size_t key_size, const void *data,
                size_t size, uint8_t ret_mac[static DIGEST_MAX_SIZE], size_t *ret_size)
{
    const EVP_MD *md = hash_md(hash);
    unsigned mac_size = 0;
    if (key_size > INT_MAX || md == NULL) {
        return ERROR_RANGE;
    }
    /* To OpenSSL a NULL key means "the key of the last call". */
    const void *key_data = key_size > 0 ? key : "";
    if (HMAC(md, key_data, (int)key_size, data, size, ret_mac, &mac_size) == NULL) {
        return openssl_error(ERROR_CRYPTO);
    }
    *ret_size = mac_size;
    return 0;
}

bool digest_equal(const void *a, const void *b, size_t size)
{
    return size == 0 || CRYPTO_memcmp(a, b, size) == 0;
}

void digest_wipe(void *data, size_t size)
{
    if (size > 0) {
        OPENSSL_cleanse(data, size);
    }
}

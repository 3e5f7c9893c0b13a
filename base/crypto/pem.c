#include "base/crypto/pem.h"

#include "base/crypto/openssl.h"

#include <openssl/bio.h>
#include <openssl/pem.h>

int pem_write(const char *label, struct bytes der, struct buffer *text)
{
    char *data = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int error = 0;
    if (bio == NULL || PEM_write_bio(bio, label, "", der.data, (long)der.size) <= 0) {
        error = openssl_error(ERROR_MEMORY);
    } else {
        long size = BIO_get_mem_data(bio, &data);
        error = size > 0 ? buffer_append(text, data, (size_t)size) : ERROR_CRYPTO;
    }
    BIO_free(bio);
    return error;
}

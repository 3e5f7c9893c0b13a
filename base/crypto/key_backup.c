#include "base/crypto/key_backup.h"

#include "base/core/limits.h"
#include "base/crypto/key_parts.h"
#include "base/crypto/openssl.h"
#include "base/crypto/random.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

enum { SALT_BYTES = 16, SCRYPT_N = 16384, SCRYPT_R = 8, SCRYPT_P = 1 };

static bool is_passphrase(const char *passphrase)
{
    size_t size = strlen(passphrase);
    return size >= KEY_BACKUP_PASSPHRASE_MIN && size <= KEY_BACKUP_PASSPHRASE_MAX;
}

/* NULL with OpenSSL's queue filled. */
static X509_SIG *encrypt(EVP_PKEY *pkey, const char *passphrase)
{
    unsigned char salt[SALT_BYTES];
    X509_SIG *sealed = NULL;
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(pkey);
    X509_ALGOR *algorithm = NULL;
    if (plain != NULL && random_bytes(salt, sizeof(salt)) == 0) {
        algorithm = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof(salt), NULL,
                                          SCRYPT_N, SCRYPT_R, SCRYPT_P);
    }
    if (algorithm != NULL) {
        sealed = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, algorithm);
    }
    if (sealed == NULL) {
        X509_ALGOR_free(algorithm); /* else it is now the result's */
    }
    PKCS8_PRIV_KEY_INFO_free(plain); /* clears */
    return sealed;
}

int key_backup_write(const struct key *key, const char *passphrase, struct buffer *pem)
{
    char *text = NULL;
    int error = 0;
    struct buffer plain = buffer_init_secret(LIMIT_FILE_BYTES);
    if (!is_passphrase(passphrase)) {
        return ERROR_RANGE;
    }
    error = key_to_pem(key, &plain); /* refuses those that have no private half here */
    buffer_free(&plain);
    if (error < 0) {
        return error;
    }
    X509_SIG *sealed = encrypt(key_evp(key), passphrase);
    BIO *bio = BIO_new(BIO_s_mem());
    if (sealed == NULL || bio == NULL || PEM_write_bio_PKCS8(bio, sealed) != 1) {
        error = openssl_error(ERROR_CRYPTO);
    } else {
        long size = BIO_get_mem_data(bio, &text);
        error = size > 0 ? buffer_append(pem, text, (size_t)size) : ERROR_CRYPTO;
    }
    BIO_free(bio);
    X509_SIG_free(sealed);
    return error;
}

static int give_passphrase(char *ret_text, int capacity, int is_writing, void *passphrase)
{
    size_t size = strlen(passphrase);
    (void)is_writing;
    if (size > (size_t)capacity) {
        return -1;
    }
    memcpy(ret_text, passphrase, size);
    return (int)size;
}

int key_backup_read(const void *pem, size_t size, const char *passphrase,
                    struct key **ret_key)
{
    static const char mark[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    char copy[KEY_BACKUP_PASSPHRASE_MAX + 1];
    struct key *key = NULL;
    if (size > LIMIT_FILE_BYTES || memmem(pem, size, mark, sizeof(mark) - 1) == NULL) {
        return ERROR_SYNTAX;
    }
    if (!is_passphrase(passphrase)) {
        return ERROR_DENIED;
    }
    memcpy(copy, passphrase, strlen(passphrase) + 1);
    BIO *bio = BIO_new_mem_buf(pem, (int)size);
    EVP_PKEY *pkey =
        bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, copy) : NULL;
    BIO_free(bio);
    explicit_bzero(copy, sizeof(copy));
    if (pkey == NULL) {
        return openssl_error(ERROR_DENIED);
    }
    ERR_clear_error();
    int error = key_take_evp(pkey, true, &key);
    if (error == 0) {
        error = key_check_pair(key);
    }
    if (error < 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

#include "device/bundle.h"

#include "base/core/file.h"

#include <string.h>

int bundle_parse(const char *pem, size_t size, struct bundle *ret_bundle)
{
    struct bundle bundle = {.key = NULL};
    struct key *leaf_key = NULL;
    int error = 0;
    const char *chain = strstr(pem, "-----BEGIN CERTIFICATE-----");
    if (chain == NULL) {
        error = ERROR_SYNTAX;
        goto out;
    }
    size_t key_size = (size_t)(chain - pem);
    error = key_from_pem(pem, key_size, &bundle.key);
    if (error < 0) {
        goto out;
    }
    error = cert_from_pem(chain, size - key_size, &bundle.cert);
    if (error < 0) {
        goto out;
    }
    error = cert_key(bundle.cert, &leaf_key);
    if (error == 0 && !key_equal(leaf_key, bundle.key)) {
        error = ERROR_CRYPTO;
    }
    if (error == 0) {
        *ret_bundle = bundle;
        bundle = (struct bundle){.key = NULL};
    }
out:
    key_free(leaf_key);
    bundle_free(&bundle);
    return error;
}

int bundle_load(const char *path, struct bundle *ret_bundle)
{
    struct buffer pem = buffer_init_secret(BUNDLE_BYTES);
    int error = file_read(path, &pem);
    if (error == 0) {
        error = bundle_parse(buffer_text(&pem), pem.size, ret_bundle);
    }
    buffer_free(&pem);
    return error;
}

int bundle_dump(const struct bundle *bundle, struct buffer *pem)
{
    int error = key_to_pem(bundle->key, pem);
    return error == 0 ? cert_to_pem(bundle->cert, pem) : error;
}

int bundle_save(const char *path, const struct bundle *bundle)
{
    struct buffer pem = buffer_init_secret(BUNDLE_BYTES);
    int error = bundle_dump(bundle, &pem);
    if (error == 0) {
        error = file_write_atomic(path, pem.data, pem.size, 0600);
    }
    buffer_free(&pem);
    return error;
}

void bundle_free(struct bundle *bundle)
{
    key_free(bundle->key);
    cert_free(bundle->cert);
    *bundle = (struct bundle){.key = NULL};
}

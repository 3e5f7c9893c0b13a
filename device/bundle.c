#include "device/bundle.h"

#include "base/core/file.h"
#include "base/core/limits.h"

#include <string.h>

enum { BUNDLE_BYTES = LIMIT_CHAIN_BYTES + (16 << 10) };

int bundle_load(const char *path, struct bundle *ret_bundle)
{
    struct buffer pem = buffer_init_secret(BUNDLE_BYTES);
    struct bundle bundle = {.key = NULL};
    struct key *leaf_key = NULL;
    int error = file_read(path, &pem);
    if (error < 0) {
        goto out;
    }
    const char *text = buffer_text(&pem);
    const char *chain = strstr(text, "-----BEGIN CERTIFICATE-----");
    if (chain == NULL) {
        error = ERROR_SYNTAX;
        goto out;
    }
    size_t key_size = (size_t)(chain - text);
    error = key_from_pem(text, key_size, &bundle.key);
    if (error < 0) {
        goto out;
    }
    error = cert_from_pem(chain, pem.size - key_size, &bundle.cert);
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
    buffer_free(&pem);
    return error;
}

int bundle_save(const char *path, const struct bundle *bundle)
{
    struct buffer pem = buffer_init_secret(BUNDLE_BYTES);
    int error = key_to_pem(bundle->key, &pem);
    if (error == 0) {
        error = cert_to_pem(bundle->cert, &pem);
    }
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

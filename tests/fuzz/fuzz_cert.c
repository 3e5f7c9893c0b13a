/* Chains: PEM when the input starts with '-', else one certificate in DER. Every getter
 * works on what is accepted, and the chain written again is the same chain. */
#include "base/core/limits.h"
#include "base/crypto/cert.h"

#include "tests/fuzz/require.h"

#include <openssl/err.h>
#include <string.h>

static void check_cert(const struct cert *cert)
{
    char serial[CERT_SERIAL_MAX];
    char id[CERT_ID_MAX];
    char issuer[128];
    char reason[LIMIT_DETAIL_BYTES];
    uint8_t hash[32];
    uint8_t hash_again[32];
    struct key *key = NULL;
    struct cert *again = NULL;
    struct buffer pem = buffer_init(2 * LIMIT_CHAIN_BYTES);
    cert_serial(cert, serial);
    REQUIRE(strlen(serial) >= 2 && strlen(serial) <= 40);
    if (cert_id(cert, id) == 0) {
        REQUIRE(strchr(id, '.') != NULL);
    }
    cert_issuer_text(cert, issuer, sizeof(issuer));
    for (size_t i = 0; i < cert_name_count(cert); i++) {
        REQUIRE(cert_name(cert, i) != NULL);
    }
    REQUIRE(cert_to_pem(cert, &pem) == 0);
    if (pem.size <= LIMIT_CHAIN_BYTES) {
        REQUIRE(cert_from_pem(pem.data, pem.size, &again) == 0);
        REQUIRE(cert_count(again) == cert_count(cert));
        REQUIRE(cert_fingerprint(cert, hash) == 0 &&
                cert_fingerprint(again, hash_again) == 0);
        REQUIRE(memcmp(hash, hash_again, sizeof(hash)) == 0);
    }
    if (cert_key(cert, &key) == 0) {
        static const char *const names[] = {"a.example"};
        if (cert_check_issued(cert, key, names, 1, cert_not_before_at(cert), 0, reason,
                              sizeof(reason)) != 0) {
            REQUIRE(reason[0] != '\0');
        }
    }
    REQUIRE(ERR_peek_error() == 0);
    key_free(key);
    cert_free(again);
    buffer_free(&pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cert *cert = NULL;
    int error = size > 0 && data[0] == '-' ? cert_from_pem(data, size, &cert)
                                           : cert_from_der(data, size, &cert);
    REQUIRE((error == 0) == (cert != NULL));
    REQUIRE(ERR_peek_error() == 0);
    if (cert != NULL) {
        check_cert(cert);
    }
    cert_free(cert);
    return 0;
}

/* Public keys: a JWK when the input starts with '{', PEM with '-', else a DER
 * SubjectPublicKeyInfo. What is accepted has one SPKI, one JWK and one id. */
#include "base/core/json.h"
#include "base/core/limits.h"
#include "base/crypto/key.h"

#include "tests/fuzz/require.h"

#include <openssl/err.h>
#include <string.h>

static void check_key(const struct key *key)
{
    struct key *again = NULL;
    json_t *jwk = NULL;
    char id[KEY_ID_SIZE + 1];
    uint8_t signature[KEY_SIGNATURE_MAX] = {0};
    struct bytes spki = key_spki(key);
    REQUIRE(spki.size > 0 && spki.size <= KEY_SPKI_MAX);
    REQUIRE(key_from_spki(spki.data, spki.size, &again) == 0);
    REQUIRE(key_equal(key, again));
    key_free(again);
    REQUIRE(key_to_jwk(key, &jwk) == 0);
    REQUIRE(key_from_jwk(jwk, &again) == 0);
    REQUIRE(key_equal(key, again));
    REQUIRE(key_id(key, id) == 0 && strlen(id) == KEY_ID_SIZE);
    if (key_kind(key) == KEY_P256) {
        REQUIRE(key_verify(again, "x", 1, signature, 64) == ERROR_SIGNATURE);
    }
    key_free(again);
    json_decref(jwk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key *key = NULL;
    json_t *jwk = NULL;
    int error = 0;
    if (size > 0 && data[0] == '{') {
        error = json_parse(data, size, LIMIT_JWS_BYTES, &jwk);
        error = error == 0 ? key_from_jwk(jwk, &key) : error;
    } else if (size > 0 && data[0] == '-') {
        error = key_from_pem(data, size, &key);
    } else {
        error = key_from_spki(data, size, &key);
    }
    REQUIRE((error == 0) == (key != NULL));
    REQUIRE(ERR_peek_error() == 0);
    if (key != NULL) {
        check_key(key);
    }
    key_free(key);
    json_decref(jwk);
    return 0;
}

/* JWS from a hostile device: whatever parses has all its parts, whatever does not has a problem to
 * answer with; the same bytes are tried as external account binding. */
#include "acme/eab.h"
#include "acme/jws.h"
#include "base/core/json.h"

#include "tests/fuzz/require.h"

#include <openssl/err.h>
#include <string.h>

static void try_binding(const struct key *key, const uint8_t *data, size_t size)
{
    struct acme_problem problem = {0};
    struct eab *eab = NULL;
    json_t *value = NULL;

    if (json_parse(data, size, LIMIT_JWS_BYTES, &value) != 0)
        return;
    if (eab_parse(value, key, "https://relay.test/acme/new-account", &eab, &problem) ==
        0) {
        REQUIRE(eab_kid(eab)[0] != '\0');
        REQUIRE(eab_verify(eab, "0123456789abcdef", 16, &problem) == ERROR_SIGNATURE);
        eab_free(eab);
    } else {
        REQUIRE(problem.type != ACME_PROBLEM_NONE);
    }
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct key *key;
    struct acme_problem problem = {0};
    struct jws *jws = NULL;
    json_t *object = NULL;

    if (key == NULL)
        REQUIRE(key_generate(KEY_P256, &key) == 0);
    try_binding(key, data, size);
    if (jws_parse(data, size, &jws, &problem) != 0) {
        REQUIRE(jws == NULL);
        REQUIRE(problem.type != ACME_PROBLEM_NONE && problem.detail[0] != '\0');
        REQUIRE(ERR_peek_error() == 0);
        return 0;
    }
    REQUIRE((jws_key(jws) == NULL) != (jws_kid(jws) == NULL));
    REQUIRE(jws_url(jws)[0] != '\0' && strlen(jws_url(jws)) <= LIMIT_URL_BYTES);
    REQUIRE(jws_nonce(jws)[0] != '\0' && strlen(jws_nonce(jws)) <= LIMIT_NONCE_BYTES);
    REQUIRE(jws_is_post_as_get(jws) == (jws_payload(jws).size == 0));
    if (jws_key(jws) != NULL)
        REQUIRE(jws_alg_of_key(jws_key(jws)) == jws_alg(jws));
    /* Nobody can sign for a key that was made a moment ago. */
    REQUIRE(jws_verify(jws, key, &problem) == ERROR_SIGNATURE);
    if (jws_key(jws) != NULL && jws_verify(jws, jws_key(jws), &problem) != 0)
        REQUIRE(problem.type != ACME_PROBLEM_NONE);
    if (jws_payload_object(jws, &object, &problem) == 0) {
        REQUIRE(json_is_object(object));
        json_decref(object);
    }
    jws_free(jws);
    REQUIRE(ERR_peek_error() == 0);
    return 0;
}

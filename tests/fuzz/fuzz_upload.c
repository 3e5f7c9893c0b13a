/* Uploads of an owner's certificate: whatever they hold, each verdict has its word and sentence,
 * and what is accepted is a chain for our key and name that can be written and read again. */
#include "base/core/limits.h"
#include "base/crypto/upload.h"

#include "tests/fuzz/require.h"
#include "tests/fuzz/upload_key.h"

#include <openssl/err.h>
#include <string.h>

static struct key *key;

static void check_chain(const struct cert *cert)
{
    struct buffer pem = buffer_init(2 * LIMIT_CHAIN_BYTES);
    struct cert *again = NULL;
    struct key *leaf_key = NULL;
    REQUIRE(cert_count(cert) >= 1 && cert_count(cert) <= LIMIT_CHAIN_COUNT);
    REQUIRE(cert_key(cert, &leaf_key) == 0 && key_equal(leaf_key, key));
    REQUIRE(cert_name_count(cert) > 0);
    REQUIRE(cert_to_pem(cert, &pem) == 0);
    if (pem.size <= LIMIT_CHAIN_BYTES) {
        REQUIRE(cert_from_pem(pem.data, pem.size, &again) == 0);
        REQUIRE(cert_count(again) == cert_count(cert));
    }
    cert_free(again);
    key_free(leaf_key);
    buffer_free(&pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct upload_verdicts verdicts;
    struct upload_clock clock = {.now_at = UPLOAD_NOW_AT, .is_set = true};
    struct cert *cert = NULL;
    size_t subject = 99;
    if (key == NULL) {
        REQUIRE(key_from_pem(upload_key_pem, strlen(upload_key_pem), &key) == 0);
    }
    struct upload_subject subjects[] = {{key, UPLOAD_HOST}};
    int error = upload_judge((struct bytes){data, size}, subjects, 1, &clock, &verdicts,
                             &cert, &subject);
    REQUIRE(error == 0 || error == ERROR_RANGE);
    REQUIRE((error == 0) == verdicts.is_good && (error == 0) == (cert != NULL));
    REQUIRE(verdicts.count >= 1 && verdicts.count <= UPLOAD_CHECK_COUNT);
    bool all_good = verdicts.count == UPLOAD_CHECK_COUNT;
    for (size_t i = 0; i < verdicts.count; i++) {
        const struct upload_verdict *verdict = &verdicts.at[i];
        REQUIRE(verdict->check < UPLOAD_CHECK_COUNT && verdict->code[0] != '\0');
        REQUIRE(verdict->is_good == (verdict->sentence[0] == '\0'));
        REQUIRE(verdict->is_good == (strcmp(verdict->code, "good") == 0));
        for (const char *at = verdict->sentence; *at != '\0'; at++) {
            REQUIRE(*at >= ' ' && *at < 0x7f);
        }
        all_good = all_good && verdict->is_good;
    }
    REQUIRE(all_good == verdicts.is_good);
    REQUIRE(ERR_peek_error() == 0);
    if (cert != NULL) {
        REQUIRE(subject == 0);
        check_chain(cert);
    }
    cert_free(cert);
    return 0;
}

/* An app that has the pin needs no more of X.509 than two signatures, so no verifier is
 * asked that looks for roots and names: the two certificates are looked at one by one, and
 * whatever is not as the device makes it is refused. */
#include "base/crypto/cert_pin.h"

#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/openssl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { CHAIN_COUNT = 2 };

/* Ten years after the floor no program of that age is in use: such a clock is wrong. */
static const int64_t clock_span_s = INT64_C(3653) * 86400;

static int read_key(const X509 *x509, struct key **ret_key)
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
    if (size <= 0) {
        return openssl_error(ERROR_SYNTAX);
    }
    int error = key_from_spki(der, (size_t)size, ret_key);
    OPENSSL_free(der);
    return error;
}

int cert_pin_key_hash(const X509 *x509, uint8_t ret_hash[static 32])
{
    struct key *key = NULL;
    int error = read_key(x509, &key);
    if (error == 0) {
        error = key_spki_sha256(key, ret_hash);
    }
    key_free(key);
    return error;
}

static int64_t not_after_at(const X509 *x509)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    bool is_read = epoch != NULL &&
                   ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(x509)) == 1;
    ASN1_TIME_free(epoch);
    return is_read ? (int64_t)days * 86400 + seconds : INT64_MIN;
}

int64_t cert_pin_believed_at(const struct cert_pin *pin)
{
    bool is_plausible =
        pin->now_at >= pin->floor_at && pin->now_at - pin->floor_at < clock_span_s;
    return is_plausible ? pin->now_at : pin->floor_at;
}

static const char *check_identity(X509 *identity)
{
    static const char *const wrong =
        "its second certificate is not as a device's identity certificate is";
    uint32_t flags = X509_get_extension_flags(identity);
    if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0 ||
        X509_check_ca(identity) != 1 || X509_get_pathlen(identity) != 0 ||
        X509_get_key_usage(identity) != KU_KEY_CERT_SIGN) {
        return wrong;
    }
    return X509_self_signed(identity, 1) == 1 ? NULL : wrong;
}

static const char *check_leaf(X509 *leaf, X509 *identity, const struct cert_pin *pin)
{
    uint32_t flags = X509_get_extension_flags(leaf);
    if ((flags & EXFLAG_CA) != 0 || X509_check_ca(leaf) != 0) {
        return "its certificate is one of a CA";
    }
    if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0 ||
        (X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER) == 0 ||
        (flags & EXFLAG_XKUSAGE) == 0) {
        return "its certificate is not one for TLS servers";
    }
    if (X509_check_issued(identity, leaf) != X509_V_OK ||
        X509_verify(leaf, X509_get0_pubkey(identity)) != 1) {
        return "its certificate is not signed by the identity key";
    }
    if (not_after_at(leaf) <= cert_pin_believed_at(pin)) {
        return "its certificate has run out";
    }
    return NULL;
}

static const char *check_pin(const struct key *identity, const struct key *leaf,
                             const struct cert_pin *pin)
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    if (key_spki_sha256(identity, hash) != 0 ||
        !digest_equal(hash, pin->hash, sizeof(hash))) {
        return "its identity key is another one: it is not the device of this pin";
    }
    return key_equal(identity, leaf) ? "it serves with its identity key" : NULL;
}

int cert_pin_check(X509 *const *chain, size_t count, const struct cert_pin *pin,
                   char *reason, size_t reason_capacity)
{
    struct key *identity = NULL;
    struct key *leaf = NULL;
    const char *wrong = NULL;
    if (count != CHAIN_COUNT) {
        text_format(reason, reason_capacity,
                    "it sent %zu certificate%s, and not the two of a device: its own and "
                    "the identity certificate",
                    count, count == 1 ? "" : "s");
        return ERROR_DENIED;
    }
    int error = read_key(chain[1], &identity);
    if (error == 0) {
        error = read_key(chain[0], &leaf);
    }
    if (error == 0) {
        wrong = check_pin(identity, leaf, pin);
    } else {
        wrong = error == ERROR_MEMORY ? "memory is short" : "its keys can't be read";
    }
    if (wrong == NULL) {
        wrong = check_identity(chain[1]);
    }
    if (wrong == NULL) {
        wrong = check_leaf(chain[0], chain[1], pin);
    }
    key_free(identity);
    key_free(leaf);
    ERR_clear_error();
    if (wrong == NULL) {
        return 0;
    }
    text_copy(reason, reason_capacity, wrong);
    return error == ERROR_MEMORY ? error : ERROR_DENIED;
}

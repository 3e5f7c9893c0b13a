/* A person brings files from a CA that we know nothing about. So the order of the certificates is
 * found out, a root that comes along is left out, line ends and a byte order mark do not matter;
 * but everything that a browser would refuse later is refused now, while the person is there to
 * mend it. Nothing here trusts a root: that is the owner's own, and in no store of ours.
 *
 * Work is bounded by the number of certificates: each link is verified once, an issuer is
 * looked for among ten. */
#include "base/crypto/upload.h"

#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/crypto/cert_parts.h"
#include "base/crypto/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SKEW_S = 3600,       /* between the CA's clock and ours */
    SECURITY_BITS = 112, /* RSA of 2048 bits */
    QUOTE_BYTES = 80,
};

static const char begin[] = "-----BEGIN ";

/* A judgement at work. */
struct judge {
    struct bytes upload;
    struct upload_verdicts *verdicts;
    X509 *x509s[LIMIT_CHAIN_COUNT];
    size_t count;
    bool is_used[LIMIT_CHAIN_COUNT];
    X509 *chain[LIMIT_CHAIN_COUNT]; /* borrowed, leaf first */
    size_t chain_count;
};

const char *upload_check_text(enum upload_check check)
{
    static const char *const texts[UPLOAD_CHECK_COUNT] = {
        [UPLOAD_READ] = "read",       [UPLOAD_SECRET] = "secret",
        [UPLOAD_KEY] = "key",         [UPLOAD_LINKS] = "links",
        [UPLOAD_NAME] = "name",       [UPLOAD_DATES] = "dates",
        [UPLOAD_PURPOSE] = "purpose", [UPLOAD_STRENGTH] = "strength",
    };
    return check < UPLOAD_CHECK_COUNT ? texts[check] : "unknown";
}

static void pass(struct judge *judge, enum upload_check check)
{
    struct upload_verdict *verdict = &judge->verdicts->at[judge->verdicts->count++];
    *verdict = (struct upload_verdict){.check = check, .is_good = true, .code = "good"};
}

static bool fail(struct judge *judge, enum upload_check check, const char *code,
                 const char *format, ...) PRINTF_LIKE(4, 5);

/* Always false. */
static bool fail(struct judge *judge, enum upload_check check, const char *code,
                 const char *format, ...)
{
    struct upload_verdict *verdict = &judge->verdicts->at[judge->verdicts->count++];
    va_list arguments;
    *verdict = (struct upload_verdict){.check = check, .code = code};
    va_start(arguments, format);
    vsnprintf(verdict->sentence, sizeof(verdict->sentence), format, arguments);
    va_end(arguments);
    return false;
}

/* --- reading --- */

static bool has_text(struct bytes data, const char *text)
{
    return data.size > 0 && memmem(data.data, data.size, text, strlen(text)) != NULL;
}

/* DER has one form; what can be written in two could be two things to two programs. OpenSSL keeps
 * the signed part as it came, so it is encoded anew. */
static bool is_der(X509 *x509, const uint8_t *der, size_t size)
{
    uint8_t *again = NULL;
    X509 *copy = X509_dup(x509);
    int again_size = copy != NULL ? i2d_re_X509_tbs(copy, NULL) : -1;
    bool is_same = false;
    if (again_size > 0) {
        again_size = i2d_X509(copy, &again);
        is_same =
            again_size > 0 && (size_t)again_size == size && memcmp(again, der, size) == 0;
    }
    OPENSSL_free(again);
    X509_free(copy);
    return is_same;
}

/* Takes the certificate at the start of DATA; how many bytes it has, or 0. */
static size_t take_der(struct judge *judge, const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    X509 *x509 = d2i_X509(NULL, &at, (long)size);
    if (x509 == NULL) {
        return 0;
    }
    size_t used = (size_t)(at - data);
    if (!is_der(x509, data, used)) {
        X509_free(x509);
        return 0;
    }
    for (size_t i = 0; i < judge->count; i++) {
        if (X509_cmp(judge->x509s[i], x509) == 0) {
            X509_free(x509); /* the same once more, as from several files */
            return used;
        }
    }
    judge->x509s[judge->count++] = x509;
    return used;
}

static bool too_many(struct judge *judge)
{
    return fail(judge, UPLOAD_READ, "too-many", "there are more than %d certificates",
                LIMIT_CHAIN_COUNT);
}

static bool refuse_label(struct judge *judge, const char *label)
{
    char quoted[QUOTE_BYTES];
    text_printable(quoted, sizeof(quoted), label, strlen(label));
    if (strstr(label, "REQUEST") != NULL) {
        return fail(
            judge, UPLOAD_READ, "not-a-certificate",
            "this is the request itself: have your CA sign it, and upload what it gives");
    }
    if (strcmp(label, "PKCS7") == 0 || strcmp(label, "CMS") == 0) {
        return fail(
            judge, UPLOAD_READ, "not-a-certificate",
            "this is a PKCS#7 bundle; turn it into PEM: openssl pkcs7 -print_certs");
    }
    return fail(judge, UPLOAD_READ, "not-a-certificate", "there is a block '%s' in it",
                quoted);
}

/* The next PEM block; *RET_END when there is none. */
static bool take_block(struct judge *judge, BIO *bio, bool *ret_end)
{
    char *label = NULL;
    char *header = NULL;
    uint8_t *der = NULL;
    long size = 0;
    bool is_good = false;
    if (PEM_read_bio(bio, &label, &header, &der, &size) != 1) {
        *ret_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        ERR_clear_error();
        return *ret_end ||
               fail(judge, UPLOAD_READ, "not-a-certificate", "a PEM block is damaged");
    }
    if (strcmp(label, PEM_STRING_X509) != 0 && strcmp(label, PEM_STRING_X509_OLD) != 0) {
        refuse_label(judge, label);
    } else if (judge->count == LIMIT_CHAIN_COUNT) {
        too_many(judge);
    } else if (header[0] != '\0' || size <= 0 ||
               take_der(judge, der, (size_t)size) != (size_t)size) {
        fail(judge, UPLOAD_READ, "not-a-certificate", "a PEM block holds no certificate");
    } else {
        is_good = true;
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return is_good;
}

/* OpenSSL skips a line that it does not take for a block's begin. */
static size_t count_begins(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i + sizeof(begin) - 1 <= text.size; i++) {
        count += memcmp(text.data + i, begin, sizeof(begin) - 1) == 0 ? 1 : 0;
    }
    return count;
}

static bool read_pem(struct judge *judge)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf}; /* of UTF-8, from an editor */
    struct bytes text = judge->upload;
    size_t blocks = 0;
    bool is_end = false;
    bool is_good = true;
    if (text.size > sizeof(mark) && memcmp(text.data, mark, sizeof(mark)) == 0) {
        text = (struct bytes){text.data + sizeof(mark), text.size - sizeof(mark)};
    }
    if (memchr(text.data, '\0', text.size) != NULL) {
        return fail(judge, UPLOAD_READ, "not-a-certificate", "the text holds a NUL");
    }
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.size);
    if (bio == NULL) {
        return fail(judge, UPLOAD_READ, "not-a-certificate", "it can't be read now");
    }
    while (is_good && !is_end) {
        is_good = take_block(judge, bio, &is_end);
        blocks += is_good && !is_end ? 1 : 0;
    }
    BIO_free(bio);
    if (is_good && blocks != count_begins(text)) {
        return fail(judge, UPLOAD_READ, "not-a-certificate", "a PEM block is damaged");
    }
    return is_good;
}

static bool read_der(struct judge *judge)
{
    for (size_t at = 0; at < judge->upload.size;) {
        if (judge->count == LIMIT_CHAIN_COUNT) {
            return too_many(judge);
        }
        size_t used = take_der(judge, judge->upload.data + at, judge->upload.size - at);
        if (used == 0) {
            return fail(judge, UPLOAD_READ, "not-a-certificate",
                        at == 0 ? "this is no certificate, neither in PEM nor in DER"
                                : "there is something else behind a certificate");
        }
        at += used;
    }
    return true;
}

static bool read_upload(struct judge *judge)
{
    if (judge->upload.size == 0) {
        return fail(judge, UPLOAD_READ, "empty", "there is nothing in it");
    }
    if (judge->upload.size > LIMIT_CHAIN_BYTES) {
        return fail(judge, UPLOAD_READ, "too-large", "it is larger than 64 KiB");
    }
    if (has_text(judge->upload, "PRIVATE KEY")) {
        /* Before anything else looks at it. */
        return fail(
            judge, UPLOAD_SECRET, "private-key",
            "there is a private key in it. This device has its own, which never leaves "
            "it; upload the certificate alone, and take no key that has travelled for "
            "secret any more");
    }
    bool is_good = has_text(judge->upload, begin) ? read_pem(judge) : read_der(judge);
    ERR_clear_error();
    if (is_good && judge->count == 0) {
        is_good = fail(judge, UPLOAD_READ, "not-a-certificate",
                       "there is no certificate in it");
    }
    if (is_good) {
        pass(judge, UPLOAD_READ);
        pass(judge, UPLOAD_SECRET);
    }
    return is_good;
}

/* --- which is whose --- */

static bool is_for(X509 *x509, const struct key *key)
{
    EVP_PKEY *own = X509_get0_pubkey(x509);
    bool is_same = own != NULL && EVP_PKEY_eq(own, key_evp(key)) == 1;
    ERR_clear_error();
    return is_same;
}

static bool is_ca(X509 *x509)
{
    return (X509_get_extension_flags(x509) & EXFLAG_CA) != 0 || X509_check_ca(x509) != 0;
}

/* Whether the key signs what the certificate's key verifies. */
static bool is_round(X509 *leaf, const struct key *key)
{
    static const char text[] = "latchkey certificate upload";
    uint8_t signature[KEY_SIGNATURE_MAX];
    uint8_t *spki = NULL;
    size_t size = 0;
    struct key *theirs = NULL;
    int spki_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &spki);
    bool is_good = spki_size > 0 &&
                   key_from_spki(spki, (size_t)spki_size, &theirs) == 0 &&
                   key_sign(key, text, sizeof(text), signature, &size) == 0 &&
                   key_verify(theirs, text, sizeof(text), signature, size) == 0;
    OPENSSL_free(spki);
    key_free(theirs);
    ERR_clear_error();
    return is_good;
}

/* The leaf becomes the chain's first. */
static bool find_leaf(struct judge *judge, const struct upload_subject *subjects,
                      size_t subject_count, size_t *ret_subject)
{
    size_t found = 0;
    size_t leafs = 0;
    for (size_t i = 0; i < judge->count; i++) {
        bool is_ours = false;
        for (size_t j = 0; j < subject_count && !is_ours; j++) {
            is_ours = is_for(judge->x509s[i], subjects[j].key);
            if (is_ours) {
                *ret_subject = j;
                judge->chain[0] = judge->x509s[i];
                judge->is_used[i] = true;
                found++;
            }
        }
        leafs += is_ours || !is_ca(judge->x509s[i]) ? 1 : 0;
    }
    ERR_clear_error();
    if (found == 0) {
        return fail(
            judge, UPLOAD_KEY, "other-key",
            "no certificate in it is for this device's key: was it made from the request "
            "that this device gave last?");
    }
    if (found > 1 || leafs > 1) {
        return fail(
            judge, UPLOAD_KEY, "two-leafs",
            "there are several certificates in it that are no CA's: bring one, and its "
            "issuers");
    }
    if (!is_round(judge->chain[0], subjects[*ret_subject].key)) {
        return fail(judge, UPLOAD_KEY, "other-key", "this device's key does not fit it");
    }
    judge->chain_count = 1;
    pass(judge, UPLOAD_KEY);
    return true;
}

static bool is_root(X509 *x509)
{
    return X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)) == 0;
}

static void quote_subject(const X509_NAME *name, char ret_text[static QUOTE_BYTES])
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    text_copy(ret_text, QUOTE_BYTES, "");
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        long size = BIO_get_mem_data(bio, &text);
        text_printable(ret_text, QUOTE_BYTES, text, size > 0 ? (size_t)size : 0);
    }
    BIO_free(bio);
    ERR_clear_error();
}

/* The certificate among those left that signed LAST; NULL when there is none. Two may have the
 * same name (a CA that has renewed its key), so the signature decides. */
static X509 *take_issuer(struct judge *judge, X509 *last)
{
    for (size_t i = 0; i < judge->count; i++) {
        X509 *issuer = judge->x509s[i];
        if (judge->is_used[i] || X509_NAME_cmp(X509_get_issuer_name(last),
                                               X509_get_subject_name(issuer)) != 0) {
            continue;
        }
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        if (is_ca(issuer) && key != NULL && X509_verify(last, key) == 1) {
            judge->is_used[i] = true;
            return issuer;
        }
    }
    return NULL;
}

static bool build_chain(struct judge *judge)
{
    char quoted[QUOTE_BYTES];
    X509 *last = judge->chain[0];
    while (last != NULL && !is_root(last)) {
        last = take_issuer(judge, last);
        if (last != NULL && !is_root(last)) {
            judge->chain[judge->chain_count++] = last;
        }
    }
    ERR_clear_error();
    for (size_t i = 0; i < judge->count; i++) {
        if (!judge->is_used[i]) {
            quote_subject(X509_get_subject_name(judge->x509s[i]), quoted);
            return fail(
                judge, UPLOAD_LINKS, "chain-broken",
                "'%s' has signed none of the others: is a certificate between them "
                "missing?",
                quoted);
        }
    }
    pass(judge, UPLOAD_LINKS);
    return true;
}

/* --- what it says --- */

static bool name_covers(const char *pattern, const char *host)
{
    if (text_starts_with(pattern, "*.")) {
        const char *dot = strchr(host, '.');
        return dot != NULL && text_equal_nocase(pattern + 1, dot);
    }
    return text_equal_nocase(pattern, host);
}

static bool check_name(struct judge *judge, const struct cert *cert, const char *host)
{
    for (size_t i = 0; i < cert_name_count(cert); i++) {
        if (name_covers(cert_name(cert, i), host)) {
            pass(judge, UPLOAD_NAME);
            return true;
        }
    }
    X509_NAME *subject = X509_get_subject_name(judge->chain[0]);
    char common[QUOTE_BYTES] = "";
    if (X509_NAME_get_text_by_NID(subject, NID_commonName, common, sizeof(common)) > 0 &&
        cert_name_count(cert) == 0 && name_covers(common, host)) {
        return fail(
            judge, UPLOAD_NAME, "common-name-only",
            "'%s' is its common name only, which browsers ignore: have it put into the "
            "subjectAltName",
            host);
    }
    return fail(judge, UPLOAD_NAME, "other-name",
                "'%s' is not among its names (subjectAltName)", host);
}

static bool check_dates(struct judge *judge, const struct upload_clock *clock)
{
    char quoted[QUOTE_BYTES];
    for (size_t i = 0; i < judge->chain_count; i++) {
        const X509 *x509 = judge->chain[i];
        int64_t from_at = 0;
        int64_t until_at = 0;
        quote_subject(X509_get_subject_name(x509), quoted);
        if (cert_read_time(X509_get0_notBefore(x509), &from_at) < 0 ||
            cert_read_time(X509_get0_notAfter(x509), &until_at) < 0) {
            return fail(judge, UPLOAD_DATES, "expired", "'%s' has no readable dates",
                        quoted);
        }
        if (until_at <= clock->now_at) {
            return fail(judge, UPLOAD_DATES, "expired", "'%s' has expired", quoted);
        }
        if (clock->is_set && from_at > clock->now_at + SKEW_S) {
            return fail(judge, UPLOAD_DATES, "not-yet-valid",
                        "'%s' is not valid yet, if this device's clock is right", quoted);
        }
    }
    pass(judge, UPLOAD_DATES);
    return true;
}

static bool check_purpose(struct judge *judge)
{
    X509 *leaf = judge->chain[0];
    uint32_t flags = X509_get_extension_flags(leaf);
    if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0) {
        return fail(judge, UPLOAD_PURPOSE, "extensions",
                    "it has extensions that browsers can't read or don't know");
    }
    if (is_ca(leaf)) {
        return fail(judge, UPLOAD_PURPOSE, "is-ca", "it is the certificate of a CA");
    }
    if ((flags & EXFLAG_XKUSAGE) == 0 ||
        (X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER) == 0) {
        return fail(judge, UPLOAD_PURPOSE, "not-for-servers",
                    "it is not for servers: extendedKeyUsage must have serverAuth");
    }
    if ((flags & EXFLAG_KUSAGE) != 0 &&
        (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0) {
        return fail(judge, UPLOAD_PURPOSE, "key-usage",
                    "its keyUsage lacks digitalSignature, which TLS needs");
    }
    pass(judge, UPLOAD_PURPOSE);
    return true;
}

static bool check_strength(struct judge *judge)
{
    char quoted[QUOTE_BYTES];
    for (size_t i = 0; i < judge->chain_count; i++) {
        int digest = NID_undef;
        int public_key = NID_undef;
        X509 *x509 = judge->chain[i];
        EVP_PKEY *key = X509_get0_pubkey(x509);
        quote_subject(X509_get_subject_name(x509), quoted);
        if (key == NULL || EVP_PKEY_get_security_bits(key) < SECURITY_BITS) {
            return fail(judge, UPLOAD_STRENGTH, "weak-key",
                        "the key of '%s' is too short", quoted);
        }
        if (X509_get_signature_info(x509, &digest, &public_key, NULL, NULL) != 1 ||
            (public_key != NID_ED25519 && digest != NID_sha256 && digest != NID_sha384 &&
             digest != NID_sha512)) {
            return fail(judge, UPLOAD_STRENGTH, "weak-digest",
                        "'%s' is signed with an old digest: it must be SHA-256 or better",
                        quoted);
        }
    }
    pass(judge, UPLOAD_STRENGTH);
    return true;
}

static bool check_all(struct judge *judge, const struct upload_subject *subject,
                      const struct upload_clock *clock, struct cert **ret_cert)
{
    struct cert *cert = NULL;
    if (cert_from_x509s(judge->chain, judge->chain_count, &cert) != 0) {
        return fail(judge, UPLOAD_NAME, "unreadable",
                    "its names or its serial number can't be read");
    }
    /* All of them: a person mends several faults at once. */
    bool is_good = check_name(judge, cert, subject->host);
    is_good = check_dates(judge, clock) && is_good;
    is_good = check_purpose(judge) && is_good;
    is_good = check_strength(judge) && is_good;
    if (is_good) {
        *ret_cert = cert;
        return true;
    }
    cert_free(cert);
    return false;
}

int upload_judge(struct bytes upload, const struct upload_subject *subjects,
                 size_t subject_count, const struct upload_clock *clock,
                 struct upload_verdicts *ret_verdicts, struct cert **ret_cert,
                 size_t *ret_subject)
{
    struct judge judge = {.upload = upload, .verdicts = ret_verdicts};
    size_t subject = 0;
    *ret_verdicts = (struct upload_verdicts){.count = 0};
    ret_verdicts->is_good =
        read_upload(&judge) && find_leaf(&judge, subjects, subject_count, &subject) &&
        build_chain(&judge) && check_all(&judge, &subjects[subject], clock, ret_cert);
    for (size_t i = 0; i < judge.count; i++) {
        X509_free(judge.x509s[i]);
    }
    ERR_clear_error();
    if (!ret_verdicts->is_good) {
        return ERROR_RANGE;
    }
    *ret_subject = subject;
    return 0;
}

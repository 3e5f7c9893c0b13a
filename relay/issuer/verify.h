/* From signed bytes to what is asked. Pure: no store, no clock, no I/O. The issuer
 * believes nothing of a row that front wrote but what these functions derive from the
 * signature: the row's own id and number are compared, never trusted (design: the
 * certificate 5).
 *
 * Each returns 0, or an error with PROBLEM set to what the device may be told. */
#ifndef RELAY_ISSUER_VERIFY_H
#define RELAY_ISSUER_VERIFY_H

#include "acme/acme.h"
#include "base/core/text.h"

struct verify_context {
    const char *zone;
    const char *base_url;
    const char *const *aliases; /* further base URLs of the zone, as good as the first */
    size_t alias_count;
};

enum {
    VERIFY_NAMES_MAX = LIMIT_ORDER_NAMES * 256,
    VERIFY_PROFILE_MAX = 64,
    VERIFY_HASH_MAX = TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1,
};

/* A row as it came from front.db, borrowed. */
struct verify_row {
    const char *number;
    const char *id;
    const char *jws;
    const char *jwk;
};

/* A newOrder. */
struct verify_order {
    char id[KEY_ID_SIZE + 1];
    char names[VERIFY_NAMES_MAX]; /* sorted, one blank between */
    char profile[VERIFY_PROFILE_MAX];
    char replaces[CERT_ID_MAX];
    char hash[VERIFY_HASH_MAX]; /* of what was signed: it is one order only */
};

/* A newOrder: who signed it and what it asks for. */
int verify_order(const struct verify_context *context, const struct verify_row *row,
                 struct verify_order *ret_order, struct acme_problem *problem) MUST_CHECK;

/* A newAccount that JWK's key signed. *RET_EAB is its binding, not yet verified with the
 * token's key, or NULL when it has none; eab_free() it. */
int verify_registration(const struct verify_context *context, const char *registration,
                        const char *jwk, struct eab **ret_eab,
                        struct acme_problem *problem) MUST_CHECK;

/* The deactivation of ROW's account, signed by its key. */
int verify_leave(const struct verify_context *context, const struct verify_row *row,
                 struct acme_problem *problem) MUST_CHECK;

/* A CSR and the hashes by which the store knows it. */
struct verify_csr {
    struct buffer der;
    struct key *key;
    char csr_hash[VERIFY_HASH_MAX];
    char spki_hash[VERIFY_HASH_MAX];
    char key_id[KEY_ID_SIZE + 1]; /* the id this key would have as an identity key */
};

/* Reads base64url DER and holds it to exactly NAMES (as in an order). Free with
 * verify_csr_free in any case. */
int verify_csr(const char *base64url, const char *names, struct verify_csr *ret_csr,
               struct acme_problem *problem) MUST_CHECK;
void verify_csr_free(struct verify_csr *csr);

/* A finalize of the order ROW->number, which the issuer itself admitted for ORDER_ID and
 * ORDER_NAMES. RET_CSR as in verify_csr. */
int verify_finalize(const struct verify_context *context, const struct verify_row *row,
                    const char *order_id, const char *order_names,
                    struct verify_csr *ret_csr, struct acme_problem *problem) MUST_CHECK;

/* A revokeCert: by account key (id) or by the certificate's own (id ""). */
struct verify_revocation {
    char id[KEY_ID_SIZE + 1];
    struct cert *cert; /* the leaf */
    char cert_id[CERT_ID_MAX];
    char spki_hash[VERIFY_HASH_MAX]; /* of the certificate's key */
    int reason;
};

/* By a certificate key, that key is the certificate's; by account, whether the
 * certificate belongs to the id is the caller's to check. Free with
 * verify_revocation_free in any case. */
int verify_revocation(const struct verify_context *context, const struct verify_row *row,
                      struct verify_revocation *ret_revocation,
                      struct acme_problem *problem) MUST_CHECK;
void verify_revocation_free(struct verify_revocation *revocation);

#endif

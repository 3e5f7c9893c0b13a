/* The security heart of the issuer. `front` talks to the internet and may be captured;
 * what it writes is input. The chain of reasoning for an order is:
 *
 *   jwk -> canonical SPKI -> id                    nobody else can have that id
 *   the JWS verifies with that key                 the key's owner said it
 *   kid = <base>/acme/acct/<id>, url = the         it was said to this relay, for this
 *   resource                                       purpose
 *   names are <id>.Z or *.<id>.Z only              the owner asks for its own names
 *   url holds the order's number                   and for this one order
 *
 * The row's columns take part only by comparison. The same bytes under another number, id
 * or key fail one of these lines. */
#include "relay/issuer/verify.h"

#include "base/core/json.h"
#include "base/lanname.h"
#include "relay/store/url.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)KEY_ID_SIZE == (int)LANNAME_ID_SIZE, "an id is a key's id");

/* RFC 5280 5.3.1: what a subscriber may say; the others are the CA's. */
static const int allowed_reasons[] = {0, 1, 3, 4, 5};

static int malformed(struct acme_problem *problem, int error, const char *text)
{
    acme_problem_set(problem, ACME_PROBLEM_MALFORMED, "%s", text);
    return error;
}

static int internal(struct acme_problem *problem, int error)
{
    acme_problem_set(problem, ACME_PROBLEM_SERVER_INTERNAL, "The relay failed: %s",
                     error_text(error));
    return error;
}

static int hash_hex(const void *data, size_t size, char ret_text[static VERIFY_HASH_MAX])
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = digest_sha256(data, size, hash);

    if (error == 0) {
        text_hex(hash, sizeof(hash), ret_text);
    }
    return error;
}

static int read_key(const char *jwk, struct key **ret_key, struct acme_problem *problem)
{
    json_t *value = NULL;
    int error = json_parse(jwk, strlen(jwk), LIMIT_JWS_BYTES, &value);

    if (error == 0) {
        error = key_from_jwk(value, ret_key);
    }
    json_decref(value);
    if (error != 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_PUBLIC_KEY,
                         "The account's key can't be read: %s", error_text(error));
    }
    return error;
}

/* Whether URL is that resource of ours under any base of the zone. RESOURCE was made from
 * base_url. */
static bool is_resource(const struct verify_context *context, const char *url,
                        const char *resource)
{
    const char *path = resource + strlen(context->base_url);
    bool found = strcmp(url, resource) == 0;

    for (size_t i = 0; !found && i < context->alias_count; i++) {
        size_t size = strlen(context->aliases[i]);

        found =
            strncmp(url, context->aliases[i], size) == 0 && strcmp(url + size, path) == 0;
    }
    return found;
}

/* Parses the JWS of ROW, checks that ROW's key signed it as its account for URL_OF. */
static int open_row(const struct verify_context *context, const struct verify_row *row,
                    const char *url, struct jws **ret_jws,
                    char ret_id[static KEY_ID_SIZE + 1], struct acme_problem *problem)
{
    char account[LIMIT_URL_BYTES];
    char id[KEY_ID_SIZE + 1];
    struct key *key = NULL;
    struct jws *jws = NULL;
    int error = jws_parse(row->jws, strlen(row->jws), &jws, problem);

    if (error == 0) {
        error = read_key(row->jwk, &key, problem);
    }
    if (error != 0) {
        goto out;
    }
    error = key_id(key, id);
    if (error != 0) {
        error = internal(problem, error);
        goto out;
    }
    if (strcmp(id, row->id) != 0) {
        error = malformed(problem, ERROR_DENIED, "The row's id is not the key's");
        goto out;
    }
    if (!url_account(context->base_url, id, account) || jws_kid(jws) == NULL ||
        !is_resource(context, jws_kid(jws), account)) {
        error = malformed(problem, ERROR_DENIED, "'kid' is not the account's URL");
        goto out;
    }
    if (!is_resource(context, jws_url(jws), url)) {
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "'url' is not the one this was sent to");
        error = ERROR_DENIED;
        goto out;
    }
    error = jws_verify(jws, key, problem);
out:
    key_free(key);
    if (error != 0) {
        jws_free(jws);
        return error;
    }
    memcpy(ret_id, id, sizeof(id));
    *ret_jws = jws;
    return 0;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names, sorted, with one blank between; ERROR_EXISTS when one stands twice. */
static int join_names(const char **names, size_t count, char *ret_text, size_t capacity)
{
    struct buffer text = buffer_init(capacity - 1);
    int error = 0;

    qsort(names, count, sizeof(*names), compare_text);
    for (size_t i = 0; i < count && error == 0; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0) {
            error = ERROR_EXISTS;
            break;
        }
        error = buffer_printf(&text, "%s%s", i > 0 ? " " : "", names[i]);
    }
    if (error == 0 && !text_copy(ret_text, capacity, buffer_text(&text))) {
        error = ERROR_LIMIT;
    }
    buffer_free(&text);
    return error;
}

/* The order's identifiers: dns, and of this id only. */
static int read_identifiers(const struct verify_context *context, const json_t *payload,
                            struct verify_order *order, struct acme_problem *problem)
{
    const json_t *array = json_get_array(payload, "identifiers");
    const char *names[LIMIT_ORDER_NAMES];
    size_t count = json_array_size(array);
    int error = 0;

    if (count == 0 || count > LIMIT_ORDER_NAMES) {
        return malformed(problem, ERROR_RANGE, "'identifiers' must hold 1 to 4 names");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *identifier = json_array_get(array, i);
        const char *type = json_get_text(identifier, "type");
        const char *value = json_get_text(identifier, "value");
        char id[LANNAME_ID_SIZE + 1];
        bool wildcard = false;

        if (type == NULL || value == NULL) {
            return malformed(problem, ERROR_SYNTAX,
                             "An identifier lacks 'type' or 'value'");
        }
        if (strcmp(type, "dns") != 0) {
            acme_problem_set(problem, ACME_PROBLEM_UNSUPPORTED_IDENTIFIER,
                             "Only identifiers of type dns are certified here");
            return ERROR_UNSUPPORTED;
        }
        if (!lanname_parse_identifier(value, context->zone, id, &wildcard) ||
            strcmp(id, order->id) != 0) {
            acme_problem_set(problem, ACME_PROBLEM_REJECTED_IDENTIFIER,
                             "This account may have *.%s.%s and %s.%s only", order->id,
                             context->zone, order->id, context->zone);
            return ERROR_DENIED;
        }
        names[i] = value;
    }
    error = join_names(names, count, order->names, sizeof(order->names));
    return error == 0 ? 0 : malformed(problem, error, "A name stands twice in the order");
}

/* Optional texts that do not fit mean nothing to us; they are left out, not refused. */
static void read_wishes(const json_t *payload, struct verify_order *order)
{
    const char *profile = json_get_text(payload, "profile");
    const char *replaces = json_get_text(payload, "replaces");

    if (profile != NULL) {
        (void)text_copy(order->profile, sizeof(order->profile), profile);
    }
    if (replaces != NULL) {
        (void)text_copy(order->replaces, sizeof(order->replaces), replaces);
    }
}

/* Hashes what was signed (RFC 7515 5.1: protected "." payload), not the JSON around it
 * nor the signature: both can be written in other ways without the key. */
static int hash_signed(const char *jws, char ret_text[static VERIFY_HASH_MAX])
{
    struct buffer input = buffer_init(LIMIT_JWS_BYTES);
    json_t *value = NULL;
    const char *header = NULL;
    const char *payload = NULL;
    int error = json_parse(jws, strlen(jws), LIMIT_JWS_BYTES, &value);

    if (error == 0) {
        header = json_get_text(value, "protected");
        payload = json_get_text(value, "payload");
        error = header == NULL || payload == NULL ? ERROR_SYNTAX : 0;
    }
    if (error == 0) {
        error = buffer_printf(&input, "%s.%s", header, payload);
    }
    if (error == 0) {
        error = hash_hex(input.data, input.size, ret_text);
    }
    json_decref(value);
    buffer_free(&input);
    return error;
}

int verify_order(const struct verify_context *context, const struct verify_row *row,
                 struct verify_order *ret_order, struct acme_problem *problem)
{
    struct verify_order order = {0};
    struct jws *jws = NULL;
    json_t *payload = NULL;
    char url[LIMIT_URL_BYTES];
    int error = 0;

    if (!url_new_order(context->base_url, url)) {
        return internal(problem, ERROR_LIMIT);
    }
    error = open_row(context, row, url, &jws, order.id, problem);
    if (error == 0) {
        error = jws_payload_object(jws, &payload, problem);
    }
    if (error == 0) {
        error = read_identifiers(context, payload, &order, problem);
    }
    if (error == 0) {
        read_wishes(payload, &order);
        error = hash_signed(row->jws, order.hash);
        if (error != 0) {
            error = internal(problem, error);
        }
    }
    json_decref(payload);
    jws_free(jws);
    if (error == 0) {
        *ret_order = order;
    }
    return error;
}

int verify_registration(const struct verify_context *context, const char *registration,
                        const char *jwk, struct eab **ret_eab,
                        struct acme_problem *problem)
{
    struct eab *eab = NULL;
    struct key *key = NULL;
    struct jws *jws = NULL;
    json_t *payload = NULL;
    const json_t *binding = NULL;
    char url[LIMIT_URL_BYTES];
    int error = jws_parse(registration, strlen(registration), &jws, problem);

    if (error == 0) {
        error = read_key(jwk, &key, problem);
    }
    if (error != 0) {
        goto out;
    }
    if (jws_key(jws) == NULL || !key_equal(jws_key(jws), key)) {
        error = malformed(problem, ERROR_DENIED, "The registration is another key's");
        goto out;
    }
    if (!url_new_account(context->base_url, url) ||
        !is_resource(context, jws_url(jws), url)) {
        error = malformed(problem, ERROR_DENIED, "The registration is for another URL");
        goto out;
    }
    error = jws_verify(jws, key, problem);
    if (error == 0) {
        error = jws_payload_object(jws, &payload, problem);
    }
    if (error != 0) {
        goto out;
    }
    binding = json_object_get(payload, "externalAccountBinding");
    if (binding != NULL && !json_is_null(binding)) {
        error = eab_parse(binding, key, jws_url(jws), &eab, problem);
    }
out:
    json_decref(payload);
    jws_free(jws);
    key_free(key);
    if (error == 0) {
        *ret_eab = eab;
    }
    return error;
}

int verify_leave(const struct verify_context *context, const struct verify_row *row,
                 struct acme_problem *problem)
{
    char url[LIMIT_URL_BYTES];
    char id[KEY_ID_SIZE + 1];
    struct jws *jws = NULL;
    json_t *payload = NULL;
    const char *status = NULL;
    int error = 0;

    if (!url_account(context->base_url, row->id, url)) {
        return internal(problem, ERROR_LIMIT);
    }
    error = open_row(context, row, url, &jws, id, problem);
    if (error == 0) {
        error = jws_payload_object(jws, &payload, problem);
    }
    if (error == 0) {
        status = json_get_text(payload, "status");
        error = status != NULL && strcmp(status, "deactivated") == 0
                    ? 0
                    : malformed(problem, ERROR_DENIED, "'status' is not 'deactivated'");
    }
    json_decref(payload);
    jws_free(jws);
    return error;
}

void verify_csr_free(struct verify_csr *csr)
{
    buffer_free(&csr->der);
    key_free(csr->key);
    csr->key = NULL;
}

static int decode_der(const char *base64url, struct buffer *der)
{
    size_t capacity = LIMIT_CSR_BYTES;
    uint8_t *data = malloc(capacity);
    size_t size = 0;
    int error = ERROR_MEMORY;

    if (data != NULL) {
        error =
            text_base64url_decode(base64url, strlen(base64url), data, capacity, &size);
    }
    if (error == 0) {
        error = buffer_append(der, data, size);
    }
    free(data);
    return error;
}

/* The hashes, and that the CSR's names are exactly NAMES. */
static int measure_csr(const struct csr *parsed, const char *names,
                       struct verify_csr *csr, struct acme_problem *problem)
{
    const char *sorted[LIMIT_ORDER_NAMES];
    char joined[VERIFY_NAMES_MAX];
    struct bytes spki = key_spki(parsed->key);
    int error = 0;

    if (parsed->name_count > LIMIT_ORDER_NAMES) {
        error = ERROR_LIMIT;
    }
    for (size_t i = 0; error == 0 && i < parsed->name_count; i++) {
        sorted[i] = parsed->names[i];
    }
    if (error == 0) {
        error = join_names(sorted, parsed->name_count, joined, sizeof(joined));
    }
    if (error != 0 || strcmp(joined, names) != 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_CSR,
                         "The CSR's names are not the order's: %s", names);
        return ERROR_DENIED;
    }
    error = hash_hex(csr->der.data, csr->der.size, csr->csr_hash);
    if (error == 0) {
        error = hash_hex(spki.data, spki.size, csr->spki_hash);
    }
    if (error == 0) {
        error = key_id(parsed->key, csr->key_id);
    }
    return error == 0 ? 0 : internal(problem, error);
}

int verify_csr(const char *base64url, const char *names, struct verify_csr *ret_csr,
               struct acme_problem *problem)
{
    struct csr parsed = {0};
    char reason[LIMIT_DETAIL_BYTES] = "";
    int error = 0;

    *ret_csr = (struct verify_csr){.der = buffer_init(LIMIT_CSR_BYTES)};
    error = decode_der(base64url, &ret_csr->der);
    if (error != 0) {
        return malformed(problem, error, "'csr' is not base64url of at most 8 KiB");
    }
    error =
        csr_parse(ret_csr->der.data, ret_csr->der.size, &parsed, reason, sizeof(reason));
    if (error != 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_CSR, "%s", reason);
        goto out;
    }
    error = measure_csr(&parsed, names, ret_csr, problem);
    if (error == 0) {
        ret_csr->key = key_ref(parsed.key);
    }
out:
    csr_free(&parsed);
    return error;
}

int verify_finalize(const struct verify_context *context, const struct verify_row *row,
                    const char *order_id, const char *order_names,
                    struct verify_csr *ret_csr, struct acme_problem *problem)
{
    struct jws *jws = NULL;
    json_t *payload = NULL;
    const char *csr = NULL;
    char id[KEY_ID_SIZE + 1];
    char url[LIMIT_URL_BYTES];
    int error = 0;

    *ret_csr = (struct verify_csr){0};
    if (!url_finalize(context->base_url, order_id, row->number, url)) {
        return internal(problem, ERROR_LIMIT);
    }
    error = open_row(context, row, url, &jws, id, problem);
    if (error != 0) {
        return error;
    }
    if (strcmp(id, order_id) != 0) {
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "The order is another account's");
        error = ERROR_DENIED;
        goto out;
    }
    error = jws_payload_object(jws, &payload, problem);
    if (error != 0) {
        goto out;
    }
    csr = json_get_text(payload, "csr");
    if (csr == NULL) {
        error = malformed(problem, ERROR_SYNTAX, "'csr' is missing");
        goto out;
    }
    error = verify_csr(csr, order_names, ret_csr, problem);
    if (error == 0 && strcmp(ret_csr->key_id, id) == 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_CSR,
                         "The CSR's key is the account's; a certificate needs its own");
        error = ERROR_DENIED;
    }
out:
    json_decref(payload);
    jws_free(jws);
    return error;
}

void verify_revocation_free(struct verify_revocation *revocation)
{
    cert_free(revocation->cert);
    revocation->cert = NULL;
}

/* The certificate and the reason of a revokeCert's payload (RFC 8555 7.6). */
static int read_revocation(const json_t *payload, struct verify_revocation *revocation,
                           struct acme_problem *problem)
{
    const char *text = json_get_text(payload, "certificate");
    const json_t *reason = json_object_get(payload, "reason");
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    struct key *key = NULL;
    bool allowed = false;
    int error = 0;

    revocation->reason = (int)json_get_i64(payload, "reason", reason == NULL ? 0 : -1);
    for (size_t i = 0; i < sizeof(allowed_reasons) / sizeof(allowed_reasons[0]); i++) {
        allowed = allowed || json_get_i64(payload, "reason", 0) == allowed_reasons[i];
    }
    if (!allowed || revocation->reason < 0) {
        acme_problem_set(problem, ACME_PROBLEM_BAD_REVOCATION_REASON,
                         "'reason' must be 0, 1, 3, 4 or 5");
        return ERROR_RANGE;
    }
    error = text == NULL ? ERROR_SYNTAX : decode_der(text, &der);
    if (error == 0) {
        error = cert_from_der(der.data, der.size, &revocation->cert);
    }
    if (error == 0) {
        error = cert_id(revocation->cert, revocation->cert_id);
    }
    if (error == 0) {
        error = cert_key(revocation->cert, &key);
    }
    if (error == 0) {
        error = hash_hex(key_spki(key).data, key_spki(key).size, revocation->spki_hash);
    }
    if (error != 0) {
        error = malformed(problem, error, "'certificate' is not a certificate");
    }
    key_free(key);
    buffer_free(&der);
    return error;
}

/* Signed with the certificate's own key: the JWS carries it as jwk. */
static int verify_by_certificate_key(const struct verify_context *context,
                                     const struct jws *jws, const struct verify_row *row,
                                     const char *url,
                                     struct verify_revocation *revocation,
                                     struct acme_problem *problem)
{
    json_t *payload = NULL;
    struct key *key = NULL;
    int error = 0;

    if (row->id[0] != '\0') {
        return malformed(problem, ERROR_DENIED, "Signed by a key, not by an account");
    }
    if (!is_resource(context, jws_url(jws), url)) {
        acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                         "'url' is not the one this was sent to");
        return ERROR_DENIED;
    }
    error = jws_verify(jws, jws_key(jws), problem);
    if (error == 0) {
        error = jws_payload_object(jws, &payload, problem);
    }
    if (error == 0) {
        error = read_revocation(payload, revocation, problem);
    }
    if (error == 0) {
        error = cert_key(revocation->cert, &key);
        if (error != 0 || !key_equal(key, jws_key(jws))) {
            acme_problem_set(problem, ACME_PROBLEM_UNAUTHORIZED,
                             "The key that signed is not the certificate's");
            error = ERROR_DENIED;
        }
    }
    key_free(key);
    json_decref(payload);
    return error;
}

int verify_revocation(const struct verify_context *context, const struct verify_row *row,
                      struct verify_revocation *ret_revocation,
                      struct acme_problem *problem)
{
    struct jws *jws = NULL;
    json_t *payload = NULL;
    char url[LIMIT_URL_BYTES];
    int error = 0;

    *ret_revocation = (struct verify_revocation){0};
    if (!url_revoke(context->base_url, url)) {
        return internal(problem, ERROR_LIMIT);
    }
    error = jws_parse(row->jws, strlen(row->jws), &jws, problem);
    if (error != 0) {
        return error;
    }
    if (jws_key(jws) != NULL) {
        error =
            verify_by_certificate_key(context, jws, row, url, ret_revocation, problem);
        goto out;
    }
    jws_free(jws);
    jws = NULL;
    error = open_row(context, row, url, &jws, ret_revocation->id, problem);
    if (error == 0) {
        error = jws_payload_object(jws, &payload, problem);
    }
    if (error == 0) {
        error = read_revocation(payload, ret_revocation, problem);
    }
out:
    json_decref(payload);
    jws_free(jws);
    return error;
}

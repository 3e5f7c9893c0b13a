/* PKCS#10 (RFC 2986). A request from outside is taken apart completely, and nothing in it
 * that we do not understand reaches the CA: what the CA would refuse must not cost an
 * order there, and what it would accept beyond the device's own names must not be asked
 * in our name. So each SAN must be a dNSName of plain shape; a common name counts as a
 * name; a second extensionRequest, a second SAN extension or a second value of the
 * attribute, which another parser might read instead of the first, is an error. */
#include "base/crypto/csr.h"

#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/crypto/openssl.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 253,
    LABEL_MAX_BYTES = 63,
    QUOTE_BYTES = 80,
};

/* Where a parse stands: the request, the result, and whom to tell what is wrong. */
struct parse {
    X509_REQ *request;
    struct csr *csr;
    char *reason;
    size_t reason_capacity;
};

static int add_names(X509_REQ *request, const char *const *names, size_t name_count)
{
    int error = 0;
    X509_EXTENSION *extension = NULL;
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    GENERAL_NAMES *sans = sk_GENERAL_NAME_new_null();
    if (sans == NULL || extensions == NULL) {
        error = openssl_error(ERROR_MEMORY);
        goto out;
    }
    for (size_t i = 0; i < name_count; i++) {
        error = openssl_add_name(sans, GEN_DNS, names[i], strlen(names[i]));
        if (error != 0) {
            goto out;
        }
    }
    extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, sans);
    if (extension == NULL || sk_X509_EXTENSION_push(extensions, extension) <= 0) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    extension = NULL; /* now the stack's */
    if (X509_REQ_add_extensions(request, extensions) != 1) {
        error = openssl_error(ERROR_CRYPTO);
    }
out:
    X509_EXTENSION_free(extension);
    sk_GENERAL_NAME_pop_free(sans, GENERAL_NAME_free);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return error;
}

int csr_make(const struct key *key, const char *const *names, size_t name_count,
             struct buffer *der)
{
    int error = 0;
    uint8_t *encoded = NULL;
    X509_REQ *request = NULL;
    if (!key_is_private(key)) {
        return ERROR_STATE;
    }
    if (name_count == 0) {
        return ERROR_RANGE;
    }
    request = X509_REQ_new();
    if (request == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_pubkey(request, key_evp(key)) != 1) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    error = add_names(request, names, name_count);
    if (error != 0) {
        goto out;
    }
    if (X509_REQ_sign(request, key_evp(key), openssl_digest(key_kind(key))) <= 0) {
        error = openssl_error(ERROR_CRYPTO);
        goto out;
    }
    int size = i2d_X509_REQ(request, &encoded);
    error = size > 0 ? buffer_append(der, encoded, (size_t)size)
                     : openssl_error(ERROR_CRYPTO);
out:
    OPENSSL_free(encoded);
    X509_REQ_free(request);
    return error;
}

/* Says what is wrong and returns ERROR. */
static int refuse(struct parse *parse, int error, const char *what)
{
    text_format(parse->reason, parse->reason_capacity, "%s", what);
    return openssl_error(error);
}

/* The same about one name, quoted. */
static int refuse_name(struct parse *parse, const uint8_t *name, size_t size,
                       const char *what)
{
    char quoted[QUOTE_BYTES];
    text_printable(quoted, sizeof(quoted), (const char *)name, size);
    text_format(parse->reason, parse->reason_capacity, "the CSR's name '%s' %s", quoted,
                what);
    return ERROR_RANGE;
}

/* The whole input must be one request in DER: what we have parsed, written again, is what
 * came in. */
static int read_request(struct parse *parse, const void *der, size_t size)
{
    const uint8_t *at = der;
    uint8_t *encoded = NULL;
    if (size > LIMIT_CSR_BYTES) {
        return refuse(parse, ERROR_LIMIT, "the CSR is too large");
    }
    parse->request = d2i_X509_REQ(NULL, &at, (long)size);
    if (parse->request == NULL) {
        return refuse(parse, ERROR_SYNTAX, "the CSR is no PKCS#10 request in DER");
    }
    if (at != (const uint8_t *)der + size) {
        return refuse(parse, ERROR_SYNTAX, "there are bytes behind the CSR");
    }
    int encoded_size = i2d_X509_REQ(parse->request, &encoded);
    bool is_same = encoded_size > 0 && (size_t)encoded_size == size &&
                   memcmp(encoded, der, size) == 0;
    OPENSSL_free(encoded);
    if (!is_same) {
        return refuse(parse, ERROR_SYNTAX, "the CSR is no DER");
    }
    if (X509_REQ_get_version(parse->request) != X509_REQ_VERSION_1) {
        return refuse(parse, ERROR_SYNTAX, "the CSR's version is not 1");
    }
    return 0;
}

static int read_key(struct parse *parse)
{
    uint8_t *spki = NULL;
    int size = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(parse->request), &spki);
    if (size <= 0) {
        return refuse(parse, ERROR_SYNTAX, "the CSR's public key can't be read");
    }
    int error = key_from_spki(spki, (size_t)size, &parse->csr->key);
    OPENSSL_free(spki);
    if (error == ERROR_MEMORY) {
        return error;
    }
    if (error == ERROR_SYNTAX) {
        return refuse(parse, ERROR_SYNTAX,
                      "the CSR's public key is not in canonical form");
    }
    if (error != 0 || key_kind(parse->csr->key) == KEY_ED25519) {
        return refuse(parse, ERROR_RANGE,
                      "the CSR's key must be P-256, P-384 or RSA of 2048 to 4096 bits");
    }
    return 0;
}

static int check_signature(struct parse *parse)
{
    switch (X509_REQ_get_signature_nid(parse->request)) {
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
        break;
    default:
        return refuse(parse, ERROR_RANGE,
                      "the CSR must be signed with ECDSA or RSA and SHA-256, 384 or 512");
    }
    if (X509_REQ_verify(parse->request, key_evp(parse->csr->key)) != 1) {
        return refuse(parse, ERROR_SIGNATURE, "the CSR's signature does not verify");
    }
    return 0;
}

/* At most one extensionRequest with one value. *RET_EXTENSIONS is NULL when there is
 * none. */
static int read_extensions(struct parse *parse,
                           STACK_OF(X509_EXTENSION) * *ret_extensions)
{
    int count = 0;
    for (int i = 0; i < X509_REQ_get_attr_count(parse->request); i++) {
        X509_ATTRIBUTE *attribute = X509_REQ_get_attr(parse->request, i);
        int nid = OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attribute));
        if (nid == NID_ext_req || nid == NID_ms_ext_req) {
            count += X509_ATTRIBUTE_count(attribute);
        }
    }
    if (count > 1) {
        return refuse(parse, ERROR_SYNTAX, "the CSR requests extensions more than once");
    }
    *ret_extensions = count == 1 ? X509_REQ_get_extensions(parse->request) : NULL;
    if (count == 1 && *ret_extensions == NULL) {
        return refuse(parse, ERROR_SYNTAX,
                      "the CSR's requested extensions can't be read");
    }
    return 0;
}

static bool is_ldh(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* NULL, or what is wrong with a name. */
static const char *check_name(const uint8_t *name, size_t size)
{
    size_t label_size = 0;
    if (size == 0 || size > NAME_MAX_BYTES) {
        return "must have 1 to 253 characters";
    }
    size_t start = size > 2 && name[0] == '*' && name[1] == '.' ? 2 : 0;
    for (size_t i = start; i < size; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z') {
            return "must be in lower case";
        }
        bool is_last = i + 1 == size || name[i + 1] == '.';
        if (name[i] == '.') {
            if (label_size == 0 || i + 1 == size) {
                return "has an empty label";
            }
            label_size = 0;
            continue;
        }
        if (!is_ldh(name[i]) || (name[i] == '-' && (label_size == 0 || is_last))) {
            return "is no host name";
        }
        if (++label_size > LABEL_MAX_BYTES) {
            return "has a label of more than 63 characters";
        }
    }
    return NULL;
}

static int take_name(struct parse *parse, const GENERAL_NAME *name)
{
    int type = GEN_DNS;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_DNS) {
        return refuse(parse, ERROR_RANGE,
                      "the CSR may only ask for DNS names, not for addresses or others");
    }
    const uint8_t *data = ASN1_STRING_get0_data(value);
    size_t size = (size_t)ASN1_STRING_length(value);
    const char *wrong = check_name(data, size);
    if (wrong != NULL) {
        return refuse_name(parse, data, size, wrong);
    }
    char *copy = strndup((const char *)data, size);
    if (copy == NULL) {
        return ERROR_MEMORY;
    }
    parse->csr->names[parse->csr->name_count++] = copy;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts, and drops what stands twice. */
static void sort_names(struct csr *csr)
{
    size_t kept = 0;
    qsort(csr->names, csr->name_count, sizeof(*csr->names), compare_names);
    for (size_t i = 0; i < csr->name_count; i++) {
        if (kept > 0 && strcmp(csr->names[kept - 1], csr->names[i]) == 0) {
            free(csr->names[i]);
        } else {
            csr->names[kept++] = csr->names[i];
        }
    }
    csr->name_count = kept;
}

static int read_names(struct parse *parse, const STACK_OF(X509_EXTENSION) * extensions)
{
    int found = -1;
    int error = 0;
    GENERAL_NAMES *sans = X509V3_get_d2i(extensions, NID_subject_alt_name, &found, NULL);
    if (sans == NULL) {
        return refuse(parse, ERROR_SYNTAX,
                      found == -1 ? "the CSR has no subjectAltName"
                                  : "the CSR's subjectAltName can't be read");
    }
    int count = sk_GENERAL_NAME_num(sans);
    if (count <= 0 || count > LIMIT_ORDER_NAMES) {
        error = refuse(parse, ERROR_LIMIT, "the CSR has no names, or too many");
        goto out;
    }
    parse->csr->names = calloc((size_t)count, sizeof(*parse->csr->names));
    if (parse->csr->names == NULL) {
        error = ERROR_MEMORY;
        goto out;
    }
    for (int i = 0; i < count && error == 0; i++) {
        error = take_name(parse, sk_GENERAL_NAME_value(sans, i));
    }
    if (error == 0) {
        sort_names(parse->csr);
    }
out:
    GENERAL_NAMES_free(sans);
    return error;
}

static int check_constraints(struct parse *parse,
                             const STACK_OF(X509_EXTENSION) * extensions)
{
    int found = -1;
    BASIC_CONSTRAINTS *constraints =
        X509V3_get_d2i(extensions, NID_basic_constraints, &found, NULL);
    if (constraints == NULL && found == -1) {
        return 0;
    }
    if (constraints == NULL) {
        return refuse(parse, ERROR_SYNTAX, "the CSR's basicConstraints can't be read");
    }
    bool is_ca = constraints->ca != 0;
    BASIC_CONSTRAINTS_free(constraints);
    return is_ca ? refuse(parse, ERROR_RANGE, "the CSR asks for a CA certificate") : 0;
}

/* Every common name in the subject must be one of the SANs. */
static int check_common_names(struct parse *parse)
{
    const X509_NAME *subject = X509_REQ_get_subject_name(parse->request);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    for (; index >= 0;
         index = X509_NAME_get_index_by_NID(subject, NID_commonName, index)) {
        uint8_t *text = NULL;
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, index);
        int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        if (size < 0) {
            return refuse(parse, ERROR_SYNTAX, "the CSR's common name can't be read");
        }
        bool is_known = false;
        for (size_t i = 0; i < parse->csr->name_count; i++) {
            const char *name = parse->csr->names[i];
            is_known = is_known || (strlen(name) == (size_t)size &&
                                    memcmp(name, text, (size_t)size) == 0);
        }
        int error = 0;
        if (!is_known) {
            error = refuse_name(parse, text, (size_t)size,
                                "is the common name, but none of the subjectAltNames");
        }
        OPENSSL_free(text);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int csr_parse(const void *der, size_t size, struct csr *ret_csr, char *reason,
              size_t reason_capacity)
{
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    *ret_csr = (struct csr){0};
    struct parse parse = {
        .csr = ret_csr, .reason = reason, .reason_capacity = reason_capacity};
    text_format(reason, reason_capacity, "the CSR can't be checked now");
    int error = read_request(&parse, der, size);
    if (error == 0) {
        error = read_key(&parse);
    }
    if (error == 0) {
        error = check_signature(&parse);
    }
    if (error == 0) {
        error = read_extensions(&parse, &extensions);
    }
    if (error == 0) {
        error = read_names(&parse, extensions);
    }
    if (error == 0) {
        error = check_constraints(&parse, extensions);
    }
    if (error == 0) {
        error = check_common_names(&parse);
    }
    if (error == 0) {
        text_copy(reason, reason_capacity, "");
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(parse.request);
    ERR_clear_error();
    return error;
}

void csr_free(struct csr *csr)
{
    key_free(csr->key);
    for (size_t i = 0; i < csr->name_count; i++) {
        free(csr->names[i]);
    }
    free(csr->names);
    *csr = (struct csr){0};
}

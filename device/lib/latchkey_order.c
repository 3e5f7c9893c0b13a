/* The device's side of an order: its key and request, and what comes back.
 *
 * "pending.pem" is the key of the order in work, its request is in the state. It stays until a
 * certificate for it is in use, so that every retry sends the same request: the relay then hands
 * out the chain it already has, and no new key counts against the budget for names.
 *
 * "trusted.pem" is key and chain as one item. It is written before the owner is asked, and put
 * back when the owner refuses; a crash between leaves a certificate that is good in any case. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/csr.h"
#include "device/clock_floor.h"

#include <string.h>

enum { SKEW_S = 86400, KEY_BYTES = 16 << 10, CSR_BYTES = 1024 };

static bool write_wildcard(const struct latchkey *handle, const char *zone,
                           char ret_name[static 256])
{
    return text_format(ret_name, 256, "*.%s.%s", handle->identity.id, zone);
}

static int load_pending(struct latchkey *handle, struct key **ret_key)
{
    struct buffer pem = buffer_init_secret(KEY_BYTES);
    int error = latchkey_store_load(handle, "pending.pem", &pem);
    if (error == 0) {
        error = key_from_pem(pem.data, pem.size, ret_key);
    }
    buffer_free(&pem);
    return error;
}

static int save_pending(struct latchkey *handle, const struct key *key)
{
    struct buffer pem = buffer_init_secret(KEY_BYTES);
    int error = key_to_pem(key, &pem);
    if (error == 0) {
        error = latchkey_store_save(handle, "pending.pem", buffer_bytes(&pem));
    }
    buffer_free(&pem);
    return error;
}

void latchkey_order_drop_pending(struct latchkey *handle)
{
    latchkey_store_remove(handle, "pending.pem");
    handle->state.csr[0] = '\0';
    /* Without a text nothing is allocated. */
    (void)!agent_state_set_order(&handle->state, NULL);
}

void latchkey_order_settle(struct latchkey *handle)
{
    struct key *key = NULL;
    if (load_pending(handle, &key) == 0 && key_equal(key, handle->trusted.key)) {
        latchkey_order_drop_pending(handle);
        handle->state.obtained_at = cert_not_before_at(handle->trusted.cert);
    }
    key_free(key);
}

/* The saved request, if it is by the saved key and for exactly NAME. */
static int load_request(struct latchkey *handle, const char *name)
{
    uint8_t der[LIMIT_CSR_BYTES];
    size_t size = 0;
    char reason[LIMIT_DETAIL_BYTES];
    struct key *key = NULL;
    struct csr csr = {.key = NULL};
    const char *text = handle->state.csr;
    if (text[0] == '\0') {
        return ERROR_NOT_FOUND;
    }
    int error = text_base64url_decode(text, strlen(text), der, sizeof(der), &size);
    if (error == 0) {
        error = load_pending(handle, &key);
    }
    if (error == 0) {
        error = csr_parse(der, size, &csr, reason, sizeof(reason));
    }
    if (error == 0 && (!key_equal(csr.key, key) || csr.name_count != 1 ||
                       strcmp(csr.names[0], name) != 0)) {
        error = ERROR_CONFLICT;
    }
    if (error == 0) {
        error = buffer_append(&handle->csr, der, size);
    }
    csr_free(&csr);
    key_free(key);
    return error;
}

/* A fresh key (never the identity key, never a used one) and the request for it. */
static int make_request(struct latchkey *handle, const char *name)
{
    const char *names[] = {name};
    struct key *key = NULL;
    struct buffer der = buffer_init(CSR_BYTES);
    int error = key_generate(KEY_P256, &key);
    if (error == 0) {
        error = csr_make(key, names, 1, &der);
    }
    if (error == 0 && TEXT_BASE64URL_SIZE(der.size) >= AGENT_STATE_CSR_CAPACITY) {
        error = ERROR_LIMIT;
    }
    if (error == 0) {
        latchkey_order_drop_pending(handle);
        error = save_pending(handle, key);
    }
    if (error == 0) {
        text_base64url(der.data, der.size, handle->state.csr);
        error = latchkey_store_save_state(handle);
    }
    if (error == 0) {
        error = buffer_append(&handle->csr, der.data, der.size);
    }
    buffer_free(&der);
    key_free(key);
    return error;
}

int latchkey_order_make_csr(struct latchkey *handle, const char *zone, char *reason,
                            size_t capacity)
{
    char name[256];
    if (!relay_facts_is_zone(zone) || !write_wildcard(handle, zone, name)) {
        text_copy(reason, capacity, "the relay's zone is no domain name");
        return ERROR_SYNTAX;
    }
    if (strcmp(zone, handle->state.zone) != 0) {
        text_copy(handle->state.zone, sizeof(handle->state.zone), zone);
        handle->is_changed = true;
    }
    int error = load_request(handle, name);
    if (error < 0 && error != ERROR_MEMORY) {
        buffer_reset(&handle->csr);
        error = make_request(handle, name);
    }
    if (error < 0) {
        text_copy(reason, capacity, "the certificate request could not be made");
    }
    return error;
}

/* The chain with the pending key, verified. */
static int check_chain(struct latchkey *handle, struct bytes chain,
                       struct bundle *ret_bundle, char *reason, size_t capacity)
{
    char name[256];
    struct bundle bundle = {.key = NULL};
    const char *names[] = {name};
    int error = load_pending(handle, &bundle.key);
    if (error == 0) {
        error = cert_from_pem(chain.data, chain.size, &bundle.cert);
    }
    if (error < 0) {
        text_format(reason, capacity, "the chain can't be used: %s", error_text(error));
        goto out;
    }
    int64_t now_at = clock_system_at();
    if (now_at < CLOCK_FLOOR_AT) {
        /* The clock was never set: whether it has begun can't be judged, only what it is
         * for. */
        now_at = cert_not_before_at(bundle.cert);
    }
    write_wildcard(handle, handle->state.zone, name);
    error = cert_check_issued(bundle.cert, bundle.key, names, 1, now_at, SKEW_S, reason,
                              capacity);
    if (error == 0) {
        *ret_bundle = bundle;
        bundle = (struct bundle){.key = NULL};
    }
out:
    bundle_free(&bundle);
    return error;
}

/* What is stored as trusted is again what is in use. */
static void restore(struct latchkey *handle)
{
    if (handle->trusted.cert == NULL) {
        latchkey_store_remove(handle, "trusted.pem");
    } else {
        latchkey_store_save_trusted(handle, &handle->trusted);
    }
}

int latchkey_order_install(struct latchkey *handle, struct bytes chain, char *reason,
                           size_t capacity)
{
    struct bundle bundle = {.key = NULL};
    int error = check_chain(handle, chain, &bundle, reason, capacity);
    if (error < 0) {
        return error;
    }
    /* A storage that refuses does not keep HTTPS from a good certificate: it is served from
     * memory. */
    latchkey_store_save_trusted(handle, &bundle);
    error = latchkey_serve_offer(handle, &bundle, true);
    if (error < 0) {
        text_format(reason, capacity, "the new certificate was not taken into use: %s",
                    error_text(error));
        bundle_free(&bundle);
        restore(handle);
        return error;
    }
    bundle_free(&handle->trusted);
    handle->trusted = bundle;
    handle->is_trusted_served = true;
    return 0;
}

/* Which certificate is used: by the owner, who is told, and by the owner's SSL_CTXs. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "device/fallback.h"

static int tell(struct latchkey *handle, const struct bundle *bundle, bool is_trusted)
{
    char serial[CERT_SERIAL_MAX];
    char fingerprint[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1];
    uint8_t hash[DIGEST_SHA256_SIZE];
    struct buffer chain = buffer_init(LIMIT_CHAIN_BYTES);
    struct buffer key = buffer_init_secret(BUNDLE_BYTES);
    if (handle->events.certificate == NULL) {
        return 0;
    }
    int error = cert_to_pem(bundle->cert, &chain);
    if (error == 0) {
        error = key_to_pem(bundle->key, &key);
    }
    if (error == 0) {
        error = cert_fingerprint(bundle->cert, hash);
    }
    if (error == 0) {
        cert_serial(bundle->cert, serial);
        text_hex(hash, sizeof(hash), fingerprint);
        struct latchkey_certificate certificate = {
            .size = sizeof(certificate),
            .is_trusted = is_trusted ? 1 : 0,
            .chain_pem = buffer_text(&chain),
            .key_pem = buffer_text(&key),
            .serial = serial,
            .fingerprint = fingerprint,
            .not_before_at = cert_not_before_at(bundle->cert),
            .not_after_at = cert_not_after_at(bundle->cert),
        };
        error = latchkey_view_taken(
            handle->events.certificate(handle->events.arg, handle, &certificate));
    }
    buffer_free(&chain);
    buffer_free(&key);
    return error;
}

int latchkey_serve_offer(struct latchkey *handle, const struct bundle *bundle,
                         bool is_trusted)
{
    enum tls_slot slot = is_trusted ? TLS_TRUSTED : TLS_FALLBACK;
    /* The contexts first: who looks at its own server from the callback sees the new one. */
    int error = tls_swap_set(handle->swap, slot, bundle->cert, bundle->key);
    if (error == 0) {
        error = tell(handle, bundle, is_trusted);
    }
    const struct bundle *before = is_trusted ? &handle->trusted : &handle->fallback;
    bool is_back = before->cert != NULL && (!is_trusted || handle->is_trusted_served);
    if (error < 0 &&
        (!is_back || tls_swap_set(handle->swap, slot, before->cert, before->key) < 0)) {
        tls_swap_clear(handle->swap, slot);
    }
    return error;
}

int latchkey_serve_fallback(struct latchkey *handle)
{
    struct fallback_subject subject = {
        .identity = &handle->identity,
        .zone = handle->state.zone,
        .local_name = handle->local_name,
    };
    int64_t now_at = clock_system_at();
    struct bundle bundle = {.key = NULL};
    if (handle->fallback.cert != NULL &&
        fallback_is_good(&handle->fallback, &subject, now_at, &handle->state)) {
        return 0;
    }
    int error = handle->fallback.cert == NULL
                    ? latchkey_store_load_bundle(handle, "fallback.pem", &bundle)
                    : ERROR_NOT_FOUND;
    if (error == 0 && !fallback_is_good(&bundle, &subject, now_at, &handle->state)) {
        bundle_free(&bundle);
        error = ERROR_NOT_FOUND;
    }
    if (error < 0) {
        error = fallback_make(&subject, now_at, &handle->state, &bundle);
        if (error < 0) {
            return error;
        }
        latchkey_store_save_fallback(handle, &bundle);
        latchkey_store_save_state(handle);
    }
    bundle_free(&handle->fallback);
    handle->fallback = bundle;
    error = tls_swap_set(handle->swap, TLS_FALLBACK, bundle.cert, bundle.key);
    if (error == 0 && handle->is_started && tell(handle, &bundle, false) < 0) {
        /* The owner has no use for it; there is nothing better to go back to. */
        handle->is_changed = true;
    }
    return error;
}

int latchkey_serve_load(struct latchkey *handle)
{
    struct bundle bundle = {.key = NULL};
    char name[256];
    char reason[LIMIT_DETAIL_BYTES];
    const char *names[] = {name};
    if (handle->state.zone[0] == '\0' ||
        !text_format(name, sizeof(name), "*.%s.%s", handle->identity.id,
                     handle->state.zone)) {
        return 0;
    }
    int error = latchkey_store_load_bundle(handle, "trusted.pem", &bundle);
    if (error < 0) {
        return error == ERROR_MEMORY ? error : 0;
    }
    /* Its end is judged by device/life.c; here only whether it is ours. */
    error = cert_check_issued(bundle.cert, bundle.key, names, 1,
                              cert_not_before_at(bundle.cert), 0, reason, sizeof(reason));
    if (error < 0) {
        bundle_free(&bundle);
        return error == ERROR_MEMORY ? error : 0;
    }
    handle->trusted = bundle;
    latchkey_order_settle(handle);
    return 0;
}

void latchkey_serve_choose(struct latchkey *handle, bool trusted)
{
    if (trusted == handle->is_trusted_served || handle->trusted.cert == NULL) {
        return;
    }
    handle->is_changed = true;
    if (trusted) {
        handle->is_trusted_served =
            latchkey_serve_offer(handle, &handle->trusted, true) == 0;
        return;
    }
    handle->is_trusted_served = false;
    tls_swap_clear(handle->swap, TLS_TRUSTED);
    if (handle->events.expired != NULL) {
        handle->events.expired(handle->events.arg, handle);
    }
}

void latchkey_serve_begin(struct latchkey *handle)
{
    if (tell(handle, &handle->fallback, false) < 0) {
        handle->is_changed = true;
    }
}

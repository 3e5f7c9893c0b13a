/* What the owner reads: texts, names, the status; and the two sets of error numbers. The public
 * ones are an interface for years, so they are not those of base/core/error.h. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "device/qr.h"

#include <stdlib.h>
#include <string.h>

enum { HTTPS_PORT = 443 };

int latchkey_version_number(void)
{
    return LATCHKEY_VERSION_NUMBER;
}

const char *latchkey_version_text(void)
{
    return LATCHKEY_VERSION;
}

/* What each of base/core/error.h is to the owner, and what a callback's number is to us. */
static const struct {
    int ours;
    enum latchkey_error public;
    const char *text;
} errors[] = {
    {ERROR_NONE, LATCHKEY_OK, "no error"},
    {ERROR_MEMORY, LATCHKEY_ERROR_MEMORY, "not enough memory"},
    {ERROR_RANGE, LATCHKEY_ERROR_ARGUMENT, "an argument is missing or wrong"},
    {ERROR_LIMIT, LATCHKEY_ERROR_CAPACITY, "something is too large"},
    {ERROR_NOT_FOUND, LATCHKEY_ERROR_NOT_FOUND, "there is no such thing"},
    {ERROR_IO, LATCHKEY_ERROR_IO, "the system or the storage refused"},
    {ERROR_CRYPTO, LATCHKEY_ERROR_KEY, "a key or signature can't be used"},
    {ERROR_IO, LATCHKEY_ERROR_NETWORK, "no connection, or it was lost"},
    {ERROR_TIMEOUT, LATCHKEY_ERROR_TIMEOUT, "it took too long"},
    {ERROR_SIGNATURE, LATCHKEY_ERROR_TLS, "the relay did not prove itself"},
    {ERROR_DENIED, LATCHKEY_ERROR_REFUSED, "it was refused"},
    {ERROR_UNSUPPORTED, LATCHKEY_ERROR_UNSUPPORTED, "this is not offered"},
    {ERROR_INTERNAL, LATCHKEY_ERROR_INTERNAL, "a bug of liblatchkey"},
    /* Further ones of ours. */
    {ERROR_SYNTAX, LATCHKEY_ERROR_ARGUMENT, NULL},
    {ERROR_BUSY, LATCHKEY_ERROR_IO, NULL},
    {ERROR_EXISTS, LATCHKEY_ERROR_IO, NULL},
};

enum { ERROR_COUNT = sizeof(errors) / sizeof(errors[0]) };

const char *latchkey_error_text(int error)
{
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        if ((int)errors[i].public == error && errors[i].text != NULL) {
            return errors[i].text;
        }
    }
    return "an unknown error";
}

int latchkey_view_error(int error)
{
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        if (errors[i].ours == error) {
            return (int)errors[i].public;
        }
    }
    return LATCHKEY_ERROR_INTERNAL;
}

int latchkey_view_taken(int error)
{
    if (error >= 0) {
        return 0;
    }
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        if ((int)errors[i].public == error) {
            return errors[i].ours;
        }
    }
    return ERROR_DENIED;
}

int latchkey_view_copy(void *ret_known, size_t known_size, const void *given, size_t size)
{
    const unsigned char *bytes = given;
    if (size < sizeof(size_t)) {
        return ERROR_RANGE;
    }
    for (size_t i = known_size; i < size; i++) {
        if (bytes[i] != 0) {
            return ERROR_RANGE;
        }
    }
    memset(ret_known, 0, known_size);
    memcpy(ret_known, given, size < known_size ? size : known_size);
    return 0;
}

static enum latchkey_state public_state(enum life_state state)
{
    switch (state) {
    case LIFE_FIRST:
        return LATCHKEY_STATE_WAITING;
    case LIFE_FIRST_ORDERING:
        return LATCHKEY_STATE_ORDERING;
    case LIFE_TRUSTED:
        return LATCHKEY_STATE_TRUSTED;
    case LIFE_RENEWING:
        return LATCHKEY_STATE_RENEWING;
    case LIFE_EXPIRED:
        return LATCHKEY_STATE_EXPIRED;
    case LIFE_RECOVERING:
        return LATCHKEY_STATE_RECOVERING;
    }
    return LATCHKEY_STATE_WAITING;
}

const char *latchkey_state_text(int state)
{
    static const char *const texts[] = {
        [LATCHKEY_STATE_WAITING] = "waiting", [LATCHKEY_STATE_ORDERING] = "ordering",
        [LATCHKEY_STATE_TRUSTED] = "trusted", [LATCHKEY_STATE_RENEWING] = "renewing",
        [LATCHKEY_STATE_EXPIRED] = "expired", [LATCHKEY_STATE_RECOVERING] = "recovering",
    };
    bool is_known = state >= 0 && (size_t)state < sizeof(texts) / sizeof(texts[0]);
    return is_known ? texts[state] : "unknown";
}

const char *latchkey_id(const struct latchkey *handle)
{
    return handle->identity.id;
}

const char *latchkey_pin(const struct latchkey *handle)
{
    return handle->identity.pin;
}

const char *latchkey_zone(const struct latchkey *handle)
{
    return handle->state.zone;
}

static int write_name(const struct latchkey *handle, const char *label, char *ret_name,
                      size_t capacity)
{
    if (handle->state.zone[0] == '\0') {
        return LATCHKEY_ERROR_NOT_FOUND;
    }
    return ret_name != NULL && text_format(ret_name, capacity, "%s.%s.%s", label,
                                           handle->identity.id, handle->state.zone)
               ? LATCHKEY_OK
               : LATCHKEY_ERROR_CAPACITY;
}

int latchkey_name(const struct latchkey *handle, char *ret_name, size_t capacity)
{
    return write_name(handle, handle->label, ret_name, capacity);
}

int latchkey_address_name(const struct latchkey *handle, const char *address,
                          char *ret_name, size_t capacity)
{
    struct lanname_address parsed;
    char label[LANNAME_ADDRESS_LABEL_MAX + 1];
    if (address == NULL || !lanname_address_parse(address, &parsed)) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    lanname_write_label(&parsed, label);
    return write_name(handle, label, ret_name, capacity);
}

int latchkey_qr_payload(const struct latchkey *handle, char *ret_text, size_t capacity)
{
    char payload[QR_PAYLOAD_CAPACITY];
    uint16_t port = (uint16_t)(handle->https_port != 0 ? handle->https_port : HTTPS_PORT);
    int error = qr_payload(handle->identity.pin, &handle->addresses, port, payload);
    if (error < 0) {
        return latchkey_view_error(error);
    }
    return ret_text != NULL && text_copy(ret_text, capacity, payload)
               ? LATCHKEY_OK
               : LATCHKEY_ERROR_CAPACITY;
}

/* A wait on the monotonic clock as wall time. */
static int64_t retry_at(const struct latchkey *handle)
{
    int64_t wait_ms = handle->life.retry_mono_ms - clock_mono_ms();
    return handle->life.retry_mono_ms != 0 && wait_ms > 0
               ? clock_system_at() + (wait_ms + 999) / 1000
               : 0;
}

int latchkey_status(const struct latchkey *handle, struct latchkey_status *status)
{
    if (status == NULL || status->size < sizeof(size_t)) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    bool has_trusted = handle->trusted.cert != NULL;
    struct latchkey_status full = {
        .size = status->size,
        .state = (int)public_state(handle->life.state),
        .serial = handle->serial,
        .not_before_at = has_trusted ? cert_not_before_at(handle->trusted.cert) : 0,
        .not_after_at = has_trusted ? cert_not_after_at(handle->trusted.cert) : 0,
        .renew_at = has_trusted ? handle->life.renew_at : 0,
        .retry_at = retry_at(handle),
        .failure_code = handle->state.failure_code,
        .failure_text = handle->state.failure_text,
        .failure_at = handle->state.failure_at,
        .published_at = handle->state.published_at,
        .is_storage_failed = handle->disk_failed ? 1 : 0,
        .is_cloned = handle->state.cloned_at != 0 ? 1 : 0,
    };
    memcpy(status, &full, full.size < sizeof(full) ? full.size : sizeof(full));
    return LATCHKEY_OK;
}

/* A request's way through the caller's transport. The outcome is copied and waits for the next
 * latchkey_process, so that a transport may answer from wherever it is, even from within its
 * start, and no callback is ever called from within another. A transport that never answers is
 * cancelled some seconds after the time it was given. */
#include "device/lib/latchkey_parts.h"

#include "base/core/clock.h"
#include "base/core/text.h"

#include <string.h>
#include <sys/eventfd.h>

enum { GRACE_MS = 5000 };

#define USER_AGENT "liblatchkey/" LATCHKEY_VERSION

void latchkey_slot_wake(struct latchkey *handle)
{
    /* Fails only when the counter is full: then it is readable already. */
    (void)eventfd_write(handle->event_fd, 1);
}

static struct latchkey_slot *find(struct latchkey *handle, uint64_t id)
{
    struct latchkey_slot *slots[] = {&handle->client_slot, &handle->machine_slot};
    for (size_t i = 0; id != 0 && i < 2; i++) {
        if (slots[i]->id == id && !slots[i]->arrived) {
            return slots[i];
        }
    }
    return NULL;
}

static void fail(struct latchkey_slot *slot, int error, const char *text)
{
    slot->arrived = true;
    slot->error = error;
    slot->status = 0;
    text = text != NULL ? text : error_text(error);
    text_printable(slot->error_text, sizeof(slot->error_text), text, strlen(text));
}

void latchkey_slot_clear(struct latchkey *handle, struct latchkey_slot *slot)
{
    uint64_t id = slot->id;
    bool is_running = id != 0 && !slot->arrived;
    buffer_free(&slot->body);
    buffer_free(&slot->headers);
    *slot = (struct latchkey_slot){.id = 0};
    if (is_running) {
        handle->transport.cancel(handle->transport.arg, id);
    }
}

void latchkey_slot_send(struct latchkey *handle, struct latchkey_slot *slot,
                        const struct acme_request *request)
{
    struct latchkey_request wanted = {
        .size = sizeof(wanted),
        .method = request->method,
        .url = request->url,
        .content_type = request->content_type,
        .accept = request->accept,
        .user_agent = USER_AGENT,
        .body = request->body.data,
        .body_size = request->body.size,
        .max_response_size = request->max_response_bytes,
        .timeout_ms = LATCHKEY_REQUEST_MS,
    };
    latchkey_slot_clear(handle, slot);
    slot->id = ++handle->last_id;
    slot->deadline_mono_ms = clock_mono_ms() + LATCHKEY_REQUEST_MS + GRACE_MS;
    slot->body_max_bytes = request->max_response_bytes;
    slot->body = buffer_init(request->max_response_bytes);
    slot->headers = buffer_init(LATCHKEY_HEADERS_MAX_BYTES);
    uint64_t id = slot->id;
    int error = handle->transport.start(handle->transport.arg, handle, id, &wanted);
    if (error < 0 && slot->id == id && !slot->arrived) {
        fail(slot, latchkey_view_taken(error), latchkey_error_text(error));
        latchkey_slot_wake(handle);
    }
}

static int copy_headers(struct latchkey_slot *slot,
                        const struct latchkey_response *response)
{
    int error = 0;
    for (size_t i = 0; i < response->header_count && error == 0; i++) {
        const struct latchkey_header *header = &response->headers[i];
        if (header->name != NULL && header->value != NULL) {
            buffer_append(&slot->headers, header->name, strlen(header->name) + 1);
            error =
                buffer_append(&slot->headers, header->value, strlen(header->value) + 1);
        }
    }
    return error;
}

static int take(struct latchkey_slot *slot, const struct latchkey_response *response)
{
    if (response->error != 0) {
        fail(slot, latchkey_view_taken(response->error), response->error_text);
        return 0;
    }
    if (response->status < 100 || response->status > 999 ||
        (response->body == NULL && response->body_size > 0) ||
        (response->headers == NULL && response->header_count > 0)) {
        fail(slot, ERROR_SYNTAX, "the transport gave no response");
        return ERROR_RANGE;
    }
    int error = response->body_size > 0
                    ? buffer_append(&slot->body, response->body, response->body_size)
                    : 0;
    if (error == 0) {
        error = copy_headers(slot, response);
    }
    if (error < 0) {
        fail(slot, error, NULL);
        return error;
    }
    slot->arrived = true;
    slot->error = 0;
    slot->status = response->status;
    return 0;
}

int latchkey_respond(struct latchkey *handle, uint64_t id,
                     const struct latchkey_response *response)
{
    struct latchkey_response known = LATCHKEY_RESPONSE_INIT;
    if (handle == NULL || response == NULL ||
        latchkey_view_copy(&known, sizeof(known), response, response->size) < 0) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    struct latchkey_slot *slot = find(handle, id);
    if (slot == NULL) {
        return LATCHKEY_ERROR_NOT_FOUND;
    }
    int error = take(slot, &known);
    latchkey_slot_wake(handle);
    return latchkey_view_error(error);
}

static const char *find_header(const void *arg, const char *name, size_t index)
{
    const struct buffer *headers = arg;
    const char *at = buffer_text(headers);
    const char *end = at + headers->size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (text_equal_nocase(at, name) && index-- == 0) {
            return value;
        }
        at = value + strlen(value) + 1;
    }
    return NULL;
}

bool latchkey_slot_take(struct latchkey *handle, struct latchkey_slot *slot,
                        struct acme_response *ret_response)
{
    if (slot->id != 0 && !slot->arrived && clock_mono_ms() >= slot->deadline_mono_ms) {
        uint64_t id = slot->id;
        fail(slot, ERROR_TIMEOUT, "the transport did not answer");
        handle->transport.cancel(handle->transport.arg, id);
    }
    if (!slot->arrived) {
        return false;
    }
    *ret_response = (struct acme_response){
        .error = slot->error,
        .error_text = slot->error_text,
        .status = slot->status,
        .body = buffer_bytes(&slot->body),
        .header = find_header,
        .header_arg = &slot->headers,
    };
    return true;
}

/* A handle, and its loop: the pieces are those of the agent (device/life.c decides when,
 * acme/ says what to send, device/fallback.c makes the fallback), without a loop, files or
 * processes of their own.
 *
 * The descriptor is an epoll that holds an eventfd, which says that a response waits, and the
 * transport's own descriptor where it has one. Time comes by latchkey_timeout_ms.
 *
 * latchkey_process is the only place from which the owner is called back, and the order is
 * always the same: responses are taken, a task that has ended is put away and understood, the
 * next one begins, and at the end the owner hears once that something has changed. */
#include "device/lib/latchkey_parts.h"

#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"
#include "device/fallback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    PEM_BYTES = 16 << 10,
    TASKS_AT_ONCE = 4, /* begun by one call, so that a loop of others goes on */
    PORT_MAX = 65535,
};

/* --- making one --- */

static int copy_text(const char *text, const char *otherwise, char **ret_text)
{
    text = text != NULL ? text : otherwise;
    if (text == NULL) {
        return 0;
    }
    *ret_text = strdup(text);
    return *ret_text == NULL ? ERROR_MEMORY : 0;
}

static int copy_texts(struct latchkey *handle, const struct latchkey_options *options)
{
    int error = copy_text(options->directory_url, NULL, &handle->directory);
    if (error == 0) {
        error = copy_text(options->token, NULL, &handle->token);
    }
    if (error == 0) {
        error = copy_text(options->profile, "tlsserver", &handle->profile);
    }
    if (error == 0) {
        error = copy_text(options->label, "home", &handle->label);
    }
    if (error == 0) {
        error = copy_text(options->local_name, "latchkey.local", &handle->local_name);
    }
    return error == 0 ? copy_text(options->folder, NULL, &handle->folder) : error;
}

static int copy_transport(struct latchkey *handle, const struct latchkey_options *options)
{
    const struct latchkey_transport *given = options->transport;
    int error = given == NULL
                    ? ERROR_RANGE
                    : latchkey_view_copy(&handle->transport, sizeof(handle->transport),
                                         given, given->size);
    if (error == 0 &&
        (handle->transport.start == NULL || handle->transport.cancel == NULL)) {
        error = ERROR_RANGE;
    }
    return error;
}

static int copy_callbacks(struct latchkey *handle, const struct latchkey_options *options)
{
    const struct latchkey_storage *storage = options->storage;
    const struct latchkey_events *events = options->events;
    int error = copy_transport(handle, options);
    if (error == 0 && (storage == NULL) == (handle->folder == NULL)) {
        return ERROR_RANGE;
    }
    if (error == 0 && events != NULL) {
        error = latchkey_view_copy(&handle->events, sizeof(handle->events), events,
                                   events->size);
    }
    if (error == 0 && storage != NULL) {
        error = latchkey_view_copy(&handle->storage, sizeof(handle->storage), storage,
                                   storage->size);
        if (error == 0 &&
            (handle->storage.load == NULL || handle->storage.save == NULL)) {
            error = ERROR_RANGE;
        }
    } else if (error == 0) {
        error = latchkey_store_open_folder(handle);
    }
    return error;
}

static int open_descriptors(struct latchkey *handle)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = -1;
    handle->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    handle->event_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (handle->epoll_fd < 0 || handle->event_fd < 0 ||
        epoll_ctl(handle->epoll_fd, EPOLL_CTL_ADD, handle->event_fd, &event) != 0) {
        return ERROR_IO;
    }
    if (handle->transport.fd != NULL) {
        fd = handle->transport.fd(handle->transport.arg);
    }
    return fd >= 0 && epoll_ctl(handle->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0
               ? ERROR_IO
               : 0;
}

static int sign_outside(void *arg, const void *data, size_t size, uint8_t *ret_signature,
                        size_t *ret_size)
{
    const struct latchkey *handle = arg;
    return latchkey_view_taken(
        handle->signer.sign(handle->signer.arg, data, size, ret_signature, ret_size));
}

static int make_key(struct latchkey *handle, struct key **ret_key)
{
    struct buffer pem = buffer_init_secret(PEM_BYTES);
    struct key *key = NULL;
    int error = key_generate(KEY_P256, &key);
    if (error == 0) {
        error = key_to_pem(key, &pem);
    }
    if (error == 0) {
        error = latchkey_store_save(handle, "identity.pem", buffer_bytes(&pem));
    }
    buffer_free(&pem);
    if (error < 0) {
        key_free(key);
        return error;
    }
    *ret_key = key;
    return 0;
}

static int load_key(struct latchkey *handle, struct key **ret_key)
{
    struct buffer pem = buffer_init_secret(PEM_BYTES);
    int error = latchkey_store_load(handle, "identity.pem", &pem);
    if (error == 0) {
        error = key_from_pem(pem.data, pem.size, ret_key);
        error = error < 0 && error != ERROR_MEMORY ? ERROR_CRYPTO : error;
    }
    buffer_free(&pem);
    return error == ERROR_NOT_FOUND ? make_key(handle, ret_key) : error;
}

static int open_signer(struct latchkey *handle, const struct latchkey_signer *signer,
                       struct key **ret_key)
{
    int error =
        latchkey_view_copy(&handle->signer, sizeof(handle->signer), signer, signer->size);
    if (error == 0 && (handle->signer.sign == NULL || handle->signer.spki == NULL)) {
        error = ERROR_RANGE;
    }
    if (error == 0) {
        error = key_new_external(handle->signer.spki, handle->signer.spki_size,
                                 sign_outside, handle, ret_key);
        error = error < 0 && error != ERROR_MEMORY ? ERROR_CRYPTO : error;
    }
    handle->signer.spki = NULL; /* the owner's, and copied into the key */
    return error;
}

static int open_identity(struct latchkey *handle, const struct latchkey_options *options)
{
    struct key *key = NULL;
    int error = 0;
    if (options->signer != NULL) {
        error = open_signer(handle, options->signer, &key);
    } else if (options->identity_pem != NULL) {
        error = key_from_pem(options->identity_pem, strlen(options->identity_pem), &key);
        error = error < 0 && error != ERROR_MEMORY ? ERROR_CRYPTO : error;
    } else {
        error = load_key(handle, &key);
    }
    if (error == 0 && !key_is_private(key)) {
        error = ERROR_CRYPTO;
    }
    if (error == 0) {
        error = identity_from_key(key, &handle->identity);
    }
    key_free(key);
    return error;
}

/* A state that is damaged or gone costs an order at most. */
static int open_state(struct latchkey *handle)
{
    struct buffer text = buffer_init(LIMIT_STATE_BYTES);
    int error = latchkey_store_load(handle, "state.json", &text);
    if (error == 0) {
        error = agent_state_parse(text.data, text.size, &handle->state);
    }
    buffer_free(&text);
    if (error == ERROR_MEMORY) {
        return error;
    }
    if (strlen(handle->directory) >= sizeof(handle->state.directory)) {
        return ERROR_RANGE;
    }
    agent_state_turn_to(&handle->state, handle->directory);
    error = latchkey_task_check(handle);
    if (error == ERROR_SYNTAX && handle->state.account_url[0] != '\0') {
        /* The account is not at this relay. */
        handle->state.account_url[0] = '\0';
        error = latchkey_task_check(handle);
    }
    return error;
}

static void open_life(struct latchkey *handle)
{
    struct life_now now = latchkey_end_now();
    struct life_certificate certificate = {.obtained_at = handle->state.obtained_at};
    if (handle->trusted.cert != NULL) {
        certificate.not_before_at = cert_not_before_at(handle->trusted.cert);
        certificate.not_after_at = cert_not_after_at(handle->trusted.cert);
    }
    life_init(&handle->life, random_below,
              handle->trusted.cert != NULL ? &certificate : NULL, &now);
    if (handle->state.hold_until_at > now.wall_at) {
        life_hold(&handle->life, handle->state.hold_until_at - now.wall_at, &now);
    }
}

static int open_handle(struct latchkey *handle, const struct latchkey_options *options)
{
    if (options->directory_url == NULL || options->https_port > PORT_MAX) {
        return ERROR_RANGE;
    }
    handle->https_port = options->https_port;
    int error = copy_texts(handle, options);
    if (error == 0) {
        error = latchkey_relay_split(handle);
    }
    if (error == 0 &&
        !lanname_is_host_label((const uint8_t *)handle->label, strlen(handle->label))) {
        error = ERROR_RANGE;
    }
    if (error == 0) {
        error = copy_callbacks(handle, options);
    }
    if (error == 0) {
        error = open_descriptors(handle);
    }
    if (error == 0) {
        error = open_identity(handle, options);
    }
    if (error == 0) {
        error = tls_swap_new(&handle->swap);
    }
    if (error == 0) {
        error = open_state(handle);
    }
    if (error == 0) {
        error = latchkey_serve_fallback(handle);
    }
    if (error == 0) {
        error = latchkey_serve_load(handle);
    }
    if (error == 0) {
        open_life(handle);
    }
    return error;
}

int latchkey_new(const struct latchkey_options *options, struct latchkey **ret_handle)
{
    struct latchkey_options known = LATCHKEY_OPTIONS_INIT;
    if (options == NULL || ret_handle == NULL ||
        latchkey_view_copy(&known, sizeof(known), options, options->size) < 0) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    struct latchkey *handle = calloc(1, sizeof(*handle));
    if (handle == NULL) {
        return LATCHKEY_ERROR_MEMORY;
    }
    handle->epoll_fd = -1;
    handle->event_fd = -1;
    handle->lock_fd = -1;
    handle->wait_until_mono_ms = INT64_MAX;
    int error = open_handle(handle, &known);
    if (error < 0) {
        latchkey_free(handle);
        return latchkey_view_error(error);
    }
    handle->has_transport = true;
    *ret_handle = handle;
    return LATCHKEY_OK;
}

static void free_texts(struct latchkey *handle)
{
    if (handle->token != NULL) {
        digest_wipe(handle->token, strlen(handle->token));
    }
    free(handle->token);
    free(handle->directory);
    free(handle->profile);
    free(handle->label);
    free(handle->local_name);
    free(handle->folder);
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void latchkey_free(struct latchkey *handle)
{
    if (handle == NULL) {
        return;
    }
    latchkey_task_close(handle);
    close_fd(handle->epoll_fd);
    if (handle->has_transport && handle->transport.release != NULL) {
        handle->transport.release(handle->transport.arg);
    }
    tls_swap_free(handle->swap);
    bundle_free(&handle->trusted);
    bundle_free(&handle->fallback);
    agent_state_free(&handle->state);
    identity_free(&handle->identity);
    close_fd(handle->event_fd);
    close_fd(handle->lock_fd);
    free_texts(handle);
    free(handle);
}

/* --- the loop --- */

int latchkey_fd(const struct latchkey *handle)
{
    return handle->epoll_fd;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t slot_wait_ms(const struct latchkey_slot *slot, int64_t now_mono_ms)
{
    return slot->id != 0 && !slot->arrived ? slot->deadline_mono_ms - now_mono_ms
                                           : INT64_MAX;
}

int latchkey_timeout_ms(const struct latchkey *handle)
{
    struct life_now now = latchkey_end_now();
    struct life_plan plan = life_plan(&handle->life, &now);
    int64_t publish_ms = 0;
    int64_t wait_ms = plan.wake_ms;
    if (!handle->is_started) {
        return 0;
    }
    if (handle->task == LATCHKEY_IDLE) {
        if (latchkey_end_wants_publication(handle, &publish_ms)) {
            wait_ms = sooner(wait_ms, publish_ms);
        }
    } else {
        /* What else is due waits for the task; its end plans again. Only the expiry may not. */
        wait_ms = wait_ms < 1000 ? 1000 : wait_ms;
        if (handle->wait_until_mono_ms != INT64_MAX) {
            wait_ms = sooner(wait_ms, handle->wait_until_mono_ms - now.mono_ms);
        }
        wait_ms = sooner(wait_ms, slot_wait_ms(&handle->client_slot, now.mono_ms));
        wait_ms = sooner(wait_ms, slot_wait_ms(&handle->machine_slot, now.mono_ms));
    }
    if (handle->transport.timeout_ms != NULL) {
        int transport_ms = handle->transport.timeout_ms(handle->transport.arg);
        wait_ms = transport_ms >= 0 ? sooner(wait_ms, transport_ms) : wait_ms;
    }
    return (int)(wait_ms > 0 ? wait_ms : 0);
}

static void note_serial(struct latchkey *handle)
{
    handle->serial[0] = '\0';
    if (handle->trusted.cert != NULL) {
        cert_serial(handle->trusted.cert, handle->serial);
    }
}

/* Begins what is due; whether something began. */
static bool begin_due(struct latchkey *handle)
{
    struct life_event started = {.kind = LIFE_STARTED};
    struct life_now now = latchkey_end_now();
    struct life_plan plan = life_plan(&handle->life, &now);
    int64_t publish_ms = 0;
    bool publish = latchkey_end_wants_publication(handle, &publish_ms) && publish_ms == 0;
    if (plan.order && handle->task != LATCHKEY_IDLE && handle->task != LATCHKEY_CERTIFY) {
        /* A question that hangs must not keep an order waiting. */
        latchkey_task_close(handle);
    }
    if (handle->task != LATCHKEY_IDLE) {
        return false;
    }
    if (plan.order) {
        life_step(&handle->life, &started, &now);
        handle->is_changed = true;
        latchkey_task_start(handle, LATCHKEY_CERTIFY);
    } else if (publish) {
        latchkey_task_start(handle, LATCHKEY_PUBLISH);
    } else if (plan.ask_window) {
        latchkey_task_start(handle, LATCHKEY_WINDOW);
    }
    return handle->task != LATCHKEY_IDLE;
}

static void put_task_away(struct latchkey *handle)
{
    enum latchkey_task task = handle->task;
    struct latchkey_end end = handle->end;
    latchkey_task_close(handle);
    handle->is_over = false;
    latchkey_end_dispatch(handle, task, &end);
}

/* Time passes: states change, certificates end, the fallback grows old or learns a name. */
static void keep_up(struct latchkey *handle)
{
    struct life_event tick = {.kind = LIFE_TICK};
    struct life_now now = latchkey_end_now();
    enum life_state before = handle->life.state;
    life_step(&handle->life, &tick, &now);
    handle->is_changed = handle->is_changed || handle->life.state != before;
    latchkey_serve_choose(handle, life_plan(&handle->life, &now).serve_trusted);
    /* What can't be made now is tried again in the next round; the one before stays. */
    (void)!latchkey_serve_fallback(handle);
    latchkey_store_retry(handle);
}

static void begin_handle(struct latchkey *handle)
{
    if (!handle->is_started) {
        handle->is_started = true;
        handle->is_changed = true;
        latchkey_serve_begin(handle);
    }
}

static void process(struct latchkey *handle)
{
    begin_handle(handle);
    keep_up(handle);
    if (handle->transport.process != NULL) {
        handle->transport.process(handle->transport.arg);
    }
    for (int begun = 0;;) {
        latchkey_task_drive(handle);
        if (handle->is_over) {
            put_task_away(handle);
            keep_up(handle);
        }
        if (begun == TASKS_AT_ONCE || !begin_due(handle)) {
            break;
        }
        begun++;
    }
    note_serial(handle);
    if (handle->is_changed) {
        handle->is_changed = false;
        if (handle->events.state != NULL) {
            handle->events.state(handle->events.arg, handle);
        }
    }
}

int latchkey_process(struct latchkey *handle)
{
    eventfd_t count = 0;
    if (handle->is_processing) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    /* Nothing to read is no error: time may have brought us here. */
    if (eventfd_read(handle->event_fd, &count) != 0 && errno != EAGAIN &&
        errno != EINTR) {
        return LATCHKEY_ERROR_IO;
    }
    handle->is_processing = true;
    process(handle);
    handle->is_processing = false;
    return LATCHKEY_OK;
}

/* --- what the owner knows --- */

static void step(struct latchkey *handle, enum life_event_kind kind)
{
    struct life_event event = {.kind = kind};
    struct life_now now = latchkey_end_now();
    life_step(&handle->life, &event, &now);
    latchkey_slot_wake(handle);
}

void latchkey_renew(struct latchkey *handle)
{
    step(handle, LIFE_ASKED);
}

void latchkey_network_changed(struct latchkey *handle)
{
    if (!handle->publish_imposed) {
        handle->publish_failures = 0;
        handle->publish_mono_ms = 0;
    }
    step(handle, LIFE_NETWORK);
}

int latchkey_set_addresses(struct latchkey *handle, const char *const *addresses,
                           size_t count)
{
    static const struct lanname_policy policy = {.shared = true, .loopback = true};
    struct own_addresses parsed = {.count = 0};
    if (count > LATCHKEY_ADDRESSES_MAX || count > LIMIT_DEVICE_ADDRESSES ||
        (addresses == NULL && count > 0)) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    for (size_t i = 0; i < count; i++) {
        if (addresses[i] == NULL || !lanname_address_parse(addresses[i], &parsed.at[i]) ||
            !lanname_allowed(&parsed.at[i], &policy)) {
            return LATCHKEY_ERROR_ARGUMENT;
        }
        parsed.count++;
    }
    if (memcmp(&parsed, &handle->addresses, sizeof(parsed)) == 0) {
        return LATCHKEY_OK;
    }
    handle->addresses = parsed;
    latchkey_network_changed(handle);
    return LATCHKEY_OK;
}

int latchkey_ssl_ctx_use(struct latchkey *handle, struct ssl_ctx_st *context)
{
    if (context == NULL) {
        return LATCHKEY_ERROR_ARGUMENT;
    }
    return latchkey_view_error(tls_swap_attach(handle->swap, context));
}

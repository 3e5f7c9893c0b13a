#include "tests/unit/library/fixture.h"

#include "base/core/clock.h"
#include "base/core/text.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 400000 };

/* The one whose time it is. */
static struct fixture *present;

int64_t __wrap_clock_system_at(void);
int64_t __wrap_clock_mono_ms(void);

int64_t __wrap_clock_system_at(void)
{
    return present->ca.now.at;
}

int64_t __wrap_clock_mono_ms(void)
{
    return present->ca.now.mono_ms;
}

static void advance(struct fixture *f, int64_t ms)
{
    f->ca.now.mono_ms += ms;
    f->ca.now.at = 1800000000 + (f->ca.now.mono_ms - 5000) / 1000;
}

static void own_work(const struct fixture *f, bool is_working)
{
    if (f->ca.on_own_work != NULL) {
        f->ca.on_own_work(is_working);
    }
}

/* --- storage --- */

struct fixture_item *fixture_item(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < FIXTURE_ITEMS; i++) {
        if (strcmp(f->items[i].name, name) == 0) {
            return &f->items[i];
        }
    }
    return NULL;
}

static int load(void *arg, const char *name, void *buffer, size_t capacity,
                size_t *ret_size)
{
    struct fixture_item *item = fixture_item(arg, name);
    if (item == NULL) {
        return LATCHKEY_ERROR_NOT_FOUND;
    }
    assert_true(item->data.size <= capacity);
    memcpy(buffer, item->data.data, item->data.size);
    *ret_size = item->data.size;
    return LATCHKEY_OK;
}

static int save(void *arg, const char *name, const void *data, size_t data_size)
{
    struct fixture *f = arg;
    struct fixture_item *item = fixture_item(f, name);
    f->save_count++;
    if (f->is_storage_broken || (f->cut_after != 0 && f->save_count > f->cut_after)) {
        return LATCHKEY_ERROR_IO;
    }
    if (data == NULL) {
        if (item != NULL) {
            buffer_free(&item->data);
            item->name[0] = '\0';
        }
        return LATCHKEY_OK;
    }
    own_work(f, true);
    item = item != NULL ? item : fixture_item(f, "");
    if (item == NULL) {
        fail();
        return LATCHKEY_ERROR_MEMORY; /* not reached, but the compiler can't know */
    }
    assert_true(text_copy(item->name, sizeof(item->name), name));
    buffer_free(&item->data);
    item->data = buffer_init(LATCHKEY_ITEM_MAX);
    assert_int_equal(buffer_append(&item->data, data, data_size), 0);
    own_work(f, false);
    return LATCHKEY_OK;
}

/* --- transport --- */

static void give(struct fixture *f, uint64_t id, const struct acme_response *answer)
{
    struct latchkey_response response = LATCHKEY_RESPONSE_INIT;
    struct latchkey_header headers[MOCK_CA_HEADERS];
    response.error = answer->error != 0 ? LATCHKEY_ERROR_NETWORK : 0;
    response.error_text = answer->error_text;
    response.status = answer->status;
    response.body = answer->body.data;
    response.body_size = answer->body.size;
    for (size_t i = 0; i < f->ca.header_count && answer->error == 0; i++) {
        headers[i].name = f->ca.header_names[i];
        headers[i].value = f->ca.header_values[i];
        response.header_count++;
    }
    response.headers = headers;
    f->last_id = id;
    if (!f->is_unheard) {
        int error = latchkey_respond(f->handle, id, &response);
        assert_true(error == LATCHKEY_OK || error == LATCHKEY_ERROR_MEMORY);
    }
}

static int start(void *arg, struct latchkey *handle, uint64_t id,
                 const struct latchkey_request *request)
{
    struct fixture *f = arg;
    struct acme_request wanted = {
        .method = request->method,
        .url = request->url,
        .content_type = request->content_type,
        .accept = request->accept,
        .body = {request->body, request->body_size},
        .max_response_bytes = request->max_response_size,
    };
    struct acme_response answer;
    assert_ptr_equal(handle, f->handle);
    assert_true(id != 0 && id != f->last_id);
    assert_true(text_starts_with(request->user_agent, "liblatchkey/"));
    assert_true(request->timeout_ms >= 20000);
    f->starts++;
    f->last_id = id;
    if (f->start_error != 0 || f->is_silent) {
        return f->start_error;
    }
    mock_ca_answer(&f->ca, &wanted, &answer);
    give(f, id, &answer);
    return LATCHKEY_OK;
}

static void cancel(void *arg, uint64_t id)
{
    struct fixture *f = arg;
    assert_true(id != 0);
    f->cancels++;
}

static void release(void *arg)
{
    struct fixture *f = arg;
    f->releases++;
}

/* --- events --- */

static int on_certificate(void *arg, struct latchkey *handle,
                          const struct latchkey_certificate *certificate)
{
    struct fixture *f = arg;
    assert_ptr_equal(handle, f->handle);
    assert_int_equal(latchkey_process(handle), LATCHKEY_ERROR_ARGUMENT);
    assert_true(text_starts_with(certificate->chain_pem, "-----BEGIN CERTIFICATE-----"));
    assert_true(text_starts_with(certificate->key_pem, "-----BEGIN PRIVATE KEY-----"));
    assert_int_equal(strlen(certificate->fingerprint), 64);
    if (!certificate->is_trusted) {
        f->fallbacks++;
        return LATCHKEY_OK;
    }
    if (f->refusal != 0) {
        return f->refusal;
    }
    f->trusteds++;
    assert_true(text_copy(f->serial, sizeof(f->serial), certificate->serial));
    assert_true(text_copy(f->chain, sizeof(f->chain), certificate->chain_pem));
    return LATCHKEY_OK;
}

static void on_expired(void *arg, struct latchkey *handle)
{
    struct fixture *f = arg;
    (void)handle;
    f->expireds++;
}

static void on_state(void *arg, struct latchkey *handle)
{
    struct fixture *f = arg;
    (void)handle;
    f->states++;
}

/* --- the whole --- */

void fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    present = f;
    mock_ca_open(&f->ca);
    f->ca.is_reusing = true;
    f->ca.directory_extra =
        ",\"renewalInfo\":\"" MOCK_CA "/ari\",\"meta\":{\"latchkey\":{"
        "\"zone\":\"" FIXTURE_ZONE "\",\"addressesUrl\":\"" MOCK_CA "/extension\"}}";
    f->transport = (struct latchkey_transport)LATCHKEY_TRANSPORT_INIT;
    f->transport.arg = f;
    f->transport.start = start;
    f->transport.cancel = cancel;
    f->transport.release = release;
    f->storage = (struct latchkey_storage)LATCHKEY_STORAGE_INIT;
    f->storage.arg = f;
    f->storage.load = load;
    f->storage.save = save;
    f->events = (struct latchkey_events)LATCHKEY_EVENTS_INIT;
    f->events.arg = f;
    f->events.certificate = on_certificate;
    f->events.expired = on_expired;
    f->events.state = on_state;
    f->options = (struct latchkey_options)LATCHKEY_OPTIONS_INIT;
    f->options.directory_url = MOCK_CA "/directory";
    f->options.transport = &f->transport;
    f->options.storage = &f->storage;
    f->options.events = &f->events;
}

void fixture_close(struct fixture *f)
{
    fixture_stop(f);
    for (size_t i = 0; i < FIXTURE_ITEMS; i++) {
        buffer_free(&f->items[i].data);
    }
    mock_ca_close(&f->ca);
}

void fixture_start(struct fixture *f)
{
    present = f;
    assert_null(f->handle);
    assert_int_equal(latchkey_new(&f->options, &f->handle), LATCHKEY_OK);
    assert_true(latchkey_fd(f->handle) >= 0);
}

void fixture_stop(struct fixture *f)
{
    present = f;
    latchkey_free(f->handle);
    f->handle = NULL;
    f->last_id = 0; /* the next handle counts anew */
}

void fixture_round(struct fixture *f)
{
    present = f;
    (void)latchkey_process(f->handle);
    f->rounds++;
    int wait_ms = latchkey_timeout_ms(f->handle);
    assert_true(wait_ms >= 0 && wait_ms <= 70 * 1000);
    struct pollfd poll_fd = {latchkey_fd(f->handle), POLLIN, 0};
    bool is_readable = poll(&poll_fd, 1, 0) == 1;
    advance(f, wait_ms > 0 && !is_readable ? wait_ms : 1);
}

int64_t fixture_run(struct fixture *f, unsigned count)
{
    int64_t from_at = f->ca.now.at;
    for (unsigned i = 0; f->trusteds < count; i++) {
        assert_true(i < ROUNDS_MAX);
        fixture_round(f);
    }
    return f->ca.now.at - from_at;
}

void fixture_pass(struct fixture *f, int64_t seconds)
{
    int64_t until_at = f->ca.now.at + seconds;
    while (f->ca.now.at < until_at) {
        fixture_round(f);
    }
}

struct latchkey_status fixture_status(struct fixture *f)
{
    struct latchkey_status status = LATCHKEY_STATUS_INIT;
    present = f;
    assert_int_equal(latchkey_status(f->handle, &status), LATCHKEY_OK);
    return status;
}

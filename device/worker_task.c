/* Four tasks share one driver: `certify` (an order), `window` (renewalInfo), `addresses` and
 * `time` (the relay's extensions). Each drives acme's client and one machine beside
 * it: an order or a call. drive() asks both what they want until neither makes progress
 * without a response or a timer; every callback ends in drive() again.
 *
 * Waits longer than a minute are not slept through: the task fails with the moment to
 * come back, the process ends, and the agent starts another one then (the order's state
 * is saved). */
#include "device/worker_task_parts.h"

#include "base/core/clock.h"
#include "base/crypto/random.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_WAIT_MS = 60 * 1000,
    CONNECT_MS = 15 * 1000,
    TOTAL_MS = 60 * 1000, /* the relay holds a finalize for 20 s */
    NAME_SERVERS_MAX = 4,
    ORDER_DEADLINE_S = 600,
};

#define USER_AGENT "latchkey/" LATCHKEY_VERSION

static const char *const kind_texts[] = {
    [TASK_CERTIFY] = "certify",
    [TASK_LEAVE] = WORKER_TASK_LEAVE,
    [TASK_WINDOW] = "window",
    [TASK_ADDRESSES] = "addresses",
    [TASK_TIME] = "time",
};

static struct acme_now now(void)
{
    return (struct acme_now){.at = clock_wall_at(), .mono_ms = clock_mono_ms()};
}

/* --- the machines beside the client --- */

const json_t *worker_task_relay_meta(struct task *task)
{
    const json_t *meta = json_get_object(acme_client_directory(task->client), "meta");
    const json_t *relay = json_get_object(meta, "latchkey");
    if (json_get_text(relay, "zone") == NULL) {
        struct task_failure failure = {
            .code = "no-relay",
            .text = "this ACME server is no latchkey relay: its directory has no "
                    "meta.latchkey",
            .permanent = true,
        };
        worker_task_end_failed(task, &failure);
        return NULL;
    }
    return relay;
}

static void begin_order(struct task *task)
{
    const json_t *relay = worker_task_relay_meta(task);
    if (relay == NULL) {
        return;
    }
    int error = worker_task_ask_csr(task, json_get_text(relay, "zone"));
    if (error < 0) {
        worker_task_end_error(task, "the device made no certificate request", error);
        return;
    }
    struct acme_order_options options = {
        .csr = buffer_bytes(&task->csr),
        .profile = json_get_text(task->body, "profile"),
        .replaces = json_get_text(task->body, "cert_id"),
        .deadline_s = ORDER_DEADLINE_S,
    };
    const char *saved = json_get_text(task->body, "order");
    error = ERROR_NOT_FOUND;
    if (saved != NULL) {
        error = acme_order_load(task->client, &options, saved, strlen(saved), now(),
                                &task->order);
    }
    if (error < 0) {
        /* None, or not for this request or relay any more. */
        error = acme_order_new(task->client, &options, now(), &task->order);
    }
    if (error < 0) {
        worker_task_end_error(task, "the order could not be made", error);
    }
}

static int make_addresses(const json_t *body, bool with_receipt, json_t **ret_payload)
{
    json_t *payload = json_object();
    if (payload == NULL) {
        return ERROR_MEMORY;
    }
    int error = json_set_i64(payload, "counter", json_get_i64(body, "counter", 0));
    if (error == 0) {
        error = json_set_take(payload, "addresses",
                              json_deep_copy(json_get_array(body, "addresses")));
    }
    if (error == 0 && with_receipt) {
        error = json_set_text(payload, "receipt", json_get_text(body, "receipt"));
    }
    if (error < 0) {
        json_decref(payload);
        return error;
    }
    *ret_payload = payload;
    return 0;
}

static void begin_addresses(struct task *task)
{
    json_t *payload = NULL;
    const json_t *relay = worker_task_relay_meta(task);
    if (relay == NULL) {
        return;
    }
    const char *url = json_get_text(relay, "addressesUrl");
    if (url == NULL) {
        struct task_failure failure = {
            .code = "no-relay",
            .text =
                "this relay publishes no addresses: its directory has no addressesUrl",
            .permanent = true,
        };
        worker_task_end_failed(task, &failure);
        return;
    }
    int error =
        make_addresses(task->body, json_get_bool(relay, "receipts", false), &payload);
    if (error == 0) {
        error = acme_call_new_post(task->client, url, payload, &task->call);
    }
    json_decref(payload);
    if (error < 0) {
        worker_task_end_error(task, "the addresses could not be published", error);
    }
}

static void begin_window(struct task *task)
{
    const char *cert_id = json_get_text(task->body, "cert_id");
    int error = cert_id != NULL
                    ? acme_call_new_renewal_info(task->client, cert_id, &task->call)
                    : ERROR_SYNTAX;
    if (error < 0) {
        worker_task_end_error(task, "the renewal window could not be asked for", error);
    }
}

static void begin_leave(struct task *task)
{
    int error = acme_call_new_deactivate(task->client, &task->call);
    if (error < 0) {
        worker_task_end_error(task, "the account could not be deactivated", error);
    }
}

static void begin(struct task *task)
{
    switch (task->kind) {
    case TASK_CERTIFY:
        begin_order(task);
        break;
    case TASK_WINDOW:
        begin_window(task);
        break;
    case TASK_LEAVE:
        begin_leave(task);
        break;
    case TASK_ADDRESSES:
        begin_addresses(task);
        break;
    case TASK_TIME:
        worker_task_begin_time(task);
        break;
    }
}

/* --- what the machines brought --- */

/* Hands the chain to the agent, which verifies it, and installs it when we have ended. */
static void deliver(struct task *task)
{
    struct bytes chain = acme_order_chain(task->order);
    struct worker_message question = {.body = NULL};
    struct worker_message answer = {.body = NULL};
    int error = worker_message_new(WORKER_CERTIFICATE, &question);
    if (error == 0) {
        error = json_set_take(question.body, "chain",
                              json_stringn((const char *)chain.data, chain.size));
    }
    if (error == 0) {
        error = worker_channel_call(task->channel, &question, WORKER_INSTALLED, &answer);
    }
    if (error < 0) {
        worker_task_end_error(task, "the certificate was not installed", error);
    } else {
        worker_task_end_done(task);
    }
    worker_message_free(&question);
    worker_message_free(&answer);
}

static void report_window(struct task *task)
{
    struct acme_ari ari = {.start_at = 0};
    struct worker_message message = {.body = NULL};
    int64_t now_at = clock_wall_at();
    /* The absurd is judged by the agent, which knows the certificate's dates: ask with
     * wide ones. */
    int window = acme_call_renewal_info(task->call, 0, INT64_MAX, now_at, &ari);
    int64_t poll_at =
        acme_retry_after_at(acme_call_retry_after(task->call), now_at, 6 * 3600);
    int error = worker_message_new(WORKER_WINDOW, &message);
    if (error == 0) {
        error = json_set_i64(message.body, "retry_after_s", poll_at - now_at);
    }
    if (error == 0 && window == 0) {
        error = json_set_i64(message.body, "start_at", ari.start_at);
    }
    if (error == 0 && window == 0) {
        error = json_set_i64(message.body, "end_at", ari.end_at);
    }
    worker_task_end_with(task, &message, error);
}

static void complete(struct task *task)
{
    switch (task->kind) {
    case TASK_CERTIFY:
        deliver(task);
        break;
    case TASK_WINDOW:
        report_window(task);
        break;
    case TASK_LEAVE:
        worker_task_end_done(task);
        break;
    case TASK_ADDRESSES:
        worker_task_report_published(task);
        break;
    case TASK_TIME:
        worker_task_report_time(task);
        break;
    }
}

/* --- the driver --- */

static void drive(struct task *task);

static const char *response_header(const void *arg, const char *name, size_t index)
{
    return http_response_header(arg, name, index);
}

/* Without even a directory there is no sense in acme's patience with a relay that stumbles:
 * this is a device without a network, whose agent knows better when to try again. */
static bool end_unreachable(struct task *task, const struct http_response *response)
{
    char text[LIMIT_DETAIL_BYTES];
    struct task_failure failure = {.code = "net", .text = text, .keep_order = true};
    if (response->error == 0 || acme_client_directory(task->client) != NULL) {
        return false;
    }
    if (response->is_date) {
        failure.code = "relay-date";
    } else if (response->is_proxy) {
        failure.code = "proxy";
    }
    text_format(text, sizeof(text), "no response from %.300s: %.150s",
                json_get_text(task->body, "directory"), response->error_text);
    worker_task_end_failed(task, &failure);
    return true;
}

static void note_wait(struct task *task, const struct http_response *response)
{
    const char *value = response->error == 0 && response->status >= 400
                            ? http_response_header(response, "Retry-After", 0)
                            : NULL;
    int64_t now_at = clock_wall_at();
    task->asked_wait_s =
        value != NULL ? acme_retry_after_at(value, now_at, 0) - now_at : 0;
}

static void on_response(const struct http_response *response, void *arg)
{
    struct exchange *exchange = arg;
    struct task *task = exchange->task;
    struct acme_response acme = {
        .error = response->error,
        .error_text = response->error_text,
        .status = response->status,
        .body = response->body,
        .header = response_header,
        .header_arg = response,
    };
    exchange->transfer = NULL;
    if (end_unreachable(task, response)) {
        return;
    }
    note_wait(task, response);
    if (exchange->of_client) {
        acme_client_response(task->client, &acme, now());
    } else if (task->order != NULL) {
        acme_order_response(task->order, &acme, now());
    } else {
        acme_call_response(task->call, &acme, now());
    }
    drive(task);
}

static void send_request(struct task *task, struct exchange *exchange,
                         const struct acme_request *wanted)
{
    struct http_request request = {
        .method = wanted->method,
        .url = wanted->url,
        .content_type = wanted->content_type,
        .accept = wanted->accept,
        .body = wanted->body,
        .max_response_bytes = wanted->max_response_bytes,
    };
    int error = http_client_send(task->http, &request, on_response, exchange,
                                 &exchange->transfer);
    if (error < 0) {
        worker_task_end_error(task, "the request could not be sent", error);
    }
}

static void wait_for(struct task *task, int64_t wait_ms)
{
    if (wait_ms <= LONGEST_WAIT_MS) {
        loop_timer_set(task->timer, wait_ms > 0 ? wait_ms : 1);
        return;
    }
    struct task_failure failure = {
        .code = "wait",
        .text = "the relay asks to come back later",
        .retry_after_s = wait_ms / 1000,
        .keep_order = true,
    };
    worker_task_end_failed(task, &failure);
}

static void on_timer(void *arg)
{
    drive(arg);
}

/* Each returns whether asking again at once may bring something new. */
static bool drive_client(struct task *task)
{
    struct acme_step step;
    acme_client_next(task->client, now(), &step);
    switch (step.want) {
    case ACME_WANT_REQUEST:
        send_request(task, &task->client_exchange, step.request);
        return false;
    case ACME_WANT_WAIT:
        wait_for(task, step.wait_ms);
        return false;
    case ACME_WANT_SAVE: {
        int error =
            worker_task_ask_save(task, acme_client_account_url(task->client), NULL);
        if (error < 0) {
            worker_task_end_error(task, "the account could not be saved", error);
            return false;
        }
        acme_client_saved(task->client);
        return true;
    }
    case ACME_WANT_FAILED:
        worker_task_end_acme(task, step.error);
        return false;
    case ACME_WANT_IDLE:
        if (task->order == NULL && task->call == NULL) {
            begin(task);
            return true;
        }
        return false;
    case ACME_WANT_RESPONSE:
    case ACME_WANT_SHARED:
    case ACME_WANT_PUBLISH:
    case ACME_WANT_UNPUBLISH:
    case ACME_WANT_DONE:
        return false;
    }
    return false;
}

static bool drive_machine(struct task *task)
{
    struct acme_step step;
    if (task->order != NULL) {
        acme_order_next(task->order, now(), &step);
    } else {
        acme_call_next(task->call, now(), &step);
    }
    switch (step.want) {
    case ACME_WANT_REQUEST:
        send_request(task, &task->machine_exchange, step.request);
        return false;
    case ACME_WANT_WAIT:
        wait_for(task, step.wait_ms);
        return false;
    case ACME_WANT_SAVE: {
        int error = worker_task_ask_save_order(task);
        if (error < 0) {
            worker_task_end_error(task, "the order could not be saved", error);
            return false;
        }
        acme_order_saved(task->order);
        return true;
    }
    case ACME_WANT_PUBLISH:
        /* A relay hands out orders that need no challenge. */
        acme_order_publish_failed(task->order, "a device publishes no DNS records",
                                  now());
        return true;
    case ACME_WANT_UNPUBLISH:
        acme_order_unpublished(task->order);
        return true;
    case ACME_WANT_DONE:
        complete(task);
        return false;
    case ACME_WANT_FAILED:
        worker_task_end_acme(task, step.error);
        return false;
    case ACME_WANT_SHARED:
    case ACME_WANT_RESPONSE:
    case ACME_WANT_IDLE:
        return false;
    }
    return false;
}

static void drive(struct task *task)
{
    bool again = true;
    worker_task_tell_relay(task);
    while (again && !task->ended) {
        again = drive_client(task);
        if (!task->ended && (task->order != NULL || task->call != NULL)) {
            again = drive_machine(task) || again;
        }
    }
}

/* The agent never speaks first: that the socket is readable outside a call means that it
 * went away. */
static void on_agent(int fd, unsigned events, void *arg)
{
    struct task *task = arg;
    (void)fd;
    (void)events;
    if (!task->ended) {
        task->ended = true;
        task->error = ERROR_IO;
    }
    loop_stop(task->loop);
}

/* --- start and end --- */

static int find_kind(const json_t *body, enum task_kind *ret_kind)
{
    const char *text = json_get_text(body, "task");
    for (size_t i = 0; i < sizeof(kind_texts) / sizeof(kind_texts[0]); i++) {
        if (strcmp(kind_texts[i], text) == 0) {
            *ret_kind = (enum task_kind)i;
            return 0;
        }
    }
    return ERROR_UNSUPPORTED;
}

static int open_network(struct task *task)
{
    const json_t *list = json_get_array(task->body, "name_servers");
    const char *servers[NAME_SERVERS_MAX];
    size_t count = 0;
    for (; count < json_array_size(list) && count < NAME_SERVERS_MAX; count++) {
        servers[count] = json_string_value(json_array_get(list, count));
    }
    int error = resolver_new(task->loop, servers, count, &task->resolver);
    if (error < 0) {
        return error;
    }
    struct http_client_options options = {
        .resolver = task->resolver,
        .ca_file = json_get_text(task->body, "ca_file"),
        /* Who asks for the time can't judge dates; what is signed does not need them. */
        .ignore_dates = task->kind == TASK_TIME,
        .proxy = json_get_text(task->body, "proxy"),
        .user_agent = USER_AGENT,
        .max_connections = 2,
        .connect_ms = CONNECT_MS,
        .total_ms = TOTAL_MS,
    };
    return http_client_new(task->loop, &options, &task->http);
}

static int open_client(struct task *task)
{
    uint8_t mac_key[EAB_MAC_KEY_MAX];
    const char *kid = json_get_text(task->body, "eab_kid");
    const char *key = json_get_text(task->body, "eab_key");
    struct eab_credentials eab = {.kid = kid, .hash = DIGEST_SHA256};
    size_t size = 0;
    int error = 0;
    if (kid != NULL && key != NULL) {
        error = text_base64url_decode(key, strlen(key), mac_key, sizeof(mac_key), &size);
        eab.mac_key = (struct bytes){.data = mac_key, .size = size};
    }
    struct acme_client_options options = {
        .directory_url = json_get_text(task->body, "directory"),
        .signer = {.key = task->key, .sign = worker_task_ask_signature, .arg = task},
        .eab = kid != NULL && key != NULL ? &eab : NULL,
        .account_url = json_get_text(task->body, "account_url"),
        .may_create_account = json_get_bool(task->body, "may_create_account", false),
        .without_account = task->kind == TASK_TIME,
        .random = random_below,
    };
    if (error == 0) {
        error = acme_client_new(&options, &task->client);
    }
    digest_wipe(mac_key, sizeof(mac_key));
    return error;
}

static int open_task(struct task *task)
{
    int error = find_kind(task->body, &task->kind);
    if (error == 0) {
        error = key_from_jwk(json_get_object(task->body, "key"), &task->key);
    }
    if (error == 0) {
        error = loop_timer_new(task->loop, on_timer, task, &task->timer);
    }
    if (error == 0) {
        error = open_network(task);
    }
    if (error == 0) {
        error = open_client(task);
    }
    if (error == 0) {
        error = loop_watch_new(task->loop, task->channel->fd, LOOP_READ, on_agent, task,
                               &task->agent_watch);
    }
    return error;
}

static void close_task(struct task *task)
{
    if (task->agent_watch != NULL) {
        loop_watch_free(task->agent_watch);
    }
    if (task->timer != NULL) {
        loop_timer_free(task->timer);
    }
    http_client_free(task->http);
    resolver_free(task->resolver);
    acme_order_free(task->order);
    acme_call_free(task->call);
    acme_client_free(task->client);
    key_free(task->key);
    buffer_free(&task->csr);
    loop_free(task->loop);
}

int worker_task_run(struct worker_channel *channel, const struct worker_message *message)
{
    struct task task = {.channel = channel, .body = message->body};
    task.csr = buffer_init(LIMIT_CSR_BYTES);
    task.client_exchange = (struct exchange){.task = &task, .of_client = true};
    task.machine_exchange = (struct exchange){.task = &task};
    int64_t now_at = json_get_i64(message->body, "now_at", 0);
    if (now_at > 0) {
        clock_correct(now_at);
    }
    int error = loop_new(&task.loop);
    if (error < 0) {
        return error;
    }
    error = open_task(&task);
    if (error < 0) {
        worker_task_end_error(&task, "the worker could not begin", error);
    } else {
        drive(&task);
    }
    if (!task.ended) {
        error = loop_run(task.loop);
        if (error < 0 && task.error == 0) {
            task.error = error;
        }
    }
    error = task.error;
    close_task(&task);
    return error;
}

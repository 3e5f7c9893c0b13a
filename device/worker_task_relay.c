/* What a worker does about the relay's own extensions: tells the agent what the relay says of
 * itself before anything else, asks for the time, and passes receipts on. All of it is the agent's
 * to judge. */
#include "device/worker_task_parts.h"

#include <stdlib.h>
#include <string.h>

/* A statement in the directory, as text for the agent; none when it is too large to be one. */
static int add_move(const json_t *relay, json_t *message)
{
    const json_t *moved = json_get_object(relay, "movedTo");
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    int error = moved != NULL ? json_dump(moved, &text) : 0;
    if (error == 0 && moved != NULL) {
        error = json_set_text(message, "moved_to", buffer_text(&text));
    }
    buffer_free(&text);
    return error == ERROR_LIMIT ? 0 : error;
}

static int describe(const json_t *relay, json_t *message)
{
    json_t *key = json_get_object(relay, "relayKey");
    int error = json_set_text(message, "zone", json_get_text(relay, "zone"));
    if (error == 0 && key != NULL) {
        error = json_set_take(message, "relay_key", json_incref(key));
    }
    if (error == 0) {
        error = json_set_text(message, "time_url", json_get_text(relay, "timeUrl"));
    }
    return error == 0 ? add_move(relay, message) : error;
}

void worker_task_tell_relay(struct task *task)
{
    struct worker_message question = {.body = NULL};
    struct worker_message answer = {.body = NULL};
    const json_t *relay = NULL;
    if (task->is_relay_told || acme_client_directory(task->client) == NULL) {
        return;
    }
    task->is_relay_told = true;
    relay = worker_task_relay_meta(task);
    if (relay == NULL) {
        return;
    }
    int error = worker_message_new(WORKER_RELAY, &question);
    if (error == 0) {
        error = describe(relay, question.body);
    }
    if (error == 0) {
        error = worker_channel_call(task->channel, &question, WORKER_SAVED, &answer);
    }
    if (error < 0) {
        worker_task_end_error(task, "the relay was refused", error);
    }
    worker_message_free(&question);
    worker_message_free(&answer);
}

void worker_task_begin_time(struct task *task)
{
    const json_t *relay = worker_task_relay_meta(task);
    const char *url = json_get_text(relay, "timeUrl");
    struct task_failure failure = {
        .code = "no-time",
        .text = "this relay does not tell the time: its directory has no timeUrl",
        .permanent = true,
    };
    if (relay == NULL) {
        return;
    }
    if (url == NULL) {
        worker_task_end_failed(task, &failure);
        return;
    }
    json_t *payload = json_pack("{s:s}", "nonce", json_get_text(task->body, "nonce"));
    int error = payload != NULL
                    ? acme_call_new_post(task->client, url, payload, &task->call)
                    : ERROR_MEMORY;
    json_decref(payload);
    if (error < 0) {
        worker_task_end_error(task, "the time could not be asked for", error);
    }
}

void worker_task_report_time(struct task *task)
{
    struct bytes body = acme_call_body(task->call);
    struct worker_message message = {.body = NULL};
    struct task_failure failure = {.code = "protocol",
                                   .text = "the relay's answer is too long for a time"};
    if (body.size > STATEMENT_BYTES_MAX) {
        worker_task_end_failed(task, &failure);
        return;
    }
    int error = worker_message_new(WORKER_TIME, &message);
    if (error == 0) {
        error = json_set_take(message.body, "statement",
                              json_stringn((const char *)body.data, body.size));
    }
    worker_task_end_with(task, &message, error);
}

void worker_task_report_published(struct task *task)
{
    struct bytes body = acme_call_body(task->call);
    struct worker_message message = {.body = NULL};
    json_t *object = NULL;
    int error = 0;
    if (json_parse(body.data, body.size, LIMIT_JSON_BYTES, &object) < 0 ||
        !statement_is_nonce(json_get_text(object, "receipt"))) {
        json_decref(object);
        worker_task_end_done(task); /* a relay that gives none */
        return;
    }
    error = worker_message_new(WORKER_PUBLISHED, &message);
    if (error == 0) {
        error = json_set_text(message.body, "receipt", json_get_text(object, "receipt"));
    }
    if (error == 0) {
        error = json_set_bool(message.body, "matched",
                              json_get_bool(object, "matched", true));
    }
    if (error == 0) {
        error =
            json_set_bool(message.body, "cloned", json_get_bool(object, "cloned", false));
    }
    json_decref(object);
    worker_task_end_with(task, &message, error);
}

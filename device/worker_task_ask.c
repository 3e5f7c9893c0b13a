#include "device/worker_task_parts.h"

#include <string.h>

int worker_task_ask_signature(void *arg, const void *data, size_t size,
                              uint8_t *ret_signature, size_t *ret_size)
{
    struct task *task = arg;
    struct worker_message question = {.body = NULL};
    struct worker_message answer = {.body = NULL};
    int error = worker_message_new(WORKER_SIGN_JWS, &question);
    if (error == 0) {
        error = json_set_take(question.body, "input", json_stringn(data, size));
    }
    if (error == 0) {
        error = worker_channel_call(task->channel, &question, WORKER_SIGNATURE, &answer);
    }
    if (error == 0) {
        const char *text = json_get_text(answer.body, "signature");
        error = text_base64url_decode(text, strlen(text), ret_signature,
                                      KEY_SIGNATURE_MAX, ret_size);
    }
    worker_message_free(&question);
    worker_message_free(&answer);
    return error;
}

int worker_task_ask_save(struct task *task, const char *account_url, const char *order)
{
    struct worker_message question = {.body = NULL};
    struct worker_message answer = {.body = NULL};
    int error = worker_message_new(WORKER_SAVE, &question);
    if (error == 0) {
        error = json_set_text(question.body, "account_url", account_url);
    }
    if (error == 0) {
        error = json_set_text(question.body, "order", order);
    }
    if (error == 0) {
        error = worker_channel_call(task->channel, &question, WORKER_SAVED, &answer);
    }
    worker_message_free(&question);
    worker_message_free(&answer);
    return error;
}

int worker_task_ask_save_order(struct task *task)
{
    struct buffer text = buffer_init(ACME_ORDER_SAVE_MAX);
    int error = acme_order_save(task->order, &text);
    if (error == 0) {
        error = worker_task_ask_save(task, NULL, buffer_text(&text));
    }
    buffer_free(&text);
    return error;
}

int worker_task_ask_csr(struct task *task, const char *zone)
{
    uint8_t der[LIMIT_CSR_BYTES];
    size_t size = 0;
    struct worker_message question = {.body = NULL};
    struct worker_message answer = {.body = NULL};
    int error = worker_message_new(WORKER_SIGN_CSR, &question);
    if (error == 0) {
        error = json_set_text(question.body, "zone", zone);
    }
    if (error == 0) {
        error = worker_channel_call(task->channel, &question, WORKER_CSR, &answer);
    }
    if (error == 0) {
        const char *text = json_get_text(answer.body, "csr");
        error = text_base64url_decode(text, strlen(text), der, sizeof(der), &size);
    }
    if (error == 0) {
        error = buffer_append(&task->csr, der, size);
    }
    worker_message_free(&question);
    worker_message_free(&answer);
    return error;
}

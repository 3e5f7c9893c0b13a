#include "device/worker_task_parts.h"

#include "base/core/clock.h"

void worker_task_end_with(struct task *task, struct worker_message *message, int error)
{
    if (!task->ended) {
        task->ended = true;
        task->error = error < 0 ? error : worker_channel_send(task->channel, message);
        loop_stop(task->loop);
    }
    worker_message_free(message);
}

void worker_task_end_failed(struct task *task, const struct task_failure *failure)
{
    struct worker_message message = {.body = NULL};
    int error = worker_message_new(WORKER_FAILED, &message);
    if (error == 0) {
        error = json_set_text(message.body, "code", failure->code);
    }
    if (error == 0) {
        error = json_set_text(message.body, "text", failure->text);
    }
    if (error == 0) {
        error = json_set_text(message.body, "detail", failure->detail);
    }
    if (error == 0) {
        error = json_set_i64(message.body, "retry_after_s", failure->retry_after_s);
    }
    if (error == 0) {
        error = json_set_bool(message.body, "permanent", failure->permanent);
    }
    if (error == 0) {
        error = json_set_bool(message.body, "keep_order", failure->keep_order);
    }
    worker_task_end_with(task, &message, error);
}

void worker_task_end_error(struct task *task, const char *what, int error)
{
    char text[LIMIT_DETAIL_BYTES];
    const char *reason =
        error == ERROR_DENIED ? task->channel->refusal : error_text(error);
    if (!text_format(text, sizeof(text), "%s: %s", what, reason)) {
        text_copy(text, sizeof(text), what);
    }
    struct task_failure failure = {.code = "device", .text = text, .keep_order = true};
    worker_task_end_failed(task, &failure);
}

/* Only what the relay asked for is passed on as a wait: acme's own figures are for a CA that
 * serves thousands, while the agent's back-off knows the certificate's life and the network. */
static int64_t imposed_wait_s(const struct task *task, const struct acme_error *error)
{
    if (task->asked_wait_s > 0) {
        return task->asked_wait_s;
    }
    bool limited =
        error->type == ACME_ERROR_RATE_LIMIT || error->type == ACME_ERROR_PAUSED;
    int64_t wait_s = error->retry_at - clock_wall_at();
    return limited && wait_s > 0 ? wait_s : 0;
}

void worker_task_end_acme(struct task *task, const struct acme_error *error)
{
    struct task_failure failure = {
        .code = acme_error_type_text(error->type),
        .text = error->text,
        .detail = error->problem.detail,
        .retry_after_s = imposed_wait_s(task, error),
        .permanent = error->retry_at == 0,
        .keep_order = error->resumable,
    };
    worker_task_end_failed(task, &failure);
}

void worker_task_end_done(struct task *task)
{
    struct worker_message message = {.body = NULL};
    int error = worker_message_new(WORKER_DONE, &message);
    worker_task_end_with(task, &message, error);
}

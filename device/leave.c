#include "device/leave.h"

#include "base/core/text.h"
#include "base/net/loop.h"
#include "device/worker_session.h"

enum { PATH_CAPACITY = 4096 };

struct leaving {
    struct loop *loop;
    char *reason;
    size_t reason_capacity;
    bool done;
};

static void on_end(const struct worker_result *result, void *arg)
{
    struct leaving *leaving = arg;
    leaving->done = result->outcome == WORKER_OUTCOME_DONE;
    if (!leaving->done) {
        text_copy(leaving->reason, leaving->reason_capacity, result->text);
    }
    loop_stop(leaving->loop);
}

static int describe(const struct device_config *config, const struct identity *identity,
                    const char *directory, const char *account_url,
                    struct worker_message *task)
{
    json_t *jwk = NULL;
    json_t *servers = json_array();
    for (size_t i = 0; i < config->name_servers.count; i++) {
        json_array_append_new(servers, json_string(config->name_servers.at[i]));
    }
    int error = worker_message_new(WORKER_TASK, task);
    if (error == 0) {
        error = key_to_jwk(identity->key, &jwk);
    }
    if (error == 0) {
        error = json_set_take(task->body, "key", jwk);
    }
    if (error == 0) {
        error = json_set_text(task->body, "task", WORKER_TASK_LEAVE);
    }
    if (error == 0) {
        error = json_set_text(task->body, "directory", directory);
    }
    if (error == 0) {
        error = json_set_text(task->body, "account_url", account_url);
    }
    if (error == 0 && config->ca_file[0] != '\0') {
        error = json_set_text(task->body, "ca_file", config->ca_file);
    }
    if (error == 0 && config->proxy[0] != '\0') {
        error = json_set_text(task->body, "proxy", config->proxy);
    }
    if (error == 0 && json_array_size(servers) > 0) {
        error = json_set_take(task->body, "name_servers", json_incref(servers));
    }
    json_decref(servers);
    return error;
}

int leave_relay(const struct device_config *config, const struct identity *identity,
                const char *directory, const char *account_url, unsigned timeout_s,
                char *reason, size_t reason_capacity)
{
    static const struct worker_session_handlers handlers = {.end = on_end};
    struct leaving leaving = {.reason = reason, .reason_capacity = reason_capacity};
    struct worker_session *session = NULL;
    struct worker_message task = {.body = NULL};
    char worker[PATH_CAPACITY];
    struct worker_session_options options = {
        .worker = worker,
        .key = identity->key,
        .directory = directory,
        .timeout_s = timeout_s,
        .may_leave = true,
        .handlers = &handlers,
        .arg = &leaving,
    };
    text_copy(reason, reason_capacity, "the worker could not be started");
    int error = loop_new(&leaving.loop);
    if (error < 0) {
        return error;
    }
    error = worker_session_find(config->worker, worker, sizeof(worker));
    if (error == 0) {
        error = describe(config, identity, directory, account_url, &task);
    }
    if (error == 0) {
        error = worker_session_start(leaving.loop, &options, &task, &session);
    }
    if (error == 0) {
        error = loop_run(leaving.loop);
    }
    worker_message_free(&task);
    loop_free(leaving.loop);
    if (error == 0) {
        error = leaving.done ? 0 : ERROR_IO;
    }
    return error;
}

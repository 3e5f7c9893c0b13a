/* The third side: after a resolver was asked for a name that nobody has asked for before, the
 * relay is asked, signed with the identity key, whether the question came. */
#include "device/worker_diagnosis_parts.h"

#include "base/core/clock.h"
#include "base/crypto/random.h"

#include <string.h>

enum { LONGEST_WAIT_MS = 5 * 1000, ANSWER_BYTES = 64 << 10 };

static struct acme_now now(void)
{
    return (struct acme_now){.at = clock_wall_at(), .mono_ms = clock_mono_ms()};
}

static void drive(struct diagnose *diagnose);

static void finish(struct diagnose *diagnose, const char *reason)
{
    struct findings *findings = &diagnose->findings;
    if (!diagnose->is_seen_asked) {
        return;
    }
    diagnose->is_seen_asked = false;
    loop_timer_cancel(diagnose->client_timer);
    if (reason != NULL) {
        findings->seen = JUDGE_SEEN_FAILED;
        text_printable(findings->seen_reason, sizeof(findings->seen_reason), reason,
                       strlen(reason));
    }
    worker_diagnosis_ended(diagnose);
}

/* The most that any name server has seen: resolvers ask one of them. */
static void read_seen(struct diagnose *diagnose)
{
    struct bytes body = acme_call_body(diagnose->call);
    json_t *object = NULL;
    int64_t seen = JUDGE_SEEN_FAILED;
    if (json_parse(body.data, body.size, ANSWER_BYTES, &object) < 0) {
        finish(diagnose, "the relay's response makes no sense");
        return;
    }
    const json_t *servers = json_get_array(object, "servers");
    for (size_t i = 0; i < json_array_size(servers); i++) {
        int64_t count = json_get_i64(json_array_get(servers, i), "seen", seen);
        seen = count > seen ? count : seen;
    }
    json_decref(object);
    diagnose->findings.seen = seen;
    finish(diagnose, seen < 0 ? "the relay could not ask its name servers" : NULL);
}

static const char *response_header(const void *arg, const char *name, size_t index)
{
    return http_response_header(arg, name, index);
}

static struct acme_response acme_response_of(const struct http_response *response)
{
    return (struct acme_response){
        .error = response->error,
        .error_text = response->error_text,
        .status = response->status,
        .body = response->body,
        .header = response_header,
        .header_arg = response,
    };
}

static void on_client_response(const struct http_response *response, void *arg)
{
    struct diagnose *diagnose = arg;
    struct acme_response acme = acme_response_of(response);
    diagnose->client_transfer = NULL;
    acme_client_response(diagnose->client, &acme, now());
    drive(diagnose);
}

static void on_call_response(const struct http_response *response, void *arg)
{
    struct diagnose *diagnose = arg;
    struct acme_response acme = acme_response_of(response);
    diagnose->call_transfer = NULL;
    acme_call_response(diagnose->call, &acme, now());
    drive(diagnose);
}

static void send_request(struct diagnose *diagnose, const struct acme_request *wanted,
                         http_client_fn *fn, struct http_transfer **ret_transfer)
{
    struct http_request request = {
        .method = wanted->method,
        .url = wanted->url,
        .content_type = wanted->content_type,
        .accept = wanted->accept,
        .body = wanted->body,
        .max_response_bytes = wanted->max_response_bytes,
    };
    if (http_client_send(diagnose->http, &request, fn, diagnose, ret_transfer) < 0) {
        finish(diagnose, "the question could not be sent");
    }
}

static void begin_call(struct diagnose *diagnose)
{
    const json_t *meta = json_get_object(acme_client_directory(diagnose->client), "meta");
    const char *url = json_get_text(json_get_object(meta, "latchkey"), "probeUrl");
    json_t *payload = json_object();
    int error = json_set_text(payload, "token", diagnose->token);
    if (error == 0) {
        error = url != NULL
                    ? acme_call_new_post(diagnose->client, url, payload, &diagnose->call)
                    : ERROR_NOT_FOUND;
    }
    json_decref(payload);
    if (error < 0) {
        finish(diagnose, "this relay can't be asked");
    }
}

/* What a machine wants, for both of them; whether asking again at once may bring something
 * new. */
static bool serve(struct diagnose *diagnose, const struct acme_step *step,
                  http_client_fn *fn, struct http_transfer **ret_transfer)
{
    switch (step->want) {
    case ACME_WANT_REQUEST:
        send_request(diagnose, step->request, fn, ret_transfer);
        return false;
    case ACME_WANT_WAIT:
        if (step->wait_ms > LONGEST_WAIT_MS) {
            finish(diagnose, "the relay asks to come back later");
        } else {
            loop_timer_set(diagnose->client_timer, step->wait_ms > 0 ? step->wait_ms : 1);
        }
        return false;
    case ACME_WANT_SAVE:
        /* The account is known already, else this would not have begun. */
        acme_client_saved(diagnose->client);
        return true;
    case ACME_WANT_FAILED:
        finish(diagnose, step->error->text);
        return false;
    case ACME_WANT_DONE:
        read_seen(diagnose);
        return false;
    case ACME_WANT_IDLE:
    case ACME_WANT_RESPONSE:
    case ACME_WANT_SHARED:
    case ACME_WANT_PUBLISH:
    case ACME_WANT_UNPUBLISH:
        return false;
    }
    return false;
}

static void drive(struct diagnose *diagnose)
{
    bool again = true;
    while (again && diagnose->is_seen_asked) {
        struct acme_step step;
        acme_client_next(diagnose->client, now(), &step);
        again = serve(diagnose, &step, on_client_response, &diagnose->client_transfer);
        if (step.want == ACME_WANT_IDLE && diagnose->call == NULL) {
            begin_call(diagnose);
            again = true;
        }
        if (diagnose->is_seen_asked && diagnose->call != NULL) {
            acme_call_next(diagnose->call, now(), &step);
            again = serve(diagnose, &step, on_call_response, &diagnose->call_transfer) ||
                    again;
        }
    }
}

static void on_timer(void *arg)
{
    drive(arg);
}

void worker_diagnosis_seen_begin(struct diagnose *diagnose)
{
    struct acme_client_options options = {
        .directory_url = json_get_text(diagnose->body, "directory"),
        .signer = {.key = diagnose->key,
                   .sign = worker_task_ask_signature,
                   .arg = &diagnose->signer},
        .account_url = json_get_text(diagnose->body, "account_url"),
        .random = random_below,
    };
    if (options.account_url == NULL || !diagnose->findings.relay.is_latchkey ||
        !diagnose->are_zone_asked) {
        return;
    }
    if (acme_client_new(&options, &diagnose->client) < 0 ||
        loop_timer_new(diagnose->loop, on_timer, diagnose, &diagnose->client_timer) < 0) {
        return;
    }
    diagnose->is_seen_asked = true;
    diagnose->pending++;
    drive(diagnose);
}

void worker_diagnosis_seen_close(struct diagnose *diagnose)
{
    if (diagnose->client_transfer != NULL) {
        http_client_cancel(diagnose->client_transfer);
    }
    if (diagnose->call_transfer != NULL) {
        http_client_cancel(diagnose->call_transfer);
    }
    acme_call_free(diagnose->call);
    acme_client_free(diagnose->client);
    loop_timer_free(diagnose->client_timer);
}

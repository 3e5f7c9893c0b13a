/* The name servers are those of name_server_checks, which the issuer asks too. At most
 * PROBES_MAX probes run at once; each puts one question by UDP to each server and waits
 * two seconds at most. */
#include "relay/front/probe.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "base/net/resolve.h"
#include "relay/front/quota.h"
#include "relay/front/response.h"

#include <stdlib.h>
#include <string.h>

enum { SERVERS_MAX = 16, PROBES_MAX = 32, TIMEOUT_MS = 2000, TOKEN_MAX = 26 };

struct probe_set {
    struct address servers[SERVERS_MAX];
    size_t count;
    unsigned running;
};

struct probe;

struct question {
    struct probe *probe;
    struct resolve_query *query; /* NULL: answered */
    int error;
    int64_t seen;
};

struct probe {
    struct request *request;
    struct address servers[SERVERS_MAX]; /* those of the moment when it began */
    size_t count;
    struct question questions[SERVERS_MAX];
    size_t open;
};

int probe_set_new(struct service *service, struct probe_set **ret_set)
{
    struct probe_set *set = calloc(1, sizeof(*set));

    if (set == NULL) {
        return ERROR_MEMORY;
    }
    probe_set_reload(set, service->config);
    *ret_set = set;
    return 0;
}

void probe_set_reload(struct probe_set *set, const struct relay_config *config)
{
    const struct conf_texts *checks = &config->name_server_checks;

    set->count = 0;
    for (size_t i = 0; i < checks->count && set->count < SERVERS_MAX; i++) {
        if (address_parse(checks->at[i], 53, &set->servers[set->count]) == 0) {
            set->count++;
        }
    }
}

void probe_set_free(struct probe_set *set)
{
    free(set);
}

int64_t probe_read_seen(const char *text)
{
    uint64_t seen = 0;

    if (!text_starts_with(text, "seen=") || text_u64(text + 5, INT32_MAX, &seen) != 0) {
        return -1;
    }
    return (int64_t)seen;
}

static void probe_free(struct probe *probe)
{
    struct probe_set *set = probe->request->service->probes;

    for (size_t i = 0; i < SERVERS_MAX; i++) {
        if (probe->questions[i].query != NULL) {
            resolve_cancel(probe->questions[i].query);
        }
    }
    set->running--;
    probe->request->extra = NULL;
    probe->request->drop = NULL;
    free(probe);
}

static void drop(struct request *request)
{
    probe_free(request->extra);
    request_free(request);
}

static json_t *entry_of(const struct address *server, const struct question *question)
{
    char text[ADDRESS_TEXT_CAPACITY];

    address_text(server, text);
    if (question->error != 0) {
        return json_pack("{s:s,s:s}", "server", text, "error",
                         error_text(question->error));
    }
    return json_pack("{s:s,s:I}", "server", text, "seen", (json_int_t)question->seen);
}

static void respond(struct probe *probe)
{
    struct request *request = probe->request;
    json_t *servers = json_array();

    for (size_t i = 0; servers != NULL && i < probe->count; i++) {
        (void)json_array_append_new(servers,
                                    entry_of(&probe->servers[i], &probe->questions[i]));
    }
    probe_free(probe);
    response_json(request, 200, json_pack("{s:o}", "servers", servers));
}

static void answered(const struct resolve_answer *answer, void *arg)
{
    struct question *question = arg;
    struct probe *probe = question->probe;

    question->query = NULL;
    question->error = answer->error;
    for (size_t i = 0; answer->error == 0 && i < answer->text_count; i++) {
        question->seen = probe_read_seen(buffer_text(answer->texts[i]));
    }
    if (question->error == 0 && question->seen < 0) {
        question->error = ERROR_SYNTAX;
    }
    if (--probe->open == 0) {
        respond(probe);
    }
}

static void ask(struct probe *probe, const char *name)
{
    struct service *service = probe->request->service;
    const struct probe_set *set = service->probes;

    memcpy(probe->servers, set->servers, sizeof(probe->servers));
    probe->count = set->count;
    for (size_t i = 0; i < probe->count; i++) {
        struct question *question = &probe->questions[i];

        question->probe = probe;
        question->seen = -1;
        question->error =
            resolve_text_at(service->loop, &probe->servers[i], RESOLVE_UDP, name,
                            TIMEOUT_MS, answered, question, &question->query);
        probe->open += question->error == 0;
    }
    if (probe->open == 0) {
        respond(probe);
    }
}

/* The name to ask for, from PAYLOAD's token. */
static bool read_name(struct request *request, char ret_name[static 256])
{
    const char *token = json_get_text(request->payload, "token");
    char label[LANNAME_LABEL_MAX + 1];
    bool good = token != NULL && json_object_size(request->payload) == 1 &&
                strlen(token) <= TOKEN_MAX && token[0] != '\0' &&
                strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(token) &&
                text_format(label, sizeof(label), "probe-%s", token) &&
                text_format(ret_name, 256, "%s.%s.%s", label, request->id,
                            request->service->zone);

    if (!good) {
        response_error(
            request, ACME_PROBLEM_MALFORMED,
            "the payload must be {\"token\": \"1 to %d of a-z and 0-9\"} and nothing "
            "else",
            TOKEN_MAX);
    }
    return good;
}

void probe_respond(struct request *request)
{
    struct probe_set *set = request->service->probes;
    struct probe *probe = NULL;
    char name[256];
    int64_t wait_s = 0;

    if (!read_name(request, name)) {
        return;
    }
    wait_s =
        quota_take(request->service->quota, QUOTA_PROBE, request->id, clock_mono_ms());
    if (wait_s == 0 && set->running >= PROBES_MAX) {
        wait_s = TIMEOUT_MS / 1000;
    }
    if (wait_s > 0) {
        response_retry_after(request, wait_s);
        response_error(request, ACME_PROBLEM_RATE_LIMITED,
                       "too many probes at this moment");
        return;
    }
    probe = calloc(1, sizeof(*probe));
    if (probe == NULL) {
        response_internal(request, ERROR_MEMORY, "a probe");
        return;
    }
    probe->request = request;
    request->extra = probe;
    request->drop = drop;
    set->running++;
    ask(probe, name);
}

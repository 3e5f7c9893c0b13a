/* Every configured resolver is asked by itself, as it stands in resolv.conf: the C library's
 * order would hide the second one's faults. Public resolvers are asked the same by HTTPS
 * (RFC 8484), which no filter of this network can bend unseen. */
#include "device/worker_diagnosis_parts.h"

#include "base/core/file.h"
#include "device/resolv_conf.h"
#include "device/routes.h"

#include <string.h>

enum {
    QUESTION_MS = 4 * 1000,
    MESSAGE_BYTES = 4096,
    HTTPS_PORT = 443,
};

#define RESOLV_CONF "/etc/resolv.conf"

static const struct dns_message_address *expected_of(const struct diagnose *diagnose,
                                                     enum judge_question question,
                                                     struct dns_message_address *own)
{
    switch (question) {
    case JUDGE_OWN:
        own->family = diagnose->addresses.at[0].family;
        memcpy(own->octets, diagnose->addresses.at[0].octets, sizeof(own->octets));
        return own;
    case JUDGE_FRESH4:
        return &diagnose->fresh4;
    case JUDGE_FRESH6:
        return &diagnose->fresh6;
    case JUDGE_LOCAL:
    case JUDGE_CONTROL:
    case JUDGE_STABLE:
    case JUDGE_PROBE:
    case JUDGE_QUESTION_COUNT:
        break;
    }
    return NULL;
}

static bool has_ipv4(const struct diagnose *diagnose)
{
    for (size_t i = 0; i < diagnose->addresses.count; i++) {
        if (diagnose->addresses.at[i].family == 4) {
            return true;
        }
    }
    return diagnose->addresses.count == 0;
}

static uint16_t type_of(const struct diagnose *diagnose, enum judge_question question)
{
    struct dns_message_address own;
    const struct dns_message_address *expected = NULL;
    switch (question) {
    case JUDGE_CONTROL:
        return DNS_MESSAGE_TYPE_TXT;
    case JUDGE_STABLE:
        return has_ipv4(diagnose) ? DNS_MESSAGE_TYPE_A : DNS_MESSAGE_TYPE_AAAA;
    case JUDGE_OWN:
    case JUDGE_FRESH4:
    case JUDGE_FRESH6:
        expected = expected_of(diagnose, question, &own);
        return expected->family == 4 ? DNS_MESSAGE_TYPE_A : DNS_MESSAGE_TYPE_AAAA;
    case JUDGE_LOCAL:
    case JUDGE_PROBE:
    case JUDGE_QUESTION_COUNT:
        break;
    }
    return DNS_MESSAGE_TYPE_A;
}

static bool label_of(const struct diagnose *diagnose, enum judge_question question,
                     char *ret_label, size_t capacity)
{
    struct dns_message_address own;
    const struct dns_message_address *expected = expected_of(diagnose, question, &own);
    if (expected != NULL) {
        char label[LANNAME_ADDRESS_LABEL_MAX + 1];
        struct lanname_address address = {.family = expected->family};
        memcpy(address.octets, expected->octets, sizeof(address.octets));
        lanname_write_label(&address, label);
        return text_copy(ret_label, capacity, label);
    }
    if (question == JUDGE_PROBE) {
        return text_format(ret_label, capacity, "probe-%s", diagnose->token);
    }
    const char *label = json_get_text(diagnose->facts, "label");
    return text_copy(ret_label, capacity,
                     question == JUDGE_CONTROL ? "_acme-challenge"
                     : label != NULL           ? label
                                               : "home");
}

static bool name_of(const struct diagnose *diagnose, enum judge_question question,
                    char ret_name[static 256])
{
    char label[LANNAME_LABEL_MAX + 1];
    if (question == JUDGE_LOCAL) {
        return text_copy(ret_name, 256, "localhost");
    }
    return label_of(diagnose, question, label, sizeof(label)) &&
           text_format(ret_name, 256, "%s.%s.%s", label, diagnose->id,
                       diagnose->findings.zone);
}

static int take_reply(struct asking *asking, struct bytes message)
{
    struct dns_message_reply reply;
    struct dns_message_address own;
    int error = dns_message_read_reply(message.data, message.size, &reply);
    if (error == 0) {
        judge_reply_of(&reply, asking->question,
                       expected_of(asking->diagnose, asking->question, &own),
                       &asking->resolver->answers[asking->question]);
    }
    return error;
}

/* --- the network's resolvers --- */

static void on_answer(const struct resolve_answer *answer, void *arg)
{
    struct asking *asking = arg;
    asking->query = NULL;
    /* What is no DNS message is no answer. */
    if (answer->error != 0 || take_reply(asking, answer->message) < 0) {
        asking->resolver->answers[asking->question].reply = JUDGE_SILENT;
    }
    worker_diagnosis_ended(asking->diagnose);
}

static struct asking *new_asking(struct diagnose *diagnose,
                                 struct judge_resolver *resolver,
                                 enum judge_question question)
{
    if (diagnose->asking_count == DIAGNOSE_ASKINGS_MAX) {
        return NULL;
    }
    struct asking *asking = &diagnose->askings[diagnose->asking_count++];
    *asking =
        (struct asking){.diagnose = diagnose, .resolver = resolver, .question = question};
    resolver->answers[question].ede = DNS_MESSAGE_NO_EDE;
    return asking;
}

static void ask(struct diagnose *diagnose, size_t index, enum judge_question question)
{
    char name[256];
    struct address server;
    struct judge_resolver *resolver = &diagnose->findings.resolvers[index];
    struct asking *asking = new_asking(diagnose, resolver, question);
    if (asking == NULL || !name_of(diagnose, question, name) ||
        address_parse(resolver->text, 0, &server) != 0) {
        return;
    }
    resolver->answers[question].reply = JUDGE_SILENT;
    if (resolve_message_at(diagnose->loop, &server, name, type_of(diagnose, question),
                           QUESTION_MS, on_answer, asking, &asking->query) == 0) {
        diagnose->pending++;
    }
}

void worker_diagnosis_dns_begin(struct diagnose *diagnose)
{
    struct findings *findings = &diagnose->findings;
    struct resolv_conf conf = {.count = 0};
    struct routes routes;
    findings->is_route_known = routes_read(&routes) == 0;
    if (findings->is_route_known) {
        findings->has_route4 = routes.has_ipv4;
        findings->has_route6 = routes.has_ipv6;
        text_copy(findings->gateway, sizeof(findings->gateway), routes.gateway);
    }
    if (resolv_conf_read(RESOLV_CONF, &conf) != 0) {
        conf = (struct resolv_conf){.count = 0};
    }
    findings->unusable_resolvers = conf.unusable;
    for (size_t i = 0; i < conf.count && i < JUDGE_RESOLVERS_MAX; i++) {
        address_text(&conf.servers[i], findings->resolvers[i].text);
        findings->resolver_count++;
        ask(diagnose, i, JUDGE_LOCAL);
    }
}

/* --- public resolvers --- */

static void ask_public(struct asking *asking, struct http_client *client);

static void on_public(const struct http_response *response, void *arg)
{
    struct asking *asking = arg;
    struct diagnose *diagnose = asking->diagnose;
    struct judge_resolver *resolver = asking->resolver;
    bool is_ours = json_get_text(diagnose->body, "ca_file") != NULL;
    asking->transfer = NULL;
    if (response->error == ERROR_SIGNATURE && is_ours && !asking->is_retried) {
        /* One of the house: its CA is perhaps the relay's. */
        asking->is_retried = true;
        diagnose->pending--;
        ask_public(asking, diagnose->http);
        return;
    }
    if (response->error != 0) {
        text_printable(resolver->failure, sizeof(resolver->failure), response->error_text,
                       strlen(response->error_text));
    } else if (response->status != 200 || take_reply(asking, response->body) < 0) {
        text_format(resolver->failure, sizeof(resolver->failure), "HTTP status %d",
                    response->status);
    } else {
        resolver->is_reached = true;
    }
    if (response->error == 0) {
        worker_diagnosis_relay_date(diagnose, http_response_header(response, "Date", 0),
                                    resolver->text);
    }
    worker_diagnosis_ended(diagnose);
}

static void ask_public(struct asking *asking, struct http_client *client)
{
    struct diagnose *diagnose = asking->diagnose;
    char name[256];
    uint8_t question[DNS_MESSAGE_QUESTION_BYTES];
    struct writer writer = writer_init(question, sizeof(question));
    if (!name_of(diagnose, asking->question, name) ||
        dns_message_write_question(name, type_of(diagnose, asking->question), &writer) <
            0) {
        return;
    }
    struct http_request request = {
        .method = "POST",
        .url = asking->resolver->text,
        .content_type = "application/dns-message",
        .accept = "application/dns-message",
        .body = {.data = question, .size = writer_size(&writer)},
        .max_response_bytes = MESSAGE_BYTES,
    };
    if (http_client_send(client, &request, on_public, asking, &asking->transfer) == 0) {
        diagnose->pending++;
    }
}

static void ask_publics(struct diagnose *diagnose, enum judge_question private)
{
    const enum judge_question questions[] = {JUDGE_CONTROL, private, JUDGE_STABLE};
    const json_t *list = json_get_array(diagnose->facts, "doh");
    struct findings *findings = &diagnose->findings;
    for (size_t i = 0; i < json_array_size(list) && i < JUDGE_PUBLICS_MAX; i++) {
        struct judge_resolver *resolver = &findings->publics[findings->public_count];
        const char *url = json_string_value(json_array_get(list, i));
        if (url == NULL || !text_copy(resolver->text, sizeof(resolver->text), url)) {
            continue;
        }
        findings->public_count++;
        for (size_t j = 0; j < sizeof(questions) / sizeof(questions[0]); j++) {
            struct asking *asking = new_asking(diagnose, resolver, questions[j]);
            if (asking != NULL) {
                ask_public(asking, diagnose->public);
            }
        }
    }
}

void worker_diagnosis_dns_ask(struct diagnose *diagnose)
{
    static const enum judge_question questions[] = {
        JUDGE_CONTROL, JUDGE_OWN, JUDGE_FRESH4, JUDGE_FRESH6, JUDGE_STABLE, JUDGE_PROBE,
    };
    bool has_own = diagnose->addresses.count > 0;
    if (diagnose->are_zone_asked) {
        return;
    }
    diagnose->are_zone_asked = true;
    for (size_t i = 0; i < diagnose->findings.resolver_count; i++) {
        for (size_t j = 0; j < sizeof(questions) / sizeof(questions[0]); j++) {
            if (has_own || questions[j] != JUDGE_OWN) {
                ask(diagnose, i, questions[j]);
            }
        }
    }
    ask_publics(diagnose, has_own ? JUDGE_OWN : JUDGE_FRESH4);
}

bool worker_diagnosis_dns_is_alive(const struct diagnose *diagnose)
{
    const struct findings *findings = &diagnose->findings;
    struct address literal;
    bool is_alive = json_get_array(diagnose->body, "name_servers") != NULL ||
                    address_parse(diagnose->host, HTTPS_PORT, &literal) == 0;
    for (size_t i = 0; i < findings->resolver_count; i++) {
        for (size_t j = 0; j < JUDGE_QUESTION_COUNT; j++) {
            enum judge_reply reply = findings->resolvers[i].answers[j].reply;
            is_alive |= reply != JUDGE_UNASKED && reply != JUDGE_SILENT;
        }
    }
    return is_alive;
}

const struct judge_answer *worker_diagnosis_dns_stable(const struct diagnose *diagnose)
{
    const struct findings *findings = &diagnose->findings;
    for (size_t i = 0; i < findings->resolver_count; i++) {
        const struct judge_answer *answer = &findings->resolvers[i].answers[JUDGE_STABLE];
        if (answer->reply == JUDGE_RIGHT) {
            return answer;
        }
    }
    return NULL;
}

void worker_diagnosis_dns_close(struct diagnose *diagnose)
{
    for (size_t i = 0; i < diagnose->asking_count; i++) {
        resolve_cancel(diagnose->askings[i].query);
        if (diagnose->askings[i].transfer != NULL) {
            http_client_cancel(diagnose->askings[i].transfer);
        }
    }
}

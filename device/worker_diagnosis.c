/* Stages, each of which starts what can be done at once and ends when all of it has: nothing
 * waits for what it does not need, so that a network in order is judged in a second and a
 * dead one in the time that its deadlines take. A deadline over the whole ends it with what
 * is known by then. */
#include "device/worker_diagnosis_parts.h"

#include "base/core/clock.h"
#include "base/crypto/random.h"
#include "device/clock_floor.h"

#include <string.h>

enum {
    CONNECT_MS = 6 * 1000,
    TOTAL_MS = 9 * 1000,
    DEADLINE_MS = 30 * 1000,
    LOOK_MS = 4 * 1000,
    SAME_S = 60,
    NAME_SERVERS_MAX = 4,
    VERDICT_BYTES = 1024,
};

#define USER_AGENT "latchkey/" LATCHKEY_VERSION

bool worker_diagnosis_is_task(const struct worker_message *message)
{
    const char *task = json_get_text(message->body, "task");
    return task != NULL && strcmp(task, "diagnose") == 0;
}

/* --- the own HTTPS --- */

static void on_looked(int error, const char *reason, struct bytes leaf, void *arg)
{
    struct looking *looking = arg;
    struct diagnose *diagnose = looking->diagnose;
    const char *expected = json_get_text(diagnose->facts, "fingerprint");
    uint8_t hash[DIGEST_SHA256_SIZE];
    char text[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1] = "";
    looking->probe = NULL;
    if (error == 0 && digest_sha256(leaf.data, leaf.size, hash) == 0) {
        text_hex(hash, sizeof(hash), text);
    }
    if (error != 0) {
        *looking->place = JUDGE_SERVED_NOTHING;
        text_format(looking->text, JUDGE_TEXT_BYTES, "%s: %s", looking->where, reason);
    } else {
        *looking->place = expected != NULL && strcmp(text, expected) == 0
                              ? JUDGE_SERVED_OWN
                              : JUDGE_SERVED_ANOTHER;
        text_format(looking->text, JUDGE_TEXT_BYTES, "%s: SHA-256 %.16s...",
                    looking->where, text);
    }
    worker_diagnosis_ended(diagnose);
}

/* Looks at what ADDRESS serves to the stable name. */
static void look(struct diagnose *diagnose, const struct lanname_address *address,
                 enum judge_served *place, char *text)
{
    char name[256];
    char ip[46];
    struct looking *looking = &diagnose->lookings[diagnose->looking_count];
    struct tls_probe_target target = {.name = name, .timeout_ms = LOOK_MS};
    int64_t port = json_get_i64(diagnose->facts, "port", 0);
    const char *label = json_get_text(diagnose->facts, "label");
    lanname_address_text(address, ip);
    if (port <= 0 || port > UINT16_MAX ||
        diagnose->looking_count == DIAGNOSE_LOOKINGS_MAX ||
        address_parse(ip, (uint16_t)port, &target.address) != 0 ||
        !text_format(
            name, sizeof(name), "%s.%s.%s", label != NULL ? label : "home", diagnose->id,
            diagnose->findings.zone[0] != '\0' ? diagnose->findings.zone : "invalid")) {
        return;
    }
    *looking = (struct looking){.diagnose = diagnose, .place = place, .text = text};
    address_text(&target.address, looking->where);
    if (tls_probe_start(diagnose->loop, &target, on_looked, looking, &looking->probe) ==
        0) {
        diagnose->looking_count++;
        diagnose->pending++;
    } else {
        *place = JUDGE_SERVED_NOTHING;
        text_format(text, JUDGE_TEXT_BYTES, "%s: no connection", looking->where);
    }
}

static void look_at_port(struct diagnose *diagnose)
{
    struct findings *findings = &diagnose->findings;
    if (diagnose->addresses.count > 0) {
        look(diagnose, &diagnose->addresses.at[0], &findings->port, findings->port_text);
    }
}

static void look_at_name(struct diagnose *diagnose)
{
    struct findings *findings = &diagnose->findings;
    const struct judge_answer *answer = worker_diagnosis_dns_stable(diagnose);
    if (answer == NULL || json_get_text(diagnose->facts, "fingerprint") == NULL) {
        return;
    }
    struct lanname_address address = {.family = answer->addresses[0].family};
    memcpy(address.octets, answer->addresses[0].octets, sizeof(address.octets));
    look(diagnose, &address, &findings->served, findings->served_text);
}

/* --- the result --- */

static int write_verdicts(const struct diagnosis *diagnosis, json_t **ret_list)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT && error == 0; i++) {
        struct buffer text = buffer_init(VERDICT_BYTES);
        error = diagnosis_write_verdict(diagnosis, (enum diagnosis_check)i, &text);
        if (error == 0 &&
            json_array_append_new(list, json_string(buffer_text(&text))) != 0) {
            error = ERROR_MEMORY;
        }
        buffer_free(&text);
    }
    if (error < 0) {
        json_decref(list);
        return error;
    }
    *ret_list = list;
    return 0;
}

static void report(struct diagnose *diagnose)
{
    struct diagnosis diagnosis;
    struct worker_message message = {.body = NULL};
    json_t *list = NULL;
    diagnosis_init(&diagnosis);
    judge_all(&diagnose->findings, &diagnosis);
    int error = worker_message_new(WORKER_DIAGNOSIS, &message);
    if (error == 0) {
        error = write_verdicts(&diagnosis, &list);
    }
    if (error == 0) {
        error = json_set_take(message.body, "verdicts", list);
    }
    if (error == 0) {
        error = json_set_text(message.body, "zone", diagnosis.zone);
    }
    if (error == 0) {
        error = worker_channel_send(diagnose->channel, &message);
    }
    worker_message_free(&message);
    diagnose->error = error;
}

static void end(struct diagnose *diagnose)
{
    if (!diagnose->is_ended) {
        diagnose->is_ended = true;
        report(diagnose);
        loop_stop(diagnose->loop);
    }
}

/* --- stages --- */

static void begin_stage(struct diagnose *diagnose)
{
    switch (diagnose->stage) {
    case DIAGNOSE_BEGIN:
        worker_diagnosis_dns_begin(diagnose);
        worker_diagnosis_relay_begin(diagnose);
        if (diagnose->findings.zone[0] != '\0') {
            worker_diagnosis_dns_ask(diagnose);
        }
        look_at_port(diagnose);
        break;
    case DIAGNOSE_ZONE:
        if (diagnose->findings.zone[0] != '\0') {
            worker_diagnosis_dns_ask(diagnose);
        }
        break;
    case DIAGNOSE_AFTER:
        worker_diagnosis_relay_look(diagnose);
        worker_diagnosis_seen_begin(diagnose);
        look_at_name(diagnose);
        break;
    case DIAGNOSE_DONE:
        end(diagnose);
        break;
    }
}

static void on_step(void *arg)
{
    struct diagnose *diagnose = arg;
    while (diagnose->pending == 0 && !diagnose->is_ended) {
        diagnose->stage = (enum diagnose_stage)(diagnose->stage + 1);
        begin_stage(diagnose);
    }
}

void worker_diagnosis_ended(struct diagnose *diagnose)
{
    diagnose->pending--;
    if (diagnose->pending == 0 && !diagnose->is_ended) {
        loop_timer_set(diagnose->step, 0);
    }
}

static void on_deadline(void *arg)
{
    end(arg);
}

/* The agent never speaks first: readable outside a call means that it went away. */
static void on_agent(int fd, unsigned events, void *arg)
{
    struct diagnose *diagnose = arg;
    (void)fd;
    (void)events;
    if (!diagnose->is_ended) {
        diagnose->is_ended = true;
        diagnose->error = ERROR_IO;
    }
    loop_stop(diagnose->loop);
}

/* --- start and end --- */

static void read_addresses(struct diagnose *diagnose)
{
    const json_t *list = json_get_array(diagnose->body, "addresses");
    struct own_addresses *addresses = &diagnose->addresses;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (addresses->count < LIMIT_DEVICE_ADDRESSES && text != NULL &&
            lanname_address_parse(text, &addresses->at[addresses->count])) {
            addresses->count++;
        }
    }
    diagnose->findings.addresses = addresses;
}

/* Names that no resolver has heard of, so that none answers from what it knew before. */
static int make_fresh(struct diagnose *diagnose)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t noise[DIAGNOSE_TOKEN_SIZE + 16 + 4];
    int error = random_bytes(noise, sizeof(noise));
    if (error < 0) {
        return error;
    }
    for (size_t i = 0; i < DIAGNOSE_TOKEN_SIZE; i++) {
        diagnose->token[i] = letters[noise[i] % (sizeof(letters) - 1)];
    }
    diagnose->fresh4 = (struct dns_message_address){.family = 4};
    memcpy(diagnose->fresh4.octets, noise + DIAGNOSE_TOKEN_SIZE, 4);
    diagnose->fresh4.octets[0] = 10;
    diagnose->fresh6 = (struct dns_message_address){.family = 6};
    memcpy(diagnose->fresh6.octets, noise + DIAGNOSE_TOKEN_SIZE + 4, 16);
    /* Not one of the metadata ranges that the zone never answers. */
    diagnose->fresh6.octets[0] = 0xfd;
    diagnose->fresh6.octets[1] |= 0x80;
    return 0;
}

static int open_network(struct diagnose *diagnose)
{
    const json_t *list = json_get_array(diagnose->body, "name_servers");
    const char *servers[NAME_SERVERS_MAX];
    size_t count = 0;
    for (; count < json_array_size(list) && count < NAME_SERVERS_MAX; count++) {
        servers[count] = json_string_value(json_array_get(list, count));
    }
    int error = resolver_new(diagnose->loop, servers, count, &diagnose->resolver);
    struct http_client_options options = {
        .resolver = diagnose->resolver,
        .user_agent = USER_AGENT,
        .proxy = json_get_text(diagnose->body, "proxy"),
        .max_connections = 4,
        .connect_ms = CONNECT_MS,
        .total_ms = TOTAL_MS,
    };
    if (error == 0) {
        error = http_client_new(diagnose->loop, &options, &diagnose->public);
    }
    if (error == 0) {
        options.ca_file = json_get_text(diagnose->body, "ca_file");
        error = http_client_new(diagnose->loop, &options, &diagnose->http);
    }
    return error;
}

static int open_diagnose(struct diagnose *diagnose)
{
    struct findings *findings = &diagnose->findings;
    const char *zone = json_get_text(diagnose->facts, "zone");
    findings->system_at = clock_wall_at();
    findings->now_at = findings->system_at;
    int64_t known_at = json_get_i64(diagnose->body, "now_at", findings->system_at);
    if (known_at > findings->system_at + SAME_S ||
        known_at < findings->system_at - SAME_S) {
        /* The agent knows better, from the relay. */
        clock_correct(known_at);
        findings->now_at = known_at;
    }
    findings->floor_at = CLOCK_FLOOR_AT;
    findings->seen = JUDGE_SEEN_UNASKED;
    if (zone != NULL && !text_copy(findings->zone, sizeof(findings->zone), zone)) {
        return ERROR_LIMIT;
    }
    read_addresses(diagnose);
    int error = make_fresh(diagnose);
    if (error == 0) {
        error = key_from_jwk(json_get_object(diagnose->body, "key"), &diagnose->key);
    }
    if (error == 0) {
        error = key_id(diagnose->key, diagnose->id);
    }
    if (error == 0) {
        error =
            loop_timer_new(diagnose->loop, on_deadline, diagnose, &diagnose->deadline);
    }
    if (error == 0) {
        error = loop_timer_new(diagnose->loop, on_step, diagnose, &diagnose->step);
    }
    if (error == 0) {
        error = open_network(diagnose);
    }
    if (error == 0) {
        error = loop_watch_new(diagnose->loop, diagnose->channel->fd, LOOP_READ, on_agent,
                               diagnose, &diagnose->agent_watch);
    }
    return error;
}

static void close_diagnose(struct diagnose *diagnose)
{
    for (size_t i = 0; i < diagnose->looking_count; i++) {
        tls_probe_free(diagnose->lookings[i].probe);
    }
    worker_diagnosis_dns_close(diagnose);
    worker_diagnosis_seen_close(diagnose);
    worker_diagnosis_relay_close(diagnose);
    if (diagnose->agent_watch != NULL) {
        loop_watch_free(diagnose->agent_watch);
    }
    loop_timer_free(diagnose->deadline);
    loop_timer_free(diagnose->step);
    http_client_free(diagnose->http);
    http_client_free(diagnose->public);
    resolver_free(diagnose->resolver);
    key_free(diagnose->key);
    loop_free(diagnose->loop);
}

static int send_failure(struct worker_channel *channel, int error)
{
    char text[LIMIT_DETAIL_BYTES];
    struct worker_message message = {.body = NULL};
    text_format(text, sizeof(text), "the diagnosis could not begin: %s",
                error_text(error));
    error = worker_message_new(WORKER_FAILED, &message);
    if (error == 0) {
        error = json_set_text(message.body, "code", "device");
    }
    if (error == 0) {
        error = json_set_text(message.body, "text", text);
    }
    if (error == 0) {
        error = worker_channel_send(channel, &message);
    }
    worker_message_free(&message);
    return error;
}

int worker_diagnosis_run(struct worker_channel *channel,
                         const struct worker_message *message)
{
    struct diagnose diagnose = {
        .channel = channel,
        .body = message->body,
        .facts = json_get_object(message->body, "facts"),
        .signer = {.channel = channel},
    };
    int error = loop_new(&diagnose.loop);
    if (error < 0) {
        return error;
    }
    error = open_diagnose(&diagnose);
    if (error < 0) {
        error = send_failure(channel, error);
    } else {
        loop_timer_set(diagnose.deadline, DEADLINE_MS);
        begin_stage(&diagnose);
        if (diagnose.pending == 0) {
            loop_timer_set(diagnose.step, 0);
        }
        error = loop_run(diagnose.loop);
        error = diagnose.error != 0 ? diagnose.error : error;
    }
    close_diagnose(&diagnose);
    return error;
}

/* A device that never ran has no name yet: every well-formed one serves to ask about the zone,
 * so one is made up and forgotten. The same goes for a key that can't be had: a diagnosis is
 * what its owner needs then. */
#include "device/doctor.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/net/address.h"
#include "base/net/loop.h"
#include "device/agent_state.h"
#include "device/bundle.h"
#include "device/control_client.h"
#include "device/diagnosis_task.h"
#include "device/identity_source.h"
#include "device/relay_candidates.h"
#include "device/worker_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLDER_CAPACITY = 4096,
    PATH_CAPACITY = 4096 + 32,
    ANSWER_S = 70, /* the agent gives the worker a minute */
    TIMEOUT_S = 60,
};

/* A diagnosis without an agent. */
struct doctor {
    const char *folder;
    struct device_config config;
    struct relay_candidates relays;
    const struct device_relay *relay; /* that the state is about */
    struct identity_source source;
    struct identity identity;
    struct agent_state state;
    struct bundle trusted;
    struct own_addresses addresses;
    char fingerprint[65];
    struct loop *loop;
    struct diagnosis diagnosis;
    int error;
};

static void read_folder(struct doctor *doctor)
{
    char path[PATH_CAPACITY];
    uint8_t hash[32];
    if (text_format(path, sizeof(path), "%s/state.json", doctor->folder) &&
        agent_state_load(path, &doctor->state) < 0) {
        agent_state_free(&doctor->state);
        doctor->state = (struct agent_state){.order = NULL};
    }
    relay_candidates_list(&doctor->config, &doctor->state, &doctor->relays);
    doctor->relay = relay_candidates_current(&doctor->relays, &doctor->state);
    (void)agent_state_turn_to(&doctor->state, doctor->relay->directory);
    if (text_format(path, sizeof(path), "%s/trusted.pem", doctor->folder) &&
        bundle_load(path, &doctor->trusted) == 0 &&
        cert_fingerprint(doctor->trusted.cert, hash) == 0) {
        text_hex(hash, sizeof(hash), doctor->fingerprint);
    }
}

static int make_up_identity(struct doctor *doctor)
{
    struct key *key = NULL;
    int error = key_generate(KEY_P256, &key);
    if (error == 0) {
        error = identity_from_key(key, &doctor->identity);
    }
    key_free(key);
    /* The account is another key's. */
    doctor->state.account_url[0] = '\0';
    return error;
}

static int read_identity(struct doctor *doctor)
{
    char reason[LIMIT_DETAIL_BYTES] = "";
    int error = 0;
    if (doctor->config.identity[0] != '\0') {
        error = identity_source_open(&doctor->config, &doctor->source, &doctor->identity,
                                     NULL, reason, sizeof(reason));
    } else {
        error = identity_read(doctor->folder, &doctor->identity);
    }
    if (error == 0) {
        return 0;
    }
    if (error != ERROR_NOT_FOUND) {
        fprintf(stderr, "latchkey: looking without the identity key: %s\n",
                reason[0] != '\0' ? reason : error_text(error));
    }
    return make_up_identity(doctor);
}

static uint16_t port_of(const struct device_config *config)
{
    struct address address;
    if (config->serve.count == 0 ||
        address_parse(config->serve.at[0], 0, &address) != 0) {
        return 0;
    }
    return address_port(&address);
}

static void add_own(struct doctor *doctor)
{
    struct agent_state *state = &doctor->state;
    struct cert *cert = doctor->trusted.cert;
    struct diagnosis_own own = {
        .now_at = clock_wall_at(),
        .has_trusted = cert != NULL,
        .not_before_at = cert != NULL ? cert_not_before_at(cert) : 0,
        .not_after_at = cert != NULL ? cert_not_after_at(cert) : 0,
        .failure_code = state->failure_code,
        .failure_text = state->failure_text,
        .failure_at = state->failure_at,
        .next_try_at = state->hold_until_at,
    };
    diagnosis_task_add_own(&own, &doctor->diagnosis);
}

static void on_end(const struct worker_result *result, void *arg)
{
    struct doctor *doctor = arg;
    doctor->error = ERROR_STATE;
    if (result->outcome == WORKER_OUTCOME_DIAGNOSIS) {
        doctor->error =
            diagnosis_task_read(result->diagnosis, clock_wall_at(), &doctor->diagnosis);
    } else {
        fprintf(stderr, "latchkey: %s\n", result->text);
    }
    loop_stop(doctor->loop);
}

static const struct worker_session_handlers handlers = {.end = on_end};

static int run_worker(struct doctor *doctor)
{
    char worker[PATH_CAPACITY];
    struct worker_message message = {.body = NULL};
    struct worker_session *session = NULL;
    struct diagnosis_task task = {
        .config = &doctor->config,
        .relay = doctor->relay,
        .remembered_pin = doctor->state.relay_pin,
        .relay_zone = doctor->state.relay_zone,
        .key = doctor->identity.key,
        .account_url = doctor->state.account_url,
        .zone = doctor->state.zone,
        .addresses = &doctor->addresses,
        .port = port_of(&doctor->config),
        .fingerprint = doctor->fingerprint,
    };
    struct worker_session_options options = {
        .worker = worker,
        .key = doctor->identity.key,
        .directory = doctor->relay->directory,
        .timeout_s = TIMEOUT_S,
        .handlers = &handlers,
        .arg = doctor,
    };
    int error = worker_session_find(doctor->config.worker, worker, sizeof(worker));
    if (error == 0) {
        error = loop_new(&doctor->loop);
    }
    if (error == 0) {
        error = diagnosis_task_describe(&task, &message);
    }
    if (error == 0) {
        error = worker_session_start(doctor->loop, &options, &message, &session);
    }
    if (error == 0) {
        error = loop_run(doctor->loop);
    } else {
        fprintf(stderr, "latchkey: '%s' could not be given a task: %s\n", worker,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    worker_message_free(&message);
    loop_free(doctor->loop);
    return error == 0 ? doctor->error : error;
}

static int diagnose_alone(const struct command_options *options, const char *folder,
                          json_t **ret_object)
{
    struct doctor doctor = {.folder = folder};
    int error = command_read_config(options->config, &doctor.config);
    if (error < 0) {
        device_config_free(&doctor.config);
        return error;
    }
    struct own_addresses_rules rules = {
        .addresses = &doctor.config.addresses,
        .interfaces = &doctor.config.interfaces,
        .skipped = &doctor.config.skip_interfaces,
    };
    read_folder(&doctor);
    error = read_identity(&doctor);
    if (error == 0 && own_addresses_collect(&rules, &doctor.addresses) < 0) {
        doctor.addresses.count = 0;
    }
    if (error == 0) {
        error = run_worker(&doctor);
    }
    if (error == 0) {
        add_own(&doctor);
        error = diagnosis_to_json(&doctor.diagnosis, ret_object);
    }
    bundle_free(&doctor.trusted);
    agent_state_free(&doctor.state);
    identity_free(&doctor.identity);
    identity_source_close(&doctor.source);
    device_config_free(&doctor.config);
    return error;
}

int doctor_diagnose(const struct command_options *options, bool *ret_alone,
                    json_t **ret_object)
{
    char folder[FOLDER_CAPACITY];
    int error = command_find_folder(options, folder, sizeof(folder));
    if (error < 0) {
        return error;
    }
    error = control_client_wait(folder, "POST", "/diagnose", ANSWER_S, ret_object);
    *ret_alone = error == ERROR_NOT_FOUND;
    if (error == ERROR_NOT_FOUND) {
        fprintf(stderr, "latchkey: no agent answers in '%s'; looking without it\n",
                folder);
        error = diagnose_alone(options, folder, ret_object);
    } else if (error < 0) {
        fprintf(stderr,
                "latchkey: the agent in '%s' does not answer as it should: %s%s\n",
                folder, error_text(error), error == ERROR_DENIED ? "; try as root" : "");
    }
    return error;
}

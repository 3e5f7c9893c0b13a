/* What the agent shows: the snapshot, and the two servers that read it. The control
 * socket is for this machine's root only (its folder is 0700), so it needs no Host check
 * and may also ask for a renewal. */
#include "device/agent_parts.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_apps.h"
#include "device/pages.h"

#include <string.h>

enum { STATUS_BYTES = 48 << 10 };

/* What comes behind "*.<id>." in a certificate of ours. */
static void find_zone(const struct cert *cert, char *ret_zone, size_t capacity)
{
    const char *name = cert_name_count(cert) > 0 ? cert_name(cert, 0) : "";
    const char *zone = text_starts_with(name, "*.") ? strchr(name + 2, '.') : NULL;
    if (zone == NULL || !text_copy(ret_zone, capacity, zone + 1)) {
        text_copy(ret_zone, capacity, "");
    }
}

void agent_fill_certificate(const struct cert *cert, struct status_certificate *ret_facts)
{
    struct status_certificate facts = {.is_present = true};
    uint8_t hash[32];
    char serial[CERT_SERIAL_MAX];
    cert_serial(cert, serial);
    text_copy(facts.serial, sizeof(facts.serial), serial);
    cert_issuer_text(cert, facts.issuer, sizeof(facts.issuer));
    if (cert_fingerprint(cert, hash) == 0) {
        text_hex(hash, sizeof(hash), facts.fingerprint);
    }
    find_zone(cert, facts.zone, sizeof(facts.zone));
    facts.not_before_at = cert_not_before_at(cert);
    facts.not_after_at = cert_not_after_at(cert);
    *ret_facts = facts;
}

void agent_fill_status(const struct agent *agent, struct device_status *ret_status)
{
    struct life_now now = agent_now();
    bool is_own = agent->is_trusted_served && agent->trusted_facts.zone[0] != '\0';
    bool has_trusted =
        agent->life.state == LIFE_TRUSTED || agent->life.state == LIFE_RENEWING;
    int64_t wait_ms = agent->life.retry_mono_ms - now.mono_ms;
    *ret_status = (struct device_status){
        .now_at = now.wall_at,
        .id = agent->identity.id,
        .pin = agent->identity.pin,
        .zone = is_own ? agent->trusted_facts.zone : agent->state.zone,
        .label = agent->config->name,
        .local_name = agent->local_name,
        .mdns_name = agent->mdns.state == MDNS_ANNOUNCED ? agent->mdns.name : "",
        .directory = agent->relay.current.directory,
        .account_url = agent->state.account_url,
        .addresses = &agent->addresses,
        .port = agent_live_port(agent),
        .state = agent->life.state,
        .is_trusted = agent->is_trusted_served,
        .diagnosis = agent_diagnosis_last(agent),
        .trusted = agent->trusted_facts,
        .fallback = agent->fallback_facts,
        .renew_at = has_trusted ? agent->life.renew_at : 0,
        .renew_advised = agent->life.renew_advised,
        .next_try_s = wait_ms > 0 ? (wait_ms + 999) / 1000 : 0,
        .published_at = agent->state.published_at,
        .failure_code = agent->state.failure_code,
        .failure_text = agent->state.failure_text,
        .failure_at = agent->state.failure_at,
        .obtained_at = agent->trusted.cert != NULL ? agent->state.obtained_at : 0,
        .is_ordering = agent->task == AGENT_TASK_CERTIFY && agent->session != NULL,
        .storage = storage_text(&agent->storage),
        .is_cloned = agent->state.cloned_at != 0,
        .is_clock_signed = clock_is_corrected(),
        .moved_from = agent_relay_moved_from(agent),
    };
    agent_live_fill_status(agent, &ret_status->live);
    agent_owner_fill_status(agent, &ret_status->owner);
    ret_status->owner_host = ret_status->owner.host;
}

void agent_on_page(struct http_exchange *exchange, void *arg)
{
    struct agent *agent = arg;
    struct device_status status;
    if (agent_apps_on_page(arg, exchange)) {
        return;
    }
    agent_fill_status(arg, &status);
    agent_pages_respond(agent, exchange, &status);
}

static void respond_status(struct http_exchange *exchange, const struct agent *agent)
{
    struct device_status status;
    json_t *object = NULL;
    struct buffer body = buffer_init(STATUS_BYTES);
    agent_fill_status(agent, &status);
    int error = device_status_to_json(&status, &object);
    if (error == 0) {
        error = json_dump(object, &body);
    }
    http_exchange_respond(exchange, error == 0 ? 200 : 500, "application/json", body.data,
                          error == 0 ? body.size : 0);
    json_decref(object);
    buffer_free(&body);
}

void agent_on_control(struct http_exchange *exchange, void *arg)
{
    struct agent *agent = arg;
    const char *method = http_exchange_method(exchange);
    const char *path = http_exchange_path(exchange);
    if (strcmp(method, "GET") == 0 && strcmp(path, "/status.json") == 0) {
        respond_status(exchange, agent);
    } else if (strcmp(method, "POST") == 0 && strcmp(path, "/renew") == 0) {
        struct life_event event = {.kind = LIFE_ASKED};
        struct life_now now = agent_now();
        log_info("renewal: asked for by the owner");
        life_step(&agent->life, &event, &now);
        agent_plan(agent);
        respond_status(exchange, agent);
    } else if (!agent_apps_on_control(agent, exchange) &&
               !agent_owner_on_control(agent, exchange) &&
               !agent_diagnosis_on_control(agent, exchange)) {
        http_exchange_respond(exchange, 404, "text/plain", "", 0);
    }
}

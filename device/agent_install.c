/* From a chain that the worker brought to one that is served, and back.
 *
 * pending.pem is the key of the order in work (its request is in state.json). It stays
 * until a certificate for it is seen served, so that every retry sends the same request:
 * the relay then hands out the chain it already has, and no new key counts against the
 * budget for names.
 *
 * trusted.pem is key and chain, replaced by one rename.
 *
 * A crash between any two steps leaves an order that the next start resumes, or a
 * trusted.pem whose key is still pending, which the next start notices. */
#include "device/agent_parts.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/csr.h"
#include "base/crypto/digest.h"
#include "device/clock_floor.h"

#include <errno.h>
#include <string.h>

enum { SKEW_S = 86400, KEY_BYTES = 16 << 10 };

static bool is_zone(const char *zone)
{
    size_t label = 0;
    if (zone == NULL || zone[0] == '\0' || strlen(zone) >= AGENT_STATE_ZONE_CAPACITY) {
        return false;
    }
    for (const char *at = zone; *at != '\0'; at++) {
        bool ldh = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '-';
        if (!ldh && (*at != '.' || label == 0)) {
            return false;
        }
        label = ldh ? label + 1 : 0;
        if (label > LANNAME_LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

static bool write_wildcard(const struct agent *agent, const char *zone,
                           char ret_name[static 256])
{
    return text_format(ret_name, 256, "*.%s.%s", agent->identity.id, zone);
}

/* The key of the order in work. ERROR_NOT_FOUND when there is none. */
static int load_pending(const struct agent *agent, struct key **ret_key)
{
    char path[AGENT_PATH_CAPACITY];
    struct buffer pem = buffer_init_secret(KEY_BYTES);
    agent_path(agent, "pending.pem", path);
    int error = file_read(path, &pem);
    if (error == 0) {
        error = key_from_pem(pem.data, pem.size, ret_key);
    }
    buffer_free(&pem);
    return error;
}

static int save_pending(const struct agent *agent, const struct key *key)
{
    char path[AGENT_PATH_CAPACITY];
    struct buffer pem = buffer_init_secret(KEY_BYTES);
    agent_path(agent, "pending.pem", path);
    int error = key_to_pem(key, &pem);
    if (error == 0) {
        error = file_write_atomic(path, pem.data, pem.size, 0600);
    }
    buffer_free(&pem);
    return error;
}

void agent_drop_pending(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, "pending.pem", path);
    if (file_remove(path) == ERROR_IO) {
        log_warning("state: can't remove '%s': %s", path, strerror(errno));
    }
    agent->state.csr[0] = '\0';
    if (agent_state_set_order(&agent->state, NULL) < 0) {
        log_warning("state: %s", error_text(ERROR_MEMORY));
    }
}

/* Whether the saved request is by the saved key and for exactly NAME. */
static bool is_pending_good(const struct agent *agent, const char *name)
{
    uint8_t der[LIMIT_CSR_BYTES];
    size_t size = 0;
    char reason[LIMIT_DETAIL_BYTES];
    struct key *key = NULL;
    struct csr csr = {.key = NULL};
    const char *text = agent->state.csr;
    bool good = text[0] != '\0' &&
                text_base64url_decode(text, strlen(text), der, sizeof(der), &size) == 0 &&
                load_pending(agent, &key) == 0 &&
                csr_parse(der, size, &csr, reason, sizeof(reason)) == 0 &&
                key_equal(csr.key, key) && csr.name_count == 1 &&
                strcmp(csr.names[0], name) == 0;
    csr_free(&csr);
    key_free(key);
    return good;
}

/* A fresh key (never the identity key, never a used one) and the request for it. */
static int make_pending(struct agent *agent, const char *name)
{
    const char *names[] = {name};
    char text[AGENT_STATE_CSR_CAPACITY];
    struct key *key = NULL;
    struct buffer der = buffer_init(TEXT_BASE64URL_SIZE(1024));
    int error = key_generate(KEY_P256, &key);
    if (error == 0) {
        error = csr_make(key, names, 1, &der);
    }
    if (error == 0 && TEXT_BASE64URL_SIZE(der.size) >= sizeof(text)) {
        error = ERROR_LIMIT;
    }
    if (error == 0) {
        agent_drop_pending(agent);
        error = save_pending(agent, key);
        agent->disk_failed = error < 0;
    }
    if (error == 0) {
        text_base64url(der.data, der.size, text);
        text_copy(agent->state.csr, sizeof(agent->state.csr), text);
        error = agent_save_state(agent);
    }
    buffer_free(&der);
    key_free(key);
    return error;
}

int agent_make_csr(const char *zone, struct buffer *csr, char *reason, size_t capacity,
                   void *arg)
{
    struct agent *agent = arg;
    char name[256];
    if (!is_zone(zone) || !write_wildcard(agent, zone, name)) {
        text_copy(reason, capacity, "the relay's zone is no domain name");
        return ERROR_SYNTAX;
    }
    if (strcmp(zone, agent->state.zone) != 0) {
        log_info("relay: its zone is '%s'; this device is '%s'", zone, name);
        text_copy(agent->state.zone, sizeof(agent->state.zone), zone);
    }
    if (!is_pending_good(agent, name)) {
        int error = make_pending(agent, name);
        if (error < 0) {
            text_format(reason, capacity, "the request could not be made: %s",
                        error == ERROR_IO ? strerror(errno) : error_text(error));
            return error;
        }
    }
    return buffer_append_text(csr, agent->state.csr);
}

/* The chain with the pending key, verified. */
static int check_chain(struct agent *agent, const char *chain, struct bundle *ret_bundle,
                       char *reason, size_t capacity)
{
    char name[256];
    struct bundle bundle = {.key = NULL};
    const char *names[] = {name};
    int error = load_pending(agent, &bundle.key);
    if (error == 0) {
        error = cert_from_pem(chain, strlen(chain), &bundle.cert);
    }
    if (error < 0) {
        text_format(reason, capacity, "the chain can't be used: %s", error_text(error));
        goto out;
    }
    int64_t now_at = clock_wall_at();
    if (now_at < CLOCK_FLOOR_AT) {
        /* The clock was never set: whether it has begun can't be judged, only what it is
         * for. */
        now_at = cert_not_before_at(bundle.cert);
    }
    write_wildcard(agent, agent->state.zone, name);
    error = cert_check_issued(bundle.cert, bundle.key, names, 1, now_at, SKEW_S, reason,
                              capacity);
    if (error == 0) {
        *ret_bundle = bundle;
        bundle = (struct bundle){.key = NULL};
    }
out:
    bundle_free(&bundle);
    return error;
}

static void use_trusted(struct agent *agent)
{
    agent_fill_certificate(agent->trusted.cert, &agent->trusted_facts);
    int error = terminator_set(agent->terminator, TLS_TRUSTED, &agent->trusted);
    agent->is_trusted_served = error == 0;
    if (error < 0) {
        log_error("trusted certificate: can't be served: %s", error_text(error));
    }
}

static void write_trusted(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, "trusted.pem", path);
    if (bundle_save(path, &agent->trusted) < 0) {
        /* HTTPS goes on from memory; the next start will order again. */
        agent->disk_failed = true;
        log_error("trusted certificate: can't write '%s': %s; serving it from memory",
                  path, strerror(errno));
    }
}

int agent_install(const char *chain, struct worker_installed *ret_installed, char *reason,
                  size_t capacity, void *arg)
{
    struct agent *agent = arg;
    struct bundle bundle = {.key = NULL};
    struct worker_installed installed;
    char self[ADDRESS_TEXT_CAPACITY];
    int error = check_chain(agent, chain, &bundle, reason, capacity);
    if (error < 0) {
        log_error("trusted certificate: refused what the relay sent: %s", reason);
        return error;
    }
    bundle_free(&agent->previous);
    agent->previous = agent->trusted;
    agent->trusted = bundle;
    agent->is_on_trial = true;
    write_trusted(agent);
    use_trusted(agent);
    terminator_self_text(agent->terminator, self);
    text_copy(installed.connect, sizeof(installed.connect), self);
    text_format(installed.name, sizeof(installed.name), "self-check.%s.%s",
                agent->identity.id, agent->state.zone);
    text_copy(installed.fingerprint, sizeof(installed.fingerprint),
              agent->trusted_facts.fingerprint);
    *ret_installed = installed;
    return 0;
}

void agent_keep_installed(struct agent *agent)
{
    bundle_free(&agent->previous);
    agent->is_on_trial = false;
    agent_drop_pending(agent);
    agent->state.obtained_at = clock_wall_at();
}

void agent_undo_install(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    if (!agent->is_on_trial) {
        return;
    }
    agent->is_on_trial = false;
    bundle_free(&agent->trusted);
    agent->trusted = agent->previous;
    agent->previous = (struct bundle){.key = NULL};
    if (agent->trusted.cert != NULL) {
        log_warning("trusted certificate: going back to the previous one");
        write_trusted(agent);
        use_trusted(agent);
        return;
    }
    log_warning("trusted certificate: going back to the fallback");
    agent_path(agent, "trusted.pem", path);
    if (file_remove(path) == ERROR_IO) {
        log_error("trusted certificate: can't remove '%s': %s", path, strerror(errno));
    }
    agent->trusted_facts = (struct status_certificate){.is_present = false};
    terminator_clear(agent->terminator, TLS_TRUSTED);
    agent->is_trusted_served = false;
}

void agent_load_trusted(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    struct key *pending = NULL;
    agent_path(agent, "trusted.pem", path);
    int error = bundle_load(path, &agent->trusted);
    if (error < 0) {
        if (error != ERROR_NOT_FOUND) {
            log_error("trusted certificate: can't use '%s': %s; ordering a new one", path,
                      error_text(error));
        }
        return;
    }
    agent_fill_certificate(agent->trusted.cert, &agent->trusted_facts);
    if (load_pending(agent, &pending) == 0 && key_equal(pending, agent->trusted.key)) {
        /* The last run ended between installing and noting it. */
        agent_keep_installed(agent);
        if (agent_save_state(agent) < 0) {
            agent->disk_failed = true;
        }
    }
    key_free(pending);
}

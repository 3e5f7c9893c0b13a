/* From a chain that the worker brought to one that is served, and back.
 *
 * pending.pem is the key of the order in work (its request is in state.json). It stays
 * until a certificate for it is seen served, so that every retry sends the same request:
 * the relay then hands out the chain it already has, and no new key counts against the
 * budget for names.
 *
 * candidate.pem is key and chain of a certificate that was not seen served yet. It is on trial
 * (served, and in live/) or waits for the next one: what is wrong then is a server of this
 * device and not the certificate, so trying again costs neither relay nor CA anything.
 *
 * trusted.pem is the one that was seen served, replaced by one rename.
 *
 * A crash between any two steps leaves an order that the next start resumes, a candidate
 * that it tries, or a trusted.pem whose key is still pending, which it notices. */
#include "device/agent_parts.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/csr.h"
#include "device/clock_floor.h"

#include <errno.h>
#include <string.h>

enum { SKEW_S = 86400, KEY_BYTES = 16 << 10 };

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
        agent_note_storage(agent, "pending.pem", error);
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
    if (!agent_relay_has_zone(agent, zone) || !write_wildcard(agent, zone, name)) {
        text_copy(reason, capacity, "the zone is not the one that the relay has");
        return ERROR_DENIED;
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

static void use(struct agent *agent, const struct bundle *bundle)
{
    agent_fill_certificate(bundle->cert, &agent->trusted_facts);
    int error = terminator_set(agent->terminator, TLS_TRUSTED, bundle);
    agent->is_trusted_served = error == 0;
    if (error < 0) {
        log_error("trusted certificate: can't be served: %s", error_text(error));
    }
}

static int write_bundle(struct agent *agent, const char *name, const struct bundle *bundle)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, name, path);
    int error = bundle_save(path, bundle);
    agent_note_storage(agent, path, error);
    return error;
}

static void remove_file(struct agent *agent, const char *name)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, name, path);
    int error = file_remove(path);
    if (error != ERROR_NOT_FOUND) {
        agent_note_storage(agent, path, error);
    }
}

int agent_install(const char *chain, char *reason, size_t capacity, void *arg)
{
    struct agent *agent = arg;
    struct bundle bundle = {.key = NULL};
    int error = check_chain(agent, chain, &bundle, reason, capacity);
    if (error < 0) {
        log_error("trusted certificate: refused what the relay sent: %s", reason);
        return error;
    }
    bundle_free(&agent->candidate);
    agent->candidate = bundle;
    agent->candidate_at = clock_wall_at();
    agent->candidate_failures = 0;
    /* From memory if it can't be written: the next start will order again. */
    return write_bundle(agent, "candidate.pem", &agent->candidate) == ERROR_MEMORY
               ? ERROR_MEMORY
               : 0;
}

void agent_drop_candidate(struct agent *agent)
{
    bundle_free(&agent->candidate);
    remove_file(agent, "candidate.pem");
}

bool agent_has_candidate(struct agent *agent)
{
    if (agent->candidate.cert == NULL) {
        return false;
    }
    int64_t now_at = clock_wall_at();
    int64_t until_at = cert_not_after_at(agent->candidate.cert);
    int64_t spare_s = (until_at - agent->candidate_at) / 3;
    if (now_at < until_at - spare_s) {
        return true;
    }
    log_info("trusted certificate: the one that waits is too old");
    agent_drop_candidate(agent);
    return false;
}

void agent_begin_trial(struct agent *agent)
{
    agent->is_on_trial = true;
    use(agent, &agent->candidate);
}

void agent_keep_installed(struct agent *agent)
{
    bundle_free(&agent->trusted);
    agent->trusted = agent->candidate;
    agent->candidate = (struct bundle){.key = NULL};
    agent->is_on_trial = false;
    agent->is_trusted_unsaved = write_bundle(agent, "trusted.pem", &agent->trusted) < 0;
    remove_file(agent, "candidate.pem");
    agent_drop_pending(agent);
    agent->state.obtained_at = clock_wall_at();
}

void agent_undo_install(struct agent *agent)
{
    if (!agent->is_on_trial) {
        return;
    }
    agent->is_on_trial = false;
    agent->candidate_failures++;
    if (agent->trusted.cert != NULL &&
        cert_not_after_at(agent->trusted.cert) > clock_wall_at()) {
        log_warning("trusted certificate: going back to the previous one");
        use(agent, &agent->trusted);
        return;
    }
    log_warning("trusted certificate: going back to the fallback");
    agent->trusted_facts = (struct status_certificate){.is_present = false};
    if (agent->trusted.cert != NULL) {
        agent_fill_certificate(agent->trusted.cert, &agent->trusted_facts);
    }
    terminator_clear(agent->terminator, TLS_TRUSTED);
    agent->is_trusted_served = false;
}

void agent_save_unsaved(struct agent *agent)
{
    if (agent->is_trusted_unsaved && agent->trusted.cert != NULL) {
        agent->is_trusted_unsaved = write_bundle(agent, "trusted.pem", &agent->trusted) < 0;
    }
}

static void load(struct agent *agent, const char *name, struct bundle *ret_bundle)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, name, path);
    int error = bundle_load(path, ret_bundle);
    if (error < 0 && error != ERROR_NOT_FOUND) {
        log_error("trusted certificate: can't use '%s': %s; ordering a new one", path,
                  error_text(error));
    }
}

/* Whether the last run ended between installing and noting it. */
static bool is_noted(const struct agent *agent)
{
    struct key *pending = NULL;
    bool is_same =
        load_pending(agent, &pending) == 0 && key_equal(pending, agent->trusted.key);
    key_free(pending);
    return !is_same;
}

void agent_load_trusted(struct agent *agent)
{
    load(agent, "candidate.pem", &agent->candidate);
    if (agent->candidate.cert != NULL) {
        agent->candidate_at = cert_not_before_at(agent->candidate.cert);
    }
    load(agent, "trusted.pem", &agent->trusted);
    if (agent->trusted.cert == NULL) {
        return;
    }
    agent_fill_certificate(agent->trusted.cert, &agent->trusted_facts);
    if (agent->candidate.cert != NULL &&
        key_equal(agent->candidate.key, agent->trusted.key)) {
        agent_drop_candidate(agent);
    }
    if (!is_noted(agent)) {
        agent_drop_pending(agent);
        agent->state.obtained_at = clock_wall_at();
        agent_save_state(agent);
    }
}

/* One rule decides what live/ holds: the owner's certificate, else the trusted one, else the
 * fallback, and each of them on trial before itself. agent_live_plan() compares that with what
 * is there, as agent_plan() does for tasks. So going back after a failed trial is no path of its
 * own: what is to be there has changed once more, and files and command follow.
 *
 * state.live_confirmed is the leaf that the last complete rollout was for: a crash between the
 * files and the command leaves another one there, and the next start runs the command. */
#include "device/agent_live.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "device/agent_parts.h"
#include "device/backoff.h"

#include <errno.h>
#include <string.h>

enum { NAME_CAPACITY = 300, LONGEST_WAIT_MS = 60 * 1000, HTTPS_PORT = 443 };

static const struct backoff_range retry_range = {.first_s = 60, .longest_s = 6 * 3600};

/* What live/ should hold. */
struct wanted {
    enum live_kind kind;
    const struct bundle *bundle;
    const char *fingerprint;
    char name[NAME_CAPACITY]; /* by which it is served */
};

static void want_trusted(const struct agent *agent, struct wanted *ret_wanted)
{
    ret_wanted->kind = LIVE_TRUSTED;
    ret_wanted->bundle = agent->is_on_trial ? &agent->candidate : &agent->trusted;
    ret_wanted->fingerprint = agent->trusted_facts.fingerprint;
    text_format(ret_wanted->name, sizeof(ret_wanted->name), "self-check.%s.%s",
                agent->identity.id, agent->trusted_facts.zone);
}

static void find_wanted(const struct agent *agent, struct wanted *ret_wanted)
{
    const struct bundle *owners = agent_owner_bundle(agent);
    if (owners != NULL) {
        *ret_wanted = (struct wanted){
            .kind = LIVE_OWN,
            .bundle = owners,
            .fingerprint = agent->owner.facts.fingerprint,
        };
        text_copy(ret_wanted->name, sizeof(ret_wanted->name), agent_owner_host(agent));
        return;
    }
    if (agent->is_trusted_served) {
        want_trusted(agent, ret_wanted);
        return;
    }
    *ret_wanted = (struct wanted){
        .kind = LIVE_FALLBACK,
        .bundle = &agent->fallback,
        .fingerprint = agent->fallback_facts.fingerprint,
    };
    text_copy(ret_wanted->name, sizeof(ret_wanted->name), agent->local_name);
}

/* --- start --- */

static int open_group(const struct agent *agent, gid_t *ret_group)
{
    const char *name = agent->config->live_group;
    *ret_group = FILE_ANY_GROUP;
    if (name[0] == '\0') {
        return 0;
    }
    int error = live_find_group(name, ret_group);
    if (error < 0) {
        log_error("live_group = '%s': there is no such group", name);
    }
    return error;
}

static int open_files(struct agent *agent)
{
    gid_t group = FILE_ANY_GROUP;
    int error = open_group(agent, &group);
    if (error < 0) {
        return error;
    }
    error = live_open(agent->config->state_folder, group, &agent->live.files);
    if (error == ERROR_IO && errno == EPERM && group != FILE_ANY_GROUP) {
        log_error("live_group = '%s': the files can't be given to this group; run as "
                  "root, or as "
                  "a member of it",
                  agent->config->live_group);
        return ERROR_DENIED;
    }
    agent->live.is_open = error == 0;
    if (error < 0) {
        agent_note_storage(agent, agent->config->state_folder, error);
    }
    return 0;
}

static int open_command(struct agent *agent)
{
    struct agent_live *live = &agent->live;
    const struct device_config *config = agent->config;
    const char *wrong = hook_split(config->reload, &live->command);
    if (wrong != NULL) {
        log_error("reload = '%s': %s", config->reload, wrong);
        return ERROR_SYNTAX;
    }
    wrong = hook_check(&live->command);
    if (wrong != NULL) {
        /* It may be installed later. */
        log_warning("reload = '%s': %s", live->command.words[0], wrong);
    }
    live->has_verify = config->verify[0] != '\0';
    if (live->has_verify) {
        return address_parse(config->verify, 0, &live->verify);
    }
    if (config->serve.count == 0 && config->pages.count == 0) {
        log_warning(
            "serve = none: without `verify` nobody looks whether the certificate is "
            "served");
    }
    return 0;
}

int agent_live_open(struct agent *agent)
{
    int error = open_command(agent);
    if (error == 0) {
        error = open_files(agent);
    }
    return error;
}

/* --- at work --- */

static bool is_confirmed(const struct agent *agent, const struct wanted *wanted)
{
    return strcmp(agent->live.files.fingerprint, wanted->fingerprint) == 0 &&
           (agent->live.command.count == 0 ||
            strcmp(agent->state.live_confirmed, wanted->fingerprint) == 0);
}

static void put(struct agent *agent, const struct wanted *wanted)
{
    static const char *const names[] = {
        [LIVE_FALLBACK] = "fallback", [LIVE_TRUSTED] = "trusted", [LIVE_OWN] = "owner's"};
    struct agent_live *live = &agent->live;
    int error = 0;
    if (!live->is_open && open_files(agent) < 0) {
        return;
    }
    if (!live->is_open || strcmp(live->files.fingerprint, wanted->fingerprint) == 0) {
        live->kind = wanted->kind;
        return;
    }
    if (live->command.count > 0 && agent->state.live_confirmed[0] != '\0') {
        /* Before the files change: whatever becomes of them, the command is to be run. */
        agent->state.live_confirmed[0] = '\0';
        agent_save_state(agent);
    }
    live->is_first = !live->files.is_made;
    error = live_put(&live->files, wanted->bundle);
    agent_note_storage(agent, "live", error);
    if (error == 0) {
        live->kind = wanted->kind;
        log_info("live: the files now hold the %s certificate", names[wanted->kind]);
    }
}

/* Where to look: at the server that takes the files, else at ourselves. */
static bool find_place(const struct agent *agent, bool only_self,
                       struct address *ret_where)
{
    char self[ADDRESS_TEXT_CAPACITY];
    if (agent->live.has_verify && !only_self) {
        *ret_where = agent->live.verify;
        return true;
    }
    terminator_self_text(agent->terminator, self);
    return address_parse(self, 0, ret_where) == 0;
}

static enum live_trial find_trial(const struct agent *agent)
{
    if (agent_owner_wants_look(agent)) {
        return LIVE_TRIAL_OWN;
    }
    return agent->is_on_trial ? LIVE_TRIAL_TRUSTED : LIVE_NO_TRIAL;
}

/* A trial of what the files don't hold is looked at where we serve it ourselves. */
static void begin(struct agent *agent, const struct wanted *wanted, enum live_trial trial)
{
    struct agent_live *live = &agent->live;
    struct wanted shown = *wanted;
    struct address where;
    char folder[AGENT_PATH_CAPACITY];
    bool is_in_files = strcmp(live->files.fingerprint, wanted->fingerprint) == 0;
    bool runs = live->command.count > 0 && is_in_files && !is_confirmed(agent, wanted);
    if (trial == LIVE_TRIAL_TRUSTED) {
        want_trusted(agent, &shown);
    }
    bool looks = (trial != LIVE_NO_TRIAL || (runs && !live->is_first)) &&
                 find_place(agent, shown.kind != wanted->kind, &where);
    agent_path(agent, "live", folder);
    struct rollout_order order = {
        .command = runs ? &live->command : NULL,
        .folder = folder,
        .timeout_s = (unsigned)agent->config->reload_timeout_s,
        .where = looks ? &where : NULL,
        .name = shown.name,
        .fingerprint = shown.fingerprint,
    };
    live->trial = trial;
    text_copy(live->at_work, sizeof(live->at_work),
              is_in_files ? wanted->fingerprint : "");
    int error = rollout_start(live->rollout, &order);
    if (error < 0) {
        log_error("live: can't be looked at: %s", error_text(error));
    } else if (runs) {
        log_info("reload: running '%s'", agent->config->reload);
    }
}

static void confirm(struct agent *agent)
{
    struct agent_live *live = &agent->live;
    live->failures = 0;
    live->retry_mono_ms = 0;
    live->failure_code[0] = '\0';
    live->failure_text[0] = '\0';
    live->failure_at = 0;
    if (live->at_work[0] == '\0' || live->command.count == 0 ||
        strcmp(agent->state.live_confirmed, live->at_work) == 0) {
        return;
    }
    text_copy(agent->state.live_confirmed, sizeof(agent->state.live_confirmed),
              live->at_work);
    agent_save_state(agent);
}

static void note_failure(struct agent *agent, const char *code, const char *text)
{
    struct agent_live *live = &agent->live;
    struct life_now now = agent_now();
    live->failures++;
    int64_t wait_ms = backoff_wait_ms(&retry_range, live->failures, random_below);
    live->retry_mono_ms = now.mono_ms + wait_ms;
    text_copy(live->failure_code, sizeof(live->failure_code), code);
    text_copy(live->failure_text, sizeof(live->failure_text), text);
    live->failure_at = now.wall_at;
    log_warning("live: %s (%s); trying again in %lld s", text, code,
                (long long)(wait_ms / 1000));
}

static void on_rollout(const char *code, const char *text, void *arg)
{
    struct agent *agent = arg;
    struct agent_live *live = &agent->live;
    enum live_trial trial = live->trial;
    live->trial = LIVE_NO_TRIAL;
    if (code[0] != '\0' && live->is_first && trial == LIVE_NO_TRIAL) {
        /* Nobody could serve files that were not there: the server may start later. */
        log_info("live: %s; these are the first files, so that is fine", text);
        code = "";
    }
    live->is_first = false;
    if (code[0] == '\0') {
        confirm(agent);
    }
    switch (trial) {
    case LIVE_NO_TRIAL:
        if (code[0] != '\0') {
            note_failure(agent, code, text);
        }
        break;
    case LIVE_TRIAL_TRUSTED:
        agent_end_trial(agent, code, text);
        break;
    case LIVE_TRIAL_OWN:
        agent_owner_looked(agent, code, text);
        break;
    }
    agent_plan(agent);
}

void agent_live_plan(struct agent *agent, int64_t *ret_wait_ms)
{
    struct agent_live *live = &agent->live;
    struct wanted wanted;
    enum live_trial trial = find_trial(agent);
    int64_t now_ms = agent_now().mono_ms;
    *ret_wait_ms = LONGEST_WAIT_MS;
    if (live->rollout == NULL &&
        rollout_new(agent->loop, on_rollout, agent, &live->rollout) < 0) {
        return;
    }
    if (rollout_is_busy(live->rollout)) {
        return;
    }
    find_wanted(agent, &wanted);
    if (trial == LIVE_NO_TRIAL) {
        if (is_confirmed(agent, &wanted)) {
            return;
        }
        if (live->retry_mono_ms > now_ms &&
            strcmp(live->files.fingerprint, wanted.fingerprint) == 0) {
            /* The command failed for just these files. */
            *ret_wait_ms = live->retry_mono_ms - now_ms;
            return;
        }
    }
    put(agent, &wanted);
    bool is_put = strcmp(live->files.fingerprint, wanted.fingerprint) == 0;
    if (trial != LIVE_NO_TRIAL || (live->command.count > 0 && is_put)) {
        begin(agent, &wanted, trial);
    }
}

uint16_t agent_live_port(const struct agent *agent)
{
    uint16_t port = terminator_port(agent->terminator);
    if (port == 0 && agent->live.has_verify) {
        port = address_port(&agent->live.verify);
    }
    return port != 0 ? port : HTTPS_PORT;
}

void agent_live_fill_status(const struct agent *agent, struct status_live *ret_status)
{
    const struct agent_live *live = &agent->live;
    static const char *const words[] = {
        [LIVE_FALLBACK] = "fallback", [LIVE_TRUSTED] = "trusted", [LIVE_OWN] = "own"};
    *ret_status = (struct status_live){
        .holds = live->files.is_made ? words[live->kind] : "",
        .fingerprint = live->files.fingerprint,
        .is_working = live->rollout != NULL && rollout_is_busy(live->rollout),
        .failure_code = live->failure_code,
        .failure_text = live->failure_text,
        .failure_at = live->failure_at,
    };
}

void agent_live_close(struct agent *agent)
{
    rollout_free(agent->live.rollout);
    agent->live.rollout = NULL;
}

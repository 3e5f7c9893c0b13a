/* The resident agent. Order of start: folder, lock, identity, state, addresses, fallback,
 * HTTPS: nothing before it waits for the network. Then one loop: every event (timer,
 * worker, network, owner) changes the life cycle and ends in agent_plan(), which compares
 * what should be with what is and starts at most one task. */
#include "device/agent.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "device/agent_apps.h"
#include "device/agent_parts.h"
#include "device/fallback.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONTROL_CONNECTIONS = 8,
    CONTROL_SECONDS = 10,
    CONTROL_HEADER_BYTES = 4 << 10,
    CONTROL_BODY_BYTES = 96 << 10, /* an upload, and why it is too large */
    NAME_MAX_BYTES = 32, /* longest file name in the folder */
    TRIM_BYTES = 64 << 10,
    HOLD_MAX_S = 86400, /* as in worker_session.c */
};

struct life_now agent_now(void)
{
    return (struct life_now){.wall_at = clock_wall_at(), .mono_ms = clock_mono_ms()};
}

void agent_path(const struct agent *agent, const char *name,
                char ret_path[static AGENT_PATH_CAPACITY])
{
    text_format(ret_path, AGENT_PATH_CAPACITY, "%s/%s", agent->config->state_folder,
                name);
}

int agent_save_state(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, "state.json", path);
    int error = agent_state_save(path, &agent->state);
    agent_note_storage(agent, path, error);
    if (error < 0 && error != ERROR_IO) {
        log_error("state: can't write '%s': %s", path, error_text(error));
    }
    return error;
}

void agent_note_storage(struct agent *agent, const char *path, int error)
{
    storage_note(&agent->storage, path, error, clock_wall_at());
    if (error < 0) {
        agent->disk_failed = true;
    }
}

int agent_refresh_fallback(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    struct bundle bundle = {.key = NULL};
    bool made = false;
    bool written = false;
    struct fallback_subject subject = {
        .identity = &agent->identity,
        .zone = agent->state.zone,
        .local_name = agent->local_name,
        .mdns_name = agent->mdns.name,
    };
    agent_path(agent, "fallback.pem", path);
    int error = fallback_open(path, &subject, clock_wall_at(), &agent->state, &bundle,
                              &made, &written);
    if (error == 0) {
        error = terminator_set(agent->terminator, TLS_FALLBACK, &bundle);
    }
    if (error < 0) {
        bundle_free(&bundle);
        return error;
    }
    bundle_free(&agent->fallback);
    agent->fallback = bundle;
    agent_fill_certificate(bundle.cert, &agent->fallback_facts);
    if (!made) {
        return 0;
    }
    log_info("fallback certificate: made for %s", agent->local_name);
    agent_note_storage(agent, path, written ? 0 : ERROR_IO);
    agent->is_fallback_unsaved = !written;
    if (written && agent_save_state(agent) < 0) {
        log_debug("fallback certificate: the next start makes another");
    }
    return 0;
}

/* Switches between the trusted certificate and the fallback when the life cycle says so.
 */
static void serve(struct agent *agent, bool trusted)
{
    if (trusted == agent->is_trusted_served) {
        return;
    }
    if (!trusted) {
        terminator_clear(agent->terminator, TLS_TRUSTED);
        agent->is_trusted_served = false;
        log_warning("trusted certificate: it has run out; serving the fallback");
        return;
    }
    if (agent->trusted.cert == NULL) {
        return;
    }
    int error = terminator_set(agent->terminator, TLS_TRUSTED, &agent->trusted);
    if (error < 0) {
        log_error("trusted certificate: can't be served: %s", error_text(error));
        return;
    }
    agent->is_trusted_served = true;
}

void agent_plan(struct agent *agent)
{
    struct life_event tick = {.kind = LIFE_TICK};
    struct life_now now = agent_now();
    int64_t publish_wait_ms = 0;
    int64_t live_wait_ms = 0;
    int64_t clock_wait_ms = 0;
    agent_clock_tick(agent);
    if (agent->session == NULL && !agent->is_on_trial) {
        agent_relay_follow_move(agent);
    }
    now = agent_now();
    life_step(&agent->life, &tick, &now);
    struct life_plan plan = life_plan(&agent->life, &now);
    /* A new certificate on trial is served already, before the life cycle hears of it. */
    serve(agent, plan.serve_trusted || agent->is_on_trial);
    bool publish = agent_wants_publication(agent, &publish_wait_ms);
    if (plan.order && agent->session != NULL && agent->task != AGENT_TASK_CERTIFY &&
        agent->task != AGENT_TASK_TIME) {
        /* A question that hangs must not keep an order waiting. */
        agent_drop_task(agent);
    }
    bool ask_time = agent_clock_wants(agent, &clock_wait_ms) && clock_wait_ms == 0;
    if (agent->session == NULL) {
        if (ask_time && agent->clock.is_wanted) {
            agent_start_time(agent); /* orders are in vain without it */
        } else if (plan.order) {
            agent_start_certify(agent);
        } else if (publish && publish_wait_ms == 0) {
            agent_start_addresses(agent);
        } else if (plan.ask_window) {
            agent_start_window(agent);
        } else if (ask_time) {
            agent_start_time(agent);
        }
        /* Starting has changed the plan, or failed and set a wait. */
        now = agent_now();
        plan = life_plan(&agent->life, &now);
        publish = agent_wants_publication(agent, &publish_wait_ms);
        (void)agent_clock_wants(agent, &clock_wait_ms);
    }
    agent_live_plan(agent, &live_wait_ms);
    int64_t wake_ms = plan.wake_ms;
    if (agent->session == NULL && publish && publish_wait_ms < wake_ms) {
        wake_ms = publish_wait_ms;
    }
    if (agent->session == NULL && clock_wait_ms < wake_ms) {
        wake_ms = clock_wait_ms;
    }
    if (live_wait_ms < wake_ms) {
        wake_ms = live_wait_ms;
    }
    if (agent->session != NULL && wake_ms < 1000) {
        /* What is due waits for the task at work, whose end plans again; only the expiry
         * may not. */
        wake_ms = 1000;
    }
    loop_timer_set(agent->timer, wake_ms > 0 ? wake_ms : 1);
}

/* A disk that was full may have room again. */
static void retry_storage(struct agent *agent)
{
    if (!storage_is_good(&agent->storage) && agent_save_state(agent) == 0) {
        agent_save_unsaved(agent);
    }
}

/* At least once a minute, see LONGEST_SLEEP_MS in life.c. */
static void on_timer(void *arg)
{
    struct agent *agent = arg;
    const struct status_certificate *fallback = &agent->fallback_facts;
    retry_storage(agent);
    bool is_in_date = fallback_is_in_date(fallback->not_before_at, fallback->not_after_at,
                                          clock_wall_at());
    bool can_be_saved = agent->is_fallback_unsaved && storage_is_good(&agent->storage);
    if ((!is_in_date || can_be_saved) && agent_refresh_fallback(agent) < 0) {
        log_error("fallback certificate: can't be made anew; the old one stays");
    }
    agent_network_tick(agent);
    agent_plan(agent);
    /* What a crowd of visitors took goes back to the system: malloc alone keeps it. */
    malloc_trim(0);
}

static void on_signal(int signal, void *arg)
{
    struct agent *agent = arg;
    log_info("ending: %s", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    loop_stop(agent->loop);
}

/* --- start --- */

static int open_folder(struct agent *agent)
{
    const char *folder = agent->config->state_folder;
    char path[AGENT_PATH_CAPACITY];
    if (strlen(folder) + NAME_MAX_BYTES >= AGENT_PATH_CAPACITY) {
        log_error("state_folder: the path is too long");
        return ERROR_LIMIT;
    }
    int error = file_make_folder(folder, 0700);
    if (error < 0) {
        log_error("state_folder = '%s': can't be made: %s", folder, strerror(errno));
        return error;
    }
    agent_path(agent, "lock", path);
    error = file_lock(path, &agent->lock_fd);
    if (error == ERROR_BUSY) {
        log_error("state_folder = '%s': another latchkey runs with it", folder);
    } else if (error < 0) {
        log_error("state_folder = '%s': can't be locked: %s", folder, strerror(errno));
    } else if (file_remove_temporaries(folder) < 0) {
        log_warning("state_folder = '%s': can't be tidied: %s", folder, strerror(errno));
    }
    return error;
}

static int open_identity(struct agent *agent)
{
    bool made = false;
    char reason[LIMIT_LOG_BYTES] = "";
    int error = identity_source_open(agent->config, &agent->identity_source,
                                     &agent->identity, &made, reason, sizeof(reason));
    if (error < 0) {
        log_error("%s", reason);
        return error;
    }
    log_info("identity: %s%s", agent->identity.id,
             made                                  ? " (made just now)"
             : agent->identity_source.uri != NULL ? " (kept in a token)"
                                                   : "");
    char path[AGENT_PATH_CAPACITY];
    struct stat info;
    agent_path(agent, "identity.pem", path);
    if (stat(path, &info) == 0 && (info.st_mode & 077) != 0) {
        log_warning("identity key: others can read '%s' (mode %o); chmod 600 it", path,
                    (unsigned)(info.st_mode & 0777));
    }
    return 0;
}

static void open_state(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    agent_path(agent, "state.json", path);
    int error = agent_state_load(path, &agent->state);
    if (error < 0 && error != ERROR_NOT_FOUND) {
        log_warning("state: '%s': %s; starting without it", path, error_text(error));
    }
    agent->is_other_relay = agent_relay_open(agent);
    agent_clock_open(agent);
    if (agent->is_other_relay) {
        log_info("relay: another one than before: %s", agent->relay.current.directory);
    }
    if (agent->state.account_url[0] != '\0' &&
        !signing_rules_is_of_relay(agent->state.account_url,
                                   agent->relay.current.directory)) {
        log_warning(
            "state: the account '%s' is not at the configured relay; asking for it "
            "again",
            agent->state.account_url);
        agent->state.account_url[0] = '\0';
    }
}

static void open_local_name(struct agent *agent)
{
    const struct device_config *config = agent->config;
    if (config->local_name[0] != '\0') {
        text_copy(agent->local_name, sizeof(agent->local_name), config->local_name);
    } else {
        fallback_local_name(agent->local_name, sizeof(agent->local_name));
    }
}

static int open_https(struct agent *agent)
{
    char reason[LIMIT_DETAIL_BYTES] = "";
    int error = terminator_new(agent->loop, agent->config, agent_on_page, agent,
                               &agent->terminator);
    if (error == 0) {
        error = agent_refresh_fallback(agent);
    }
    if (error < 0) {
        log_error("HTTPS: can't be set up: %s", error_text(error));
        return error;
    }
    agent_load_trusted(agent);
    if (agent->trusted.cert != NULL &&
        agent->trusted_facts.not_after_at > clock_wall_at()) {
        serve(agent, true);
    }
    agent_owner_open(agent);
    error = terminator_listen(agent->terminator, reason, sizeof(reason));
    if (error < 0) {
        log_error("HTTPS: %s", reason);
        return error;
    }
    const char *what = agent->is_trusted_served ? "trusted" : "fallback";
    if (agent->config->serve.count == 0) {
        log_info("HTTPS: left to others; live/ is to hold the %s certificate", what);
    } else {
        log_info("HTTPS: serving the %s certificate on port %u", what,
                 (unsigned)terminator_port(agent->terminator));
    }
    return 0;
}

/* `latchkey status` and `renew` come by this socket; without it the agent works all the
 * same. */
static void open_control(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    struct address address;
    struct http_server_options options = {
        .max_connections = CONTROL_CONNECTIONS,
        .handshake_s = CONTROL_SECONDS,
        .request_s = CONTROL_SECONDS,
        .idle_s = CONTROL_SECONDS,
        .response_s = CONTROL_SECONDS,
        .max_header_bytes = CONTROL_HEADER_BYTES,
        .max_body_bytes = CONTROL_BODY_BYTES,
    };
    agent_path(agent, "control.sock", path);
    int error = address_parse(path, 0, &address);
    if (error == 0) {
        error = http_server_new(agent->loop, &options, agent_on_control, agent,
                                &agent->control);
    }
    if (error == 0) {
        error = http_server_listen(agent->control, &address, NULL);
    }
    if (error < 0) {
        log_warning("control: can't listen on '%s': %s; 'latchkey status' won't work",
                    path, error == ERROR_IO ? strerror(errno) : error_text(error));
    }
}

static void open_life(struct agent *agent)
{
    struct life_now now = agent_now();
    struct life_certificate certificate = {
        .not_before_at = agent->trusted_facts.not_before_at,
        .not_after_at = agent->trusted_facts.not_after_at,
        .obtained_at = agent->state.obtained_at,
    };
    life_init(&agent->life, random_below,
              agent->trusted.cert != NULL ? &certificate : NULL, &now);
    int64_t hold_s = agent->state.hold_until_at - now.wall_at;
    if (hold_s > HOLD_MAX_S) {
        /* Noted by a clock that was wrong: it would be held anew at each start. */
        hold_s = 0;
    }
    if (hold_s > 0) {
        log_info("order: the relay asked to come back in %lld s", (long long)hold_s);
        life_hold(&agent->life, hold_s, &now);
    }
    if (agent->is_other_relay || agent->candidate.cert != NULL) {
        struct life_event asked = {.kind = LIFE_ASKED};
        life_step(&agent->life, &asked, &now);
    }
    if (agent->is_other_relay) {
        agent_drop_candidate(agent);
        agent->is_other_relay = false;
    }
}

static int open_events(struct agent *agent)
{
    int error = loop_timer_new(agent->loop, on_timer, agent, &agent->timer);
    if (error == 0) {
        error =
            loop_signal_new(agent->loop, SIGTERM, on_signal, agent, &agent->terminate);
    }
    if (error == 0) {
        error = loop_signal_new(agent->loop, SIGINT, on_signal, agent, &agent->interrupt);
    }
    if (error < 0) {
        log_error("can't set up the event loop: %s", error_text(error));
        return error;
    }
    error = agent_network_watch(agent);
    if (error < 0) {
        log_error("can't set up the event loop: %s", error_text(error));
    }
    return error;
}

static int open_agent(struct agent *agent)
{
    int error = loop_new(&agent->loop);
    if (error < 0) {
        log_error("can't set up the event loop: %s", error_text(error));
        return error;
    }
    error =
        worker_session_find(agent->config->worker, agent->worker, sizeof(agent->worker));
    if (error < 0) {
        log_error(
            "worker: its path can't be found; name it as `worker` in the configuration");
        return error;
    }
    error = open_folder(agent);
    if (error == 0) {
        error = open_identity(agent);
    }
    if (error == 0) {
        open_state(agent);
        agent_apps_open(agent);
        open_local_name(agent);
        agent_network_open(agent);
    }
    if (error == 0) {
        error = agent_live_open(agent);
    }
    if (error == 0) {
        agent_pages_open(agent);
        error = open_https(agent);
    }
    if (error == 0) {
        error = open_events(agent);
    }
    if (error == 0) {
        agent_diagnosis_open(agent);
    }
    return error;
}

static void open_features(struct agent *agent)
{
    for (size_t i = 0; agent_features[i] != NULL; i++) {
        if (agent_features[i]->open != NULL) {
            agent_features[i]->open(agent);
        }
    }
}

static void close_agent(struct agent *agent)
{
    char path[AGENT_PATH_CAPACITY];
    worker_session_free(agent->session);
    agent_live_close(agent);
    agent_owner_close(agent);
    for (size_t i = 0; agent_features[i] != NULL; i++) {
        if (agent_features[i]->close != NULL) {
            agent_features[i]->close(agent);
        }
    }
    agent_network_close(agent);
    agent_diagnosis_close(agent);
    if (agent->control != NULL) {
        http_server_free(agent->control);
        agent_path(agent, "control.sock", path);
        unlink(path);
    }
    agent_pages_close(agent);
    terminator_free(agent->terminator);
    if (agent->terminate != NULL) {
        loop_signal_free(agent->terminate);
    }
    if (agent->interrupt != NULL) {
        loop_signal_free(agent->interrupt);
    }
    if (agent->timer != NULL) {
        loop_timer_free(agent->timer);
    }
    loop_free(agent->loop);
    bundle_free(&agent->fallback);
    bundle_free(&agent->trusted);
    bundle_free(&agent->candidate);
    agent_relay_close(agent);
    buffer_free(&agent->endorsement);
    agent_state_free(&agent->state);
    identity_free(&agent->identity);
    identity_source_close(&agent->identity_source);
    if (agent->lock_fd >= 0) {
        close(agent->lock_fd);
    }
}

int agent_run(const struct device_config *config)
{
    static const struct rlimit no_core = {0, 0};
    struct agent agent = {.config = config, .lock_fd = -1};
    /* Keys must not end in a core file, and nothing of ours is for others to read. */
    setrlimit(RLIMIT_CORE, &no_core);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    int error = open_agent(&agent);
    if (error == 0) {
        open_control(&agent);
        open_features(&agent);
        open_life(&agent);
        agent_plan(&agent);
        error = loop_run(agent.loop);
        agent_clock_close(&agent);
    }
    close_agent(&agent);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The view is locked for each row alone, never while the disk is asked: a store that
 * hangs must not keep answers from being made. The first reading happens before anything is
 * served. */
#include "relay/nameserver/nameserver_zone.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/nameserver/nameserver_template.h"
#include "relay/nameserver/snapshot.h"
#include "relay/store/place.h"

#include <stdlib.h>

enum {
    SNAPSHOT_MS = 5000,  /* between two snapshots, when something changed */
    SNAPSHOT_SHARE = 50, /* but at most this part of our time goes into writing them */
    DEVICES_MAX = 4000000,
    CHALLENGES_MAX = 100000,
};

static void lock_view(struct nameserver_zone *zone)
{
    if (zone->listen != NULL) {
        dns_listen_lock(zone->listen);
    }
}

static void unlock_view(struct nameserver_zone *zone)
{
    if (zone->listen != NULL) {
        dns_listen_unlock(zone->listen);
    }
}

static int put_challenge(void *arg, const char *name, const char *value,
                         int64_t expires_at, bool gone)
{
    struct nameserver_zone *zone = arg;
    int64_t now_at = clock_wall_at();
    lock_view(zone);
    int result =
        gone || expires_at <= now_at
            ? dns_view_end_challenge(&zone->view, name, value)
            : dns_view_put_challenge(&zone->view, name, value, expires_at, now_at);
    unlock_view(zone);
    return result;
}

static int put_addresses(void *arg, const char *id, const char *addresses)
{
    struct nameserver_zone *zone = arg;
    lock_view(zone);
    int result = dns_view_put_addresses(&zone->view, id, addresses);
    unlock_view(zone);
    return result;
}

static int put_certificate(void *arg, const char *id, int64_t holds_id_until_at)
{
    struct nameserver_zone *zone = arg;
    lock_view(zone);
    int result = dns_view_put_certificate(&zone->view, id, holds_id_until_at);
    unlock_view(zone);
    return result;
}

static int put_block(void *arg, const char *id, bool blocked)
{
    struct nameserver_zone *zone = arg;
    lock_view(zone);
    int result = dns_view_put_block(&zone->view, id, blocked);
    unlock_view(zone);
    return result;
}

static int put_caa(void *arg, const char *ca, const char *value)
{
    struct nameserver_zone *zone = arg;
    lock_view(zone);
    int result = dns_view_put_caa(&zone->view, ca, value);
    unlock_view(zone);
    return result;
}

static void forget(void *arg, enum follower_source source)
{
    struct nameserver_zone *zone = arg;
    struct dns_view_forget forget = {.front = source == FOLLOWER_FRONT,
                                     .issuer = source == FOLLOWER_ISSUER,
                                     .admin = source == FOLLOWER_ADMIN};
    bool more = true;
    while (more) {
        lock_view(zone);
        more = dns_view_forget(&zone->view, &forget);
        unlock_view(zone);
    }
}

static void write_snapshot(struct nameserver_zone *zone)
{
    struct follower_seen seen = follower_seen(zone->follower);
    int64_t start_mono_ms = clock_mono_ms();
    int result = snapshot_write(zone->snapshot_path, &zone->view, &seen);
    if (result != 0 && !zone->snapshot_failed) {
        log_warning("can't write '%s' (%s): after a restart without the store nothing "
                    "published is "
                    "known",
                    zone->snapshot_path, error_text(result));
    }
    zone->snapshot_failed = result != 0;
    zone->snapshot_due = false;
    int64_t now_mono_ms = clock_mono_ms();
    int64_t pause_ms = (now_mono_ms - start_mono_ms) * SNAPSHOT_SHARE;
    zone->snapshot_mono_ms =
        now_mono_ms + (pause_ms > SNAPSHOT_MS ? pause_ms : SNAPSHOT_MS);
}

void nameserver_zone_poll(struct nameserver_zone *zone)
{
    bool changed = false;
    int64_t now_mono_ms = clock_mono_ms();
    follower_poll(zone->follower, now_mono_ms, &changed);
    zone->snapshot_due = zone->snapshot_due || changed;
    /* Only this thread changes the view, so it may be read without the lock. */
    if (zone->snapshot_due && now_mono_ms >= zone->snapshot_mono_ms) {
        write_snapshot(zone);
    }
}

static struct lanname_policy policy_of(const struct relay_config *config)
{
    return (struct lanname_policy){.shared = config->dns_shared,
                                   .loopback = config->dns_loopback};
}

static int make_view(struct nameserver_zone *zone, const struct relay_config *config)
{
    struct lanname_policy policy = policy_of(config);
    return dns_view_init(&zone->view, zone->template, &policy, DEVICES_MAX,
                         CHALLENGES_MAX);
}

static int load_snapshot(struct nameserver_zone *zone, const struct relay_config *config,
                         struct follower_seen *ret_seen)
{
    int result = snapshot_read(zone->snapshot_path, &zone->view, ret_seen);
    if (result == 0) {
        log_info("starting from '%s': %zu devices", zone->snapshot_path,
                 zone->view.devices.count);
        return 0;
    }
    if (result != ERROR_NOT_FOUND) {
        log_warning("ignoring '%s' (%s): reading the whole store instead",
                    zone->snapshot_path, error_text(result));
    }
    *ret_seen = (struct follower_seen){{0}};
    dns_view_free(&zone->view);
    return make_view(zone, config);
}

static int open_store(struct nameserver_zone *zone, const struct relay_config *config)
{
    struct follower_seen seen;
    struct follower_sink sink = {
        .challenge = put_challenge,
        .addresses = put_addresses,
        .certificate = put_certificate,
        .block = put_block,
        .caa = put_caa,
        .forget = forget,
        .arg = zone,
    };
    int result = load_snapshot(zone, config, &seen);
    if (result == 0) {
        result = follower_new(zone->store, zone->name, &seen, &sink, &zone->follower);
    }
    if (result == 0) {
        nameserver_zone_poll(zone); /* known before the first question */
    }
    return result;
}

int nameserver_zone_new(const struct relay_config *config, const char *snapshot_name,
                        struct nameserver_zone **ret_zone)
{
    struct nameserver_zone *zone = calloc(1, sizeof(*zone));
    if (zone == NULL) {
        return ERROR_MEMORY;
    }
    int result = text_copy(zone->name, sizeof(zone->name), config->zone) &&
                         text_copy(zone->store, sizeof(zone->store), config->store)
                     ? place_path(config->store, "dns", snapshot_name,
                                  zone->snapshot_path, sizeof(zone->snapshot_path))
                     : ERROR_LIMIT;
    if (result == 0) {
        result = nameserver_template_make(config, &zone->template);
    }
    if (result == 0) {
        result = make_view(zone, config);
    }
    if (result == 0) {
        result = open_store(zone, config);
    }
    if (result != 0) {
        nameserver_zone_free(zone);
        return result;
    }
    *ret_zone = zone;
    return 0;
}

int nameserver_zone_reload(struct nameserver_zone *zone,
                           const struct relay_config *config)
{
    struct lanname_policy policy = policy_of(config);
    struct dns_template *template = NULL;
    int result = nameserver_template_make(config, &template);
    if (result != 0) {
        return result;
    }
    struct dns_template *old = zone->template;
    bool is_other_policy = policy.shared != zone->view.policy.shared ||
                           policy.loopback != zone->view.policy.loopback;
    lock_view(zone);
    zone->template = template;
    zone->view.template = template;
    zone->view.policy = policy;
    unlock_view(zone);
    dns_template_free(old);
    if (is_other_policy) {
        follower_reread(zone->follower, FOLLOWER_FRONT); /* what was left out may count */
    }
    return 0;
}

void nameserver_zone_free(struct nameserver_zone *zone)
{
    if (zone == NULL) {
        return;
    }
    if (zone->follower != NULL && zone->snapshot_due) {
        write_snapshot(zone);
    }
    follower_free(zone->follower);
    dns_view_free(&zone->view);
    dns_template_free(zone->template);
    free(zone);
}

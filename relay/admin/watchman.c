#include "relay/admin/watchman.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/admin/admin_output.h"
#include "relay/admin/exposition.h"
#include "relay/store/ca_store.h"
#include "relay/store/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 2000,
    DAY_S = 86400,
    BACKUP_S = 2 * DAY_S,
    CERTIFICATE_S = 10 * DAY_S,
    DELEGATION_S = 3600,
    PATH_CAPACITY = 512,
    SERIES_CAPACITY = 320,
};

struct watchman_zone {
    const struct relay_config *config;
    struct dashboard_check delegation;
};

struct watchman {
    struct loop *loop;
    const struct relay_config *config;
    struct observer *observer;
    struct errand *errand;
    const struct dashboard_check *ct;
    struct loop_timer *timer;
    struct watchman_zone zones[RELAY_CONFIG_ZONES_MAX]; /* in the configuration's order */
    struct alert_zone alerts[RELAY_CONFIG_ZONES_MAX];   /* of the same */
    size_t zone_count;
    enum alert_kind telling; /* of what the command is told now; ALERT_COUNT: nothing */
    size_t telling_zone;
    size_t checking_zone; /* whose delegation is looked at; zone_count: nobody's */
    char path[PATH_CAPACITY];
    bool complained; /* that the file can't be written */
};

/* ---- what holds ---- */

static bool judge_issuing(const struct observer_facts *facts,
                          const struct observer_counts *counts, struct alert_set *alerts)
{
    char text[ALERT_TEXT_CAPACITY];
    bool holds = facts->has_store && counts->issued_day == 0 &&
                 counts->orders_day + counts->waiting > 0;
    snprintf(text, sizeof(text),
             "no certificate was issued in 24 hours, though %lld orders came and %lld "
             "devices wait",
             (long long)counts->orders_day, (long long)counts->waiting);
    return alert_update(alerts, ALERT_NOTHING_ISSUED, holds, text, facts->now_at);
}

static bool judge_account(const struct observer_facts *facts, const char *zone,
                          const struct observer_counts *counts, struct alert_set *alerts)
{
    const struct observer_role *issuer = &facts->roles[OBSERVER_ISSUER];
    const char *text = "the account at the CA is refused";
    char series[SERIES_CAPACITY];
    double refused = 0;
    snprintf(series, sizeof(series), "latchkey_ca_account_refused{zone=\"%s\"}", zone);
    if (!exposition_value(buffer_bytes(&issuer->metrics), series, &refused)) {
        return false; /* nobody knows: as it was */
    }
    if (ca_store_is_refused(counts->ca_state)) {
        text = counts->ca_reason;
    } else if (issuer->reason[0] != '\0') {
        text = issuer->reason; /* the store is counted once a minute */
    }
    return alert_update(alerts, ALERT_ACCOUNT, refused > 0, text, facts->now_at);
}

static bool judge_store(const struct observer_facts *facts, struct alert_set *alerts)
{
    char text[ALERT_TEXT_CAPACITY];
    bool changed = false;
    /* Ends a little later than it begins, so that nobody is told each minute of a disk that is
     * just at its mark. */
    double mark = alerts->at[ALERT_DISK].is_active ? 0.12 : 0.1;
    snprintf(text, sizeof(text), "the store's disk has %.0f %% left (%.0f MiB)",
             facts->disk_free * 100, facts->disk_free_bytes / (1 << 20));
    changed |= alert_update(alerts, ALERT_DISK,
                            facts->disk_free_bytes > 0 && facts->disk_free < mark, text,
                            facts->now_at);
    bool old = facts->has_backups && facts->all.has_history &&
               facts->now_at - facts->backup_at > BACKUP_S;
    snprintf(text, sizeof(text), "the last backup is %lld days old",
             (long long)((facts->now_at - facts->backup_at) / DAY_S));
    changed |= alert_update(alerts, ALERT_BACKUP, old,
                            facts->backup_at == 0 ? "there was never a backup" : text,
                            facts->now_at);
    return changed;
}

static bool judge_certificates(const struct observer_counts *counts, int64_t now_at,
                               struct alert_set *alerts)
{
    char text[ALERT_TEXT_CAPACITY];
    int64_t quarter_s = (counts->relay_not_after_at - counts->relay_not_before_at) / 4;
    int64_t early_s = quarter_s < CERTIFICATE_S ? quarter_s : CERTIFICATE_S;
    int64_t left_s = counts->relay_not_after_at - now_at;
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];
    bool changed = false;
    snprintf(
        text, sizeof(text),
        "%lld certificates expired while their device was awake, that of %s among them",
        (long long)counts->expired_awake, counts->expired_id);
    changed |=
        alert_update(alerts, ALERT_EXPIRED, counts->expired_awake > 0, text, now_at);
    admin_output_span(left_s < 0 ? -left_s : left_s, span);
    snprintf(text, sizeof(text),
             left_s < 0 ? "the relay's own certificate ended %s ago"
                        : "the relay's own certificate ends in %s",
             span);
    changed |=
        alert_update(alerts, ALERT_RELAY_CERTIFICATE,
                     counts->relay_not_after_at != 0 && left_s < early_s, text, now_at);
    return changed;
}

static bool judge_roles(const struct observer_facts *facts, struct alert_set *alerts)
{
    static const enum alert_kind kinds[OBSERVER_ROLES] = {
        [OBSERVER_FRONT] = ALERT_FRONT_DOWN,
        [OBSERVER_ISSUER] = ALERT_ISSUER_DOWN,
        [OBSERVER_DNS] = ALERT_DNS_DOWN,
    };
    bool changed = false;
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        const struct observer_role *role = &facts->roles[i];
        char text[ALERT_TEXT_CAPACITY];
        snprintf(text, sizeof(text), "the role '%s' does not answer", role->name);
        changed |= alert_update(alerts, kinds[i],
                                role->is_asked && role->is_known && !role->is_up, text,
                                facts->now_at);
    }
    return changed;
}

bool watchman_judge_relay(const struct observer_facts *facts,
                          const struct dashboard_check *ct, struct alert_set *alerts)
{
    bool changed = judge_store(facts, alerts);
    changed |= judge_roles(facts, alerts);
    if (ct->at != 0) {
        changed |= alert_update(alerts, ALERT_CT, !ct->is_good, ct->text, facts->now_at);
    }
    return changed;
}

bool watchman_judge_zone(const struct observer_facts *facts, const char *zone,
                         const struct observer_counts *counts,
                         const struct dashboard_check *delegation,
                         struct alert_set *alerts)
{
    bool changed = judge_issuing(facts, counts, alerts);
    changed |= judge_account(facts, zone, counts, alerts);
    changed |= judge_certificates(counts, facts->now_at, alerts);
    if (delegation->at != 0) {
        changed |= alert_update(alerts, ALERT_DELEGATION, !delegation->is_good,
                                delegation->text, facts->now_at);
    }
    return changed;
}

/* ---- telling ---- */

static void save(struct watchman *watchman)
{
    int error = alert_save(watchman->alerts, watchman->zone_count, watchman->path);
    if (error != 0 && !watchman->complained) {
        log_warning("'%s' can't be written (%s): after a restart alerts are told again",
                    watchman->path,
                    error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    watchman->complained = error != 0;
}

static void tell_zone(struct watchman *watchman, size_t zone, enum alert_kind kind,
                      int64_t now_at)
{
    const struct relay_config *config = watchman->zones[zone].config;
    struct alert_set *alerts = &watchman->alerts[zone].alerts;
    struct buffer json = buffer_init(ERRAND_INPUT_MAX);
    int error = alert_message(alerts, kind, config->zone, config->base_url, &json);
    if (error == 0) {
        error = errand_send(watchman->errand, ERRAND_COMMAND, buffer_bytes(&json));
    }
    buffer_free(&json);
    if (error == 0) {
        watchman->telling = kind;
        watchman->telling_zone = zone;
    } else {
        log_error("[alert] command can't be told of '%s': %s", alert_names[kind],
                  error_text(error));
        alert_told(alerts, kind, false, now_at);
    }
}

/* The first thing that is to be told, of whichever zone. */
static void tell(struct watchman *watchman, int64_t now_at)
{
    for (size_t i = 0; i < watchman->zone_count; i++) {
        enum alert_kind kind = alert_next(&watchman->alerts[i].alerts, now_at);
        if (kind != ALERT_COUNT) {
            tell_zone(watchman, i, kind, now_at);
            return;
        }
    }
}

/* The first fault that check-delegation wrote, or its last line when there is none (it could not
 * even begin). */
static struct bytes find_fault(struct bytes output)
{
    static const char failed[] = "FAILED";
    const char *at = (const char *)output.data;
    const char *end = at + output.size;
    struct bytes line = {NULL, 0};
    for (const char *next = NULL; at < end; at = next + 1) {
        next = memchr(at, '\n', (size_t)(end - at));
        next = next != NULL ? next : end;
        line = (struct bytes){(const uint8_t *)at, (size_t)(next - at)};
        if (line.size > strlen(failed) && memcmp(at, failed, strlen(failed)) == 0) {
            line.data += strlen(failed);
            line.size -= strlen(failed);
            break;
        }
    }
    for (; line.size > 0 && line.data[0] == ' '; line.size--) {
        line.data++;
    }
    return line;
}

/* An answer that was asked for before a reload, of whatever zone, is dropped: it is asked again. */
static void take_delegation(struct watchman *watchman, int status, struct bytes output)
{
    size_t zone = watchman->checking_zone;
    watchman->checking_zone = watchman->zone_count;
    if (zone == watchman->zone_count) {
        return;
    }
    struct dashboard_check *check = &watchman->zones[zone].delegation;
    struct bytes fault = find_fault(output);
    check->at = clock_wall_at();
    if (status != 0 && status != 1) {
        check->is_good =
            true; /* nothing is known: no alert for a check that could not run */
        text_copy(check->text, sizeof(check->text), "the check could not be made");
        return;
    }
    check->is_good = status == 0;
    text_printable(check->text, sizeof(check->text),
                   check->is_good ? "is right" : (const char *)fault.data,
                   check->is_good ? strlen("is right") : fault.size);
}

static void on_errand(enum errand_kind kind, int status, struct bytes output, void *arg)
{
    struct watchman *watchman = arg;
    enum alert_kind told = watchman->telling;
    char text[256];
    if (kind == ERRAND_DELEGATION) {
        take_delegation(watchman, status, output);
        return;
    }
    watchman->telling = ALERT_COUNT;
    if (told == ALERT_COUNT) {
        return;
    }
    if (status != 0) {
        text_printable(text, sizeof(text), (const char *)output.data, output.size);
        log_warning("[alert] command '%s' for '%s' ended with %d: %s",
                    watchman->config->alert_command, alert_names[told], status, text);
    }
    alert_told(&watchman->alerts[watchman->telling_zone].alerts, told, status == 0,
               clock_wall_at());
    save(watchman);
}

static void log_changes(const char *zone, const struct alert_set *before,
                        const struct alert_set *after)
{
    for (size_t i = 0; i < ALERT_COUNT; i++) {
        const struct alert *alert = &after->at[i];
        if (alert->is_active && !before->at[i].is_active) {
            log_warning("alert '%s': %s: %s", alert_names[i], zone, alert->text);
        } else if (!alert->is_active && before->at[i].is_active) {
            log_info("alert '%s' is over: %s", alert_names[i], zone);
        }
    }
}

static bool judge(struct watchman *watchman, const struct observer_facts *facts, size_t i)
{
    const struct watchman_zone *zone = &watchman->zones[i];
    struct alert_set *alerts = &watchman->alerts[i].alerts;
    struct alert_set before = *alerts;
    bool changed = watchman_judge_zone(facts, zone->config->zone, &facts->zones[i],
                                       &zone->delegation, alerts);
    if (i == 0) {
        changed |= watchman_judge_relay(facts, watchman->ct, alerts);
    }
    if (changed) {
        log_changes(zone->config->zone, &before, alerts);
    }
    return changed;
}

/* One zone's, the one that was looked at longest ago, if that is an hour. */
static void check_delegation(struct watchman *watchman, int64_t now_at)
{
    size_t next = 0;
    for (size_t i = 1; i < watchman->zone_count; i++) {
        if (watchman->zones[i].delegation.at < watchman->zones[next].delegation.at) {
            next = i;
        }
    }
    const struct watchman_zone *zone = &watchman->zones[next];
    const char *name = zone->config->zone;
    if (zone->delegation.is_on && now_at - zone->delegation.at >= DELEGATION_S &&
        errand_send(watchman->errand, ERRAND_DELEGATION,
                    (struct bytes){(const uint8_t *)name, strlen(name)}) == 0) {
        watchman->checking_zone = next;
    }
}

static void on_look(void *arg)
{
    struct watchman *watchman = arg;
    const struct observer_facts *facts = observer_facts(watchman->observer);
    bool changed = false;
    for (size_t i = 0; i < watchman->zone_count; i++) {
        changed |= judge(watchman, facts, i);
    }
    if (changed) {
        save(watchman);
    }
    if (!errand_is_busy(watchman->errand) && watchman->config->alert_command[0] != '\0') {
        tell(watchman, facts->now_at);
    }
    if (!errand_is_busy(watchman->errand)) {
        check_delegation(watchman, facts->now_at);
    }
    loop_timer_set(watchman->timer, LOOK_MS);
}

static void take_zones(struct watchman *watchman)
{
    for (const struct relay_config *at = watchman->config;
         at != NULL && watchman->zone_count < RELAY_CONFIG_ZONES_MAX; at = at->next) {
        size_t i = watchman->zone_count++;
        watchman->zones[i].config = at;
        watchman->zones[i].delegation.is_on = at->alert_delegation;
        watchman->alerts[i] = (struct alert_zone){.zone = at->zone};
    }
}

int watchman_new(struct loop *loop, const struct relay_config *config,
                 struct observer *observer, struct errand *errand,
                 const struct dashboard_check *ct, struct watchman **ret_watchman)
{
    struct watchman *watchman = calloc(1, sizeof(*watchman));
    if (watchman == NULL) {
        return ERROR_MEMORY;
    }
    watchman->loop = loop;
    watchman->config = config;
    watchman->observer = observer;
    watchman->errand = errand;
    watchman->ct = ct;
    watchman->telling = ALERT_COUNT;
    take_zones(watchman);
    int error = place_path(config->store, "admin", "alerts.json", watchman->path,
                           sizeof(watchman->path));
    if (error == 0) {
        error = alert_load(watchman->path, watchman->alerts, watchman->zone_count);
        if (error != 0) {
            log_warning("ignoring '%s' (%s): alerts that hold are told again",
                        watchman->path, error_text(error));
            watchman->zone_count = 0;
            take_zones(watchman);
            error = 0;
        }
    }
    watchman->checking_zone = watchman->zone_count;
    if (error == 0) {
        error = errand_watch(errand, loop, on_errand, watchman);
    }
    if (error == 0) {
        error = loop_timer_new(loop, on_look, watchman, &watchman->timer);
    }
    if (error != 0) {
        watchman_free(watchman);
        return error;
    }
    loop_timer_set(watchman->timer, LOOK_MS);
    *ret_watchman = watchman;
    return 0;
}

void watchman_free(struct watchman *watchman)
{
    if (watchman == NULL) {
        return;
    }
    loop_timer_free(watchman->timer);
    free(watchman);
}

size_t watchman_zone_count(const struct watchman *watchman)
{
    return watchman->zone_count;
}

const struct alert_zone *watchman_alerts(const struct watchman *watchman)
{
    return watchman->alerts;
}

const struct dashboard_check *watchman_delegation(const struct watchman *watchman,
                                                  const char *zone)
{
    size_t i = 0;
    while (i + 1 < watchman->zone_count &&
           strcmp(watchman->zones[i].config->zone, zone) != 0) {
        i++;
    }
    return &watchman->zones[i].delegation;
}

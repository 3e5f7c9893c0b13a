/* A zone within another zone is refused rather than served by longest match: the outer
 * zone would need a delegation to the inner one, and a host name of one could be a device
 * of the other. */
#include "relay/relay_config_zones.h"

#include "base/core/text.h"

#include <inttypes.h>
#include <string.h>

/* Files of further zones have it in their names ("ca-account-<zone>_new.key"), of which a backup
 * takes up to 99 characters. */
enum { FURTHER_ZONE_MAX = 80 };

bool relay_config_zones_is_below(const char *name, const char *zone)
{
    size_t name_size = strlen(name);
    size_t zone_size = strlen(zone);
    return name_size >= zone_size && strcmp(name + name_size - zone_size, zone) == 0 &&
           (name_size == zone_size || name[name_size - zone_size - 1] == '.');
}

static int compare_names(const struct relay_config *a, const struct relay_config *b,
                         struct buffer *report)
{
    if (strcmp(a->zone, b->zone) == 0) {
        buffer_printf(report, "%s: [relay] zone = '%s': is the zone of '%s' already\n",
                      b->path, b->zone, a->path);
        return ERROR_SYNTAX;
    }
    const char *below = relay_config_zones_is_below(b->zone, a->zone)   ? b->zone
                        : relay_config_zones_is_below(a->zone, b->zone) ? a->zone
                                                                        : NULL;
    if (below != NULL) {
        buffer_printf(
            report,
            "%s: [relay] zone = '%s': one of it and '%s' of '%s' lies below the "
            "other, so that a name could belong to both; take names side by "
            "side\n",
            b->path, b->zone, a->zone, a->path);
        return ERROR_SYNTAX;
    }
    return 0;
}

const char *relay_config_zones_base(const struct relay_config *config, size_t index)
{
    if (index == 0) {
        return config->base_url;
    }
    return index <= config->base_url_aliases.count
               ? config->base_url_aliases.at[index - 1]
               : NULL;
}

/* Base URLs are told apart by host and path; the port that a client sees is no part of
 * what reaches us behind a forwarded port. */
static bool is_same_base(const char *a, const char *b)
{
    size_t a_size = strcspn(a + strlen("https://"), ":/");
    size_t b_size = strcspn(b + strlen("https://"), ":/");
    const char *a_path = strchr(a + strlen("https://"), '/');
    const char *b_path = strchr(b + strlen("https://"), '/');
    return a_size == b_size &&
           strncmp(a + strlen("https://"), b + strlen("https://"), a_size) == 0 &&
           strcmp(a_path != NULL ? a_path : "", b_path != NULL ? b_path : "") == 0;
}

static int compare_bases(const struct relay_config *a, const struct relay_config *b,
                         struct buffer *report)
{
    int result = 0;
    for (size_t i = 0; relay_config_zones_base(b, i) != NULL; i++) {
        /* Within one zone each pair is looked at once. */
        for (size_t j = 0; relay_config_zones_base(a, j) != NULL && (a != b || j < i);
             j++) {
            if (!is_same_base(relay_config_zones_base(a, j),
                              relay_config_zones_base(b, i))) {
                continue;
            }
            buffer_printf(report,
                          "%s: [relay] %s = '%s': host and path are those of '%s' of "
                          "'%s' already\n",
                          b->path, i == 0 ? "base_url" : "base_url_aliases",
                          relay_config_zones_base(b, i), relay_config_zones_base(a, j),
                          a->path);
            result = ERROR_SYNTAX;
        }
    }
    return result;
}

static int check_length(const struct relay_config *main_config,
                        const struct relay_config *zone, struct buffer *report)
{
    if (zone == main_config || strlen(zone->zone) <= FURTHER_ZONE_MAX) {
        return 0;
    }
    buffer_printf(report,
                  "%s: [relay] zone = '%s': must be at most %d characters, as files are "
                  "named after it; or make it the main file's zone\n",
                  zone->path, zone->zone, FURTHER_ZONE_MAX);
    return ERROR_SYNTAX;
}

int relay_config_zones_compare(const struct relay_config *main_config,
                               struct buffer *report)
{
    int result = 0;
    for (const struct relay_config *b = main_config; b != NULL; b = b->next) {
        if (check_length(main_config, b, report) != 0) {
            result = ERROR_SYNTAX;
        }
        for (const struct relay_config *a = main_config; a != b; a = a->next) {
            int names = compare_names(a, b, report);
            int bases = compare_bases(a, b, report);
            result = names != 0 || bases != 0 ? ERROR_SYNTAX : result;
        }
        if (compare_bases(b, b, report) != 0) {
            result = ERROR_SYNTAX;
        }
    }
    return result;
}

static bool is_counted_with(const struct relay_config *a, const struct relay_config *b)
{
    return a->budgets && b->budgets &&
           strcmp(a->registered_domain, b->registered_domain) == 0 &&
           strcmp(a->ca_directory, b->ca_directory) == 0;
}

static uint64_t burst_of(const struct relay_config *config)
{
    uint64_t week = config->budget_certificates_week;
    uint64_t burst = config->budget_certificates_burst;
    return burst == 0 || burst > week ? week : burst;
}

struct relay_config_share relay_config_zones_share(const struct relay_config *config)
{
    struct relay_config_share share = {.week = config->budget_certificates_week,
                                       .burst = burst_of(config)};
    for (const struct relay_config *at = config->first; at != NULL; at = at->next) {
        if (strcmp(at->zone, config->zone) == 0 || !is_counted_with(at, config)) {
            continue;
        }
        if (share.other_count < RELAY_CONFIG_ZONES_MAX - 1) {
            share.others[share.other_count++] = at->zone;
        }
        if (at->budget_certificates_week < share.week) {
            share.week = at->budget_certificates_week;
        }
        if (burst_of(at) < share.burst) {
            share.burst = burst_of(at);
        }
    }
    return share;
}

static void warn_pair(const struct relay_config *a, const struct relay_config *b,
                      struct buffer *report)
{
    if (!is_counted_with(a, b)) {
        return;
    }
    if (a->is_domain_guessed || b->is_domain_guessed) {
        buffer_printf(
            report,
            "%s: warning: '%s' and '%s' share one budget of new certificates, as "
            "both are below '%s'; say it by [issuer] registered_domain, or what "
            "is right where a public suffix is longer\n",
            b->path, a->zone, b->zone, b->registered_domain);
    }
    if (a->budget_certificates_week != b->budget_certificates_week ||
        burst_of(a) != burst_of(b)) {
        buffer_printf(
            report,
            "%s: warning: [issuer] certificates_per_week and certificates_burst are "
            "%" PRIu64 " and %" PRIu64 ", for '%s' %" PRIu64 " and %" PRIu64
            ": the CA counts both for '%s', so the lower figures hold for both. If it "
            "gave one account an override, set registered_domain to that zone\n",
            b->path, b->budget_certificates_week, burst_of(b), a->zone,
            a->budget_certificates_week, burst_of(a), b->registered_domain);
    }
}

void relay_config_zones_warn(const struct relay_config *main_config,
                             struct buffer *report)
{
    for (const struct relay_config *b = main_config; b != NULL; b = b->next) {
        for (const struct relay_config *a = main_config; a != b; a = a->next) {
            warn_pair(a, b, report);
        }
    }
}

const struct relay_config *relay_config_zones_find(const struct relay_config *main_config,
                                                   const char *zone,
                                                   struct buffer *report)
{
    for (const struct relay_config *at = main_config; at != NULL; at = at->next) {
        if (text_equal_nocase(at->zone, zone)) {
            return at;
        }
    }
    buffer_printf(report, "'%.200s' is no zone of this relay; its zones are:", zone);
    for (const struct relay_config *at = main_config; at != NULL; at = at->next) {
        buffer_printf(report, "%s %s", at == main_config ? "" : ",", at->zone);
    }
    buffer_append_text(report, "\n");
    return NULL;
}

/* What a running process can't change (sockets, the store) keeps its old value in the new
 * configuration, so that nobody has to ask which of the two holds. */
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/relay_config_value.h"

#include <stdlib.h>
#include <string.h>

enum { REPORT_BYTES_MAX = 64 << 10 };

struct key_name {
    const char *section;
    const char *key;
};

/* The process-wide keys that take effect without a restart ... */
static const struct key_name changeable[] = {
    {"relay", "zone_files"},       {"relay", "log"},    {"front", "certificate_file"},
    {"front", "key_file"},         {"admin", "ct_url"}, {"admin", "ct_ca_file"},
    {"alert", "check_delegation"}, {NULL, NULL},
};

/* ... and those of a zone that don't: what the CA's account is, and keys that are read at
 * the start. */
static const struct key_name fixed[] = {
    {"relay", "host"},
    {"relay", "relay_key_file"},
    {"issuer", "directory"},
    {NULL, NULL},
};

/* The same, but the zone's CA could not be opened with them. */
static const struct key_name of_the_ca[] = {
    {"issuer", "ca_file"}, {"issuer", "ca_name"},      {"issuer", "contact"},
    {"issuer", "eab_kid"}, {"issuer", "eab_key_file"}, {"issuer", "connections"},
    {NULL, NULL},
};

static bool is_listed(const struct conf_row *row, const struct key_name *names)
{
    for (; names->key != NULL; names++) {
        if (strcmp(names->section, row->section) == 0 &&
            strcmp(names->key, row->key) == 0) {
            return true;
        }
    }
    return false;
}

/* CONFIG keeps OLD's value of ROW. A change is said once, by the role that it is about. */
static int keep_value(const struct conf_row *row, const struct relay_config *old,
                      struct relay_config *config, const char *role)
{
    if (relay_config_value_equal(row, old, config)) {
        return 0;
    }
    bool alerts = role != NULL && strcmp(role, "admin") == 0;
    if (role != NULL &&
        (strcmp(row->section, "relay") == 0 || strcmp(row->section, role) == 0 ||
         (alerts && strcmp(row->section, "alert") == 0))) {
        log_warning("reload: %s: [%s] %s: a change needs a restart", config->path,
                    row->section, row->key);
    }
    conf_free(row, 1, config);
    return relay_config_value_copy(row, old, config);
}

static int keep_process_values(const struct relay_config *old,
                               struct relay_config *config, const char *role)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < relay_config_process_row_count; i++) {
        const struct conf_row *row = &relay_config_process_rows[i];
        for (struct relay_config *at = config;
             result == 0 && at != NULL && !is_listed(row, changeable); at = at->next) {
            result = keep_value(row, old, at, at == config ? role : NULL);
        }
    }
    return result;
}

static int keep_zone_values(const struct relay_config *old, struct relay_config *config,
                            const char *role)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < relay_config_zone_row_count; i++) {
        const struct conf_row *row = &relay_config_zone_rows[i];
        if (is_listed(row, fixed) || (!old->is_unused && is_listed(row, of_the_ca))) {
            result = keep_value(row, old, config, role);
        }
    }
    return result;
}

static int keep_values(const struct relay_config *old, struct relay_config *config,
                       const char *role)
{
    int result = keep_process_values(old, config, role);
    for (; result == 0 && config != NULL; config = config->next) {
        const struct relay_config *same = old;
        while (same != NULL && strcmp(same->zone, config->zone) != 0) {
            same = same->next;
        }
        if (same != NULL) {
            result = keep_zone_values(same, config, role);
        }
    }
    return result;
}

/* Each line of REPORT, which is cut up for it. */
static void log_report(const struct buffer *report)
{
    for (const char *at = buffer_text(report); *at != '\0';) {
        size_t size = strcspn(at, "\n");
        log_error("reload: %.*s", (int)size, at);
        at += size + (at[size] == '\n' ? 1 : 0);
    }
}

struct relay_config *relay_config_reload(const struct relay_config *old, const char *role)
{
    struct buffer report = buffer_init(REPORT_BYTES_MAX);
    struct relay_config *config = calloc(1, sizeof(*config));
    int result =
        config == NULL ? ERROR_MEMORY : relay_config_read(old->path, config, &report);
    if (result == 0) {
        result = keep_values(old, config, role);
    }
    log_report(&report);
    buffer_free(&report);
    if (result != 0) {
        log_error("reload: '%s' can't be used (%s): everything stays as it was",
                  old->path, error_text(result));
        if (config != NULL) {
            relay_config_free(config);
            free(config);
        }
        return NULL;
    }
    log_open(role, (enum log_level)config->log);
    log_info("reload: '%s' is read again", old->path);
    return config;
}

struct relay_config *relay_config_detach(struct relay_config **config, const char *zone)
{
    for (; *config != NULL; config = &(*config)->next) {
        struct relay_config *found = *config;
        if (strcmp(found->zone, zone) == 0) {
            *config = found->next;
            found->next = NULL;
            found->first = found;
            return found;
        }
    }
    return NULL;
}

void relay_config_replace(struct relay_config **config, struct relay_config *new_config)
{
    if (*config != NULL) {
        relay_config_free(*config);
        free(*config);
    }
    *config = new_config;
}

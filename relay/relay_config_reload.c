/* What a running process can't change (sockets, the store) keeps its old value in the new
 * configuration, so that nobody has to ask which of the two holds. */
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/relay_config_value.h"

#include <stdlib.h>
#include <string.h>

enum { REPORT_BYTES_MAX = 64 << 10 };

/* The process-wide keys that take effect without a restart. */
static const char *const changeable[][2] = {
    {"relay", "zone_files"},
    {"relay", "log"},
    {"front", "certificate_file"},
    {"front", "key_file"},
};

static bool is_changeable(const struct conf_row *row)
{
    for (size_t i = 0; i < sizeof(changeable) / sizeof(changeable[0]); i++) {
        if (strcmp(changeable[i][0], row->section) == 0 &&
            strcmp(changeable[i][1], row->key) == 0) {
            return true;
        }
    }
    return false;
}

static int keep_value(const struct conf_row *row, const struct relay_config *old,
                      struct relay_config *config)
{
    int result = 0;
    for (; result == 0 && config != NULL; config = config->next) {
        conf_free(row, 1, config);
        result = relay_config_value_copy(row, old, config);
    }
    return result;
}

static int keep_process_values(const struct relay_config *old,
                               struct relay_config *config, const char *role)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < relay_config_process_row_count; i++) {
        const struct conf_row *row = &relay_config_process_rows[i];
        if (is_changeable(row) || relay_config_value_equal(row, old, config)) {
            continue;
        }
        if (strcmp(row->section, "relay") == 0 || strcmp(row->section, role) == 0) {
            log_warning("reload: %s: [%s] %s: a change needs a restart", config->path,
                        row->section, row->key);
        }
        result = keep_value(row, old, config);
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
        result = keep_process_values(old, config, role);
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

void relay_config_replace(struct relay_config **config, struct relay_config *new_config)
{
    relay_config_free(*config);
    free(*config);
    *config = new_config;
}

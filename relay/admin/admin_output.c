#include "relay/admin/admin_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 1 << 20, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

int admin_output_line(json_t *object)
{
    struct buffer text = buffer_init(LINE_BYTES);
    int error = object == NULL ? ERROR_MEMORY : json_dump(object, &text);

    if (error == 0 && puts(buffer_text(&text)) == EOF) {
        error = ERROR_IO;
    }
    json_decref(object);
    buffer_free(&text);
    return error;
}

int admin_output_time(json_t *object, const char *key, int64_t at)
{
    char text[TEXT_TIME_CAPACITY];

    if (at == 0) {
        return 0;
    }
    text_time(at, text);
    return json_set_text(object, key, text);
}

int admin_output_words(json_t *object, const char *key, const char *text)
{
    json_t *array = json_array();
    int error = array == NULL ? ERROR_MEMORY : 0;

    while (error == 0 && *text != '\0') {
        size_t size = strcspn(text, " ");

        if (json_array_append_new(array, json_stringn(text, size)) != 0) {
            error = ERROR_MEMORY;
        }
        text += size + (text[size] == ' ' ? 1 : 0);
    }
    if (error != 0) {
        json_decref(array);
        return error;
    }
    return json_set_take(object, key, array);
}

void admin_output_others(const struct relay_config_share *share, const char *separator,
                         char ret_text[static ADMIN_OUTPUT_ZONES_CAPACITY])
{
    size_t used = 0;

    ret_text[0] = '\0';
    for (size_t i = 0; i < share->other_count; i++) {
        if (text_format(ret_text + used, ADMIN_OUTPUT_ZONES_CAPACITY - used, "%s%s",
                        i == 0 ? "" : separator, share->others[i])) {
            used += strlen(ret_text + used);
        }
    }
}

int admin_output_share(json_t *object, const struct relay_config *config)
{
    struct relay_config_share share = relay_config_zones_share(config);
    char others[ADMIN_OUTPUT_ZONES_CAPACITY];
    int error = json_set_text(object, "registeredDomain", config->registered_domain);

    admin_output_others(&share, " ", others);
    return error != 0 || share.other_count == 0
               ? error
               : admin_output_words(object, "sharedWith", others);
}

void admin_output_span(int64_t seconds, char ret_text[static ADMIN_OUTPUT_SPAN_CAPACITY])
{
    static const struct {
        int64_t unit_s;
        const char *name;
    } units[] = {{DAY_S, "day"}, {HOUR_S, "hour"}, {MINUTE_S, "minute"}, {1, "second"}};
    size_t i = 0;

    while (i < 3 && seconds < (i == 0 ? 2 * units[i].unit_s : units[i].unit_s)) {
        i++;
    }
    (void)text_format(ret_text, ADMIN_OUTPUT_SPAN_CAPACITY, "%" PRId64 " %s%s",
                      seconds / units[i].unit_s, units[i].name,
                      seconds / units[i].unit_s == 1 ? "" : "s");
}

void admin_output_date(int64_t at, char ret_text[static TEXT_TIME_CAPACITY])
{
    text_time(at, ret_text);
    ret_text[strcspn(ret_text, "T")] = '\0';
}

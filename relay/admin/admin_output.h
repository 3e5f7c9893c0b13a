/* What commands print for programs: one JSON object a line (so that a million rows need no
 * memory), members in camelCase, times in RFC 3339 UTC. And the words for people that several
 * commands share. */
#ifndef RELAY_ADMIN_ADMIN_OUTPUT_H
#define RELAY_ADMIN_ADMIN_OUTPUT_H

#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/relay_config.h"

enum {
    ADMIN_OUTPUT_SPAN_CAPACITY = 24,
    ADMIN_OUTPUT_ZONES_CAPACITY = RELAY_CONFIG_ZONES_MAX * 256,
};

/* Prints OBJECT, which it takes, as one line. A NULL one is ERROR_MEMORY. */
int admin_output_line(json_t *object) MUST_CHECK;
/* Sets KEY to the moment AT; nothing when AT is 0. */
int admin_output_time(json_t *object, const char *key, int64_t at) MUST_CHECK;
/* Sets KEY to an array of the words of TEXT, which have single blanks between. */
int admin_output_words(json_t *object, const char *key, const char *text) MUST_CHECK;
/* Sets `registeredDomain`, and `sharedWith` when other zones share the CA's limit for it. */
int admin_output_share(json_t *object, const struct relay_config *config) MUST_CHECK;
/* The other zones of SHARE, SEPARATOR between; "" when there are none. */
void admin_output_others(const struct relay_config_share *share, const char *separator,
                         char ret_text[static ADMIN_OUTPUT_ZONES_CAPACITY]);
/* "31 days", "5 hours", "40 minutes" for a number of seconds, rounded down. */
void admin_output_span(int64_t seconds, char ret_text[static ADMIN_OUTPUT_SPAN_CAPACITY]);
/* "2026-11-27" of the moment AT. */
void admin_output_date(int64_t at, char ret_text[static TEXT_TIME_CAPACITY]);

#endif

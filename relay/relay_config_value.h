/* Single values of a configuration by their rows. */
#ifndef RELAY_RELAY_CONFIG_VALUE_H
#define RELAY_RELAY_CONFIG_VALUE_H

#include "relay/relay_config.h"

/* The keys that count for the whole process; of the main file alone. */
extern const struct conf_row relay_config_process_rows[];
extern const size_t relay_config_process_row_count;
/* The keys that each zone has of its own. */
extern const struct conf_row relay_config_zone_rows[];
extern const size_t relay_config_zone_row_count;

/* Copies ROW's value, texts included, from one configuration into another where it is not
 * set. ERROR_MEMORY. */
int relay_config_value_copy(const struct conf_row *row, const void *from,
                            void *to) MUST_CHECK;
bool relay_config_value_equal(const struct conf_row *row, const void *a, const void *b);

#endif

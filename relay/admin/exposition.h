/* Reads Prometheus' text format (0.0.4), as the roles tell it. They are asked on loopback, where
 * whoever took the port could answer in their stead: nothing is believed of the text but its
 * numbers. Pure. */
#ifndef RELAY_ADMIN_EXPOSITION_H
#define RELAY_ADMIN_EXPOSITION_H

#include "base/core/reader.h"

#include <stdbool.h>

enum { EXPOSITION_LABEL_CAPACITY = 64 };

/* What a double counts one by one; more is no number, so that whoever reckons with one may take it
 * for a moment or a size. */
#define EXPOSITION_MAX 9007199254740992.0 /* 2^53 */

/* The value of SERIES, written as there: `latchkey_ca_ready`, `latchkey_x{a="b"}`. False when it
 * is not there, or no number up to EXPOSITION_MAX, either side of 0. */
bool exposition_value(struct bytes text, const char *series, double *ret_value);

/* One series of a family with one or two labels: their values, "" when there is no second. */
typedef void exposition_fn(const char *first, const char *second, double value,
                           void *arg);
/* Calls FN for each series of FAMILY that has labels; a value that is too long is cut. */
void exposition_each(struct bytes text, const char *family, exposition_fn *fn, void *arg);

#endif

/* A diagnosis for people at a terminal. */
#ifndef DEVICE_DIAGNOSIS_PRINT_H
#define DEVICE_DIAGNOSIS_PRINT_H

#include "base/core/json.h"

#include <stdio.h>

/* Prints OBJECT (as diagnosis_to_json makes it, perhaps by an agent of another version) to
 * OUT: what is in order in a line each, the rest with what helps. Only printable characters
 * are written. */
void diagnosis_print(const json_t *object, FILE *out);

#endif

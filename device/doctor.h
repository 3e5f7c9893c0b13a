/* A diagnosis for a command: by the running agent, or without one. */
#ifndef DEVICE_DOCTOR_H
#define DEVICE_DOCTOR_H

#include "base/core/json.h"
#include "device/command.h"

/* Asks the agent of OPTIONS' folder for a diagnosis, as diagnosis_to_json makes it; where none
 * runs (*RET_ALONE), starts the worker itself with what the configuration and the folder hold.
 * What fails is printed to standard error. json_decref() *RET_OBJECT. Blocks for a minute at
 * most. */
int doctor_diagnose(const struct command_options *options, bool *ret_alone,
                    json_t **ret_object) MUST_CHECK;

#endif

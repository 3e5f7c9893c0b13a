/* The command line's end of the agent's control socket. */
#ifndef DEVICE_CONTROL_CLIENT_H
#define DEVICE_CONTROL_CLIENT_H

#include "base/core/json.h"

/* Sends "METHOD PATH" to FOLDER/control.sock and reads the JSON of a 200 response;
 * json_decref() it. ERROR_NOT_FOUND when no agent listens there, ERROR_DENIED when the
 * system keeps us out, ERROR_TIMEOUT after ten seconds. Blocks until then. */
int control_client_call(const char *folder, const char *method, const char *path,
                        json_t **ret_object) MUST_CHECK;

/* The same with a body of bytes. */
int control_client_send(const char *folder, const char *path, struct bytes body,
                        json_t **ret_object) MUST_CHECK;

/* The same for a response that may take a while: at most WAIT_S seconds. */
int control_client_wait(const char *folder, const char *method, const char *path,
                        unsigned wait_s, json_t **ret_object) MUST_CHECK;

#endif

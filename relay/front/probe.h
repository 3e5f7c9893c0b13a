/* The extension `probe`: a device asks which of the relay's name servers its own resolver
 * has reached. It looks up probe-<token>.<id>.Z first, then front asks each name server
 * how often that was asked for. */
#ifndef RELAY_FRONT_PROBE_H
#define RELAY_FRONT_PROBE_H

#include "relay/front/request.h"

/* Reads the name servers from the configuration. Free with probe_set_free. ERROR_MEMORY.
 */
int probe_set_new(struct service *service, struct probe_set **ret_set) MUST_CHECK;
/* Asks the name servers that CONFIG says from now on. */
void probe_set_reload(struct probe_set *set, const struct relay_config *config);
/* Not while probes run: http_server_free ends those. */
void probe_set_free(struct probe_set *set);

/* Answers when every server has, or after two seconds. */
void probe_respond(struct request *request);

/* The number in a TXT "seen=<n>"; -1 when it is no such text. */
int64_t probe_read_seen(const char *text);

#endif

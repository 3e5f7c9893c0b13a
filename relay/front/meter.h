/* What front counts, and tells on [front] status_listen. */
#ifndef RELAY_FRONT_METER_H
#define RELAY_FRONT_METER_H

#include "base/net/http_server.h"
#include "relay/front/request.h"

struct front_meter;

/* SERVICES (the list's place) and SERVER are borrowed for the meter's life. Where
 * status_listen can't be had front goes on without, and says so. */
int front_meter_new(struct service *const *services, const struct http_server *server,
                    struct front_meter **ret_meter) MUST_CHECK;
/* Accepts NULL. */
void front_meter_free(struct front_meter *meter);

/* Which resource PATH (as routed) is, for front_meter_response. */
unsigned front_meter_resource(const char *path);
/* REQUEST is being answered with STATUS. METER may be NULL, as below. */
void front_meter_response(struct front_meter *meter, const struct request *request,
                          int status);
void front_meter_problem(struct front_meter *meter, enum acme_problem_type type);

#endif

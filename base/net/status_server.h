/* What a program tells those who watch it, on loopback and in plain HTTP: GET /metrics (its
 * counters, with what the process costs) and GET /healthz (200, or 503 with the reason in
 * words). Nothing secret is told, and nothing can be changed. */
#ifndef BASE_NET_STATUS_SERVER_H
#define BASE_NET_STATUS_SERVER_H

#include "base/core/metrics.h"
#include "base/net/loop.h"

struct status_server;

/* Brings METRICS up to date before they are told: gauges, and what is counted elsewhere. */
typedef void status_server_collect_fn(void *arg);
/* True when all is well; else appends the reason to REASON, a sentence. */
typedef bool status_server_health_fn(void *arg, struct buffer *reason);

/* Borrowed for the server's life. */
struct status_server_options {
    const char *listen;                /* what loopback_parse takes */
    const char *role;                  /* a label: "front" */
    const struct metrics *metrics;     /* may be NULL */
    status_server_collect_fn *collect; /* may be NULL */
    status_server_health_fn *health;   /* NULL: always well */
    void *arg;
};

/* Errors of loopback_parse; ERROR_IO with errno when it can't listen there. */
int status_server_new(struct loop *loop, const struct status_server_options *options,
                      struct status_server **ret_server) MUST_CHECK;
/* Why status_server_new failed, in words; errno must still be its. */
const char *status_server_error_text(int error);
/* Accepts NULL. */
void status_server_free(struct status_server *server);
/* For a port that was given as 0. */
uint16_t status_server_port(const struct status_server *server);

#endif

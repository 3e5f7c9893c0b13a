#include "relay/nameserver/meter.h"

#include "base/core/log.h"
#include "base/net/status_server.h"

#include <stdlib.h>

enum row {
    ROW_QUERIES,
    ROW_TRANSPORTS,
    ROW_TRUNCATED,
    ROW_LIMITED,
    ROW_SILENT,
    ROW_CONNECTIONS,
    ROW_CURRENT,
    ROW_COUNT
};

static const char *const transports[] = {"udp", "tcp", NULL};

static const struct metrics_row rows[ROW_COUNT] = {
    [ROW_QUERIES] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_dns_queries_total",
            .help =
                "Queries that were answered, by what was asked and the answer's rcode.",
            .labels = {{"type", dns_tally_types}, {"rcode", dns_tally_rcodes}},
        },
    [ROW_TRANSPORTS] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_dns_answers_total",
            .help = "Answers by transport.",
            .labels = {{"transport", transports}},
        },
    [ROW_TRUNCATED] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_dns_truncated_total",
            .help = "Answers that were cut (TC): the resolver shall ask over TCP.",
        },
    [ROW_LIMITED] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_dns_limited_total",
            .help = "Queries that were held back because their source asks too much.",
        },
    [ROW_SILENT] =
        {
            .type = METRICS_COUNTER,
            .name = "latchkey_dns_silent_total",
            .help = "Datagrams and messages without an answer: no query, or from port 0.",
        },
    [ROW_CONNECTIONS] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_dns_tcp_connections",
            .help = "Open TCP connections.",
        },
    [ROW_CURRENT] =
        {
            .type = METRICS_GAUGE,
            .name = "latchkey_dns_store_read",
            .help =
                "Whether every file of the store was read since the start (1), or the "
                "answers come from the snapshot (0).",
        },
};

struct nameserver_meter {
    const struct dns_listen *answers;
    nameserver_meter_unreadable_fn *unreadable;
    void *arg;
    struct metrics *metrics;
    struct status_server *server;
};

static void set(struct nameserver_meter *meter, enum row row, double value)
{
    metrics_set(meter->metrics, (struct metrics_at){.row = row}, value);
}

static void set_queries(struct nameserver_meter *meter, const struct dns_tally_sum *udp,
                        const struct dns_tally_sum *tcp)
{
    for (unsigned type = 0; type < DNS_TALLY_TYPE_COUNT; type++) {
        for (unsigned rcode = 0; rcode < DNS_TALLY_RCODE_COUNT; rcode++) {
            uint64_t count = udp->answers[type][rcode] + tcp->answers[type][rcode];
            if (count > 0) {
                metrics_set(meter->metrics,
                            (struct metrics_at){ROW_QUERIES, {type, rcode}},
                            (double)count);
            }
        }
    }
}

static void collect(void *arg)
{
    struct nameserver_meter *meter = arg;
    struct dns_tally_sum udp;
    struct dns_tally_sum tcp;
    const char *name = "";
    dns_listen_tally(meter->answers, &udp, &tcp);
    set_queries(meter, &udp, &tcp);
    metrics_set(meter->metrics, (struct metrics_at){ROW_TRANSPORTS, {0}},
                (double)dns_tally_answer_count(&udp));
    metrics_set(meter->metrics, (struct metrics_at){ROW_TRANSPORTS, {1}},
                (double)dns_tally_answer_count(&tcp));
    set(meter, ROW_TRUNCATED, (double)(udp.truncated + tcp.truncated));
    set(meter, ROW_LIMITED, (double)(udp.limited + tcp.limited));
    set(meter, ROW_SILENT, (double)(udp.silent + tcp.silent));
    set(meter, ROW_CONNECTIONS, dns_listen_connection_count(meter->answers));
    set(meter, ROW_CURRENT, meter->unreadable(meter->arg, &name) ? 0 : 1);
}

static bool is_well(void *arg, struct buffer *reason)
{
    const struct nameserver_meter *meter = arg;
    const char *name = "";
    if (meter->unreadable(meter->arg, &name)) {
        buffer_printf(reason, "%s can't be read: answering from what was seen before",
                      name);
        return false;
    }
    return true;
}

int nameserver_meter_new(struct loop *loop, const char *listen_at,
                         const struct dns_listen *answers,
                         nameserver_meter_unreadable_fn *unreadable, void *arg,
                         struct nameserver_meter **ret_meter)
{
    if (listen_at[0] == '\0') {
        *ret_meter = NULL;
        return 0;
    }
    struct nameserver_meter *meter = calloc(1, sizeof(*meter));
    if (meter == NULL) {
        return ERROR_MEMORY;
    }
    meter->answers = answers;
    meter->unreadable = unreadable;
    meter->arg = arg;
    int error = metrics_new(rows, ROW_COUNT, &meter->metrics);
    if (error != 0) {
        nameserver_meter_free(meter);
        return error;
    }
    struct status_server_options options = {
        .listen = listen_at,
        .role = "dns",
        .metrics = meter->metrics,
        .collect = collect,
        .health = is_well,
        .arg = meter,
    };
    error = status_server_new(loop, &options, &meter->server);
    if (error != 0) {
        log_warning("[dns] status_listen = '%s': %s; going on without it", listen_at,
                    status_server_error_text(error));
    }
    *ret_meter = meter;
    return 0;
}

void nameserver_meter_free(struct nameserver_meter *meter)
{
    if (meter == NULL) {
        return;
    }
    status_server_free(meter->server);
    metrics_free(meter->metrics);
    free(meter);
}

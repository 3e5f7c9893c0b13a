/* The files of /proc are opened at the start: a sandbox may forbid it later. */
#include "base/net/status_server.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/net/http_server.h"
#include "base/net/loopback.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 16,
    DEADLINE_S = 5,
    HEADER_BYTES_MAX = 8 << 10,
    REASON_BYTES = 1 << 10,
};

enum {
    PROCESS_BUILD,
    PROCESS_START,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_FDS,
    PROCESS_COUNT
};

struct status_server {
    struct status_server_options options;
    struct http_server *http;
    struct metrics *process;
    const char *roles[2];
    const char *versions[2];
    struct metrics_row rows[PROCESS_COUNT];
    int memory_fd; /* /proc/self/statm; -1: none */
    DIR *fds;      /* /proc/self/fd; NULL: none */
    uint16_t port;
};

static void describe_process(struct status_server *server)
{
    server->roles[0] = server->options.role;
    server->versions[0] = LATCHKEY_VERSION;
    server->rows[PROCESS_BUILD] = (struct metrics_row){
        .type = METRICS_GAUGE,
        .name = "latchkey_build_info",
        .help = "The program's version and the role that it plays; always 1.",
        .labels = {{"role", server->roles}, {"version", server->versions}},
    };
    server->rows[PROCESS_START] = (struct metrics_row){
        .type = METRICS_GAUGE,
        .name = "process_start_time_seconds",
        .help = "When the process started, in seconds since 1970.",
    };
    server->rows[PROCESS_CPU] = (struct metrics_row){
        .type = METRICS_COUNTER,
        .name = "process_cpu_seconds_total",
        .help = "Processor time spent, in user and system mode.",
    };
    server->rows[PROCESS_MEMORY] = (struct metrics_row){
        .type = METRICS_GAUGE,
        .name = "process_resident_memory_bytes",
        .help = "Memory that is in RAM.",
    };
    server->rows[PROCESS_FDS] = (struct metrics_row){
        .type = METRICS_GAUGE,
        .name = "process_open_fds",
        .help = "Open descriptors.",
    };
}

static void measure_memory(struct status_server *server)
{
    char text[128] = "";
    uint64_t pages = 0;
    ssize_t size =
        server->memory_fd >= 0 ? pread(server->memory_fd, text, sizeof(text) - 1, 0) : -1;
    if (size <= 0) {
        return;
    }
    text[size] = '\0';
    char *resident = strchr(text, ' '); /* the second number (proc(5)) */
    if (resident == NULL) {
        return;
    }
    resident++;
    resident[strcspn(resident, " ")] = '\0';
    if (text_u64(resident, UINT32_MAX, &pages) == 0) {
        metrics_set(server->process, (struct metrics_at){.row = PROCESS_MEMORY},
                    (double)pages * (double)sysconf(_SC_PAGESIZE));
    }
}

static void measure_fds(struct status_server *server)
{
    unsigned count = 0;
    if (server->fds == NULL) {
        return;
    }
    rewinddir(server->fds);
    for (struct dirent *entry = readdir(server->fds); entry != NULL;
         entry = readdir(server->fds)) {
        count += entry->d_name[0] != '.' ? 1 : 0;
    }
    metrics_set(server->process, (struct metrics_at){.row = PROCESS_FDS}, count);
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void measure_process(struct status_server *server)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        metrics_set(server->process, (struct metrics_at){.row = PROCESS_CPU},
                    seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime));
    }
    measure_memory(server);
    measure_fds(server);
}

static void respond(struct http_exchange *exchange, int status, const char *type,
                    const char *text)
{
    http_exchange_add_header(exchange, "Cache-Control", "no-store");
    http_exchange_add_header(exchange, "X-Content-Type-Options", "nosniff");
    http_exchange_respond(exchange, status, type, text, strlen(text));
}

static const char plain[] = "text/plain; charset=utf-8";

static void tell_metrics(struct status_server *server, struct http_exchange *exchange)
{
    struct buffer text = buffer_init(METRICS_TEXT_BYTES);
    if (server->options.collect != NULL) {
        server->options.collect(server->options.arg);
    }
    measure_process(server);
    int error = metrics_render(server->process, &text);
    if (error == 0) {
        error = metrics_render(server->options.metrics, &text);
    }
    if (error == 0) {
        respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8",
                buffer_text(&text));
    } else {
        respond(exchange, 500, plain, "the metrics can't be written\n");
    }
    buffer_free(&text);
}

static void tell_health(struct status_server *server, struct http_exchange *exchange)
{
    struct buffer reason = buffer_init(REASON_BYTES);
    bool well = server->options.health == NULL ||
                server->options.health(server->options.arg, &reason);
    if (well) {
        buffer_reset(&reason);
        buffer_append_text(&reason, "ok");
    }
    buffer_append_u8(&reason, '\n');
    respond(exchange, well ? 200 : 503, plain, buffer_text(&reason));
    buffer_free(&reason);
}

static void handle(struct http_exchange *exchange, void *arg)
{
    struct status_server *server = arg;
    const char *method = http_exchange_method(exchange);
    const char *path = http_exchange_path(exchange);
    if (!loopback_is_host(http_exchange_header(exchange, "Host"))) {
        respond(
            exchange, 421, plain,
            "ask for localhost, 127.0.0.1 or [::1]: other names are not answered here\n");
    } else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        http_exchange_add_header(exchange, "Allow", "GET, HEAD");
        respond(exchange, 405, plain, "ask with GET\n");
    } else if (strcmp(path, "/metrics") == 0) {
        tell_metrics(server, exchange);
    } else if (strcmp(path, "/healthz") == 0) {
        tell_health(server, exchange);
    } else {
        respond(exchange, 404, plain, "there are /metrics and /healthz\n");
    }
}

static int open_process(struct status_server *server)
{
    describe_process(server);
    int error = metrics_new(server->rows, PROCESS_COUNT, &server->process);
    if (error != 0) {
        return error;
    }
    metrics_set(server->process, (struct metrics_at){.row = PROCESS_BUILD}, 1);
    metrics_set(server->process, (struct metrics_at){.row = PROCESS_START},
                (double)clock_wall_at());
    server->memory_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    server->fds = opendir("/proc/self/fd");
    return 0;
}

static int open_http(struct loop *loop, struct status_server *server)
{
    const struct http_server_options options = {
        .max_connections = CONNECTIONS_MAX,
        .handshake_s = DEADLINE_S,
        .request_s = DEADLINE_S,
        .idle_s = DEADLINE_S,
        .response_s = DEADLINE_S,
        .max_header_bytes = HEADER_BYTES_MAX,
        .max_body_bytes = 1,
    };
    struct address address;
    int error = loopback_parse(server->options.listen, &address);
    if (error == 0) {
        error = http_server_new(loop, &options, handle, server, &server->http);
    }
    return error == 0 ? http_server_listen(server->http, &address, &server->port) : error;
}

int status_server_new(struct loop *loop, const struct status_server_options *options,
                      struct status_server **ret_server)
{
    struct status_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return ERROR_MEMORY;
    }
    server->options = *options;
    server->memory_fd = -1;
    int error = open_process(server);
    if (error == 0) {
        error = open_http(loop, server);
    }
    if (error != 0) {
        int saved = errno;
        status_server_free(server);
        errno = saved;
        return error;
    }
    *ret_server = server;
    return 0;
}

const char *status_server_error_text(int error)
{
    return error == ERROR_IO       ? strerror(errno)
           : error == ERROR_DENIED ? "must be a loopback address, such as 127.0.0.1:9441"
                                   : error_text(error);
}

uint16_t status_server_port(const struct status_server *server)
{
    return server->port;
}

void status_server_free(struct status_server *server)
{
    if (server == NULL) {
        return;
    }
    http_server_free(server->http);
    metrics_free(server->process);
    if (server->memory_fd >= 0) {
        close(server->memory_fd);
    }
    if (server->fds != NULL) {
        closedir(server->fds);
    }
    free(server);
}

#include "relay/nameserver_start.h"

#include "base/core/file.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/nameserver/nameserver.h"

#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 16, DNS_PORT = 53, RECORDS_MAX = 256 << 10 };

/* The pieces of "name=address,address", cut out of a copy. */
struct host {
    char *copy;
    const char *addresses[16];
    size_t address_count;
};

struct start {
    struct host servers[HOSTS_MAX];
    struct host hosts[HOSTS_MAX];
    struct dns_template_host server_rows[HOSTS_MAX];
    struct dns_template_host host_rows[HOSTS_MAX];
    struct address listen[HOSTS_MAX];
    struct buffer records;
};

static int cut_host(const char *text, struct host *host,
                    struct dns_template_host *ret_row)
{
    host->copy = strdup(text);
    if (host->copy == NULL) {
        return ERROR_MEMORY;
    }
    char *rest = strchr(host->copy, '=');
    if (rest != NULL) {
        *rest++ = '\0';
    }
    for (char *address = strsep(&rest, ","); address != NULL;
         address = strsep(&rest, ",")) {
        if (host->address_count == sizeof(host->addresses) / sizeof(host->addresses[0])) {
            return ERROR_LIMIT;
        }
        host->addresses[host->address_count++] = address;
    }
    *ret_row =
        (struct dns_template_host){host->copy, host->addresses, host->address_count};
    return 0;
}

static int cut_hosts(const struct conf_texts *texts, struct host *hosts,
                     struct dns_template_host *rows)
{
    int result = texts->count <= HOSTS_MAX ? 0 : ERROR_LIMIT;
    for (size_t i = 0; result == 0 && i < texts->count; i++) {
        result = cut_host(texts->at[i], &hosts[i], &rows[i]);
    }
    return result;
}

static int read_records(const char *path, struct buffer *records)
{
    int result = path[0] != '\0' ? file_read(path, records) : 0;
    if (result != 0) {
        log_error("can't read records_file '%s': %s", path, error_text(result));
    }
    return result;
}

static int parse_listen(const struct conf_texts *texts, struct address *addresses)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (i == HOSTS_MAX || address_parse(texts->at[i], DNS_PORT, &addresses[i]) != 0) {
            log_error("[dns] listen = '%s': must be address:port", texts->at[i]);
            return ERROR_SYNTAX;
        }
    }
    return 0;
}

static int run(const struct relay_config *config, struct start *start)
{
    int result = cut_hosts(&config->dns_name_servers, start->servers, start->server_rows);
    if (result == 0) {
        result = cut_hosts(&config->dns_hosts, start->hosts, start->host_rows);
    }
    if (result == 0) {
        result = parse_listen(&config->dns_listen, start->listen);
    }
    if (result == 0) {
        result = read_records(config->dns_records_file, &start->records);
    }
    if (result != 0) {
        return result;
    }
    struct nameserver_options options = {
        .zone =
            {
                .zone = config->zone,
                .contact = config->dns_contact,
                .name_servers = start->server_rows,
                .name_server_count = config->dns_name_servers.count,
                .hosts = start->host_rows,
                .host_count = config->dns_hosts.count,
                .apex_addresses = (const char *const *)config->dns_apex.at,
                .apex_address_count = config->dns_apex.count,
                .records = buffer_text(&start->records),
                .records_name = config->dns_records_file,
            },
        .addresses = start->listen,
        .address_count = config->dns_listen.count,
        .policy = {.shared = config->dns_shared, .loopback = config->dns_loopback},
        .store = config->store,
        .ready_file = config->dns_ready_file,
    };
    return nameserver_run(&options);
}

int nameserver_start(const struct relay_config *config)
{
    struct start *start = calloc(1, sizeof(*start));
    if (start == NULL) {
        return ERROR_MEMORY;
    }
    start->records = buffer_init(RECORDS_MAX);
    int result = run(config, start);
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        free(start->servers[i].copy);
        free(start->hosts[i].copy);
    }
    buffer_free(&start->records);
    free(start);
    return result;
}

#include "relay/nameserver/nameserver_template.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "base/core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 16, ADDRESSES_MAX = 16, RECORDS_MAX = 256 << 10 };

/* The pieces of "name=address,address", cut out of a copy. */
struct host {
    char *copy;
    const char *addresses[ADDRESSES_MAX];
    size_t address_count;
};

/* What the template's options point to, while it is compiled. */
struct pieces {
    struct host servers[HOSTS_MAX];
    struct host hosts[HOSTS_MAX];
    struct dns_template_host server_rows[HOSTS_MAX];
    struct dns_template_host host_rows[HOSTS_MAX];
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
        if (host->address_count == ADDRESSES_MAX) {
            return ERROR_LIMIT;
        }
        host->addresses[host->address_count++] = address;
    }
    *ret_row =
        (struct dns_template_host){host->copy, host->addresses, host->address_count};
    return 0;
}

static int cut_hosts(const char *key, const struct conf_texts *texts, struct host *hosts,
                     struct dns_template_host *rows)
{
    int result = texts->count <= HOSTS_MAX ? 0 : ERROR_LIMIT;
    for (size_t i = 0; result == 0 && i < texts->count; i++) {
        result = cut_host(texts->at[i], &hosts[i], &rows[i]);
    }
    if (result != 0) {
        log_error("[dns] %s: %s", key, error_text(result));
    }
    return result;
}

static int cut_pieces(const struct relay_config *config, struct pieces *pieces)
{
    int result = cut_hosts("name_servers", &config->dns_name_servers, pieces->servers,
                           pieces->server_rows);
    if (result == 0) {
        result = cut_hosts("hosts", &config->dns_hosts, pieces->hosts, pieces->host_rows);
    }
    if (result == 0 && config->dns_records_file[0] != '\0') {
        result = file_read(config->dns_records_file, &pieces->records);
        if (result != 0) {
            log_error("can't read records_file '%s': %s", config->dns_records_file,
                      result == ERROR_IO ? strerror(errno) : error_text(result));
        }
    }
    return result;
}

static int compile(const struct relay_config *config, const struct pieces *pieces,
                   struct dns_template **ret_template)
{
    struct buffer report = buffer_init(16 << 10);
    struct dns_template_options options = {
        .zone = config->zone,
        .contact = config->dns_contact,
        .name_servers = pieces->server_rows,
        .name_server_count = config->dns_name_servers.count,
        .hosts = pieces->host_rows,
        .host_count = config->dns_hosts.count,
        .apex_addresses = (const char *const *)config->dns_apex.at,
        .apex_address_count = config->dns_apex.count,
        .records = buffer_text(&pieces->records),
        .records_name = config->dns_records_file,
        .serial = (uint32_t)clock_wall_at(),
    };
    int result = dns_template_new(&options, &report, ret_template);
    if (result != 0) {
        log_error("the zone '%s' can't be made: %s%s%s", config->zone, error_text(result),
                  report.size > 0 ? ": " : "", buffer_text(&report));
    }
    buffer_free(&report);
    return result;
}

int nameserver_template_make(const struct relay_config *config,
                             struct dns_template **ret_template)
{
    struct pieces *pieces = calloc(1, sizeof(*pieces));
    if (pieces == NULL) {
        return ERROR_MEMORY;
    }
    pieces->records = buffer_init(RECORDS_MAX);
    int result = cut_pieces(config, pieces);
    if (result == 0) {
        result = compile(config, pieces, ret_template);
    }
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        free(pieces->servers[i].copy);
        free(pieces->hosts[i].copy);
    }
    buffer_free(&pieces->records);
    free(pieces);
    return result;
}

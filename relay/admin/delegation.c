#include "relay/admin/delegation.h"

#include "base/core/text.h"

#include <netinet/in.h>
#include <string.h>

enum { DNS_PORT = 53, CLASS_IN = 1, HEADER_SIZE = 12, OPT_SIZE = 11 };

bool delegation_is_inside(const char *name, const char *zone)
{
    size_t name_size = strlen(name);
    size_t zone_size = strlen(zone);
    return name_size >= zone_size &&
           text_equal_nocase(name + name_size - zone_size, zone) &&
           (name_size == zone_size || name[name_size - zone_size - 1] == '.');
}

static struct delegation_server *add_server(struct delegation_servers *servers,
                                            const char *name)
{
    struct delegation_server *server = NULL;
    for (size_t i = 0; i < servers->count; i++) {
        if (text_equal_nocase(servers->at[i].name, name)) {
            return &servers->at[i];
        }
    }
    if (servers->count < DELEGATION_SERVERS_MAX) {
        server = &servers->at[servers->count++];
        *server = (struct delegation_server){.address_count = 0};
        text_copy(server->name, sizeof(server->name), name);
    }
    return server;
}

void delegation_configured(const struct relay_config *config,
                           struct delegation_servers *ret_servers)
{
    *ret_servers = (struct delegation_servers){.count = 0};
    for (size_t i = 0; i < config->dns_name_servers.count; i++) {
        const char *text = config->dns_name_servers.at[i];
        char name[DNS_RECORD_NAME_CAPACITY];
        size_t name_size = strcspn(text, "=");
        if (!text_format(name, sizeof(name), "%.*s", (int)name_size, text)) {
            continue;
        }
        text_lower(name);
        struct delegation_server *server = add_server(ret_servers, name);
        const char *at = text + name_size;
        while (server != NULL && *at != '\0' &&
               server->address_count < DELEGATION_ADDRESSES_MAX) {
            char address[ADDRESS_TEXT_CAPACITY];
            size_t size = strcspn(++at, ",");
            if (text_format(address, sizeof(address), "%.*s", (int)size, at) &&
                address_parse(address, DNS_PORT,
                              &server->addresses[server->address_count]) == 0) {
                server->address_count++;
            }
            at += size;
        }
    }
}

static void add_glue(struct delegation_servers *servers, const struct dns_record *record)
{
    struct address address = {.size = 0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT)};
    for (size_t i = 0; i < servers->count; i++) {
        struct delegation_server *server = &servers->at[i];
        if (strcmp(server->name, record->name) != 0 ||
            server->address_count == DELEGATION_ADDRESSES_MAX) {
            continue;
        }
        if (record->type == DNS_RECORD_TYPE_A &&
            record->data.size == sizeof(in.sin_addr)) {
            memcpy(&in.sin_addr, record->data.data, sizeof(in.sin_addr));
            memcpy(&address.storage, &in, sizeof(in));
            address.size = sizeof(in);
        } else if (record->type == DNS_RECORD_TYPE_AAAA &&
                   record->data.size == sizeof(in6.sin6_addr)) {
            memcpy(&in6.sin6_addr, record->data.data, sizeof(in6.sin6_addr));
            memcpy(&address.storage, &in6, sizeof(in6));
            address.size = sizeof(in6);
        } else {
            continue;
        }
        server->addresses[server->address_count++] = address;
    }
}

/* MNAME, RNAME, serial and four more numbers (RFC 1035 3.3.13). */
static void read_soa(const struct dns_records *records, const struct dns_record *record,
                     struct delegation_reply *reply)
{
    enum { NUMBERS_SIZE = 20 };
    if (record->data.size <= NUMBERS_SIZE ||
        dns_record_name(records, record, reply->soa_name) != 0) {
        return;
    }
    struct reader numbers =
        reader_init(record->data.data + record->data.size - NUMBERS_SIZE, NUMBERS_SIZE);
    reply->soa_serial = reader_u32(&numbers);
    reply->has_soa = true;
}

/* Flags, tag, value (RFC 8659 4.1); `issue ";"` forbids everybody. */
static void read_caa(const struct dns_record *record, struct delegation_reply *reply)
{
    static const char closed[] = "\005issue;";
    reply->caa_count++;
    if (record->data.size == sizeof(closed) &&
        memcmp(record->data.data + 1, closed, sizeof(closed) - 1) == 0) {
        reply->caa_is_closed = true;
    }
}

static void take_record(const char *zone, const struct dns_records *records,
                        const struct dns_record *record, struct delegation_reply *reply)
{
    char name[DNS_RECORD_NAME_CAPACITY];
    bool is_of_zone = text_equal_nocase(record->name, zone);
    if (record->type == DNS_RECORD_TYPE_OPT) {
        reply->has_edns = true;
    } else if (record->class != CLASS_IN) {
        return;
    } else if (record->type == DNS_RECORD_TYPE_NS && is_of_zone) {
        if (dns_record_name(records, record, name) == 0) {
            (void)add_server(&reply->servers, name);
        }
    } else if (record->type == DNS_RECORD_TYPE_A ||
               record->type == DNS_RECORD_TYPE_AAAA) {
        add_glue(&reply->servers, record);
    } else if (record->section != DNS_RECORD_ANSWER) {
        return;
    } else if (record->type == DNS_RECORD_TYPE_SOA && is_of_zone) {
        read_soa(records, record, reply);
    } else if (record->type == DNS_RECORD_TYPE_CAA && is_of_zone) {
        read_caa(record, reply);
    } else if (record->type == DNS_RECORD_TYPE_TXT) {
        reply->text_count++;
    }
}

int delegation_read(const char *zone, struct bytes query, struct bytes message,
                    struct delegation_reply *ret_reply)
{
    struct dns_records records;
    struct dns_record record;
    int error = dns_record_open(message.data, message.size, &records);
    if (error != 0) {
        return error;
    }
    *ret_reply = (struct delegation_reply){
        .rcode = records.rcode,
        .is_authoritative = records.is_authoritative,
        .is_truncated = records.is_truncated,
        .keeps_case = query.size == HEADER_SIZE + records.question.size + OPT_SIZE &&
                      memcmp(query.data + HEADER_SIZE, records.question.data,
                             records.question.size) == 0,
    };
    for (error = dns_record_next(&records, &record); error == 0;
         error = dns_record_next(&records, &record)) {
        take_record(zone, &records, &record, ret_reply);
    }
    return error == ERROR_NOT_FOUND ? 0 : error;
}

const struct delegation_server *delegation_find(const struct delegation_servers *servers,
                                                const char *name)
{
    for (size_t i = 0; i < servers->count; i++) {
        if (text_equal_nocase(servers->at[i].name, name)) {
            return &servers->at[i];
        }
    }
    return NULL;
}

bool delegation_names_equal(const struct delegation_servers *a,
                            const struct delegation_servers *b)
{
    for (size_t i = 0; i < a->count; i++) {
        if (delegation_find(b, a->at[i].name) == NULL) {
            return false;
        }
    }
    return a->count == b->count;
}

int delegation_records(const char *zone, const struct delegation_servers *servers,
                       struct buffer *lines)
{
    int error = 0;
    for (size_t i = 0; i < servers->count && error == 0; i++) {
        error = buffer_printf(lines, "%s. NS %s.\n", zone, servers->at[i].name);
    }
    for (size_t i = 0; i < servers->count; i++) {
        const struct delegation_server *server = &servers->at[i];
        for (size_t j = 0; j < server->address_count && error == 0; j++) {
            char address[ADDRESS_TEXT_CAPACITY];
            if (!delegation_is_inside(server->name, zone)) {
                continue;
            }
            address_host_text(&server->addresses[j], address);
            error = buffer_printf(
                lines, "%s. %s %s\n", server->name,
                server->addresses[j].storage.ss_family == AF_INET6 ? "AAAA" : "A",
                address);
        }
    }
    return error;
}

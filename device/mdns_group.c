/* Avahi's client library is an object that tells its state by callbacks: the client's
 * (is the daemon there, is its host name proved) and the entry group's (are our records
 * proved). Whatever happens, the answer is the same: make the group anew when the client
 * runs, and wait when it does not. A collision means that another host on the link has our
 * name: we take the next one (RFC 6762 9), some times over. The name that we ended with
 * is reported, since it goes into status and certificate.
 *
 * The address records carry no reverse entry: that is the host name's, which Avahi
 * announces for itself. Each address is announced on its own interface only. */
#include "device/mdns_group.h"

#include "base/core/text.h"

#include <avahi-client/client.h>
#include <avahi-client/publish.h>
#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/strlst.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { NAMES_MAX = 16 };

struct mdns_group {
    const AvahiPoll *poll;
    AvahiClient *client;
    AvahiEntryGroup *entries;
    struct mdns_facts facts;
    bool has_facts;
    unsigned collisions;
    bool is_over;
    mdns_group_fn *fn;
    void *arg;
};

static void report(const struct mdns_group *group, enum mdns_state state,
                   const char *detail)
{
    struct mdns_report report = {.state = state};
    if (state == MDNS_ANNOUNCED) {
        text_format(report.host, sizeof(report.host), "%s.local", group->facts.host);
    }
    text_printable(report.detail, sizeof(report.detail), detail, strlen(detail));
    group->fn(&report, group->arg);
}

static void report_failure(const struct mdns_group *group, const char *what, int error)
{
    char detail[128];
    text_format(detail, sizeof(detail), "%s: %s", what, avahi_strerror(error));
    report(group, MDNS_FAILED, detail);
}

/* --- the records --- */

static bool is_at(const struct lanname_address *address, const struct sockaddr *at)
{
    if (at == NULL) {
        return false;
    }
    if (address->family == 4 && at->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, at, sizeof(in));
        return memcmp(&in.sin_addr, address->octets, 4) == 0;
    }
    if (address->family == 6 && at->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, at, sizeof(in6));
        return memcmp(&in6.sin6_addr, address->octets, 16) == 0;
    }
    return false;
}

static AvahiIfIndex find_interface(const struct lanname_address *address)
{
    struct ifaddrs *entries = NULL;
    AvahiIfIndex index = AVAHI_IF_UNSPEC;
    if (getifaddrs(&entries) != 0) {
        return index;
    }
    for (const struct ifaddrs *entry = entries; entry != NULL; entry = entry->ifa_next) {
        if (is_at(address, entry->ifa_addr)) {
            index = (AvahiIfIndex)if_nametoindex(entry->ifa_name);
            break;
        }
    }
    freeifaddrs(entries);
    return index > 0 ? index : AVAHI_IF_UNSPEC;
}

static int add_address(struct mdns_group *group, const struct lanname_address *address,
                       const char *host)
{
    AvahiAddress record = {.proto = address->family == 4 ? AVAHI_PROTO_INET
                                                         : AVAHI_PROTO_INET6};
    memcpy(&record.data, address->octets, address->family == 4 ? 4 : 16);
    return avahi_entry_group_add_address(group->entries, find_interface(address),
                                         AVAHI_PROTO_UNSPEC, AVAHI_PUBLISH_NO_REVERSE,
                                         host, &record);
}

static int add_service(struct mdns_group *group, const char *host)
{
    AvahiStringList *txt = avahi_string_list_new("v=1", "path=/", NULL);
    txt = avahi_string_list_add_pair(txt, "id", group->facts.id);
    int error = txt == NULL ? AVAHI_ERR_NO_MEMORY
                            : avahi_entry_group_add_service_strlst(
                                  group->entries, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0,
                                  group->facts.service, "_https._tcp", NULL, host,
                                  group->facts.port, txt);
    avahi_string_list_free(txt);
    return error;
}

static int add_all(struct mdns_group *group)
{
    char host[MDNS_NAME_CAPACITY];
    text_format(host, sizeof(host), "%s.local", group->facts.host);
    int error = 0;
    for (size_t i = 0; i < group->facts.addresses.count && error == 0; i++) {
        error = add_address(group, &group->facts.addresses.at[i], host);
    }
    if (error == 0 && group->facts.port != 0) {
        error = add_service(group, host);
    }
    return error == 0 ? avahi_entry_group_commit(group->entries) : error;
}

/* --- states --- */

/* Avahi tells neither of two colliding names which one it is: both change. */
static bool take_next_names(struct mdns_group *group)
{
    char *host = avahi_alternative_host_name(group->facts.host);
    char *service = avahi_alternative_service_name(group->facts.service);
    bool fits = host != NULL && service != NULL &&
                text_copy(group->facts.host, sizeof(group->facts.host), host) &&
                text_copy(group->facts.service, sizeof(group->facts.service), service);
    avahi_free(host);
    avahi_free(service);
    return fits && ++group->collisions < NAMES_MAX;
}

static void on_entries(AvahiEntryGroup *entries, AvahiEntryGroupState state, void *arg);

static void make_entries(struct mdns_group *group)
{
    if (!group->has_facts || group->client == NULL ||
        avahi_client_get_state(group->client) != AVAHI_CLIENT_S_RUNNING) {
        return;
    }
    int error = AVAHI_ERR_COLLISION;
    while (error == AVAHI_ERR_COLLISION) {
        if (group->entries == NULL) {
            group->entries = avahi_entry_group_new(group->client, on_entries, group);
        } else {
            avahi_entry_group_reset(group->entries);
        }
        if (group->entries == NULL) {
            error = avahi_client_errno(group->client);
            break;
        }
        if (group->facts.addresses.count == 0) {
            report(group, MDNS_WAITING, "no address");
            return;
        }
        error = add_all(group);
        if (error == AVAHI_ERR_COLLISION && !take_next_names(group)) {
            group->is_over = true;
            break;
        }
    }
    if (error < 0) {
        report_failure(group, "Avahi refuses the records", error);
    }
}

static void on_entries(AvahiEntryGroup *entries, AvahiEntryGroupState state, void *arg)
{
    struct mdns_group *group = arg;
    group->entries = entries;
    switch (state) {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
        report(group, MDNS_ANNOUNCED, "");
        break;
    case AVAHI_ENTRY_GROUP_COLLISION:
        if (take_next_names(group)) {
            make_entries(group);
        } else {
            group->is_over = true;
            report(group, MDNS_FAILED, "every name is taken on this network");
        }
        break;
    case AVAHI_ENTRY_GROUP_FAILURE:
        report_failure(group, "Avahi failed",
                       avahi_client_errno(avahi_entry_group_get_client(entries)));
        break;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
    case AVAHI_ENTRY_GROUP_REGISTERING:
        break;
    }
}

static void on_client(AvahiClient *client, AvahiClientState state, void *arg);

/* The daemon went away: a new client waits for the next one. */
static void start_anew(struct mdns_group *group)
{
    int error = 0;
    if (group->client != NULL) {
        avahi_client_free(group->client); /* its group too */
    }
    group->entries = NULL;
    group->client = NULL;
    /* Calls on_client() before it returns. */
    AvahiClient *client =
        avahi_client_new(group->poll, AVAHI_CLIENT_NO_FAIL, on_client, group, &error);
    if (client == NULL) {
        group->is_over = true;
    }
    group->client = client;
}

static void on_client(AvahiClient *client, AvahiClientState state, void *arg)
{
    struct mdns_group *group = arg;
    group->client = client;
    switch (state) {
    case AVAHI_CLIENT_S_RUNNING:
        make_entries(group);
        break;
    case AVAHI_CLIENT_FAILURE:
        if (avahi_client_errno(client) == AVAHI_ERR_DISCONNECTED) {
            report(group, MDNS_WAITING, "Avahi is gone");
            start_anew(group);
        } else {
            report_failure(group, "Avahi failed", avahi_client_errno(client));
            group->is_over = true;
        }
        break;
    case AVAHI_CLIENT_S_COLLISION:
    case AVAHI_CLIENT_S_REGISTERING:
        /* Its host name changes; addresses are proved again after that. */
        if (group->entries != NULL) {
            avahi_entry_group_reset(group->entries);
        }
        break;
    case AVAHI_CLIENT_CONNECTING:
        report(group, MDNS_WAITING, "Avahi does not run");
        break;
    }
}

int mdns_group_new(const AvahiPoll *poll, mdns_group_fn *fn, void *arg,
                   struct mdns_group **ret_group)
{
    struct mdns_group *group = calloc(1, sizeof(*group));
    if (group == NULL) {
        return ERROR_MEMORY;
    }
    group->poll = poll;
    group->fn = fn;
    group->arg = arg;
    start_anew(group);
    if (group->client == NULL) {
        free(group);
        return ERROR_UNSUPPORTED;
    }
    *ret_group = group;
    return 0;
}

void mdns_group_announce(struct mdns_group *group, const struct mdns_facts *facts)
{
    char host[MDNS_LABEL_CAPACITY];
    char service[MDNS_LABEL_CAPACITY];
    text_copy(host, sizeof(host), group->facts.host);
    text_copy(service, sizeof(service), group->facts.service);
    group->facts = *facts;
    if (group->collisions > 0) {
        /* Names that were taken a moment ago are not fought for again. */
        text_copy(group->facts.host, sizeof(group->facts.host), host);
        text_copy(group->facts.service, sizeof(group->facts.service), service);
    }
    group->has_facts = true;
    make_entries(group);
}

bool mdns_group_is_over(const struct mdns_group *group)
{
    return group->is_over;
}

void mdns_group_free(struct mdns_group *group)
{
    if (group == NULL) {
        return;
    }
    if (group->client != NULL) {
        avahi_client_free(group->client);
    }
    free(group);
}

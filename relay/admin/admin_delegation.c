/* One question after the other, each on a loop that runs until its answer: an operator waits for
 * the whole, and sees each line as it comes. The parent's servers are asked without recursion, so
 * that they say what they delegate; the zone's own are asked as a CA's resolver asks: EDNS with
 * 1232 octets, letters in random case, UDP and TCP. */
#include "relay/admin/admin_delegation.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/random.h"
#include "base/net/http_client.h"
#include "relay/admin/admin_output.h"
#include "relay/admin/delegation.h"
#include "relay/store/admin_store.h"
#include "relay/store/schema.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_MS = 4000,
    PUBLIC_MS = 8000,
    QUERY_CAPACITY = 512,
    MESSAGE_MAX = 65535,
    DOH_MAX = 4,
    DNS_PORT = 53,
};

enum level { LEVEL_OK, LEVEL_UNKNOWN, LEVEL_WARN, LEVEL_FAIL };

/* A server's address that did not answer, until it is known what the world sees. */
struct silence {
    char where[512];
    const char *transport;
    int error;
};

enum { SILENCES_MAX = 2 * DELEGATION_SERVERS_MAX * DELEGATION_ADDRESSES_MAX };

static const char *const level_words[] = {"ok", "unknown", "warning", "FAILED"};

struct check {
    const struct relay_config *config;
    bool json;
    bool local; /* no public resolver */
    const char *parent;
    const char *resolver_text;
    const char *ca_file;
    const char *doh[DOH_MAX];
    size_t doh_count;
    struct loop *loop;
    struct resolver *resolver;
    struct http_client *http;
    struct delegation_servers servers; /* of the configuration */
    uint32_t serial; /* of the first server that answered; 0: none yet */
    struct silence silences[SILENCES_MAX];
    size_t silence_count;
    size_t seen_count; /* public resolvers that see the zone */
    bool has_records_shown;
    json_t *verdicts;
    enum level worst;
};

/* --- verdicts --- */

static void print_mend(const char *mend)
{
    while (*mend != '\0') {
        size_t size = strcspn(mend, "\n");
        printf("           %.*s\n", (int)size, mend);
        mend += size + (mend[size] == '\n' ? 1 : 0);
    }
}

static void say(struct check *check, enum level level, const char *code,
                const char *where, const char *mend, const char *format, ...)
    PRINTF_LIKE(6, 7);

static void say(struct check *check, enum level level, const char *code,
                const char *where, const char *mend, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (level > check->worst) {
        check->worst = level;
    }
    if (!check->json) {
        printf("%-8s %s: %s\n", level_words[level], where, text);
        print_mend(mend);
        fflush(stdout);
        return;
    }
    json_t *verdict = json_object();
    if (verdict == NULL || json_set_text(verdict, "level", level_words[level]) != 0 ||
        json_set_text(verdict, "code", code) != 0 ||
        json_set_text(verdict, "where", where) != 0 ||
        json_set_text(verdict, "text", text) != 0 ||
        json_set_text(verdict, "mend", mend) != 0) {
        json_decref(verdict);
        return;
    }
    json_array_append_new(check->verdicts, verdict);
}

/* --- questions --- */

struct wait {
    struct check *check;
    int error;
    struct buffer message;
};

static void on_answer(const struct resolve_answer *answer, void *arg)
{
    struct wait *wait = arg;
    wait->error = answer->error;
    if (answer->error == 0) {
        wait->error =
            buffer_append(&wait->message, answer->message.data, answer->message.size);
    }
    loop_stop(wait->check->loop);
}

static void on_response(const struct http_response *response, void *arg)
{
    struct wait *wait = arg;
    wait->error =
        response->error != 0 ? response->error
        : response->status == 200
            ? buffer_append(&wait->message, response->body.data, response->body.size)
            : ERROR_IO;
    loop_stop(wait->check->loop);
}

/* The zone's letters in random case (draft-vixie-dnsext-dns0x20). */
static void mix_case(char *name)
{
    for (char *at = name; *at != '\0'; at++) {
        if (*at >= 'a' && *at <= 'z' && random_below(2) == 1) {
            *at = (char)(*at - 'a' + 'A');
        }
    }
}

/* Whom to ask, and how: SERVER, or by DoH when URL is there. */
struct target {
    const struct address *server;
    enum resolve_transport transport;
    const char *url;
    bool recurse;
};

static int send_query(struct check *check, const struct target *target,
                      struct bytes query, struct wait *wait)
{
    struct resolve_query *resolve = NULL;
    struct http_transfer *transfer = NULL;
    struct http_request request = {
        .method = "POST",
        .url = target->url,
        .content_type = "application/dns-message",
        .accept = "application/dns-message",
        .body = query,
        .max_response_bytes = MESSAGE_MAX,
    };
    int error =
        target->url != NULL
            ? http_client_send(check->http, &request, on_response, wait, &transfer)
            : resolve_exchange_at(check->loop, target->server, target->transport, query,
                                  ANSWER_MS, on_answer, wait, &resolve);
    return error != 0 ? error : loop_run(check->loop);
}

static int ask(struct check *check, const struct target *target, const char *name,
               uint16_t type, struct delegation_reply *ret_reply)
{
    uint8_t data[QUERY_CAPACITY];
    char mixed[DNS_RECORD_NAME_CAPACITY];
    uint16_t id = target->url != NULL ? 0 : (uint16_t)random_below(UINT16_MAX);
    struct wait wait = {.check = check, .message = buffer_init(MESSAGE_MAX)};
    struct writer writer = writer_init(data, sizeof(data));
    text_copy(mixed, sizeof(mixed), name);
    mix_case(mixed);
    int error = dns_record_write_query(mixed, type, id, target->recurse, &writer);
    struct bytes query = {data, writer_size(&writer)};
    if (error == 0) {
        error = send_query(check, target, query, &wait);
    }
    if (error == 0) {
        error = wait.error;
    }
    if (error == 0) {
        error = delegation_read(check->config->zone, query, buffer_bytes(&wait.message),
                                ret_reply);
    }
    buffer_free(&wait.message);
    return error;
}

struct address_wait {
    struct check *check;
    struct delegation_server *server;
};

static void on_addresses(const struct resolve_answer *answer, void *arg)
{
    struct address_wait *wait = arg;
    struct delegation_server *server = wait->server;
    for (size_t i = 0; answer->error == 0 && i < answer->address_count &&
                       server->address_count < DELEGATION_ADDRESSES_MAX;
         i++) {
        server->addresses[server->address_count] = answer->addresses[i];
        address_set_port(&server->addresses[server->address_count++], DNS_PORT);
    }
    loop_stop(wait->check->loop);
}

/* The addresses of a server that has none yet, from the resolver. */
static void look_up(struct check *check, struct delegation_server *server)
{
    struct address_wait wait = {check, server};
    struct resolve_query *query = NULL;
    if (server->address_count == 0 &&
        resolve_addresses(check->resolver, server->name, on_addresses, &wait, &query) ==
            0 &&
        loop_run(check->loop) != 0) {
        resolve_cancel(query);
    }
}

/* --- the parent --- */

/* The records that the parent must have, said once. */
static const char *parent_mend(struct check *check, struct buffer *text)
{
    if (check->has_records_shown) {
        return "see the records above";
    }
    check->has_records_shown = true;
    buffer_append_text(text, "put these records into the parent zone (or the registrar's "
                             "form for name servers and their host records):\n");
    return delegation_records(check->config->zone, &check->servers, text) == 0
               ? buffer_text(text)
               : "";
}

/* Whether the glue for each server inside the zone is what the configuration has. */
static bool glue_fits(const struct check *check, const struct delegation_servers *theirs,
                      const char **ret_name)
{
    for (size_t i = 0; i < check->servers.count; i++) {
        const struct delegation_server *ours = &check->servers.at[i];
        const struct delegation_server *glue = delegation_find(theirs, ours->name);
        if (!delegation_is_inside(ours->name, check->config->zone)) {
            continue;
        }
        size_t found = 0;
        for (size_t j = 0; j < ours->address_count; j++) {
            for (size_t k = 0; glue != NULL && k < glue->address_count; k++) {
                char a[ADDRESS_TEXT_CAPACITY];
                char b[ADDRESS_TEXT_CAPACITY];
                address_host_text(&ours->addresses[j], a);
                address_host_text(&glue->addresses[k], b);
                found += strcmp(a, b) == 0 ? 1 : 0;
            }
        }
        if (glue == NULL || found != ours->address_count ||
            found != glue->address_count) {
            *ret_name = ours->name;
            return false;
        }
    }
    return true;
}

static void judge_parent(struct check *check, const char *where,
                         const struct delegation_reply *reply)
{
    struct buffer mend = buffer_init(4096);
    const char *name = "";
    if (reply->servers.count == 0) {
        say(check, LEVEL_FAIL, "not-delegated", where, parent_mend(check, &mend),
            "does not delegate %s (%s)", check->config->zone,
            reply->rcode == 3 ? "there is no such name" : "no NS records");
    } else if (!delegation_names_equal(&reply->servers, &check->servers)) {
        say(check, LEVEL_FAIL, "delegation-differs", where, parent_mend(check, &mend),
            "delegates %s to %s%s, not to the name servers of the configuration",
            check->config->zone, reply->servers.at[0].name,
            reply->servers.count > 1 ? " and others" : "");
    } else if (!glue_fits(check, &reply->servers, &name)) {
        say(check, LEVEL_FAIL, "glue-differs", where, parent_mend(check, &mend),
            "the addresses (glue) of %s are missing or other ones", name);
    } else {
        say(check, LEVEL_OK, "delegated", where, "", "delegates %s as configured",
            check->config->zone);
    }
    buffer_free(&mend);
}

static void check_parent_server(struct check *check, const char *name,
                                const struct address *address)
{
    char text[ADDRESS_TEXT_CAPACITY];
    char where[512];
    struct delegation_reply reply;
    struct target target = {.server = address, .transport = RESOLVE_UDP};
    address_text(address, text);
    text_format(where, sizeof(where), "parent zone's %s (%s)", name, text);
    int error = ask(check, &target, check->config->zone, DNS_RECORD_TYPE_NS, &reply);
    if (error != 0) {
        say(check, LEVEL_UNKNOWN, "parent-silent", where, "", "no answer (%s)",
            error_text(error));
    } else if (reply.rcode != 0 && reply.rcode != 3) {
        say(check, LEVEL_UNKNOWN, "parent-refuses", where, "",
            "refuses to say (code %u): is it a name server of the parent?", reply.rcode);
    } else {
        judge_parent(check, where, &reply);
    }
}

/* The servers of the nearest name above the zone that has any. */
static void find_parent(struct check *check, struct delegation_servers *ret_servers)
{
    const char *parent = strchr(check->config->zone, '.');
    while (parent != NULL && ret_servers->count == 0) {
        struct delegation_reply reply;
        struct wait wait = {.check = check, .message = buffer_init(MESSAGE_MAX)};
        struct resolve_query *query = NULL;
        parent++;
        int error = resolve_message(check->resolver, parent, DNS_RECORD_TYPE_NS,
                                    ANSWER_MS, on_answer, &wait, &query);
        if (error == 0) {
            error = loop_run(check->loop);
        }
        if (error == 0 && wait.error == 0 &&
            delegation_read(parent, (struct bytes){NULL, 0}, buffer_bytes(&wait.message),
                            &reply) == 0) {
            *ret_servers = reply.servers;
        }
        buffer_free(&wait.message);
        parent = strchr(parent, '.');
    }
}

static void check_parent(struct check *check)
{
    struct delegation_servers parents = {.count = 0};
    size_t asked = 0;
    if (check->parent != NULL) {
        struct address address;
        if (address_parse(check->parent, DNS_PORT, &address) == 0) {
            check_parent_server(check, "name server", &address);
        }
        return;
    }
    find_parent(check, &parents);
    for (size_t i = 0; i < parents.count; i++) {
        struct delegation_server *server = &parents.at[i];
        look_up(check, server);
        for (size_t j = 0; j < server->address_count; j++, asked++) {
            check_parent_server(check, server->name, &server->addresses[j]);
        }
    }
    if (asked == 0) {
        say(check, LEVEL_UNKNOWN, "parent-unknown", check->config->zone,
            "does this machine's resolver work? name the parent's server by --parent "
            "ADDRESS, or another resolver by --resolver ADDRESS",
            "no name server of a zone above it could be found");
    }
}

/* --- the zone's own servers --- */

static void check_silence(struct check *check, const char *where, const char *transport,
                          const struct address *address, int error)
{
    bool is_v6 = address->storage.ss_family == AF_INET6;
    if (is_v6 && error == ERROR_IO) {
        say(check, LEVEL_UNKNOWN, "no-ipv6-here", where,
            "if this machine has no IPv6, ask from one that has",
            "can't be reached by IPv6 from here");
        return;
    }
    struct silence *silence = &check->silences[check->silence_count++];
    text_copy(silence->where, sizeof(silence->where), where);
    silence->transport = transport;
    silence->error = error;
}

/* Behind many clouds' NAT a machine does not reach its own public address. Where the operator
 * says so, by [issuer] check_name_servers, what the world sees counts more than what is seen from
 * here. */
static void say_silences(struct check *check)
{
    bool is_nat = check->config->name_server_checks.count > 0 && check->seen_count > 0;
    for (size_t i = 0; i < check->silence_count; i++) {
        const struct silence *silence = &check->silences[i];
        const char *code =
            strcmp(silence->transport, "UDP") == 0 ? "udp-silent" : "tcp-silent";
        if (is_nat) {
            say(check, LEVEL_UNKNOWN, code, silence->where,
                "behind NAT this machine may not reach its own public address: ask from "
                "another one to be sure",
                "no answer to this machine by %s (%s), but the world sees the zone",
                silence->transport, error_text(silence->error));
        } else {
            say(check, LEVEL_FAIL, code, silence->where,
                "does 'latchkey-relay dns' run there, does [dns] listen name this "
                "address, "
                "and does the cloud's firewall let port 53 in, by UDP and by TCP?",
                "no answer by %s (%s)", silence->transport, error_text(silence->error));
        }
    }
}

static void check_soa(struct check *check, const char *where,
                      const struct delegation_reply *reply)
{
    if (reply->rcode != 0 || !reply->is_authoritative || !reply->has_soa) {
        say(check, LEVEL_FAIL, "lame", where,
            "another program has port 53 there, or its configuration names another zone",
            "answers, but not for %s (code %u%s)", check->config->zone, reply->rcode,
            reply->is_authoritative ? "" : ", not authoritative");
        return;
    }
    if (!reply->keeps_case) {
        say(check, LEVEL_FAIL, "case-lost", where,
            "something between here and the server rewrites DNS messages",
            "the question's letters came back in another case");
    }
    if (!reply->has_edns) {
        say(check, LEVEL_WARN, "edns-lost", where,
            "something between here and the server drops EDNS", "answers without EDNS");
    }
    if (check->serial != 0 && check->serial != reply->soa_serial) {
        say(check, LEVEL_WARN, "serial-differs", where,
            "the servers should run the same version with the same configuration",
            "its SOA has the serial %lu, another server's %lu",
            (unsigned long)reply->soa_serial, (unsigned long)check->serial);
    }
    check->serial = reply->soa_serial;
}

static void check_contents(struct check *check, const char *where,
                           const struct target *target)
{
    static const char id[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct delegation_reply reply;
    char name[DNS_RECORD_NAME_CAPACITY];
    const char *zone = check->config->zone;
    if (ask(check, target, zone, DNS_RECORD_TYPE_NS, &reply) == 0 &&
        !delegation_names_equal(&reply.servers, &check->servers)) {
        say(check, LEVEL_FAIL, "ns-differs", where,
            "give every server the same [dns] name_servers, and restart it",
            "its own NS records are not those of the configuration here");
    }
    if (ask(check, target, zone, DNS_RECORD_TYPE_CAA, &reply) == 0) {
        if (reply.caa_count == 0) {
            say(check, LEVEL_FAIL, "caa-missing", where,
                "does the server see the store of the issuer?", "has no CAA records");
        } else if (reply.caa_is_closed) {
            say(check, LEVEL_WARN, "caa-closed", where,
                "it opens once the issuer has its account at the CA: does "
                "'latchkey-relay issuer' run, with terms_agreed = yes?",
                "its CAA forbids every CA to issue");
        }
    }
    text_format(name, sizeof(name), "_acme-challenge.%s.%s", id, zone);
    if (ask(check, target, name, DNS_RECORD_TYPE_TXT, &reply) == 0 &&
        reply.text_count == 0) {
        say(check, LEVEL_FAIL, "challenge-missing", where,
            "another program answers for the zone there",
            "has no placeholder where challenges will stand");
    }
}

static void check_address(struct check *check, const char *name,
                          const struct address *address)
{
    char text[ADDRESS_TEXT_CAPACITY];
    char where[512];
    struct delegation_reply reply;
    struct target udp = {.server = address, .transport = RESOLVE_UDP};
    struct target tcp = {.server = address, .transport = RESOLVE_TCP};
    address_text(address, text);
    text_format(where, sizeof(where), "%s (%s)", name, text);
    enum level before = check->worst;
    size_t silences = check->silence_count;
    check->worst = LEVEL_OK;
    int error = ask(check, &udp, check->config->zone, DNS_RECORD_TYPE_SOA, &reply);
    if (error != 0) {
        check_silence(check, where, "UDP", address, error);
    } else {
        check_soa(check, where, &reply);
    }
    bool is_good = error == 0 && check->worst == LEVEL_OK;
    error = ask(check, &tcp, check->config->zone, DNS_RECORD_TYPE_SOA, &reply);
    if (error != 0) {
        check_silence(check, where, "TCP", address, error);
    } else if (is_good) {
        check_contents(check, where, &udp);
    }
    if (check->worst == LEVEL_OK && check->silence_count == silences) {
        say(check, LEVEL_OK, "serves", where, "", "answers for %s by UDP and TCP",
            check->config->zone);
    }
    check->worst = check->worst > before ? check->worst : before;
}

static void check_servers(struct check *check)
{
    for (size_t i = 0; i < check->servers.count; i++) {
        struct delegation_server *server = &check->servers.at[i];
        look_up(check, server);
        if (server->address_count == 0) {
            say(check, LEVEL_FAIL, "server-unknown", server->name,
                "give the name its A and AAAA records where its zone is kept",
                "the name server has no address");
        }
        for (size_t j = 0; j < server->address_count; j++) {
            check_address(check, server->name, &server->addresses[j]);
        }
    }
}

/* --- public resolvers --- */

static void check_public(struct check *check, const char *url)
{
    struct delegation_reply reply;
    struct target target = {.url = url, .recurse = true};
    int error = ask(check, &target, check->config->zone, DNS_RECORD_TYPE_SOA, &reply);
    if (error != 0) {
        say(check, LEVEL_UNKNOWN, "public-silent", url,
            "name another one by --doh URL, or leave them out by --local",
            "no answer (%s)", error_text(error));
    } else if (reply.rcode != 0 || !reply.has_soa) {
        say(check, LEVEL_FAIL, "public-blind", url,
            "after a change of the delegation it may take as long as the old records' "
            "TTL",
            "the world does not see %s (code %u)", check->config->zone, reply.rcode);
    } else if (check->serial != 0 && reply.soa_serial != check->serial) {
        say(check, LEVEL_WARN, "public-differs", url,
            "an old answer may live for an hour; if it stays, other servers answer for "
            "the zone",
            "sees another SOA than ours (serial %lu)", (unsigned long)reply.soa_serial);
        check->seen_count++;
    } else {
        check->seen_count++;
        say(check, LEVEL_OK, "public-sees", url, "", "the world sees %s",
            check->config->zone);
    }
}

/* --- the command --- */

static bool parse_options(int argc, char **argv, struct check *check)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"local", no_argument, NULL, 'l'},
                                            {"parent", required_argument, NULL, 'p'},
                                            {"resolver", required_argument, NULL, 'r'},
                                            {"doh", required_argument, NULL, 'd'},
                                            {"ca-file", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    struct address address;
    optind = 1;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
         c = getopt_long(argc, argv, "", options, NULL)) {
        if (c == 'j') {
            check->json = true;
        } else if (c == 'l') {
            check->local = true;
        } else if (c == 'c') {
            check->ca_file = optarg;
        } else if (c == 'd' && check->doh_count < DOH_MAX) {
            check->doh[check->doh_count++] = optarg;
        } else if ((c == 'p' || c == 'r') &&
                   address_parse(optarg, DNS_PORT, &address) == 0) {
            *(c == 'p' ? &check->parent : &check->resolver_text) = optarg;
        } else {
            fprintf(stderr,
                    "latchkey-relay: check-delegation takes --json, --local, --parent "
                    "ADDRESS, "
                    "--resolver ADDRESS, --doh URL (at most %d) and --ca-file FILE\n",
                    DOH_MAX);
            return false;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "latchkey-relay: check-delegation: '%s' is not understood\n",
                argv[optind]);
    }
    return optind == argc;
}

static int open_check(struct check *check)
{
    struct http_client_options options = {.ca_file = check->ca_file,
                                          .user_agent =
                                              "latchkey-relay/" LATCHKEY_VERSION,
                                          .max_connections = 1,
                                          .connect_ms = PUBLIC_MS,
                                          .total_ms = PUBLIC_MS};
    int error = loop_new(&check->loop);
    if (error == 0) {
        error = resolver_new(check->loop, &check->resolver_text,
                             check->resolver_text != NULL ? 1 : 0, &check->resolver);
    }
    options.resolver = check->resolver;
    if (error == 0) {
        error = http_client_new(check->loop, &options, &check->http);
    }
    check->verdicts = json_array();
    return error == 0 && check->verdicts == NULL ? ERROR_MEMORY : error;
}

static void close_check(struct check *check)
{
    if (check->http != NULL) {
        http_client_free(check->http);
    }
    resolver_free(check->resolver);
    if (check->loop != NULL) {
        loop_free(check->loop);
    }
    json_decref(check->verdicts);
}

static int print_json(const struct check *check)
{
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY
                               : json_set_text(object, "zone", check->config->zone);
    if (error == 0) {
        error = json_set_bool(object, "good", check->worst < LEVEL_FAIL);
    }
    if (error == 0) {
        error = json_set_take(object, "verdicts", json_incref(check->verdicts));
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    return admin_output_line(object);
}

/* For `status`. Who may ask but not write the store is not told about it. */
static void note(const struct relay_config *config, bool is_good)
{
    struct database *admin = NULL;
    if (database_open(config->store, "admin.db", DATABASE_WRITER, schema_admin, &admin) ==
        0) {
        (void)!admin_store_put_note(admin, config->zone, "delegation",
                                    is_good ? "good" : "broken", clock_wall_at());
    }
    database_close(admin);
}

int admin_delegation_run(const struct relay_config *config, int argc, char **argv)
{
    static const char *const public_resolvers[] = {"https://1.1.1.1/dns-query",
                                                   "https://8.8.8.8/dns-query"};
    struct check check = {.config = config};
    if (!parse_options(argc, argv, &check)) {
        return 2;
    }
    for (size_t i = 0; check.doh_count == 0 && i < 2; i++) {
        check.doh[i] = public_resolvers[i];
    }
    check.doh_count = check.local ? 0 : check.doh_count > 0 ? check.doh_count : 2;
    int error = open_check(&check);
    if (error == 0) {
        delegation_configured(config, &check.servers);
        check_parent(&check);
        check_servers(&check);
        for (size_t i = 0; i < check.doh_count; i++) {
            check_public(&check, check.doh[i]);
        }
        say_silences(&check);
        error = check.json ? print_json(&check) : 0;
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: check-delegation: %s\n", error_text(error));
    }
    close_check(&check);
    if (error == 0 && !check.local) {
        note(config, check.worst < LEVEL_FAIL);
    }
    return error == 0 && check.worst < LEVEL_FAIL ? EXIT_SUCCESS : EXIT_FAILURE;
}

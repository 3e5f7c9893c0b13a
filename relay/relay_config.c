#include "relay/relay_config.h"

#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "base/net/loopback.h"
#include "base/net/prefix.h"
#include "relay/relay_config_value.h"
#include "relay/relay_config_zones.h"
#include "relay/store/place.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ZONE_MAX = 200, TERMS_VERSION_MAX = 32 };

/* LDH labels, lower case, at least two of them: what a zone or host name must look like.
 */
static const char *check_host(const char *value)
{
    static const char wanted[] =
        "must be a lower-case host name such as lan.example.com, "
        "without a dot at the end";
    size_t label = 0;
    size_t labels = 1;
    if (strlen(value) > ZONE_MAX) {
        return "must be at most 200 characters, so that device names fit below it";
    }
    for (const char *at = value; *at != '\0'; at++) {
        bool last = at[1] == '\0' || at[1] == '.';
        if (*at == '.') {
            if (label == 0) {
                return wanted;
            }
            labels++;
            label = 0;
            continue;
        }
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        bool hyphen = *at == '-' && label > 0 && !last;
        if ((!letter && !hyphen) || ++label > LANNAME_LABEL_MAX) {
            return wanted;
        }
    }
    return label == 0 || labels < 2 ? wanted : NULL;
}

static const char *check_https(const char *value)
{
    size_t size = strlen(value);
    if (!text_starts_with(value, "https://") || size < 9 || size > 400 ||
        value[size - 1] == '/') {
        return "must be an https:// address without a slash at the end";
    }
    return strpbrk(value, " \t\"<>?#") == NULL
               ? NULL
               : "must be an address without query or fragment";
}

static const char *check_url(const char *value)
{
    return text_starts_with(value, "https://") && strlen(value) < LIMIT_URL_BYTES
               ? NULL
               : "must be an https:// address";
}

static const char *check_contact(const char *value)
{
    return value[0] == '\0' ||
                   (text_starts_with(value, "mailto:") && strchr(value, '@') != NULL)
               ? NULL
               : "must be a mail address such as mailto:you@example.com";
}

static bool is_address(const char *text)
{
    struct lanname_address address;
    return lanname_address_parse(text, &address);
}

/* "192.0.2.1", "192.0.2.1:53", "[::1]:53", ":53": looked at for shape; the socket call is
 * the judge. */
static const char *check_endpoint(const char *value)
{
    static const char wanted[] =
        "must be address:port, such as 192.0.2.1:53 or [2001:db8::1]:53";
    char host[64];
    const char *port = strrchr(value, ':');
    uint64_t number = 0;
    if (is_address(value)) {
        return NULL;
    }
    if (port == NULL || text_u64(port + 1, 65535, &number) != 0) {
        return wanted;
    }
    if (!text_format(host, sizeof(host), "%.*s", (int)(port - value), value)) {
        return wanted;
    }
    size_t size = strlen(host);
    if (size == 0) {
        return NULL;
    }
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        return is_address(host + 1) ? NULL : wanted;
    }
    return is_address(host) && strchr(host, ':') == NULL ? NULL : wanted;
}

/* The dashboard: also a path, for a unix socket. */
static const char *check_admin_listen(const char *value)
{
    struct address address;
    return strcmp(value, "none") == 0 || loopback_parse(value, &address) == 0
               ? NULL
               : "must be a loopback address and port, such as 127.0.0.1:9440, an "
                 "absolute "
                 "path for a unix socket, or none: it is never for the network, reach it "
                 "with ssh -L";
}

static const char *check_path(const char *value)
{
    return value[0] == '\0' || value[0] == '/' ? NULL : "must be an absolute path";
}

static const char *check_ct_url(const char *value)
{
    const char *place = strstr(value, "%s");
    return value[0] == '\0' || (text_starts_with(value, "https://") && place != NULL &&
                                strlen(value) < LIMIT_URL_BYTES / 2)
               ? NULL
               : "must be an https:// address with %s where the zone goes";
}

static const char *check_loopback(const char *value)
{
    struct address address;
    return strcmp(value, "none") == 0 ||
                   (loopback_parse(value, &address) == 0 && value[0] != '/')
               ? NULL
               : "must be a loopback address and port, such as 127.0.0.1:9441, or none";
}

static const char *check_plain_address(const char *value)
{
    return is_address(value) ? NULL : "must be IP addresses separated by blanks";
}

/* "name=192.0.2.1,2001:db8::1" */
static const char *check_host_addresses(const char *value)
{
    static const char wanted[] =
        "must be name=address[,address...], such as relay=192.0.2.1";
    char copy[512];
    if (!text_copy(copy, sizeof(copy), value)) {
        return wanted;
    }
    char *addresses = strchr(copy, '=');
    if (addresses == NULL || addresses == copy) {
        return wanted;
    }
    *addresses++ = '\0';
    for (char *address = strsep(&addresses, ","); address != NULL;
         address = strsep(&addresses, ",")) {
        if (!is_address(address)) {
            return wanted;
        }
    }
    return NULL;
}

static const char *check_name_server(const char *value)
{
    if (strchr(value, '=') != NULL) {
        return check_host_addresses(value);
    }
    return check_host(value) == NULL
               ? NULL
               : "must be host names, in the zone with their addresses: "
                 "ns1.lan.example.com=192.0.2.1";
}

static const char *check_unlimited(const char *value)
{
    struct prefix prefix;
    int error = prefix_parse(value, &prefix);
    return error == ERROR_RANGE
               ? "has bits set beyond its length: write the network, such as 192.0.2.0/24"
           : error != 0 ? "must be networks separated by blanks, such as 192.0.2.0/24 "
                          "2001:db8::/48"
                        : NULL;
}

static const char *check_prefix(const char *value)
{
    struct prefix prefix;
    const char *fault = check_unlimited(value);
    if (fault != NULL || prefix_parse(value, &prefix) != 0) {
        return fault;
    }
    return prefix.bits == 0 ? "is everybody: say enrolment = open, if that is meant"
                            : NULL;
}

/* What a page shows and security.txt names: a mail address, or a page of the operator's. */
static const char *check_abuse_contact(const char *value)
{
    const char *at = strchr(value, '@');
    bool is_mail = at != NULL && at != value && strchr(at + 1, '.') != NULL;
    return (is_mail || check_url(value) == NULL) && strlen(value) < LIMIT_URL_BYTES &&
                   strpbrk(value, " \t\"<>") == NULL
               ? NULL
               : "must be a mail address such as abuse@example.com, or an https:// "
                 "address";
}

static const char *check_terms_version(const char *value)
{
    size_t size = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    return value[size] == '\0' && size <= TERMS_VERSION_MAX && value[0] != '.'
               ? NULL
               : "must be at most 32 of a-z, 0-9, '-' and '.', without a '.' first, such "
                 "as "
                 "2 or 2027-01-31";
}

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const enrolments[] = {"token", "open", NULL};

#define AT(field) offsetof(struct relay_config, field)
#define TEXT(s, k, field, ...)                                                           \
    {                                                                                    \
        .section = s, .key = k, .type = CONF_TEXT, .offset = AT(field), __VA_ARGS__      \
    }
#define TEXTS(s, k, field, ...)                                                          \
    {                                                                                    \
        .section = s, .key = k, .type = CONF_TEXTS, .offset = AT(field),                 \
        .max_count = 16, __VA_ARGS__                                                     \
    }
#define NUMBER(s, k, field, ...)                                                         \
    {                                                                                    \
        .section = s, .key = k, .type = CONF_NUMBER, .offset = AT(field), __VA_ARGS__    \
    }
#define SWITCH(s, k, field, ...)                                                         \
    {                                                                                    \
        .section = s, .key = k, .type = CONF_BOOL, .offset = AT(field), __VA_ARGS__      \
    }
#define CHOICE(s, k, field, ...)                                                         \
    {                                                                                    \
        .section = s, .key = k, .type = CONF_CHOICE, .offset = AT(field), __VA_ARGS__    \
    }

/* The keys that count for the whole process, so that they stand in the main file alone ...
 */
/* clang-format off */
const struct conf_row relay_config_process_rows[] = {
    TEXTS("relay", "zone_files", zone_files),
    TEXT("relay", "store", store, .fallback = "/var/lib/latchkey"),
    TEXT("relay", "secret_file", secret_file),
    SWITCH("relay", "sandbox", sandbox, .fallback = "yes"),
    CHOICE("relay", "log", log, .fallback = "info", .choices = log_levels),
    TEXT("relay", "backup_folder", backup_folder),
    NUMBER("relay", "backup_keep", backup_keep, .fallback = "14", .max = 3650),
    TEXTS("front", "listen", front_listen, .fallback = ":443", .check = check_endpoint),
    TEXT("front", "ready_file", front_ready_file, .fallback = ""),
    TEXT("front", "status_listen", front_status_listen, .fallback = "127.0.0.1:9441",
         .check = check_loopback),
    TEXT("front", "certificate_file", front_certificate_file, .fallback = ""),
    TEXT("front", "key_file", front_key_file, .fallback = ""),
    NUMBER("front", "max_connections", front_max_connections,
           .fallback = "4096", .min = 16, .max = 1000000),
    NUMBER("front", "connection_rate", front_connection_rate,
           .fallback = "50", .min = 0, .max = 100000),
    NUMBER("front", "request_rate", front_request_rate,
           .fallback = "100", .min = 0, .max = 100000),
    TEXTS("front", "unlimited", front_unlimited, .check = check_unlimited),
    TEXTS("issuer", "resolvers", issuer_resolvers, .check = check_endpoint),
    TEXT("issuer", "ready_file", issuer_ready_file, .fallback = ""),
    TEXT("issuer", "status_listen", issuer_status_listen, .fallback = "127.0.0.1:9442",
         .check = check_loopback),
    TEXTS("dns", "listen", dns_listen, .fallback = "0.0.0.0:53 [::]:53", .check = check_endpoint),
    NUMBER("dns", "rate_limit", dns_rate_limit, .fallback = "1000", .min = 0, .max = 1000000),
    TEXTS("dns", "unlimited", dns_unlimited, .check = check_unlimited),
    TEXT("dns", "ready_file", dns_ready_file, .fallback = ""),
    TEXT("dns", "status_listen", dns_status_listen, .fallback = "127.0.0.1:9443",
         .check = check_loopback),
    TEXT("admin", "listen", admin_listen, .fallback = "none", .check = check_admin_listen),
    TEXT("admin", "ready_file", admin_ready_file, .fallback = ""),
    TEXT("admin", "ct_url", ct_url, .fallback = "", .check = check_ct_url),
    TEXT("admin", "ct_ca_file", ct_ca_file, .fallback = ""),
    TEXT("alert", "command", alert_command, .fallback = "", .check = check_path),
    SWITCH("alert", "check_delegation", alert_delegation, .fallback = "yes"),
};

/* ... and those that each zone has of its own, in its file. */
const struct conf_row relay_config_zone_rows[] = {
    TEXT("relay", "zone", zone, .required = true, .check = check_host),
    TEXT("relay", "base_url", base_url, .check = check_https),
    TEXTS("relay", "base_url_aliases", base_url_aliases, .check = check_https),
    TEXT("relay", "host", host, .check = check_host),
    TEXT("relay", "relay_key_file", relay_key_file),
    TEXT("relay", "abuse_contact", abuse_contact, .check = check_abuse_contact),
    TEXT("relay", "terms_file", terms_file, .fallback = ""),
    TEXT("relay", "terms_version", terms_version, .fallback = "", .check = check_terms_version),
    CHOICE("front", "enrolment", enrolment, .fallback = "token", .choices = enrolments),
    TEXTS("front", "open_prefixes", open_prefixes, .check = check_prefix),
    NUMBER("front", "accounts_per_prefix_hour", accounts_per_prefix_hour,
           .fallback = "100", .min = 0, .max = 1000000),
    NUMBER("front", "orders_per_prefix_hour", orders_per_prefix_hour,
           .fallback = "200", .min = 0, .max = 1000000),
    TEXT("issuer", "directory", ca_directory, .check = check_url,
         .fallback = "https://acme-v02.api.letsencrypt.org/directory"),
    TEXT("issuer", "ca_file", ca_file, .fallback = ""),
    TEXT("issuer", "ca_name", ca_name, .fallback = "letsencrypt.org", .check = check_host),
    TEXT("issuer", "contact", ca_contact, .fallback = "", .check = check_contact),
    TEXT("issuer", "eab_kid", ca_eab_kid, .fallback = ""),
    TEXT("issuer", "eab_key_file", ca_eab_key_file, .fallback = ""),
    SWITCH("issuer", "new_account", ca_new_account, .fallback = "no"),
    NUMBER("issuer", "caa_wait", caa_wait, .fallback = "300", .min = 0, .max = 86400),
    SWITCH("issuer", "terms_agreed", ca_terms_agreed, .fallback = "no"),
    TEXT("issuer", "profile", ca_profile, .fallback = ""),
    SWITCH("issuer", "budgets", budgets, .fallback = "yes"),
    TEXT("issuer", "registered_domain", registered_domain, .check = check_host),
    NUMBER("issuer", "certificates_per_week", budget_certificates_week,
           .fallback = "50", .min = 1, .max = 10000000),
    NUMBER("issuer", "certificates_burst", budget_certificates_burst,
           .fallback = "0", .min = 0, .max = 10000000),
    NUMBER("issuer", "orders_per_3h", budget_orders_3h,
           .fallback = "300", .min = 1, .max = 10000000),
    NUMBER("issuer", "orders_burst", budget_orders_burst,
           .fallback = "0", .min = 0, .max = 10000000),
    NUMBER("issuer", "exact_set_per_week", budget_exact_set_week,
           .fallback = "5", .min = 1, .max = 1000000),
    NUMBER("issuer", "exact_set_burst", budget_exact_set_burst,
           .fallback = "0", .min = 0, .max = 1000000),
    NUMBER("issuer", "failures_per_hour", budget_failures_hour,
           .fallback = "5", .min = 1, .max = 1000000),
    NUMBER("issuer", "device_keys_per_week", device_keys_week,
           .fallback = "3", .min = 1, .max = 1000000),
    NUMBER("issuer", "open_accounts_per_day", open_accounts_per_day,
           .fallback = "100", .min = 1, .max = 100000),
    NUMBER("issuer", "max_in_flight", max_in_flight, .fallback = "500", .min = 1, .max = 10000),
    NUMBER("issuer", "connections", ca_connections, .fallback = "32", .min = 1, .max = 1000),
    NUMBER("issuer", "new_orders_at_once", new_orders_at_once,
           .fallback = "8", .min = 1, .max = 1000),
    TEXTS("issuer", "check_name_servers", name_server_checks, .check = check_endpoint),
    TEXTS("dns", "name_servers", dns_name_servers, .required = true, .check = check_name_server),
    TEXTS("dns", "hosts", dns_hosts, .check = check_host_addresses),
    TEXTS("dns", "apex", dns_apex, .check = check_plain_address),
    TEXT("dns", "records_file", dns_records_file, .fallback = ""),
    TEXT("dns", "contact", dns_contact),
    SWITCH("dns", "answer_shared", dns_shared, .fallback = "no"),
    SWITCH("dns", "answer_loopback", dns_loopback, .fallback = "no"),
};
/* clang-format on */

const size_t relay_config_zone_row_count =
    sizeof(relay_config_zone_rows) / sizeof(relay_config_zone_rows[0]);
const size_t relay_config_process_row_count =
    sizeof(relay_config_process_rows) / sizeof(relay_config_process_rows[0]);

enum {
    PROCESS_ROW_COUNT =
        sizeof(relay_config_process_rows) / sizeof(relay_config_process_rows[0]),
    ZONE_ROW_COUNT = sizeof(relay_config_zone_rows) / sizeof(relay_config_zone_rows[0]),
    ROW_COUNT = PROCESS_ROW_COUNT + ZONE_ROW_COUNT,
};

static const char *refuse_process_wide(const char *value)
{
    (void)value;
    return "counts for all zones; it belongs into the main file";
}

/* The rows of one file. In a zone's file a process-wide key has a row that refuses it, so
 * that the report says why. */
static void join_rows(bool is_zone_file, struct conf_row ret_rows[static ROW_COUNT])
{
    memcpy(ret_rows, relay_config_process_rows, sizeof(relay_config_process_rows));
    memcpy(ret_rows + PROCESS_ROW_COUNT, relay_config_zone_rows,
           sizeof(relay_config_zone_rows));
    for (size_t i = 0; is_zone_file && i < PROCESS_ROW_COUNT; i++) {
        ret_rows[i] = (struct conf_row){.section = relay_config_process_rows[i].section,
                                        .key = relay_config_process_rows[i].key,
                                        .type = CONF_TEXT,
                                        .offset = relay_config_process_rows[i].offset,
                                        .check = refuse_process_wide};
    }
}

/* FIELD, if it was not given, becomes PREFIX and SUFFIX together. */
static int derive(char **field, const char *prefix, const char *suffix)
{
    if (*field != NULL) {
        return 0;
    }
    struct buffer text = buffer_init(LIMIT_URL_BYTES);
    int result = buffer_printf(&text, "%s%s", prefix, suffix);
    if (result == 0) {
        *field = buffer_take(&text);
    }
    buffer_free(&text);
    return result == 0 && *field == NULL ? ERROR_MEMORY : result;
}

/* A copy from the service manager (LoadCredential= in systemd.exec(5)) wins: the role may not
 * be allowed to read the file itself. */
static int derive_secret(struct relay_config *config)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX];
    if (folder != NULL && text_format(path, sizeof(path), "%s/secret", folder) &&
        access(path, F_OK) == 0) {
        return derive(&config->secret_file, path, "");
    }
    return derive(&config->secret_file, config->store, "/secret");
}

static int derive_host(struct relay_config *config)
{
    char host[256];
    const char *start = config->base_url + strlen("https://");
    size_t size = strcspn(start, ":/");
    if (config->host != NULL) {
        return 0;
    }
    if (!text_format(host, sizeof(host), "%.*s", (int)size, start)) {
        return ERROR_LIMIT;
    }
    return derive(&config->host, host, "");
}

static void clear_none(char *text)
{
    if (strcmp(text, "none") == 0) {
        text[0] = '\0';
    }
}

/* The issuer makes it, so it is in the issuer's folder. */
static int derive_relay_key(struct relay_config *config, bool is_main)
{
    char name[ZONE_MAX + 32];
    char path[PATH_MAX];
    if (!text_format(name, sizeof(name), "relay-key%s%s.pem", is_main ? "" : "-",
                     is_main ? "" : config->zone)) {
        return ERROR_LIMIT;
    }
    int result = place_path(config->store, "issuer", name, path, sizeof(path));
    return result == 0 ? derive(&config->relay_key_file, path, "") : result;
}

/* The registered domain has two labels at least: a public suffix and one more. Where the suffix
 * is longer (co.uk), two zones may count as one that are none: slower, never too fast. */
static int derive_domain(struct relay_config *config)
{
    const char *domain = strrchr(config->zone, '.');
    while (domain > config->zone && domain[-1] != '.') {
        domain--;
    }
    config->is_domain_guessed = config->registered_domain == NULL;
    return derive(&config->registered_domain, domain, "");
}

static int derive_all(struct relay_config *config, bool is_main)
{
    int result = derive(&config->base_url, "https://relay.", config->zone);
    if (result == 0) {
        result = derive_host(config);
    }
    if (result == 0) {
        result = derive_secret(config);
    }
    if (result == 0) {
        result = derive(&config->backup_folder, config->store, "/backup");
    }
    if (result == 0) {
        result = derive_relay_key(config, is_main);
    }
    if (result == 0) {
        result = derive_domain(config);
    }
    if (result == 0) {
        result = derive(&config->dns_contact, "hostmaster@", config->zone);
    }
    if (result == 0) {
        result = derive(&config->abuse_contact, config->dns_contact, "");
    }
    if (result == 0) {
        clear_none(config->front_status_listen);
        clear_none(config->issuer_status_listen);
        clear_none(config->dns_status_listen);
        clear_none(config->admin_listen);
    }
    return result;
}

/* Both or neither of a pair of keys. */
static int check_pair(const char *path, const char *keys, const char *a, const char *b,
                      struct buffer *report)
{
    if ((a[0] != '\0') == (b[0] != '\0')) {
        return 0;
    }
    buffer_printf(report, "%s: %s: give both or neither\n", path, keys);
    return ERROR_SYNTAX;
}

/* What no single line shows. */
static int check_whole(const char *path, const struct relay_config *config,
                       struct buffer *report)
{
    int faults = 0;
    if (!config->ca_terms_agreed) {
        buffer_printf(report,
                      "%s: [issuer] terms_agreed: must be yes, once you have read the "
                      "CA's terms of "
                      "service (a link is in its directory '%s')\n",
                      path, config->ca_directory);
        faults++;
    }
    if (!relay_config_zones_is_below(config->host, config->zone)) {
        buffer_printf(
            report,
            "%s: [relay] host = '%s': must be below the zone '%s', whose DNS proves it\n",
            path, config->host, config->zone);
        faults++;
    }
    if (!relay_config_zones_is_below(config->zone, config->registered_domain)) {
        buffer_printf(
            report,
            "%s: [issuer] registered_domain = '%s': must be the zone '%s' itself, or "
            "what it is below\n",
            path, config->registered_domain, config->zone);
        faults++;
    }
    for (size_t i = 0; i < config->dns_name_servers.count; i++) {
        const char *server = config->dns_name_servers.at[i];
        char name[256];
        if (!text_format(name, sizeof(name), "%.*s", (int)strcspn(server, "="), server) ||
            (strchr(server, '=') == NULL) ==
                relay_config_zones_is_below(name, config->zone)) {
            buffer_printf(
                report,
                "%s: [dns] name_servers = '%s': a name server in the zone must have its "
                "addresses (name=192.0.2.1), one outside must have none\n",
                path, server);
            faults++;
        }
    }
    if (config->enrolment == RELAY_ENROLMENT_OPEN && config->open_prefixes.count > 0) {
        buffer_printf(report,
                      "%s: [front] open_prefixes: means nothing while enrolment = open; "
                      "leave one of them out\n",
                      path);
        faults++;
    }
    if (check_pair(path, "[relay] terms_file and terms_version", config->terms_file,
                   config->terms_version, report) != 0) {
        faults++;
    }
    if (check_pair(path, "[issuer] eab_kid and eab_key_file", config->ca_eab_kid,
                   config->ca_eab_key_file, report) != 0) {
        faults++;
    }
    return faults == 0 ? 0 : ERROR_SYNTAX;
}

/* One file. MAIN: the main file's configuration, or NULL when this is the main file. */
static int read_file(const char *path, const struct relay_config *main_config,
                     struct relay_config *config, struct buffer *report)
{
    struct conf_row rows[ROW_COUNT];
    join_rows(main_config != NULL, rows);
    config->path = strdup(path);
    config->is_main = main_config == NULL;
    config->first = config->is_main ? config : main_config;
    int result = config->path == NULL ? ERROR_MEMORY
                                      : conf_read(path, rows, ROW_COUNT, config, report);
    for (size_t i = 0; main_config != NULL && result == 0 && i < PROCESS_ROW_COUNT; i++) {
        result =
            relay_config_value_copy(&relay_config_process_rows[i], main_config, config);
    }
    if (result == 0) {
        result = derive_all(config, main_config == NULL);
    }
    if (result == 0) {
        result = check_whole(path, config, report);
    }
    if (result == 0 && main_config == NULL) {
        result =
            check_pair(path, "[front] certificate_file and key_file",
                       config->front_certificate_file, config->front_key_file, report);
    }
    return result;
}

/* Every zone's file is read, whatever is wrong with another: all faults are told at once.
 */
static int read_zone_files(struct relay_config *main_config, struct buffer *report)
{
    struct relay_config *last = main_config;
    int result = 0;
    for (size_t i = 0; i < main_config->zone_files.count; i++) {
        struct relay_config *config = calloc(1, sizeof(*config));
        if (config == NULL) {
            return ERROR_MEMORY;
        }
        last->next = config;
        last = config;
        int read = read_file(main_config->zone_files.at[i], main_config, config, report);
        result = result == 0 ? read : result;
    }
    return result;
}

int relay_config_read(const char *path, struct relay_config *ret_config,
                      struct buffer *report)
{
    memset(ret_config, 0, sizeof(*ret_config));
    int result = read_file(path, NULL, ret_config, report);
    if (result == 0) {
        result = read_zone_files(ret_config, report);
    }
    if (result == 0) {
        result = relay_config_zones_compare(ret_config, report);
    }
    return result;
}

static void free_one(struct relay_config *config)
{
    struct conf_row rows[ROW_COUNT];
    join_rows(false, rows);
    conf_free(rows, ROW_COUNT, config);
    free(config->path);
    config->path = NULL;
}

void relay_config_free(struct relay_config *config)
{
    while (config->next != NULL) {
        struct relay_config *next = config->next;
        config->next = next->next;
        free_one(next);
        free(next);
    }
    free_one(config);
}

#include "device/device_config.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "base/net/address.h"
#include "device/hook.h"
#include "device/own_addresses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIN_CAPACITY = 64, PIN_SIZE = 43 };

static const char *const proxy_protocols[] = {"none", "v2", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

const char *device_config_split_relay(const char *relay, char *ret_url, char *ret_pin)
{
    static const char allowed[] = "must be an https:// URL, e.g. "
                                  "https://relay.lan.example.com/acme/directory";
    static const char *const scheme = "https://";
    if (!text_starts_with(relay, scheme)) {
        return allowed;
    }
    const char *host = relay + strlen(scheme);
    size_t host_size = strcspn(host, "/?#@");
    if (host_size == 0 || host[host_size] != '/') {
        return allowed;
    }
    for (const char *at = relay; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f) {
            return allowed;
        }
    }
    size_t url_size = strcspn(relay, "#");
    if (url_size >= LIMIT_URL_BYTES) {
        return "must be shorter than 1024 characters";
    }
    const char *pin = relay[url_size] == '#' ? relay + url_size + 1 : "";
    uint8_t hash[32];
    size_t hash_size = 0;
    if (pin[0] != '\0' &&
        (strlen(pin) != PIN_SIZE ||
         text_base64url_decode(pin, PIN_SIZE, hash, sizeof(hash), &hash_size) < 0)) {
        return "must have 43 characters of base64url after '#': the pin of the relay's "
               "key";
    }
    memcpy(ret_url, relay, url_size);
    ret_url[url_size] = '\0';
    text_copy(ret_pin, PIN_CAPACITY, pin);
    return NULL;
}

static const char *check_relay(const char *value)
{
    char url[LIMIT_URL_BYTES];
    char pin[PIN_CAPACITY];
    return device_config_split_relay(value, url, pin);
}

/* `none` switches a list off that has a default. */
static const char *check_serve(const char *value)
{
    struct address address;
    return strcmp(value, "none") == 0 || address_parse(value, 443, &address) == 0
               ? NULL
               : "must be ':port', 'address:port', '[address]:port' or 'none'";
}

/* Where another program of this device listens. */
static const char *check_target(const char *value)
{
    struct address address;
    return value[0] == '\0' || value[0] == '/' ||
                   (value[0] != ':' && address_parse(value, 0, &address) == 0 &&
                    address_port(&address) != 0)
               ? NULL
               : "must be 'address:port' or the path of a unix socket";
}

static const char *check_proxy(const char *value)
{
    static const char *const scheme = "http://";
    const char *host = text_starts_with(value, scheme) ? value + strlen(scheme) : "";
    size_t size = strcspn(host, "/ @");
    return value[0] == '\0' ||
                   (size > 0 && (host[size] == '\0' || strcmp(host + size, "/") == 0))
               ? NULL
               : "must be 'http://host:port'";
}

static const char *check_doh(const char *value)
{
    bool is_url = text_starts_with(value, "https://") && strlen(value) < LIMIT_URL_BYTES;
    return is_url || strcmp(value, "none") == 0 ? NULL
                                                : "must be an https:// URL, or 'none'";
}

static const char *check_color(const char *value)
{
    static const char *const hex = "0123456789abcdefABCDEF";
    return value[0] == '\0' ||
                   (value[0] == '#' && strlen(value) == 7 && strspn(value + 1, hex) == 6)
               ? NULL
               : "must be a colour such as '#0b6b53'";
}

static const char *check_profile(const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f) {
            return "must be a word without blanks, e.g. tlsserver";
        }
    }
    return strlen(value) <= 64 ? NULL : "must have at most 64 characters";
}

static const char *check_interface(const char *value)
{
    return strlen(value) < 16 && strchr(value, '/') == NULL
               ? NULL
               : "must be an interface's name (at most 15 characters; '?' is any "
                 "character, '*' at the end any rest) or 'kind:bridge' and the like";
}

static const char *check_texts(const char *value)
{
    /* Shown on pages: one line, no control characters. */
    for (const char *at = value; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            return "must be one line of text";
        }
    }
    return strlen(value) <= 64 ? NULL : "must have at most 64 bytes";
}

static const char *check_name_server(const char *value)
{
    struct address address;
    return address_parse(value, 53, &address) == 0
               ? NULL
               : "must be 'address' or 'address:port'";
}

static const char *check_label(const char *value)
{
    return lanname_is_host_label((const uint8_t *)value, strlen(value))
               ? NULL
               : "must be a label of 1 to 32 letters, digits and hyphens that does not "
                 "look like "
                 "an address";
}

static const char *check_local_name(const char *value)
{
    size_t label = strcspn(value, ".");
    return value[0] == '\0' || (label <= LANNAME_LABEL_MAX &&
                                text_equal_nocase(value + label, ".local") &&
                                lanname_is_host_label((const uint8_t *)value, label))
               ? NULL
               : "must be a name such as 'camera.local'";
}

static const char *check_address(const char *value)
{
    /* What a relay may answer by its options too: it judges, but never these others. */
    static const struct lanname_policy policy = {.shared = true, .loopback = true};
    struct lanname_address address;
    if (!lanname_address_parse(value, &address)) {
        return "must be an IPv4 or IPv6 address";
    }
    return lanname_allowed(&address, &policy)
               ? NULL
               : "must be a private address: no relay answers with others";
}

static const char *check_path(const char *value)
{
    return value[0] == '\0' || value[0] == '/' ? NULL
                                               : "must be a path that starts with '/'";
}

static const char *check_reload(const char *value)
{
    struct hook_command command;
    return hook_split(value, &command);
}

#define FIELD(field) offsetof(struct device_config, field)

static const struct conf_row rows[] = {
    {.section = "device",
     .key = "relay",
     .type = CONF_TEXTS,
     .offset = FIELD(relay),
     .required = true,
     .check = check_relay,
     .max_count = DEVICE_RELAYS_MAX},
    {.section = "device",
     .key = "state_folder",
     .type = CONF_TEXT,
     .offset = FIELD(state_folder),
     .fallback = "/var/lib/latchkey-device",
     .check = check_path},
    {.section = "device",
     .key = "serve",
     .type = CONF_TEXTS,
     .offset = FIELD(serve),
     .fallback = ":443",
     .check = check_serve,
     .max_count = LIMIT_DEVICE_ADDRESSES},
    {.section = "device",
     .key = "backend",
     .type = CONF_TEXT,
     .offset = FIELD(backend),
     .fallback = "",
     .check = check_target},
    {.section = "device",
     .key = "proxy_protocol",
     .type = CONF_CHOICE,
     .offset = FIELD(proxy_protocol),
     .fallback = "none",
     .choices = proxy_protocols},
    {.section = "device",
     .key = "backend_idle",
     .type = CONF_DURATION,
     .offset = FIELD(backend_idle_s),
     .fallback = "10m",
     .min = 1,
     .max = 86400},
    {.section = "device",
     .key = "max_connections",
     .type = CONF_NUMBER,
     .offset = FIELD(max_connections),
     .fallback = "512",
     .min = 8,
     .max = 20000},
    {.section = "device",
     .key = "pages",
     .type = CONF_TEXTS,
     .offset = FIELD(pages),
     .fallback = "none",
     .check = check_serve,
     .max_count = LIMIT_DEVICE_ADDRESSES},
    {.section = "device",
     .key = "http",
     .type = CONF_TEXTS,
     .offset = FIELD(http),
     .fallback = ":80",
     .check = check_serve,
     .max_count = LIMIT_DEVICE_ADDRESSES},
    {.section = "device",
     .key = "reload",
     .type = CONF_TEXT,
     .offset = FIELD(reload),
     .fallback = "",
     .check = check_reload},
    {.section = "device",
     .key = "reload_timeout",
     .type = CONF_DURATION,
     .offset = FIELD(reload_timeout_s),
     .fallback = "30s",
     .min = 1,
     .max = 600},
    {.section = "device",
     .key = "verify",
     .type = CONF_TEXT,
     .offset = FIELD(verify),
     .fallback = "",
     .check = check_target},
    {.section = "device",
     .key = "live_group",
     .type = CONF_TEXT,
     .offset = FIELD(live_group),
     .fallback = ""},
    {.section = "device",
     .key = "name",
     .type = CONF_TEXT,
     .offset = FIELD(name),
     .fallback = "home",
     .check = check_label},
    {.section = "device",
     .key = "local_name",
     .type = CONF_TEXT,
     .offset = FIELD(local_name),
     .fallback = "",
     .check = check_local_name},
    {.section = "device",
     .key = "token_file",
     .type = CONF_TEXT,
     .offset = FIELD(token_file),
     .fallback = "",
     .check = check_path},
    {.section = "device",
     .key = "interface",
     .type = CONF_TEXTS,
     .offset = FIELD(interfaces),
     .check = check_interface,
     .max_count = 16},
    {.section = "device",
     .key = "skip_interface",
     .type = CONF_TEXTS,
     .offset = FIELD(skip_interfaces),
     .fallback = OWN_ADDRESSES_SKIPPED,
     .check = check_interface,
     .max_count = 64},
    {.section = "device",
     .key = "mdns",
     .type = CONF_BOOL,
     .offset = FIELD(mdns),
     .fallback = "yes"},
    {.section = "device",
     .key = "address",
     .type = CONF_TEXTS,
     .offset = FIELD(addresses),
     .check = check_address,
     .max_count = LIMIT_DEVICE_ADDRESSES},
    {.section = "device",
     .key = "ca_file",
     .type = CONF_TEXT,
     .offset = FIELD(ca_file),
     .fallback = "",
     .check = check_path},
    {.section = "device",
     .key = "name_server",
     .type = CONF_TEXTS,
     .offset = FIELD(name_servers),
     .check = check_name_server,
     .max_count = 4},
    {.section = "device",
     .key = "profile",
     .type = CONF_TEXT,
     .offset = FIELD(profile),
     .fallback = "tlsserver",
     .check = check_profile},
    {.section = "device",
     .key = "proxy",
     .type = CONF_TEXT,
     .offset = FIELD(proxy),
     .fallback = "",
     .check = check_proxy},
    {.section = "device",
     .key = "doh",
     .type = CONF_TEXTS,
     .offset = FIELD(doh),
     .fallback = "https://1.1.1.1/dns-query https://8.8.8.8/dns-query",
     .check = check_doh,
     .max_count = 4},
    {.section = "device",
     .key = "identity",
     .type = CONF_TEXT,
     .offset = FIELD(identity),
     .fallback = ""},
    {.section = "device",
     .key = "openssl_provider",
     .type = CONF_TEXTS,
     .offset = FIELD(openssl_providers),
     .max_count = 4},
    {.section = "device",
     .key = "volatile_state",
     .type = CONF_BOOL,
     .offset = FIELD(volatile_state),
     .fallback = "no"},
    {.section = "device",
     .key = "brand_name",
     .type = CONF_TEXT,
     .offset = FIELD(brand_name),
     .fallback = "",
     .check = check_texts},
    {.section = "device",
     .key = "brand_logo",
     .type = CONF_TEXT,
     .offset = FIELD(brand_logo),
     .fallback = "",
     .check = check_path},
    {.section = "device",
     .key = "brand_color",
     .type = CONF_TEXT,
     .offset = FIELD(brand_color),
     .fallback = "",
     .check = check_color},
    {.section = "device",
     .key = "texts_file",
     .type = CONF_TEXT,
     .offset = FIELD(texts_file),
     .fallback = "",
     .check = check_path},
    {.section = "device",
     .key = "worker",
     .type = CONF_TEXT,
     .offset = FIELD(worker),
     .fallback = "",
     .check = check_path},
    {.section = "device",
     .key = "log",
     .type = CONF_CHOICE,
     .offset = FIELD(log),
     .fallback = "info",
     .choices = log_levels},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

/* A list of the one word `none` is empty. */
static void empty_if_none(struct conf_texts *texts)
{
    if (texts->count == 1 && strcmp(texts->at[0], "none") == 0) {
        free(texts->at[0]);
        texts->count = 0;
    }
}

/* What follows from the values; the table has checked them one by one. */
static int complete(struct device_config *config)
{
    text_lower(config->name);
    text_lower(config->local_name);
    empty_if_none(&config->serve);
    empty_if_none(&config->pages);
    empty_if_none(&config->http);
    empty_if_none(&config->skip_interfaces);
    empty_if_none(&config->doh);
    for (size_t i = 0; i < config->relay.count; i++) {
        struct device_relay *relay = &config->relays[i];
        if (device_config_split_relay(config->relay.at[i], relay->directory,
                                      relay->pin) != NULL) {
            return ERROR_SYNTAX;
        }
    }
    return 0;
}

int device_config_read(const char *path, struct device_config *ret_config,
                       struct buffer *report)
{
    *ret_config = (struct device_config){.name = NULL};
    int error = conf_read(path, rows, ROW_COUNT, ret_config, report);
    return error < 0 ? error : complete(ret_config);
}

int device_config_parse(const char *name, const char *text,
                        struct device_config *ret_config, struct buffer *report)
{
    *ret_config = (struct device_config){.name = NULL};
    int error = conf_parse(name, text, rows, ROW_COUNT, ret_config, report);
    return error < 0 ? error : complete(ret_config);
}

void device_config_free(struct device_config *config)
{
    conf_free(rows, ROW_COUNT, config);
}

void device_config_print_good(const char *path, const struct device_config *config)
{
    printf("%s: good; the relay%s", path, config->relay.count > 1 ? "s are" : " is");
    for (size_t i = 0; i < config->relay.count; i++) {
        printf("%s %s", i > 0 ? "," : "", config->relays[i].directory);
    }
    printf("\n");
}

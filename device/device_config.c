#include "device/device_config.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "base/lanname.h"
#include "base/net/address.h"

#include <string.h>

enum { PIN_CAPACITY = 64, PIN_SIZE = 43 };

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

static const char *check_listen(const char *value)
{
    struct address address;
    return address_parse(value, 443, &address) == 0
               ? NULL
               : "must be ':port', 'address:port' or '[address]:port'";
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

#define FIELD(field) offsetof(struct device_config, field)

static const struct conf_row rows[] = {
    {.section = "device",
     .key = "relay",
     .type = CONF_TEXT,
     .offset = FIELD(relay),
     .required = true,
     .check = check_relay},
    {.section = "device",
     .key = "state_folder",
     .type = CONF_TEXT,
     .offset = FIELD(state_folder),
     .fallback = "/var/lib/latchkey-device",
     .check = check_path},
    {.section = "device",
     .key = "listen",
     .type = CONF_TEXTS,
     .offset = FIELD(listen),
     .fallback = ":443",
     .check = check_listen,
     .max_count = LIMIT_DEVICE_ADDRESSES},
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
     .max_count = 16},
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
     .fallback = "tlsserver"},
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

/* What follows from the values; the table has checked them one by one. */
static int complete(struct device_config *config)
{
    text_lower(config->name);
    text_lower(config->local_name);
    return device_config_split_relay(config->relay, config->directory,
                                     config->relay_pin) == NULL
               ? 0
               : ERROR_SYNTAX;
}

int device_config_read(const char *path, struct device_config *ret_config,
                       struct buffer *report)
{
    *ret_config = (struct device_config){.relay = NULL};
    int error = conf_read(path, rows, ROW_COUNT, ret_config, report);
    return error < 0 ? error : complete(ret_config);
}

int device_config_parse(const char *name, const char *text,
                        struct device_config *ret_config, struct buffer *report)
{
    *ret_config = (struct device_config){.relay = NULL};
    int error = conf_parse(name, text, rows, ROW_COUNT, ret_config, report);
    return error < 0 ? error : complete(ret_config);
}

void device_config_free(struct device_config *config)
{
    conf_free(rows, ROW_COUNT, config);
}

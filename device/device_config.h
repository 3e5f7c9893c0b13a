/* The device's configuration file, section [device]. Keys, defaults and what is allowed
 * stand in device_config.c's table and, for people, in device/latchkey.conf.example. */
#ifndef DEVICE_DEVICE_CONFIG_H
#define DEVICE_DEVICE_CONFIG_H

#include "base/core/conf.h"
#include "base/core/limits.h"

#define DEVICE_CONFIG_PATH "/etc/latchkey/device.conf"

enum { DEVICE_RELAYS_MAX = 4 };

/* One relay of several, in the order in which they are tried. */
struct device_relay {
    char directory[LIMIT_URL_BYTES]; /* its ACME directory */
    char pin[64];                    /* of its key: base64url of SHA-256, or "" */
};

struct device_config {
    struct conf_texts relay; /* ACME directories, https, perhaps with #pin; required */
    char *state_folder;      /* default /var/lib/latchkey-device */
    /* What is served where. */
    struct conf_texts serve;   /* HTTPS: the pages or the backend; default :443 */
    char *backend;             /* "" : the agent's own pages are served */
    int proxy_protocol;        /* enum device_proxy_protocol, towards the backend */
    uint64_t backend_idle_s;   /* without a byte in either direction */
    uint64_t max_connections;  /* at `serve`, with a backend */
    struct conf_texts pages;   /* HTTPS for the pages beside a backend; default none */
    struct conf_texts http;    /* plain HTTP that leads to HTTPS; default :80 */
    char *reload;              /* command after live/ has changed; "" : none */
    uint64_t reload_timeout_s; /* for the command */
    char *verify;     /* where the new certificate must then be seen; "" : `serve` */
    char *live_group; /* group that may read live/; "" : none */
    /* Names and addresses. */
    char *name;                        /* stable label under the id; default home */
    char *local_name;                  /* "" : <host name>.local */
    struct conf_texts interfaces;      /* only these; none: all but `skip_interfaces` */
    struct conf_texts skip_interfaces; /* a '*' at the end stands for any rest */
    struct conf_texts addresses;       /* exactly these; none: those of the interfaces */
    bool mdns;                         /* announce by Avahi where it runs */
    /* The way to the relay. */
    char *token_file; /* enrolment token; "" : none */
    char *ca_file;    /* PEM to trust for the relay's HTTPS; "" : the system's */
    struct conf_texts name_servers; /* for the relay's own name; none: the system's */
    char *proxy;                    /* http://host:port for CONNECT; "" : none */
    struct conf_texts doh;          /* public resolvers that the diagnosis asks */
    char *profile; /* certificate profile to ask for; default tlsserver */
    /* The identity key. */
    char *identity; /* URI for an OpenSSL provider; "" : identity.pem in the folder */
    struct conf_texts openssl_providers; /* to load for it */
    bool volatile_state;                 /* keep the identity on a tmpfs all the same */
    /* The pages' looks. */
    char *brand_name;  /* "" : latchkey */
    char *brand_logo;  /* SVG or PNG file; "" : none */
    char *brand_color; /* "#rrggbb"; "" : ours */
    char *texts_file;  /* translation of the pages; "" : English */
    char *worker;      /* path of latchkey-worker; "" : beside latchkey */
    int log;           /* enum log_level */
    /* Made from the above: relay.count of them. */
    struct device_relay relays[DEVICE_RELAYS_MAX];
};

enum device_proxy_protocol { DEVICE_PROXY_PROTOCOL_NONE, DEVICE_PROXY_PROTOCOL_V2 };

/* Reads and checks PATH. On failure REPORT has one line per fault. Free with
 * device_config_free in any case. */
int device_config_read(const char *path, struct device_config *ret_config,
                       struct buffer *report) MUST_CHECK;
/* The same from text in memory. */
int device_config_parse(const char *name, const char *text,
                        struct device_config *ret_config,
                        struct buffer *report) MUST_CHECK;
void device_config_free(struct device_config *config);
/* Tells stdout that PATH is good, and the relays in it, for `--check`. */
void device_config_print_good(const char *path, const struct device_config *config);

/* Splits "https://host[:port]/path#pin" into the URL (RET_URL holds LIMIT_URL_BYTES) and
 * the pin (RET_PIN holds 64, "" when there is none). A sentence of what is wrong, or
 * NULL. */
const char *device_config_split_relay(const char *relay, char *ret_url, char *ret_pin);

#endif

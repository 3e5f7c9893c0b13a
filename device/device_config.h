/* The device's configuration file, section [device]. Keys, defaults and what is allowed
 * stand in device_config.c's table and, for people, in device/latchkey.conf.example. */
#ifndef DEVICE_DEVICE_CONFIG_H
#define DEVICE_DEVICE_CONFIG_H

#include "base/core/conf.h"
#include "base/core/limits.h"

#define DEVICE_CONFIG_PATH "/etc/latchkey/device.conf"

struct device_config {
    char *relay; /* the relay's ACME directory, https, perhaps with #pin; required */
    char *state_folder;           /* default /var/lib/latchkey-device */
    struct conf_texts listen;     /* default :443 */
    char *name;                   /* stable label under the id; default home */
    char *local_name;             /* "" : <host name>.local */
    char *token_file;             /* enrolment token; "" : none */
    struct conf_texts interfaces; /* only these; none: all but virtual ones */
    struct conf_texts addresses;  /* exactly these; none: those of the interfaces */
    char *ca_file; /* PEM to trust for the relay's HTTPS; "" : the system's */
    struct conf_texts name_servers; /* for the relay's own name; none: the system's */
    char *profile; /* certificate profile to ask for; default tlsserver */
    char *worker;  /* path of latchkey-worker; "" : beside latchkey */
    int log;       /* enum log_level */
    /* Made from the above. */
    char directory[LIMIT_URL_BYTES]; /* relay without the fragment */
    char relay_pin[64];              /* the fragment, or "" */
};

/* Reads and checks PATH. On failure REPORT has one line per fault. Free with
 * device_config_free in any case. */
int device_config_read(const char *path, struct device_config *ret_config,
                       struct buffer *report) MUST_CHECK;
/* The same from text in memory. */
int device_config_parse(const char *name, const char *text,
                        struct device_config *ret_config,
                        struct buffer *report) MUST_CHECK;
void device_config_free(struct device_config *config);

/* Splits "https://host[:port]/path#pin" into the URL (RET_URL holds LIMIT_URL_BYTES) and
 * the pin (RET_PIN holds 64, "" when there is none). A sentence of what is wrong, or
 * NULL. */
const char *device_config_split_relay(const char *relay, char *ret_url, char *ret_pin);

#endif

/* What the agent and latchkey-mdns tell each other: one JSON object a datagram, over a
 * socket pair (SOCK_SEQPACKET). Each message replaces the last of its kind. */
#ifndef DEVICE_MDNS_MESSAGE_H
#define DEVICE_MDNS_MESSAGE_H

#include "base/core/buffer.h"
#include "base/core/limits.h"
#include "device/own_addresses.h"

#include <stdint.h>

enum { MDNS_LABEL_CAPACITY = 64, MDNS_NAME_CAPACITY = 80 };

/* Exit status of latchkey-mdns where there is no D-Bus, and so no Avahi. */
enum { MDNS_EXIT_ABSENT = 69 };

/* To latchkey-mdns: what to announce. */
struct mdns_facts {
    char host[MDNS_LABEL_CAPACITY];    /* "latchkey-5tbi3ygz", without ".local" */
    char service[MDNS_LABEL_CAPACITY]; /* of the service, for people */
    char id[LANNAME_ID_SIZE + 1];      /* in its TXT record */
    uint16_t port;                     /* of HTTPS; 0: only the host is announced */
    struct own_addresses addresses;
};

enum mdns_state {
    MDNS_OFF,       /* not asked for, or not installed */
    MDNS_WAITING,   /* for Avahi, or for its word */
    MDNS_ANNOUNCED, /* under `host` */
    MDNS_ABSENT,    /* no D-Bus: looked for again from time to time */
    MDNS_FAILED,    /* Avahi refuses; `detail` says why */
};

/* From latchkey-mdns. */
struct mdns_report {
    enum mdns_state state;
    char
        host[MDNS_NAME_CAPACITY]; /* "latchkey-5tbi3ygz.local"; other than asked for after
                                      a collision */
    char detail[128];
};

/* The state's word in JSON: "announced". */
const char *mdns_message_state_text(enum mdns_state state);

/* Appends the message to BUFFER. */
int mdns_message_write_facts(const struct mdns_facts *facts,
                             struct buffer *buffer) MUST_CHECK;
int mdns_message_write_report(const struct mdns_report *report,
                              struct buffer *buffer) MUST_CHECK;
/* ERROR_SYNTAX for what is no such message, ERROR_LIMIT for a text that is too long. */
int mdns_message_read_facts(const void *data, size_t size,
                            struct mdns_facts *ret_facts) MUST_CHECK;
int mdns_message_read_report(const void *data, size_t size,
                             struct mdns_report *ret_report) MUST_CHECK;

#endif

/* Reading what a device's QR code says; device/qr.h has the form. */
#ifndef DEVICE_PIN_PAYLOAD_H
#define DEVICE_PIN_PAYLOAD_H

#include "base/net/address.h"
#include "device/qr.h"

#include <stdbool.h>

enum { PIN_PAYLOAD_HASH_SIZE = 32, PIN_PAYLOAD_REASON_CAPACITY = 160 };

struct pin_payload {
    uint8_t hash[PIN_PAYLOAD_HASH_SIZE]; /* SHA-256 of the identity key's SPKI */
    struct address places[QR_ADDRESSES_MAX];
    size_t place_count; /* 0: the code says none */
    bool has_invitation;
    uint8_t invitation[QR_INVITATION_SIZE];
};

/* Reads the one spelling that a device writes: upper case, each field once and in order,
 * zero in unused bits, private addresses. ERROR_SYNTAX or ERROR_RANGE with a sentence in
 * REASON, which never quotes the invitation. Wipe *RET_PAYLOAD after use when it has one. */
int pin_payload_parse(const char *text, size_t size, struct pin_payload *ret_payload,
                      char reason[static PIN_PAYLOAD_REASON_CAPACITY]) MUST_CHECK;

/* Whether apps may look for a device there, text as "192.168.1.51" or "[fd12::1]:8443";
 * 443 when no port is given. ERROR_SYNTAX, ERROR_RANGE for an address that no device has. */
int pin_payload_place(const char *text, struct address *ret_place) MUST_CHECK;

#endif

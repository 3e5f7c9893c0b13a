/* The one place that knows which names exist under a latchkey zone, and what an address looks
 * like as a label. Used by dns (every query), front and issuer (orders), device (its own
 * names). Pure: no allocation, no I/O. The rules are the table "Names" of
 * docs/ARCHITECTURE.md. */
#ifndef BASE_LANNAME_H
#define BASE_LANNAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LANNAME_ID_SIZE = 32,          /* base32 characters of an id */
    LANNAME_LABEL_MAX = 63,
    LANNAME_ADDRESS_LABEL_MAX = 39, /* eight groups of four and seven hyphens */
};

/* An address with its family. */
struct lanname_address {
    uint8_t family;    /* 4 or 6 */
    uint8_t octets[16]; /* 4 or 16 of them */
};

/* Which addresses are answered beyond RFC 1918 and fd00::/8. */
struct lanname_policy {
    bool shared;   /* 100.64.0.0/10, without 100.100.100.100 and 100.100.100.200 */
    bool loopback; /* 127.0.0.0/8 and ::1; a lab only */
};

enum lanname_label {
    LANNAME_NOT_ADDRESS,     /* not address-shaped: an ordinary label */
    LANNAME_ADDRESS,         /* a canonical address (allowed or not is another question) */
    LANNAME_ADDRESS_INVALID, /* address-shaped, but not canonical or no address: NODATA */
};

/* Reads a label of SIZE octets (any case). RET_ADDRESS is set for LANNAME_ADDRESS only. */
enum lanname_label lanname_parse_label(const uint8_t *label, size_t size,
                                       struct lanname_address *ret_address);
/* Writes the one spelling of ADDRESS as a label, with NUL. */
void lanname_write_label(const struct lanname_address *address,
                         char ret_label[static LANNAME_ADDRESS_LABEL_MAX + 1]);
/* Whether this address may be answered under an id. */
bool lanname_allowed(const struct lanname_address *address, const struct lanname_policy *policy);
/* Text forms ("192.168.1.51", "fd12::1"), canonical or not, to an address and back
 * (inet_ntop's form). */
bool lanname_address_parse(const char *text, struct lanname_address *ret_address);
void lanname_address_text(const struct lanname_address *address, char ret_text[static 46]);

/* 32 base32 characters (a-z, 2-7, any case). */
bool lanname_is_id(const uint8_t *label, size_t size);
/* A label a device may publish under its id: LDH, 1..32 octets, not address-shaped, no hyphen
 * at either end, no "--" in positions 3 and 4, not starting with '_'. */
bool lanname_is_host_label(const uint8_t *label, size_t size);

/* "<id>.<zone>" as text; false when it does not fit in 253 octets or CAPACITY (with NUL). */
bool lanname_device_name(const char *id, const char *zone, char *ret_name, size_t capacity);
/* Splits "*.<id>.<zone>" or "<id>.<zone>" (lower case): true with RET_ID and whether it is the
 * wildcard. */
bool lanname_parse_identifier(const char *name, const char *zone,
                              char ret_id[static LANNAME_ID_SIZE + 1], bool *ret_wildcard);

#endif

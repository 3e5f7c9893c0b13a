/* Networks: "192.0.2.0/24", "2001:db8::/48". No I/O. */
#ifndef BASE_NET_PREFIX_H
#define BASE_NET_PREFIX_H

#include "base/net/address.h"

#include <stdbool.h>

enum { PREFIX_TEXT_CAPACITY = 64 };

struct prefix {
    uint8_t family; /* 4 or 6 */
    uint8_t bits;
    uint8_t octets[16]; /* zero beyond the bits */
};

/* ERROR_SYNTAX; ERROR_RANGE when there are bits set beyond the length: it is not clear then
 * which network is meant. */
int prefix_parse(const char *text, struct prefix *ret_prefix) MUST_CHECK;
/* The network of ADDRESS with BITS_4 or, for IPv6, BITS_6 bits; false for a unix path. An
 * IPv4 address that came as IPv6 counts as IPv4. */
bool prefix_of(const struct address *address, uint8_t bits_4, uint8_t bits_6,
               struct prefix *ret_prefix);
/* Whether ADDRESS is in PREFIX. */
bool prefix_holds(const struct prefix *prefix, const struct address *address);
void prefix_text(const struct prefix *prefix, char ret_text[static PREFIX_TEXT_CAPACITY]);

#endif

/* Networks: "192.0.2.0/24", "2001:db8::/48". No I/O. */
#ifndef BASE_NET_PREFIX_H
#define BASE_NET_PREFIX_H

#include "base/core/conf.h"
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
/* Reads all of TEXTS into RET_LIST, which holds CAPACITY: as prefix_parse; ERROR_LIMIT. */
int prefix_list_parse(const struct conf_texts *texts, size_t capacity,
                      struct prefix *ret_list) MUST_CHECK;
/* Whether ADDRESS is in one of the COUNT prefixes. */
bool prefix_list_holds(const struct prefix *list, size_t count,
                       const struct address *address);
/* The network that one customer is given as a rule, as a number that no other has: the /24 of
 * an IPv4 address, the /48 of an IPv6 one. 0 for loopback addresses and unix sockets, which
 * are this machine's own. */
uint64_t prefix_site(const struct sockaddr_storage *address);
void prefix_text(const struct prefix *prefix, char ret_text[static PREFIX_TEXT_CAPACITY]);

#endif

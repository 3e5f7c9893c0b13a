/* A zone and a view that the DNS tests and the fuzz target share;
 * tests/vectors/dns/names.txt says what is in it. */
#ifndef TESTS_UNIT_DNS_FIXTURE_H
#define TESTS_UNIT_DNS_FIXTURE_H

#include "dns/dns.h"

#define FIXTURE_ID "abcdefghijklmnopqrstuvwxyz234567"
#define FIXTURE_BLOCKED "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FIXTURE_WITHOUT "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define FIXTURE_ZONE "lan.example.com"
#define FIXTURE_NOW_AT 1000000

struct fixture {
    struct dns_template *template;
    struct dns_view view;
    struct dns_probes *probes;
};

/* Fills FIXTURE; aborts on failure, which only a broken build has. */
void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
/* Writes a query for NAME (text) into RET_QUERY (512 octets); its size. EDNS_BYTES 0: no
 * OPT. */
size_t fixture_query(const char *name, uint16_t type, uint16_t edns_bytes,
                     uint8_t *ret_query);

#endif

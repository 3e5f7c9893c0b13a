/* The strict parser of DNS queries: a header, one question with an uncompressed name, at
 * most one OPT. */
#ifndef DNS_QUERY_H
#define DNS_QUERY_H

#include "base/core/reader.h"

enum {
    DNS_HEADER_SIZE = 12,
    DNS_NAME_MAX = 255, /* wire octets with the root label (RFC 1035 2.3.4) */
    DNS_LABELS_MAX = 127,
    DNS_QUESTION_MAX = DNS_NAME_MAX + 4,
};

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_NS = 2,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_IXFR = 251,
    DNS_TYPE_AXFR = 252,
    DNS_TYPE_ANY = 255,
    DNS_TYPE_CAA = 257,
};

enum { DNS_CLASS_IN = 1 };

/* What came of parsing. */
enum dns_query_result {
    DNS_QUERY_GOOD,
    DNS_QUERY_DROP,      /* a runt or itself an answer: stay silent */
    DNS_QUERY_MALFORMED, /* FORMERR */
    DNS_QUERY_OPCODE,    /* an opcode that we do not implement: NOTIMP */
    DNS_QUERY_COOKIE,    /* no question: asks for a cookie alone (RFC 7873 5.4) */
};

struct dns_query {
    uint16_t type;
    uint16_t class;
    uint16_t
        name_size; /* octets of QNAME with the root label; it starts at DNS_HEADER_SIZE */
    uint16_t question_size; /* name, type and class; 0 while there is no whole question */
    uint16_t label_count;   /* without the root */
    bool edns;              /* a well-formed OPT was there; the rest is its */
    bool dnssec_ok;
    uint8_t edns_version;
    uint16_t payload_bytes;
    struct bytes
        cookie; /* of the COOKIE option, borrowed from the message; empty: none */
    uint8_t labels[DNS_LABELS_MAX]; /* where each label's length octet is, from the start
                                     * of QNAME; only label_count of them are set */
};

/* Parses MESSAGE. RET_QUERY is usable as far as question_size and edns say, whatever the
 * result. Pure. */
enum dns_query_result dns_query_parse(struct bytes message, struct dns_query *ret_query);

#endif

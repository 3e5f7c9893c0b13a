/* A DNS message taken apart record by record, all three sections: what an operator's check
 * needs and c-ares does not show (referrals, glue, AA). Pure: no allocation, no I/O. */
#ifndef BASE_NET_DNS_RECORD_H
#define BASE_NET_DNS_RECORD_H

#include "base/core/error.h"
#include "base/core/reader.h"
#include "base/core/writer.h"

enum {
    DNS_RECORD_TYPE_A = 1,
    DNS_RECORD_TYPE_NS = 2,
    DNS_RECORD_TYPE_SOA = 6,
    DNS_RECORD_TYPE_TXT = 16,
    DNS_RECORD_TYPE_AAAA = 28,
    DNS_RECORD_TYPE_OPT = 41,
    DNS_RECORD_TYPE_CAA = 257,
    DNS_RECORD_NAME_CAPACITY = 256, /* of a name as text, without a dot at its end */
};

enum dns_record_section {
    DNS_RECORD_ANSWER,
    DNS_RECORD_AUTHORITY,
    DNS_RECORD_ADDITIONAL,
};

struct dns_record {
    enum dns_record_section section;
    char name
        [DNS_RECORD_NAME_CAPACITY]; /* lower case; what is no printable ASCII is '?' */
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    struct bytes data; /* borrowed from the message */
};

struct dns_records {
    uint16_t id;
    unsigned rcode; /* of the header; an OPT record may hold more bits */
    bool is_authoritative;
    bool is_truncated;
    struct bytes question; /* name, type and class as they came back; empty when absent */
    /* Inside. */
    struct bytes message;
    struct reader reader;
    unsigned section;
    uint16_t left[3];
};

/* A query for NAME ("a.example", its case kept) with EDNS (1232 octets), recursion asked for
 * when RECURSE. ERROR_SYNTAX for what is no name, ERROR_LIMIT without room. */
int dns_record_write_query(const char *name, uint16_t type, uint16_t id, bool recurse,
                           struct writer *writer) MUST_CHECK;
/* Opens a reply: its header and question. DATA must outlive RET_RECORDS. ERROR_SYNTAX for
 * bytes that are none. */
int dns_record_open(const void *data, size_t size,
                     struct dns_records *ret_records) MUST_CHECK;
/* The next record. ERROR_NOT_FOUND behind the last, ERROR_SYNTAX where it breaks off. */
int dns_record_next(struct dns_records *records,
                     struct dns_record *ret_record) MUST_CHECK;
/* The name at the start of a record's data, as NS and SOA have it; compression followed.
 * ERROR_SYNTAX when it is none. */
int dns_record_name(const struct dns_records *records, const struct dns_record *record,
                     char ret_name[static DNS_RECORD_NAME_CAPACITY]) MUST_CHECK;

#endif

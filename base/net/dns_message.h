/* DNS messages as a client sees them: a question to write, a reply to look at. Beside c-ares
 * because a diagnosis wants what c-ares throws away: the code of a refusal, whether there is
 * an SOA, and the extended errors (RFC 8914). Pure: no allocation, no I/O. */
#ifndef BASE_NET_DNS_MESSAGE_H
#define BASE_NET_DNS_MESSAGE_H

#include "base/core/error.h"
#include "base/core/writer.h"

enum {
    DNS_MESSAGE_TYPE_A = 1,
    DNS_MESSAGE_TYPE_TXT = 16,
    DNS_MESSAGE_TYPE_AAAA = 28,
};

enum {
    DNS_MESSAGE_ADDRESSES_MAX = 16,
    DNS_MESSAGE_QUESTION_BYTES = 300, /* enough for any question */
    DNS_MESSAGE_NO_EDE = -1,
};

struct dns_message_address {
    uint8_t family;     /* 4 or 6 */
    uint8_t octets[16]; /* 4 or 16 of them */
};

struct dns_message_reply {
    uint16_t id;
    unsigned rcode; /* with the upper bits of EDNS */
    bool is_truncated;
    bool has_soa;         /* in AUTHORITY */
    bool has_text;        /* TXT in ANSWER */
    int ede;              /* the first extended error's code, or DNS_MESSAGE_NO_EDE */
    size_t address_count; /* A and AAAA in ANSWER; more are left out */
    struct dns_message_address addresses[DNS_MESSAGE_ADDRESSES_MAX];
};

/* Writes a question for NAME ("a.example", absolute) with recursion and EDNS; id 0, as
 * RFC 8484 4.1 wants it. ERROR_SYNTAX for what is no name, ERROR_LIMIT without room. */
int dns_message_write_question(const char *name, uint16_t type,
                               struct writer *writer) MUST_CHECK;
/* Reads a reply. Owner names are not compared: whoever asks one question of one server takes
 * what it answers. ERROR_SYNTAX for bytes that are no reply. */
int dns_message_read_reply(const void *data, size_t size,
                           struct dns_message_reply *ret_reply) MUST_CHECK;
/* "NOERROR", "SERVFAIL", ... or "RCODE" for others; never NULL. */
const char *dns_message_rcode_text(unsigned rcode);

#endif

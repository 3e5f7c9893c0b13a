/* Everything that a resolver has no reason to send is FORMERR: a compressed question
 * name, records in ANSWER or AUTHORITY, anything but one OPT in ADDITIONAL, bytes behind
 * the message. A library parser accepts all of these (ldns does), and pays for it with
 * thousands of lines in front of hostile input. */
#include "dns/query.h"

#include "dns/cookie.h"

enum {
    FLAG_QR = 0x80,     /* in octet 2 */
    OPCODE_MASK = 0x78, /* in octet 2 */
    DO_FLAG = 0x8000,   /* in the last 16 bits of OPT's TTL (RFC 3225) */
    LABEL_TYPE_MASK = 0xc0,
    OPTION_COOKIE = 10,
};

/* Walks QNAME, which starts at AT. Returns its size in octets, or 0 when it is
 * compressed, too long or cut off. */
static size_t walk_name(const uint8_t *name, size_t size, struct dns_query *query)
{
    size_t at = 0;
    unsigned count = 0;
    size_t end = size < DNS_NAME_MAX ? size : DNS_NAME_MAX;
    while (at < end) {
        uint8_t length = name[at];
        if (length == 0) {
            query->label_count = (uint16_t)count;
            return at + 1;
        }
        if ((length & LABEL_TYPE_MASK) != 0 || count == DNS_LABELS_MAX) {
            return 0;
        }
        query->labels[count++] = (uint8_t)at;
        at += (size_t)length + 1;
    }
    return 0;
}

/* RFC 7873 4: the client's part alone, or with a server's of 8 to 32 octets; of several
 * the first counts (5.2). */
static bool take_cookie(struct bytes value, struct dns_query *query)
{
    if (query->cookie.size > 0) {
        return true;
    }
    query->cookie = value;
    return value.size == DNS_COOKIE_CLIENT_SIZE ||
           (value.size >= DNS_COOKIE_CLIENT_SIZE + DNS_COOKIE_SERVER_SIZE_MIN &&
            value.size <= DNS_COOKIE_SIZE_MAX);
}

/* RFC 6891 6.1.2: owner root, type OPT, the payload size as class, extended RCODE,
 * version and flags as TTL. Options are {code, length, data}; all but the cookie are
 * ignored, but their lengths must add up. */
static bool parse_opt(struct reader *reader, struct dns_query *query)
{
    uint8_t owner = reader_u8(reader);
    uint16_t type = reader_u16(reader);
    uint16_t payload_bytes = reader_u16(reader);
    uint32_t ttl = reader_u32(reader);
    struct bytes data = reader_bytes(reader, reader_u16(reader));
    if (reader->failed || owner != 0 || type != DNS_TYPE_OPT) {
        return false;
    }
    struct reader options = reader_init(data.data, data.size);
    while (reader_left(&options) > 0) {
        uint16_t code = reader_u16(&options);
        struct bytes value = reader_bytes(&options, reader_u16(&options));
        if (options.failed || (code == OPTION_COOKIE && !take_cookie(value, query))) {
            return false;
        }
    }
    query->edns = true;
    query->payload_bytes = payload_bytes;
    query->edns_version = (uint8_t)(ttl >> 16);
    query->dnssec_ok = (ttl & DO_FLAG) != 0;
    return true;
}

static enum dns_query_result parse_cookie_alone(struct bytes message,
                                                struct dns_query *query)
{
    struct reader reader =
        reader_init(message.data + DNS_HEADER_SIZE, message.size - DNS_HEADER_SIZE);
    if (message.data[11] == 1 && parse_opt(&reader, query) && query->cookie.size > 0 &&
        reader_left(&reader) == 0) {
        return DNS_QUERY_COOKIE;
    }
    query->edns = false;
    return DNS_QUERY_MALFORMED;
}

enum dns_query_result dns_query_parse(struct bytes message, struct dns_query *ret_query)
{
    ret_query->question_size = 0;
    ret_query->label_count = 0;
    ret_query->edns = false;
    ret_query->cookie.size = 0;
    if (message.size < DNS_HEADER_SIZE || (message.data[2] & FLAG_QR) != 0) {
        return DNS_QUERY_DROP;
    }
    if ((message.data[2] & OPCODE_MASK) != 0) {
        return DNS_QUERY_OPCODE;
    }
    const uint8_t *header = message.data;
    /* QDCOUNT must be 1, or 0 with a cookie (RFC 9619 4), ANCOUNT and NSCOUNT 0, ARCOUNT 0
     * or 1. */
    if (header[4] != 0 || header[5] > 1 ||
        (header[6] | header[7] | header[8] | header[9]) != 0 || header[10] != 0 ||
        header[11] > 1) {
        return DNS_QUERY_MALFORMED;
    }
    if (header[5] == 0) {
        return parse_cookie_alone(message, ret_query);
    }
    size_t name_size =
        walk_name(header + DNS_HEADER_SIZE, message.size - DNS_HEADER_SIZE, ret_query);
    if (name_size == 0) {
        return DNS_QUERY_MALFORMED;
    }
    size_t at = DNS_HEADER_SIZE + name_size;
    struct reader reader = reader_init(message.data + at, message.size - at);
    ret_query->type = reader_u16(&reader);
    ret_query->class = reader_u16(&reader);
    if (reader.failed) {
        return DNS_QUERY_MALFORMED;
    }
    ret_query->name_size = (uint16_t)name_size;
    ret_query->question_size = (uint16_t)(name_size + 4);
    if (header[11] == 1 && !parse_opt(&reader, ret_query)) {
        return DNS_QUERY_MALFORMED;
    }
    if (reader_left(&reader) > 0) {
        ret_query->edns = false;
        return DNS_QUERY_MALFORMED;
    }
    return DNS_QUERY_GOOD;
}

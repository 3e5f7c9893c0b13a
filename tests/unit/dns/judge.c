#include "tests/unit/dns/judge.h"

#include <ldns/ldns.h>
#include <string.h>

enum {
    FLAGS_QR = 0x80,
    FLAGS_AA = 0x04,
    FLAGS_TC = 0x02,
    FLAGS_COPIED = 0x79,   /* opcode, RD */
    FLAGS_ZERO_LOW = 0xe0, /* RA, Z, AD */
    OPT_SIZE = 11,
};

size_t judge_limit(struct bytes query, enum dns_transport transport)
{
    struct dns_query parsed;
    if (transport == DNS_TCP) {
        return DNS_ANSWER_MAX;
    }
    if (dns_query_parse(query, &parsed) == DNS_QUERY_DROP || !parsed.edns ||
        parsed.payload_bytes < DNS_UDP_MIN) {
        return DNS_UDP_MIN;
    }
    return parsed.payload_bytes < DNS_UDP_MAX ? parsed.payload_bytes : DNS_UDP_MAX;
}

static const char *judge_header(struct bytes query, struct bytes answer)
{
    if (memcmp(query.data, answer.data, 2) != 0) {
        return "another ID";
    }
    if ((answer.data[2] & FLAGS_QR) == 0 || (query.data[2] & FLAGS_QR) != 0) {
        return "QR";
    }
    if (((answer.data[2] ^ query.data[2]) & FLAGS_COPIED) != 0) {
        return "opcode or RD is not the query's";
    }
    return (answer.data[3] & FLAGS_ZERO_LOW) != 0 ? "RA, Z or AD is set" : NULL;
}

/* RFC 2308 3: what says nothing says so with the SOA. */
static const char *judge_negative(const ldns_pkt *packet)
{
    const ldns_rr_list *authority = ldns_pkt_authority(packet);
    size_t count = ldns_rr_list_rr_count(authority);
    ldns_pkt_rcode rcode = ldns_pkt_get_rcode(packet);
    bool positive = ldns_pkt_ancount(packet) > 0;
    bool name_known = rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN;
    if (count > 1 || (count == 1 && ldns_rr_get_type(ldns_rr_list_rr(authority, 0)) !=
                                        LDNS_RR_TYPE_SOA)) {
        return "AUTHORITY holds something else than one SOA";
    }
    if (ldns_pkt_tc(packet)) {
        return positive || count > 0 ? "a truncated answer holds records" : NULL;
    }
    if (!ldns_pkt_aa(packet)) {
        return positive || count > 0 ? "records without AA" : NULL;
    }
    if (!name_known) {
        return "AA with an error";
    }
    if (positive == (count > 0)) {
        return positive ? "records and a SOA" : "a negative answer without SOA";
    }
    return positive && rcode == LDNS_RCODE_NXDOMAIN ? "records and NXDOMAIN" : NULL;
}

static const char *judge_records(const ldns_rr_list *list, const ldns_rdf *owner)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN) {
            return "a record of another class";
        }
        if (owner != NULL && ldns_dname_compare(ldns_rr_owner(rr), owner) != 0) {
            return "a record of another name";
        }
        for (size_t k = 0; k < i; k++) {
            if (ldns_rr_compare(rr, ldns_rr_list_rr(list, k)) == 0) {
                return "a record twice";
            }
        }
    }
    return NULL;
}

/* RFC 7873 4: one option, the client's part back and ours behind it. */
static const char *judge_cookie(const ldns_pkt *packet, const struct dns_query *parsed)
{
    const ldns_rdf *data = ldns_pkt_edns_data(packet);
    static const uint8_t head[] = {0, 10, 0, DNS_COOKIE_SIZE};
    if (data == NULL) {
        return NULL;
    }
    const uint8_t *option = ldns_rdf_data(data);
    return parsed->cookie.size == 0 ? "an option that nobody asked for"
           : ldns_rdf_size(data) != sizeof(head) + DNS_COOKIE_SIZE ||
                   memcmp(option, head, sizeof(head)) != 0 ||
                   memcmp(option + sizeof(head), parsed->cookie.data,
                          DNS_COOKIE_CLIENT_SIZE) != 0
               ? "not a cookie for this client"
               : NULL;
}

static const char *judge_packet(const ldns_pkt *packet, struct bytes query,
                                struct bytes answer)
{
    struct dns_query parsed;
    enum dns_query_result result = dns_query_parse(query, &parsed);
    size_t question = parsed.question_size;
    const ldns_rdf *owner = NULL;
    if (ldns_pkt_qdcount(packet) != (question > 0 ? 1 : 0) ||
        (question > 0 && memcmp(query.data + DNS_HEADER_SIZE,
                                answer.data + DNS_HEADER_SIZE, question) != 0)) {
        return "the question is not the query's";
    }
    if (ldns_pkt_edns(packet) != parsed.edns) {
        return "OPT in one and not in the other";
    }
    if (parsed.edns && (ldns_pkt_edns_udp_size(packet) != DNS_UDP_MAX ||
                        ldns_pkt_edns_version(packet) != 0 ||
                        ldns_pkt_edns_do(packet) != parsed.dnssec_ok)) {
        return "OPT says something else than it should";
    }
    if (result != DNS_QUERY_GOOD && result != DNS_QUERY_COOKIE &&
        ldns_pkt_get_rcode(packet) != LDNS_RCODE_FORMERR &&
        ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOTIMPL) {
        return "a bad query got another rcode than FORMERR and NOTIMP";
    }
    if (ldns_rr_list_rr_count(ldns_pkt_question(packet)) > 0) {
        owner = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(packet), 0));
    }
    const char *fault = judge_cookie(packet, &parsed);
    fault = fault == NULL ? judge_negative(packet) : fault;
    fault = fault == NULL ? judge_records(ldns_pkt_answer(packet), owner) : fault;
    return fault == NULL ? judge_records(ldns_pkt_additional(packet), NULL) : fault;
}

const char *judge_answer(struct bytes query, struct bytes answer, size_t limit)
{
    ldns_pkt *packet = NULL;
    if (query.size < DNS_HEADER_SIZE || answer.size < DNS_HEADER_SIZE) {
        return "an answer to, or in the form of, a runt";
    }
    if (answer.size > limit) {
        return "too long";
    }
    const char *fault = judge_header(query, answer);
    if (fault != NULL) {
        return fault;
    }
    if (ldns_wire2pkt(&packet, answer.data, answer.size) != LDNS_STATUS_OK) {
        return "ldns can't read it";
    }
    fault = judge_packet(packet, query, answer);
    ldns_pkt_free(packet);
    return fault;
}

/* One pass: parse, find out which row of the table of names (docs/ARCHITECTURE.md,
 * "Names") the question is in, write.
 *
 * The header and the question are copied from the query, which keeps the case that the
 * resolver chose (0x20). Every record's owner is the question's name, so it is always the
 * pointer 0xC00C; the SOA's owner is the zone, a pointer into the question. Names are
 * compared in a lower-case copy. An address name touches no table at all. */
#include "dns/answer.h"

#include "base/core/writer.h"

#include <string.h>

enum {
    FLAGS_QR = 0x80,
    FLAGS_AA = 0x04,
    FLAGS_TC = 0x02,
    FLAGS_KEPT_HIGH = 0x79, /* opcode and RD of the query */
    FLAGS_KEPT_LOW = 0x10,  /* CD (RFC 4035 3.1.6) */
    OPT_SIZE = 11,
    OPTION_COOKIE = 10,
    OPTION_HEAD_SIZE = 4,
    HEAD_SIZE = 12, /* of a record whose owner is a pointer */
    POINTER = 0xc000,
    IPV4_SIZE = 4,
    IPV6_SIZE = 16,
};

enum rcode {
    RCODE_NOERROR = 0,
    RCODE_FORMERR = 1,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
    RCODE_BADVERS = 16,
};

/* The state of one answer. */
struct answer {
    const struct dns_asker *asker;
    const struct dns_view *view;
    struct dns_probes *probes;
    int64_t now_at;
    struct bytes query;
    struct dns_query parsed;
    struct writer writer;
    size_t limit; /* octets that the answer may have, OPT included */
    enum rcode rcode;
    bool authoritative;
    bool truncated;
    uint16_t answer_count;
    uint16_t authority_count;
    uint16_t additional_count;
    uint16_t zone_at;           /* where the zone starts in QNAME */
    uint8_t name[DNS_NAME_MAX]; /* QNAME, lower case */
};

/* Eight octets at a time: bit 7 of each octet of UPPER is set where WORD has A to Z. */
static uint64_t lower_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t low = word & ones * 0x7f;
    uint64_t from_a = low + ones * (0x80 - 'A');
    uint64_t above_z = low + ones * (0x7f - 'Z');
    uint64_t upper = (from_a ^ above_z) & ~word & ones * 0x80;
    return word | upper >> 2;
}

/* A length octet is below 64, so it is never taken for a letter. */
static void lower_name(struct answer *answer)
{
    const uint8_t *name = answer->query.data + DNS_HEADER_SIZE;
    size_t at = 0;
    for (; at + 8 <= answer->parsed.name_size; at += 8) {
        uint64_t word;
        memcpy(&word, name + at, sizeof(word));
        word = lower_word(word);
        memcpy(answer->name + at, &word, sizeof(word));
    }
    for (; at < answer->parsed.name_size; at++) {
        bool upper = name[at] >= 'A' && name[at] <= 'Z';
        answer->name[at] = upper ? name[at] | 0x20 : name[at];
    }
}

static bool gives_cookie(const struct answer *answer)
{
    return answer->parsed.cookie.size > 0 && answer->asker->cookies != NULL;
}

/* Octets of the OPT to come. */
static size_t opt_size(const struct answer *answer)
{
    size_t cookie = gives_cookie(answer) ? OPTION_HEAD_SIZE + DNS_COOKIE_SIZE : 0;
    return answer->parsed.edns ? OPT_SIZE + cookie : 0;
}

/* Whether SIZE more octets fit, OPT included; else the answer is truncated. */
static bool has_room(struct answer *answer, size_t size)
{
    if (writer_size(&answer->writer) + size + opt_size(answer) <= answer->limit) {
        return true;
    }
    answer->truncated = true;
    return false;
}

/* The head of a record whose owner is the question's name. */
static void write_head(struct answer *answer, uint16_t type, uint32_t ttl_s, size_t size)
{
    const uint8_t head[HEAD_SIZE] = {
        POINTER >> 8,
        DNS_HEADER_SIZE,
        (uint8_t)(type >> 8),
        (uint8_t)type,
        0,
        DNS_CLASS_IN,
        (uint8_t)(ttl_s >> 24),
        (uint8_t)(ttl_s >> 16),
        (uint8_t)(ttl_s >> 8),
        (uint8_t)ttl_s,
        (uint8_t)(size >> 8),
        (uint8_t)size,
    };
    writer_bytes(&answer->writer, head, sizeof(head));
    answer->answer_count++;
}

/* NODATA or NXDOMAIN: the SOA in AUTHORITY (RFC 2308 3). The SOA of a negative answer may
 * be left out of none. */
static void write_negative(struct answer *answer, enum rcode rcode, bool short_ttl)
{
    struct dns_soa soa = dns_template_soa(answer->view->template, short_ttl);
    uint16_t pointer = (uint16_t)(POINTER | (DNS_HEADER_SIZE + answer->zone_at));
    answer->rcode = rcode;
    if (!has_room(answer, 2 + soa.wire.size)) {
        return;
    }
    writer_u16(&answer->writer, pointer);
    struct writer start = answer->writer;
    writer_bytes(&answer->writer, soa.wire.data, soa.wire.size);
    for (unsigned i = 0; i < soa.pointer_count && !answer->writer.failed; i++) {
        struct writer patch = writer_init(start.at + soa.pointers[i], 2);
        writer_u16(&patch, pointer);
    }
    answer->authority_count++;
}

static void write_rrset(struct answer *answer, const struct dns_rrset *rrset)
{
    if (has_room(answer, rrset->size)) {
        writer_bytes(&answer->writer, rrset->wire, rrset->size);
        answer->answer_count = (uint16_t)(answer->answer_count + rrset->count);
    }
}

static bool asks_for(const struct answer *answer, uint16_t type)
{
    return answer->parsed.type == type || answer->parsed.type == DNS_TYPE_ANY;
}

static bool write_address(struct answer *answer, const struct lanname_address *address,
                          uint32_t ttl_s)
{
    size_t size = address->family == 4 ? IPV4_SIZE : IPV6_SIZE;
    if (!has_room(answer, HEAD_SIZE + size)) {
        return false;
    }
    write_head(answer, address->family == 4 ? DNS_TYPE_A : DNS_TYPE_AAAA, ttl_s, size);
    writer_bytes(&answer->writer, address->octets, size);
    return true;
}

static void answer_text(struct answer *answer, const uint8_t *text, size_t size)
{
    if (has_room(answer, HEAD_SIZE + 1 + size)) {
        write_head(answer, DNS_TYPE_TXT, DNS_TTL_CHALLENGE_S, size + 1);
        writer_u8(&answer->writer, (uint8_t)size);
        writer_bytes(&answer->writer, text, size);
    }
}

/* <address>.<id>.Z: the answer is in the name. */
static void answer_address(struct answer *answer, const struct lanname_address *address)
{
    uint16_t type = address->family == 4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
    if (asks_for(answer, type) && lanname_allowed(address, &answer->view->policy)) {
        (void)write_address(answer, address, DNS_TTL_ADDRESS_S);
        return;
    }
    write_negative(answer, RCODE_NOERROR, false);
}

/* The addresses that the device published, of the family asked for; ANY gets one family
 * (RFC 8482 4.1). */
static void answer_published(struct answer *answer, const struct dns_device *device)
{
    uint8_t family = asks_for(answer, DNS_TYPE_A)           ? 4
                     : answer->parsed.type == DNS_TYPE_AAAA ? 6
                                                            : 0;
    if (device != NULL && !device->blocked && family != 0) {
        if (answer->parsed.type == DNS_TYPE_ANY && device->address_count > 0) {
            family = device->addresses[0].family;
        }
        for (size_t i = 0; i < device->address_count; i++) {
            const struct lanname_address *address = &device->addresses[i];
            if (address->family == family &&
                lanname_allowed(address, &answer->view->policy) &&
                !write_address(answer, address, DNS_TTL_PUBLISHED_S)) {
                return;
            }
        }
    }
    if (answer->answer_count == 0) {
        write_negative(answer, RCODE_NOERROR, true);
    }
}

/* _acme-challenge.<id or host>.Z; never an empty answer for TXT, so that nothing negative
 * is cached. */
static void answer_challenge(struct answer *answer, const uint8_t *key, size_t key_size)
{
    static const uint8_t placeholder[] = "no challenge is pending";
    if (!asks_for(answer, DNS_TYPE_TXT)) {
        write_negative(answer, RCODE_NOERROR, true);
        return;
    }
    const struct dns_challenge *challenge =
        dns_view_challenge(answer->view, key, key_size);
    for (size_t i = 0; challenge != NULL && i < challenge->count; i++) {
        if (challenge->values[i].expires_at > answer->now_at) {
            answer_text(answer, challenge->values[i].text, challenge->values[i].size);
        }
    }
    if (answer->answer_count == 0 && !answer->truncated) {
        answer_text(answer, placeholder, sizeof(placeholder) - 1);
    }
}

/* probe-<token>.<id>.Z */
static void answer_probe(struct answer *answer)
{
    static const struct lanname_address address = {4, {192, 168, 0, 1}};
    if (answer->parsed.type == DNS_TYPE_TXT) {
        uint8_t text[] = "seen=00";
        unsigned seen = answer->probes == NULL
                            ? 0
                            : dns_probe_seen(answer->probes, answer->name,
                                             answer->parsed.name_size, answer->now_at);
        size_t size = sizeof("seen=") - 1;
        if (seen >= 10) {
            text[size++] = (uint8_t)('0' + seen / 10 % 10);
        }
        text[size++] = (uint8_t)('0' + seen % 10);
        answer_text(answer, text, size);
        return;
    }
    if (!asks_for(answer, DNS_TYPE_A)) {
        write_negative(answer, RCODE_NOERROR, true);
        return;
    }
    if (answer->probes != NULL) {
        dns_probe_count(answer->probes, answer->name, answer->parsed.name_size,
                        answer->now_at);
    }
    (void)write_address(answer, &address, DNS_TTL_CHALLENGE_S);
}

static bool label_is(const uint8_t *label, const char *text, size_t size)
{
    return label[0] == size && memcmp(label + 1, text, size) == 0;
}

static bool is_probe_label(const uint8_t *label)
{
    static const char prefix[] = "probe-";
    size_t size = sizeof(prefix) - 1;
    return label[0] > size && memcmp(label + 1, prefix, size) == 0 &&
           lanname_is_host_label(label + 1, label[0]);
}

static const char challenge_label[] = "_acme-challenge";

/* Names at and below <id>.Z. ABOVE: labels in front of the id. */
static void answer_device(struct answer *answer, unsigned above, const uint8_t *id_label)
{
    const uint8_t *label = answer->name;
    struct lanname_address address;
    if (above == 0) {
        const struct dns_device *device = dns_view_device(answer->view, id_label + 1);
        answer_published(
            answer,
            device != NULL && device->holds_id_until_at > answer->now_at ? device : NULL);
        return;
    }
    if (above > 1) {
        write_negative(answer, RCODE_NXDOMAIN, true);
        return;
    }
    switch (lanname_parse_label(label + 1, label[0], &address)) {
    case LANNAME_ADDRESS:
        answer_address(answer, &address);
        return;
    case LANNAME_ADDRESS_INVALID:
        write_negative(answer, RCODE_NOERROR, false);
        return;
    case LANNAME_NOT_ADDRESS:
        break;
    }
    if (label_is(label, challenge_label, sizeof(challenge_label) - 1)) {
        answer_challenge(answer, id_label, id_label[0] + 1u);
    } else if (is_probe_label(label)) {
        answer_probe(answer);
    } else if (lanname_is_host_label(label + 1, label[0])) {
        answer_published(answer, dns_view_device(answer->view, id_label + 1));
    } else {
        write_negative(answer, RCODE_NXDOMAIN, true);
    }
}

/* The apex or another configured name. */
static void answer_node(struct answer *answer, const struct dns_node *node)
{
    bool is_apex = answer->zone_at == 0;
    if (is_apex && answer->parsed.type == DNS_TYPE_CAA) {
        const struct dns_view *view = answer->view;
        struct dns_rrset caa = {DNS_TYPE_CAA, view->caa_record_count, view->caa.data,
                                view->caa.size};
        write_rrset(answer, &caa);
        return;
    }
    for (size_t i = 0; i < node->rrset_count; i++) {
        if (!asks_for(answer, node->rrsets[i].type)) {
            continue;
        }
        write_rrset(answer, &node->rrsets[i]);
        if (node->rrsets[i].type == DNS_TYPE_NS && !answer->truncated) {
            unsigned count = 0;
            struct bytes glue = dns_template_glue(answer->view->template, &count);
            size_t opt = answer->parsed.edns ? OPT_SIZE : 0;
            /* Left out silently when it does not fit: the addresses can be asked for. */
            if (writer_size(&answer->writer) + glue.size + opt <= answer->limit) {
                writer_bytes(&answer->writer, glue.data, glue.size);
                answer->additional_count = (uint16_t)count;
            }
        }
        return;
    }
    write_negative(answer, RCODE_NOERROR, false);
}

/* Whether the question is in the view's zone, and where the zone starts in it. */
static bool is_in_zone(struct answer *answer)
{
    struct bytes zone = dns_template_zone(answer->view->template);
    unsigned labels = dns_template_zone_labels(answer->view->template);
    const struct dns_query *parsed = &answer->parsed;
    if (parsed->label_count < labels || parsed->name_size < zone.size) {
        return false;
    }
    size_t at = (size_t)parsed->name_size - zone.size;
    /* Label boundaries must match, else "xlan.example.com" would pass for
     * "lan.example.com". */
    size_t first =
        parsed->label_count == labels ? 0 : parsed->labels[parsed->label_count - labels];
    if (first != at || memcmp(answer->name + at, zone.data, zone.size) != 0) {
        return false;
    }
    answer->zone_at = (uint16_t)at;
    return true;
}

/* No zone is within another, so the first that fits is the one. */
static bool find_zone(struct answer *answer)
{
    for (; answer->view != NULL; answer->view = answer->view->next) {
        if (is_in_zone(answer)) {
            return true;
        }
    }
    return false;
}

static void answer_name(struct answer *answer)
{
    const struct dns_query *parsed = &answer->parsed;
    const struct dns_template *template = answer->view->template;
    unsigned above = parsed->label_count - dns_template_zone_labels(template);
    if (above > 0) {
        const uint8_t *nearest = answer->name + parsed->labels[above - 1];
        if (lanname_is_id(nearest + 1, nearest[0])) {
            answer_device(answer, above - 1, nearest);
            return;
        }
    }
    const struct dns_node *node =
        dns_template_find(template, answer->name, parsed->name_size);
    if (node != NULL) {
        answer_node(answer, node);
        return;
    }
    if (above > 1 &&
        label_is(answer->name, challenge_label, sizeof(challenge_label) - 1)) {
        size_t skip = answer->name[0] + 1u;
        node = dns_template_find(template, answer->name + skip, parsed->name_size - skip);
        if (node != NULL && node->is_host) {
            answer_challenge(answer, answer->name + skip, answer->zone_at - skip);
            return;
        }
    }
    write_negative(answer, RCODE_NXDOMAIN, false);
}

static void decide(struct answer *answer)
{
    const struct dns_query *parsed = &answer->parsed;
    if (parsed->edns && parsed->edns_version != 0) {
        answer->rcode = RCODE_BADVERS;
        return;
    }
    if (parsed->class != DNS_CLASS_IN || parsed->type == DNS_TYPE_AXFR ||
        parsed->type == DNS_TYPE_IXFR) {
        answer->rcode = RCODE_REFUSED;
        return;
    }
    lower_name(answer);
    if (!find_zone(answer)) {
        answer->rcode = RCODE_REFUSED;
        return;
    }
    answer->authoritative = true;
    answer_name(answer);
}

/* RFC 7873 5.2: always a fresh one, so that it is good for as long as can be. */
static void write_cookie(struct answer *answer)
{
    const struct dns_asker *asker = answer->asker;
    uint8_t cookie[DNS_COOKIE_SIZE];
    writer_u16(&answer->writer, OPTION_COOKIE);
    writer_u16(&answer->writer, DNS_COOKIE_SIZE);
    dns_cookie_make(asker->cookies, answer->parsed.cookie.data, asker->address,
                    answer->now_at, cookie);
    writer_bytes(&answer->writer, cookie, sizeof(cookie));
}

/* OPT with our size; the upper bits of the rcode stand in it (RFC 6891 6.1.3). */
static void write_opt(struct answer *answer)
{
    const uint8_t opt[OPT_SIZE] = {
        0,
        0,
        DNS_TYPE_OPT,
        DNS_UDP_MAX >> 8,
        DNS_UDP_MAX & 0xff,
        (uint8_t)(answer->rcode >> 4),
        0, /* version */
        answer->parsed.dnssec_ok ? 0x80 : 0,
        0,
        0,
        (uint8_t)(opt_size(answer) - OPT_SIZE),
    };
    writer_bytes(&answer->writer, opt, sizeof(opt));
    if (gives_cookie(answer)) {
        write_cookie(answer);
    }
    answer->additional_count++;
}

/* A truncated answer says nothing but TC: whoever gets it asks again over TCP. */
static void cut(struct answer *answer)
{
    answer->writer.at =
        answer->writer.start + DNS_HEADER_SIZE + answer->parsed.question_size;
    answer->answer_count = answer->authority_count = answer->additional_count = 0;
}

static size_t finish(struct answer *answer)
{
    if (answer->truncated) {
        cut(answer);
    }
    if (answer->parsed.edns) {
        write_opt(answer);
    }
    if (answer->writer.failed) {
        return 0; /* the caller's room does not even hold the question */
    }
    size_t size = writer_size(&answer->writer);
    const uint8_t *query = answer->query.data;
    const uint8_t header[DNS_HEADER_SIZE] = {
        query[0],
        query[1],
        (uint8_t)(FLAGS_QR | (query[2] & FLAGS_KEPT_HIGH) |
                  (answer->authoritative ? FLAGS_AA : 0) |
                  (answer->truncated ? FLAGS_TC : 0)),
        (uint8_t)((query[3] & FLAGS_KEPT_LOW) | (answer->rcode & 0x0f)),
        0,
        answer->parsed.question_size > 0 ? 1 : 0,
        (uint8_t)(answer->answer_count >> 8),
        (uint8_t)answer->answer_count,
        (uint8_t)(answer->authority_count >> 8),
        (uint8_t)answer->authority_count,
        (uint8_t)(answer->additional_count >> 8),
        (uint8_t)answer->additional_count,
    };
    struct writer start = writer_init(answer->writer.start, DNS_HEADER_SIZE);
    writer_bytes(&start, header, sizeof(header));
    return size;
}

static size_t size_limit(const struct answer *answer, enum dns_transport transport,
                         size_t capacity)
{
    size_t limit = DNS_UDP_MIN;
    if (transport == DNS_TCP) {
        limit = capacity < UINT16_MAX ? capacity : UINT16_MAX;
    } else if (answer->parsed.edns && answer->parsed.payload_bytes > DNS_UDP_MIN) {
        limit = answer->parsed.payload_bytes < DNS_UDP_MAX ? answer->parsed.payload_bytes
                                                           : DNS_UDP_MAX;
    }
    return limit < capacity ? limit : capacity;
}

size_t dns_answer(struct bytes query, const struct dns_asker *asker,
                  const struct dns_view *view, struct dns_probes *probes, int64_t now_at,
                  uint8_t *ret_answer, size_t capacity)
{
    struct answer answer;
    enum dns_query_result result = dns_query_parse(query, &answer.parsed);
    if (result == DNS_QUERY_DROP || (asker->is_limited && result != DNS_QUERY_GOOD)) {
        return 0;
    }
    answer.asker = asker;
    answer.view = view;
    answer.probes = probes;
    answer.now_at = now_at;
    answer.query = query;
    answer.writer = writer_init(ret_answer, capacity);
    answer.limit = size_limit(&answer, asker->transport, capacity);
    answer.rcode = RCODE_NOERROR;
    answer.authoritative = false;
    answer.truncated = asker->is_limited;
    answer.answer_count = answer.authority_count = answer.additional_count = 0;
    answer.zone_at = 0;
    /* The header is written last, when its counts are known. */
    writer_bytes(&answer.writer, query.data,
                 DNS_HEADER_SIZE + answer.parsed.question_size);
    switch (result) {
    case DNS_QUERY_GOOD:
        if (!asker->is_limited) {
            decide(&answer);
        }
        break;
    case DNS_QUERY_COOKIE:
        answer.rcode = asker->cookies != NULL ? RCODE_NOERROR : RCODE_FORMERR;
        break;
    case DNS_QUERY_MALFORMED:
        answer.rcode = RCODE_FORMERR;
        break;
    case DNS_QUERY_OPCODE:
        answer.rcode = RCODE_NOTIMP;
        break;
    case DNS_QUERY_DROP:
        return 0;
    }
    return finish(&answer);
}

/* RFC 1035 4.1, RFC 6891 6.1 (EDNS) and RFC 8914 (extended errors). Names are skipped, never
 * followed: a compression pointer ends a name, so that nothing can loop. */
#include "base/net/dns_message.h"

#include "base/core/reader.h"

#include <string.h>

enum {
    TYPE_SOA = 6,
    TYPE_OPT = 41,
    CLASS_IN = 1,
    OPTION_EDE = 15,
    LABEL_MAX = 63,
    NAME_MAX_BYTES = 255,
    EDNS_BYTES = 1232,
    FLAG_RESPONSE = 0x8000,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION = 0x0100,
    RECORDS_MAX = 256, /* looked at; a reply has a dozen */
};

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTION_COUNT };

static int write_name(const char *name, struct writer *writer)
{
    size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX_BYTES - 2) {
        return ERROR_SYNTAX;
    }
    while (name[0] != '\0') {
        size_t label = strcspn(name, ".");
        if (label == 0 || label > LABEL_MAX) {
            return ERROR_SYNTAX;
        }
        writer_u8(writer, (uint8_t)label);
        writer_bytes(writer, name, label);
        name += label + (name[label] == '.' ? 1 : 0);
    }
    writer_u8(writer, 0);
    return 0;
}

int dns_message_write_question(const char *name, uint16_t type, struct writer *writer)
{
    writer_u16(writer, 0);
    writer_u16(writer, FLAG_RECURSION);
    writer_u16(writer, 1);
    writer_u16(writer, 0);
    writer_u16(writer, 0);
    writer_u16(writer, 1);
    int error = write_name(name, writer);
    if (error < 0) {
        return error;
    }
    writer_u16(writer, type);
    writer_u16(writer, CLASS_IN);
    writer_u8(writer, 0);
    writer_u16(writer, TYPE_OPT);
    writer_u16(writer, EDNS_BYTES);
    writer_u32(writer, 0);
    writer_u16(writer, 0);
    return writer->failed ? ERROR_LIMIT : 0;
}

static void skip_name(struct reader *reader)
{
    for (;;) {
        uint8_t size = reader_u8(reader);
        if ((size & 0xC0) == 0xC0) {
            reader_u8(reader);
            return;
        }
        if (size == 0 || size > LABEL_MAX) {
            reader->failed = reader->failed || size > LABEL_MAX;
            return;
        }
        reader_bytes(reader, size);
    }
}

static void read_options(struct bytes data, struct dns_message_reply *reply)
{
    struct reader reader = reader_init(data.data, data.size);
    while (reader_left(&reader) > 0) {
        uint16_t code = reader_u16(&reader);
        struct bytes option = reader_bytes(&reader, reader_u16(&reader));
        struct reader inner = reader_init(option.data, option.size);
        uint16_t info = reader_u16(&inner);
        if (!reader.failed && code == OPTION_EDE && !inner.failed &&
            reply->ede == DNS_MESSAGE_NO_EDE) {
            reply->ede = info;
        }
    }
}

static void take_address(struct dns_message_reply *reply, uint8_t family,
                         struct bytes data)
{
    if (data.size != (family == 4 ? 4U : 16U) ||
        reply->address_count == DNS_MESSAGE_ADDRESSES_MAX) {
        return;
    }
    struct dns_message_address *address = &reply->addresses[reply->address_count++];
    *address = (struct dns_message_address){.family = family};
    memcpy(address->octets, data.data, data.size);
}

static void read_record(struct reader *reader, enum section section,
                        struct dns_message_reply *reply)
{
    skip_name(reader);
    uint16_t type = reader_u16(reader);
    uint16_t class = reader_u16(reader);
    uint32_t ttl = reader_u32(reader);
    struct bytes data = reader_bytes(reader, reader_u16(reader));
    if (reader->failed) {
        return;
    }
    if (section == SECTION_ADDITIONAL && type == TYPE_OPT) {
        reply->rcode |= (ttl >> 24) << 4;
        read_options(data, reply);
    } else if (class != CLASS_IN) {
        return;
    } else if (section == SECTION_AUTHORITY && type == TYPE_SOA) {
        reply->has_soa = true;
    } else if (section == SECTION_ANSWER && type == DNS_MESSAGE_TYPE_TXT) {
        reply->has_text = true;
    } else if (section == SECTION_ANSWER && type == DNS_MESSAGE_TYPE_A) {
        take_address(reply, 4, data);
    } else if (section == SECTION_ANSWER && type == DNS_MESSAGE_TYPE_AAAA) {
        take_address(reply, 6, data);
    }
}

int dns_message_read_reply(const void *data, size_t size,
                           struct dns_message_reply *ret_reply)
{
    struct reader reader = reader_init(data, size);
    struct dns_message_reply reply = {.ede = DNS_MESSAGE_NO_EDE};
    unsigned counts[SECTION_COUNT];
    unsigned left = RECORDS_MAX;
    reply.id = reader_u16(&reader);
    uint16_t flags = reader_u16(&reader);
    unsigned questions = reader_u16(&reader);
    for (int i = 0; i < SECTION_COUNT; i++) {
        counts[i] = reader_u16(&reader);
    }
    if (reader.failed || (flags & FLAG_RESPONSE) == 0 || questions > 1) {
        return ERROR_SYNTAX;
    }
    reply.rcode = flags & 0xFU;
    reply.is_truncated = (flags & FLAG_TRUNCATED) != 0;
    if (questions == 1) {
        skip_name(&reader);
        reader_u32(&reader);
    }
    for (int i = 0; i < SECTION_COUNT; i++) {
        for (unsigned j = 0; j < counts[i] && left > 0 && !reader.failed; j++, left--) {
            read_record(&reader, (enum section)i, &reply);
        }
    }
    if (reader.failed && !reply.is_truncated) {
        return ERROR_SYNTAX;
    }
    *ret_reply = reply;
    return 0;
}

const char *dns_message_rcode_text(unsigned rcode)
{
    static const char *const texts[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    return rcode < sizeof(texts) / sizeof(texts[0]) ? texts[rcode] : "RCODE";
}

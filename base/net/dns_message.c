/* RFC 6891 6.1 (EDNS) and RFC 8914 (extended errors) on top of the records of RFC 1035. */
#include "base/net/dns_message.h"

#include "base/core/reader.h"
#include "base/net/dns_record.h"

#include <string.h>

enum {
    CLASS_IN = 1,
    OPTION_EDE = 15,
    RECORDS_MAX = 256, /* looked at; a reply has a dozen */
};

int dns_message_write_question(const char *name, uint16_t type, struct writer *writer)
{
    return dns_record_write_query(name, type, 0, true, writer);
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

static void take_record(const struct dns_record *record, struct dns_message_reply *reply)
{
    if (record->section == DNS_RECORD_ADDITIONAL && record->type == DNS_RECORD_TYPE_OPT) {
        reply->rcode |= (record->ttl >> 24) << 4;
        read_options(record->data, reply);
    } else if (record->class != CLASS_IN) {
        return;
    } else if (record->section == DNS_RECORD_AUTHORITY &&
               record->type == DNS_RECORD_TYPE_SOA) {
        reply->has_soa = true;
    } else if (record->section != DNS_RECORD_ANSWER) {
        return;
    } else if (record->type == DNS_MESSAGE_TYPE_TXT) {
        reply->has_text = true;
    } else if (record->type == DNS_MESSAGE_TYPE_A) {
        take_address(reply, 4, record->data);
    } else if (record->type == DNS_MESSAGE_TYPE_AAAA) {
        take_address(reply, 6, record->data);
    }
}

int dns_message_read_reply(const void *data, size_t size,
                           struct dns_message_reply *ret_reply)
{
    struct dns_records records;
    struct dns_record record;
    struct dns_message_reply reply = {.ede = DNS_MESSAGE_NO_EDE};
    int error = dns_record_open(data, size, &records);
    if (error != 0) {
        return error;
    }
    reply.id = records.id;
    reply.rcode = records.rcode;
    reply.is_truncated = records.is_truncated;
    for (unsigned i = 0; i < RECORDS_MAX && error == 0; i++) {
        error = dns_record_next(&records, &record);
        if (error == 0) {
            take_record(&record, &reply);
        }
    }
    if (error == ERROR_SYNTAX && !reply.is_truncated) {
        return error;
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

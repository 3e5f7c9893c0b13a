/* RFC 1035 4.1. A compression pointer must lead to an earlier place than where it stands, so
 * that a name ends after at most as many jumps as the message has bytes; and a name's text is
 * bounded, so that it ends sooner. */
#include "base/net/dns_record.h"

#include "base/core/text.h"

#include <string.h>

enum {
    CLASS_IN = 1,
    LABEL_MAX = 63,
    NAME_MAX_BYTES = 255,
    EDNS_BYTES = 1232,
    FLAG_RESPONSE = 0x8000,
    FLAG_AUTHORITATIVE = 0x0400,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION = 0x0100,
    POINTER = 0xC0,
};

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

int dns_record_write_query(const char *name, uint16_t type, uint16_t id, bool recurse,
                           struct writer *writer)
{
    static const uint16_t counts[] = {1, 0, 0, 1};
    writer_u16(writer, id);
    writer_u16(writer, recurse ? FLAG_RECURSION : 0);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        writer_u16(writer, counts[i]);
    }
    int error = write_name(name, writer);
    if (error != 0) {
        return error;
    }
    writer_u16(writer, type);
    writer_u16(writer, CLASS_IN);
    /* The OPT record: root, type, size, no extended code, no flags, no options. */
    writer_u8(writer, 0);
    writer_u16(writer, DNS_RECORD_TYPE_OPT);
    writer_u16(writer, EDNS_BYTES);
    writer_u32(writer, 0);
    writer_u16(writer, 0);
    return writer->failed ? ERROR_LIMIT : 0;
}

/* Appends a label and the dot before it. */
static bool add_label(char *name, size_t *size, struct bytes label)
{
    if (*size + label.size + 2 > DNS_RECORD_NAME_CAPACITY) {
        return false;
    }
    if (*size > 0) {
        name[(*size)++] = '.';
    }
    for (size_t i = 0; i < label.size; i++) {
        bool is_plain =
            label.data[i] > ' ' && label.data[i] < 0x7f && label.data[i] != '.';
        name[(*size)++] = is_plain ? (char)label.data[i] : '?';
    }
    return true;
}

/* Reads a name; READER stands behind it afterwards. */
static int read_name(struct bytes message, struct reader *reader,
                     char ret_name[static DNS_RECORD_NAME_CAPACITY])
{
    struct reader at = *reader;
    size_t place = (size_t)(reader->at - message.data);
    size_t size = 0;
    bool jumped = false;
    for (;;) {
        uint8_t first = reader_u8(&at);
        if (at.failed) {
            return ERROR_SYNTAX;
        }
        if ((first & POINTER) == POINTER) {
            size_t target = ((size_t)(first & ~POINTER & 0xFF) << 8) | reader_u8(&at);
            if (at.failed || target >= place) {
                return ERROR_SYNTAX;
            }
            if (!jumped) {
                *reader = at;
            }
            jumped = true;
            place = target;
            at = reader_init(message.data + target, message.size - target);
            continue;
        }
        if (first > LABEL_MAX) {
            return ERROR_SYNTAX;
        }
        if (first == 0) {
            break;
        }
        struct bytes label = reader_bytes(&at, first);
        if (at.failed || !add_label(ret_name, &size, label)) {
            return ERROR_SYNTAX;
        }
    }
    if (!jumped) {
        *reader = at;
    }
    ret_name[size] = '\0';
    text_lower(ret_name);
    return 0;
}

int dns_record_open(const void *data, size_t size, struct dns_records *ret_records)
{
    struct dns_records records = {.message = {data, size},
                                  .reader = reader_init(data, size)};
    char name[DNS_RECORD_NAME_CAPACITY];
    records.id = reader_u16(&records.reader);
    uint16_t flags = reader_u16(&records.reader);
    unsigned questions = reader_u16(&records.reader);
    for (int i = 0; i < 3; i++) {
        records.left[i] = reader_u16(&records.reader);
    }
    if (records.reader.failed || (flags & FLAG_RESPONSE) == 0 || questions > 1) {
        return ERROR_SYNTAX;
    }
    records.rcode = flags & 0xFU;
    records.is_authoritative = (flags & FLAG_AUTHORITATIVE) != 0;
    records.is_truncated = (flags & FLAG_TRUNCATED) != 0;
    if (questions == 1) {
        const uint8_t *start = records.reader.at;
        int error = read_name(records.message, &records.reader, name);
        reader_u32(&records.reader);
        if (error != 0 || records.reader.failed) {
            return ERROR_SYNTAX;
        }
        records.question = (struct bytes){start, (size_t)(records.reader.at - start)};
    }
    *ret_records = records;
    return 0;
}

int dns_record_next(struct dns_records *records, struct dns_record *ret_record)
{
    struct dns_record record;
    while (records->section < 3 && records->left[records->section] == 0) {
        records->section++;
    }
    if (records->section == 3) {
        return ERROR_NOT_FOUND;
    }
    records->left[records->section]--;
    record.section = (enum dns_record_section)records->section;
    if (read_name(records->message, &records->reader, record.name) != 0) {
        return ERROR_SYNTAX;
    }
    record.type = reader_u16(&records->reader);
    record.class = reader_u16(&records->reader);
    record.ttl = reader_u32(&records->reader);
    record.data = reader_bytes(&records->reader, reader_u16(&records->reader));
    if (records->reader.failed) {
        return ERROR_SYNTAX;
    }
    *ret_record = record;
    return 0;
}

int dns_record_name(const struct dns_records *records, const struct dns_record *record,
                     char ret_name[static DNS_RECORD_NAME_CAPACITY])
{
    struct reader reader = reader_init(record->data.data, record->data.size);
    char name[DNS_RECORD_NAME_CAPACITY];
    int error = read_name(records->message, &reader, name);
    if (error == 0) {
        text_copy(ret_name, DNS_RECORD_NAME_CAPACITY, name);
    }
    return error;
}

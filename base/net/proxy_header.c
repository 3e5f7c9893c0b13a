/* Section numbers are of proxy-protocol.txt 2020/03/05. The length stands before what it
 * counts; so the body is written first, into a buffer of its own. */
#include "base/net/proxy_header.h"

#include "base/core/writer.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

enum {
    VERSION_2_PROXY = 0x21,
    FAMILY_UNSPEC = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    TYPE_AUTHORITY = 0x02, /* 2.2.2 */
    TYPE_SSL = 0x20,       /* 2.2.6 */
    SUBTYPE_SSL_VERSION = 0x21,
    SUBTYPE_SSL_CIPHER = 0x23,
    CLIENT_SSL = 0x01,
    NOT_VERIFIED = 1, /* the client showed no certificate */
    HEAD_BYTES = 16,
    TLV_HEAD_BYTES = 3,
    SSL_HEAD_BYTES = 5,
    BODY_CAPACITY = PROXY_HEADER_CAPACITY - HEAD_BYTES,
};

static void write_tlv(struct writer *body, uint8_t type, const char *text)
{
    size_t size = strlen(text);
    writer_u8(body, type);
    writer_u16(body, (uint16_t)size);
    writer_bytes(body, text, size);
}

static uint8_t write_addresses(struct writer *body, const struct proxy_header *header)
{
    sa_family_t family = header->client.storage.ss_family;
    if (family != header->local.storage.ss_family) {
        return FAMILY_UNSPEC;
    }
    if (family == AF_INET) {
        struct sockaddr_in from;
        struct sockaddr_in to;
        memcpy(&from, &header->client.storage, sizeof(from));
        memcpy(&to, &header->local.storage, sizeof(to));
        writer_bytes(body, &from.sin_addr, sizeof(from.sin_addr));
        writer_bytes(body, &to.sin_addr, sizeof(to.sin_addr));
    } else if (family == AF_INET6) {
        struct sockaddr_in6 from;
        struct sockaddr_in6 to;
        memcpy(&from, &header->client.storage, sizeof(from));
        memcpy(&to, &header->local.storage, sizeof(to));
        writer_bytes(body, &from.sin6_addr, sizeof(from.sin6_addr));
        writer_bytes(body, &to.sin6_addr, sizeof(to.sin6_addr));
    } else {
        return FAMILY_UNSPEC;
    }
    writer_u16(body, address_port(&header->client));
    writer_u16(body, address_port(&header->local));
    return family == AF_INET ? FAMILY_TCP4 : FAMILY_TCP6;
}

int proxy_header_write(const struct proxy_header *header,
                       uint8_t ret_data[static PROXY_HEADER_CAPACITY], size_t *ret_size)
{
    static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
    uint8_t body_data[BODY_CAPACITY];
    struct writer body = writer_init(body_data, sizeof(body_data));
    struct writer whole = writer_init(ret_data, PROXY_HEADER_CAPACITY);
    uint8_t family = write_addresses(&body, header);
    size_t ssl_size = SSL_HEAD_BYTES + TLV_HEAD_BYTES + strlen(header->version) +
                      TLV_HEAD_BYTES + strlen(header->cipher);
    if (header->server_name[0] != '\0') {
        write_tlv(&body, TYPE_AUTHORITY, header->server_name);
    }
    if (ssl_size > BODY_CAPACITY) {
        return ERROR_LIMIT;
    }
    writer_u8(&body, TYPE_SSL);
    writer_u16(&body, (uint16_t)ssl_size);
    writer_u8(&body, CLIENT_SSL);
    writer_u32(&body, NOT_VERIFIED);
    write_tlv(&body, SUBTYPE_SSL_VERSION, header->version);
    write_tlv(&body, SUBTYPE_SSL_CIPHER, header->cipher);

    writer_bytes(&whole, signature, sizeof(signature) - 1);
    writer_u8(&whole, VERSION_2_PROXY);
    writer_u8(&whole, family);
    writer_u16(&whole, (uint16_t)writer_size(&body));
    writer_bytes(&whole, body_data, writer_size(&body));
    if (body.failed || whole.failed) {
        return ERROR_LIMIT;
    }
    *ret_size = writer_size(&whole);
    return ERROR_NONE;
}

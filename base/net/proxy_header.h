/* The PROXY protocol, version 2, as haproxy's proxy-protocol.txt describes it: what a
 * terminator tells its backend about the client before the client's bytes. */
#ifndef BASE_NET_PROXY_HEADER_H
#define BASE_NET_PROXY_HEADER_H

#include "base/net/address.h"

#include <stddef.h>

enum { PROXY_HEADER_CAPACITY = 512 };

struct proxy_header {
    struct address client;
    struct address local;    /* where it came in */
    const char *server_name; /* of SNI (PP2_TYPE_AUTHORITY); "" : none */
    const char *version;     /* e.g. "TLSv1.3" */
    const char *cipher;      /* OpenSSL's name of it */
};

/* The header's bytes; *RET_SIZE of them. Addresses that are not both IPv4 or both IPv6 are
 * sent as AF_UNSPEC. ERROR_LIMIT when the texts do not fit. */
int proxy_header_write(const struct proxy_header *header,
                       uint8_t ret_data[static PROXY_HEADER_CAPACITY],
                       size_t *ret_size) MUST_CHECK;

#endif

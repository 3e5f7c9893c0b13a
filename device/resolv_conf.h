/* The name servers of /etc/resolv.conf. Pure but for the reading. */
#ifndef DEVICE_RESOLV_CONF_H
#define DEVICE_RESOLV_CONF_H

#include "base/net/address.h"

#include <stddef.h>

enum { RESOLV_CONF_SERVERS_MAX = 4 }; /* the C library takes three */

struct resolv_conf {
    size_t count;
    struct address servers[RESOLV_CONF_SERVERS_MAX]; /* port 53 */
    size_t
        unusable; /* lines that name no address, or one with an interface ("fe80::1%eth0") */
};

/* Reads TEXT (SIZE bytes, not terminated); lines of other kinds, and more servers than there
 * is room for, are left out. */
void resolv_conf_parse(const char *text, size_t size, struct resolv_conf *ret_conf);
/* Reads the file at PATH; ERROR_NOT_FOUND, ERROR_LIMIT, ERROR_IO with errno. */
int resolv_conf_read(const char *path, struct resolv_conf *ret_conf) MUST_CHECK;

#endif

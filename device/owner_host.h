/* Which names an owner may give the device in a PKI of their own. */
#ifndef DEVICE_OWNER_HOST_H
#define DEVICE_OWNER_HOST_H

enum { OWNER_HOST_CAPACITY = 254 };

/* NULL, and *RET_HOST is HOST in lower case; else a sentence of what is wrong with it. Names are
 * taken as the DNS has them: international ones as A-labels (RFC 5890), not as Unicode. */
const char *owner_host_check(const char *host, char ret_host[static OWNER_HOST_CAPACITY]);

#endif

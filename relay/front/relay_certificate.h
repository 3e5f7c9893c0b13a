/* The relay's own HTTPS certificate: its key, a fallback until the CA's chain is there,
 * the request for it in the issuer's own lane, and its renewal without restart. */
#ifndef RELAY_FRONT_RELAY_CERTIFICATE_H
#define RELAY_FRONT_RELAY_CERTIFICATE_H

#include "base/net/tls.h"
#include "relay/front/service.h"

struct relay_certificate;

/* Reads or makes <store>/front-tls.key and puts the fallback into TLS (borrowed), so that
 * HTTPS can be served at once; the rest happens on the loop. Failures are logged. */
int relay_certificate_new(struct service *service, struct tls_server *tls,
                          struct relay_certificate **ret_certificate) MUST_CHECK;
void relay_certificate_free(struct relay_certificate *certificate);

#endif

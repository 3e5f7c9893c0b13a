/* The relay's own HTTPS certificate: its key, a fallback until the CA's chain is there,
 * the request for it in the issuer's own lane, and its renewal without restart. */
#ifndef RELAY_FRONT_RELAY_CERTIFICATE_H
#define RELAY_FRONT_RELAY_CERTIFICATE_H

#include "base/net/tls.h"
#include "relay/front/service.h"

struct relay_certificate;

/* Reads or makes the zone's key (front-tls.key, for a further zone front-tls-<zone>.key) and
 * puts a certificate of our own into SERVICE's TLS, so that HTTPS can be served at once; the
 * rest happens on the loop. Failures are logged. */
int relay_certificate_new(struct service *service,
                          struct relay_certificate **ret_certificate) MUST_CHECK;
/* Reads certificate_file and key_file again; on failure the former ones stay, and the log
 * says why. */
void relay_certificate_reload(struct relay_certificate *certificate);
/* Accepts NULL. A further zone's certificate is shown no more. */
void relay_certificate_free(struct relay_certificate *certificate);

#endif

/* What orders and calls need of their client. Private to acme/. */
#ifndef ACME_CLIENT_SESSION_H
#define ACME_CLIENT_SESSION_H

#include "acme/acme_client.h"
#include "acme/directory.h"
#include "acme/exchange.h"

/* Nonces, signer and account, borrowed; exchanges write to it. */
struct exchange_session *client_session(struct acme_client *client);
/* All-zero until it is known. Borrowed until the client's next call. */
const struct directory *client_session_directory(const struct acme_client *client);
const char *client_session_directory_url(const struct acme_client *client);

#endif

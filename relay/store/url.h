/* The URLs of the relay's ACME resources, all made from the configured base and never
 * from a Host header. front serves them; issuer compares the signed `url` with them. */
#ifndef RELAY_STORE_URL_H
#define RELAY_STORE_URL_H

#include "base/core/limits.h"

#include <stdbool.h>
#include <stddef.h>

/* BASE is e.g. "https://relay.lan.example.com" (no slash at the end). Each writes at most
 * LIMIT_URL_BYTES with the NUL; false when it does not fit. */
bool url_directory(const char *base,
                   char ret_url[static LIMIT_URL_BYTES]); /* /acme/directory */
bool url_new_nonce(const char *base,
                   char ret_url[static LIMIT_URL_BYTES]); /* /acme/new-nonce */
bool url_new_account(const char *base,
                     char ret_url[static LIMIT_URL_BYTES]); /* /acme/new-account */
bool url_new_order(const char *base,
                   char ret_url[static LIMIT_URL_BYTES]); /* /acme/new-order */
bool url_revoke(const char *base,
                char ret_url[static LIMIT_URL_BYTES]); /* /acme/revoke-cert */
bool url_renewal_info(const char *base,
                      char ret_url[static LIMIT_URL_BYTES]); /* /acme/renewal-info */
bool url_account(const char *base, const char *id,
                 char ret_url[static LIMIT_URL_BYTES]); /* /acme/acct/<id> */
bool url_orders(const char *base, const char *id,
                char ret_url[static LIMIT_URL_BYTES]); /* /acme/orders/<id> */
bool url_order(const char *base, const char *id, const char *number,
               char ret_url[static LIMIT_URL_BYTES]); /* /acme/order/<id>/<number> */
bool url_authorization(
    const char *base, const char *id, const char *number, unsigned index,
    char ret_url[static LIMIT_URL_BYTES]); /* /acme/authz/<id>/<number>/<index> */
bool url_finalize(
    const char *base, const char *id, const char *number,
    char ret_url[static LIMIT_URL_BYTES]); /* /acme/finalize/<id>/<number> */
bool url_certificate(
    const char *base, const char *id, const char *cert_id, unsigned alternate,
    char ret_url[static LIMIT_URL_BYTES]); /* /acme/cert/<id>/<certID>[/<n>],
                                              n > 0 an alternate */
bool url_addresses(const char *base,
                   char ret_url[static LIMIT_URL_BYTES]); /* /acme/addresses */
bool url_probe(const char *base, char ret_url[static LIMIT_URL_BYTES]); /* /acme/probe */
bool url_time(const char *base, char ret_url[static LIMIT_URL_BYTES]);  /* /acme/time */

/* What people see. */
bool url_home(const char *base, char ret_url[static LIMIT_URL_BYTES]); /* / */
bool url_terms(const char *base, const char *version,
               char ret_url[static LIMIT_URL_BYTES]); /* /terms/<version> */

#endif

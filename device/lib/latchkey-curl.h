/* liblatchkey-curl: a transport for liblatchkey by libcurl's multi interface, without threads of
 * its own. libcurl resolves names; where it was built to do that in a thread (Debian), it starts
 * one for each look-up. A program with threads calls curl_global_init before it starts them. */
#ifndef LATCHKEY_CURL_H
#define LATCHKEY_CURL_H

#include <latchkey.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins with its size, as the structs of latchkey.h. */
struct latchkey_curl_options {
    size_t size;
    const char *ca_file; /* PEM bundle that proves the relay; NULL: the system's roots */
    const char *proxy;   /* as CURLOPT_PROXY; NULL: from the environment, "": none */
};
#define LATCHKEY_CURL_OPTIONS_INIT                                                       \
    {                                                                                    \
        sizeof(struct latchkey_curl_options), NULL, NULL                                 \
    }

/* Fills in RET_TRANSPORT (begun as LATCHKEY_TRANSPORT_INIT) with a transport for one handle: give
 * it to latchkey_new, and the handle releases it. Who does not, calls its `release` with its
 * `arg`. OPTIONS may be NULL. LATCHKEY_ERROR_ARGUMENT, LATCHKEY_ERROR_MEMORY,
 * LATCHKEY_ERROR_IO. */
LATCHKEY_API int latchkey_curl_new(const struct latchkey_curl_options *options,
                                   struct latchkey_transport *ret_transport);

#ifdef __cplusplus
}
#endif

#endif

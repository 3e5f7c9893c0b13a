/* Addresses of hosts, kept for some seconds and looked up once however many ask; for
 * http_client.c. */
#ifndef BASE_NET_HOST_CACHE_H
#define BASE_NET_HOST_CACHE_H

#include "base/net/resolve.h"

struct host_cache;

/* A look-up has ended: ADDRESSES ("192.0.2.1,[2001:db8::1]", as CURLOPT_RESOLVE takes
 * them) is NULL when ERROR is not ERROR_NONE. Both texts are borrowed for the call, which
 * must not free the cache. */
typedef void host_cache_fn(const char *name, int error, const char *addresses, void *arg);

/* RESOLVER is borrowed. */
int host_cache_new(struct resolver *resolver, host_cache_fn *fn, void *arg,
                   struct host_cache **ret_cache) MUST_CHECK;
/* Look-ups under way are forgotten. Accepts NULL. */
void host_cache_free(struct host_cache *cache);
/* The addresses of NAME if they are known and fresh, borrowed until the next call; else
 * NULL. */
const char *host_cache_find(const struct host_cache *cache, const char *name);
/* Looks NAME up, unless that is under way; the cache's function is called when it is
 * done, never before this returns. */
int host_cache_look_up(struct host_cache *cache, const char *name) MUST_CHECK;
/* The addresses of NAME did not serve: the next one to ask looks them up anew. */
void host_cache_forget(struct host_cache *cache, const char *name);

#endif

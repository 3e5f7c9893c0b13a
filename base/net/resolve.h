/* Look-ups by c-ares, never blocking: addresses of a name, and a question put to one
 * given name server. */
#ifndef BASE_NET_RESOLVE_H
#define BASE_NET_RESOLVE_H

#include "base/core/buffer.h"
#include "base/core/reader.h"
#include "base/net/address.h"
#include "base/net/loop.h"

struct resolver;
struct resolve_query;

/* NAME_SERVERS: "192.0.2.1:53" texts (copied; a port may be left out); NULL or 0: the
 * system's resolv.conf, as it stands at each look-up. */
int resolver_new(struct loop *loop, const char *const *name_servers, size_t count,
                 struct resolver **ret_resolver) MUST_CHECK;
/* Pending queries end with ERROR_STATE, before this returns. Not from within a callback.
 */
void resolver_free(struct resolver *resolver);

enum { RESOLVE_ADDRESSES_MAX = 16, RESOLVE_TEXTS_MAX = 16 };

struct resolve_answer {
    int error; /* ERROR_NONE, ERROR_NOT_FOUND (NXDOMAIN or NODATA), ERROR_TIMEOUT,
                * ERROR_IO (refused, SERVFAIL, no connection), ERROR_SYNTAX (not a name,
                * malformed reply), ERROR_MEMORY, ERROR_STATE */
    size_t address_count;
    struct address addresses[RESOLVE_ADDRESSES_MAX]; /* port 0 */
    size_t text_count;
    struct buffer
        *texts[RESOLVE_TEXTS_MAX]; /* TXT, strings joined; borrowed for the call */
    struct bytes message; /* the whole reply, for resolve_message_at; borrowed likewise */
};

typedef void resolve_fn(const struct resolve_answer *answer, void *arg);

/* A and AAAA of NAME (absolute: no search list), the hosts file first. At most 12 s. An
 * address literal is answered at once (but never before this returns). */
int resolve_addresses(struct resolver *resolver, const char *name, resolve_fn *fn,
                      void *arg, struct resolve_query **ret_query) MUST_CHECK;
enum resolve_transport { RESOLVE_UDP, RESOLVE_TCP };
/* TXT of NAME, asked of SERVER only, without recursion. Each call uses a fresh channel
 * and port. */
int resolve_text_at(struct loop *loop, const struct address *server,
                    enum resolve_transport transport, const char *name,
                    unsigned timeout_ms, resolve_fn *fn, void *arg,
                    struct resolve_query **ret_query) MUST_CHECK;
/* The reply of SERVER itself, whatever it says, to a question with recursion for NAME's
 * records of TYPE: by UDP, then by TCP when it is truncated. ERROR_NONE for any reply at
 * all, refusals too; ERROR_TIMEOUT or ERROR_IO for none. */
int resolve_message_at(struct loop *loop, const struct address *server, const char *name,
                       uint16_t type, unsigned timeout_ms, resolve_fn *fn, void *arg,
                       struct resolve_query **ret_query) MUST_CHECK;
/* The reply of one of RESOLVER's servers to a question for NAME's records of TYPE, whatever
 * it says; errors and `message` as above. */
int resolve_message(struct resolver *resolver, const char *name, uint16_t type,
                    unsigned timeout_ms, resolve_fn *fn, void *arg,
                    struct resolve_query **ret_query) MUST_CHECK;
/* Puts the QUERY of the caller (as dns_record_write_query makes it) to SERVER by TRANSPORT and
 * nothing else, without a second try by TCP; errors and `message` as above. */
int resolve_exchange_at(struct loop *loop, const struct address *server,
                        enum resolve_transport transport, struct bytes query,
                        unsigned timeout_ms, resolve_fn *fn, void *arg,
                        struct resolve_query **ret_query) MUST_CHECK;
/* Forgets a query; its callback is not called any more. No effect from within that
 * callback. */
void resolve_cancel(struct resolve_query *query);

#endif

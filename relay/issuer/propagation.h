/* Whether every name server shows a set of TXT values: each address is asked over UDP and
 * then over TCP, without recursion, until all values are there. The CA's resolvers may
 * ask any of them; a validation that fails costs one of five an hour. */
#ifndef RELAY_ISSUER_PROPAGATION_H
#define RELAY_ISSUER_PROPAGATION_H

#include "acme/acme.h"
#include "base/net/address.h"
#include "base/net/loop.h"

enum { PROPAGATION_SERVERS_MAX = 16 };

struct propagation_servers {
    struct address at[PROPAGATION_SERVERS_MAX];
    size_t count;
};

struct propagation;

/* ERROR is 0 when all show all values, ERROR_TIMEOUT with the server and name in TEXT, or
 * ERROR_MEMORY. WAITED_MS: how long it took. Called once, never from propagation_new. */
typedef void propagation_fn(int error, const char *text, int64_t waited_ms, void *arg);

/* SERVERS is borrowed; RECORDS are copied. The first question is put after FIRST_MS. */
int propagation_new(struct loop *loop, const struct propagation_servers *servers,
                    const struct acme_record *records, size_t record_count,
                    unsigned first_ms, propagation_fn *fn, void *arg,
                    struct propagation **ret_propagation) MUST_CHECK;
/* Also from within FN. Pending questions are forgotten. */
void propagation_free(struct propagation *propagation);

#endif

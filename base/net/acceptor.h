/* Listening sockets of one server, and the loop that accepts from them. */
#ifndef BASE_NET_ACCEPTOR_H
#define BASE_NET_ACCEPTOR_H

#include "base/net/address.h"
#include "base/net/loop.h"

struct acceptor;

/* FD is the callee's: CLOEXEC, non-blocking, TCP_NODELAY. PEER is borrowed. */
typedef void acceptor_fn(int fd, const struct address *peer, void *arg);

/* Listens nowhere yet. */
int acceptor_new(struct loop *loop, acceptor_fn *fn, void *arg,
                 struct acceptor **ret_acceptor) MUST_CHECK;
/* Listens on one more address; several are fine. *RET_PORT (may be NULL) is the port bound.
 * errno with ERROR_IO. */
int acceptor_listen(struct acceptor *acceptor, const struct address *address,
                    uint16_t *ret_port) MUST_CHECK;
/* Takes over a listening descriptor (on success): it becomes non-blocking and CLOEXEC. */
int acceptor_listen_fd(struct acceptor *acceptor, int fd) MUST_CHECK;
/* Closes the listeners. Accepts NULL. */
void acceptor_free(struct acceptor *acceptor);

#endif

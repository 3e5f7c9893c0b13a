/* Socket addresses as text: "192.0.2.1:53", "[2001:db8::1]:53", "/run/x.sock" for a unix
 * socket. */
#ifndef BASE_NET_ADDRESS_H
#define BASE_NET_ADDRESS_H

#include "base/core/error.h"

#include <stdint.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

enum { ADDRESS_TEXT_CAPACITY = 128 };

/* Reads "IP:port", "[IPv6]:port", ":port" (all IPv6 and IPv4, as [::]:port), an IP alone
 * with DEFAULT_PORT (0: a port is required), or an absolute path (unix). No names are
 * looked up. */
int address_parse(const char *text, uint16_t default_port,
                  struct address *ret_address) MUST_CHECK;
void address_text(const struct address *address,
                  char ret_text[static ADDRESS_TEXT_CAPACITY]);
/* The IP alone ("192.0.2.1", "2001:db8::1"), without brackets or port; "" for a unix
 * path. */
void address_host_text(const struct address *address,
                       char ret_text[static ADDRESS_TEXT_CAPACITY]);
/* 0 for a unix path. */
uint16_t address_port(const struct address *address);
/* No effect on a unix path. */
void address_set_port(struct address *address, uint16_t port);
/* An IPv4 address that came as IPv6 (::ffff:192.0.2.1, the peer of a socket that takes
 * both) becomes IPv4 again, so that a peer has one spelling; others stay. */
void address_unmap(struct address *address);
/* A listening TCP or unix stream socket: CLOEXEC, non-blocking, REUSEADDR, NODELAY; errno
 * on ERROR_IO. A stale unix socket of ours is replaced. */
int address_listen(const struct address *address, int backlog, int *ret_fd) MUST_CHECK;

#endif

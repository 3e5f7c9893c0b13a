/* Asks a role on loopback: one GET at a time, bounded in time and size. */
#ifndef RELAY_ADMIN_SCRAPE_H
#define RELAY_ADMIN_SCRAPE_H

#include "base/core/buffer.h"
#include "base/net/loop.h"

enum { SCRAPE_BYTES_MAX = 512 << 10 };

struct scrape;

/* STATUS is 0 when there was no response (nobody listens, too late, too large, no HTTP). BODY is
 * borrowed. */
typedef void scrape_fn(int status, struct bytes body, void *arg);

/* LISTEN_AT is what the role listens on; each asking may take MAX_MS. FN is called with ARG at its
 * end, never from within scrape_get; it may ask again. Errors of loopback_parse. */
int scrape_new(struct loop *loop, const char *listen_at, int64_t max_ms, scrape_fn *fn,
               void *arg, struct scrape **ret_scrape) MUST_CHECK;
/* Accepts NULL. FN is not called any more. */
void scrape_free(struct scrape *scrape);
/* Begins to ask for PATH; nothing happens while another asking is under way. */
void scrape_get(struct scrape *scrape, const char *path);

#endif

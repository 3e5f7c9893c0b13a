/* The Link header (RFC 8288), as far as ACME uses it. Private to acme/. */
#ifndef ACME_LINK_H
#define ACME_LINK_H

#include <stdbool.h>
#include <stddef.h>

/* The INDEXth target with relation REL in one header's VALUE, which may hold several
 * links. False when there is none, or it does not fit. */
bool link_target(const char *value, const char *rel, size_t index, char *ret_url,
                 size_t capacity);

#endif

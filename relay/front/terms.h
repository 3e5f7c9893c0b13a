/* The terms that whoever registers a device agrees to: built in, or the operator's own file
 * under a version of its own. Each version that was ever in force stays readable at
 * /terms/<version>.
 *
 * A text is UTF-8: paragraphs with empty lines between, "# " before a heading, "- " before
 * each point of a list. */
#ifndef RELAY_FRONT_TERMS_H
#define RELAY_FRONT_TERMS_H

#include "relay/front/service.h"

#include "base/core/buffer.h"

enum { TERMS_BYTES_MAX = 64 << 10 };

/* The built-in ones. */
extern const char terms_builtin_version[];
extern const char terms_builtin_text[];

/* Reads the terms in force, keeps them in front.db and their version in SERVICE; again after
 * a change of the configuration, and then directory_make. What can't be read leaves SERVICE as
 * it was. Blocks on the disk. Failures are logged. */
int terms_load(struct service *service) MUST_CHECK;

/* Whether TEXT can be shown as it is: UTF-8 without control characters, not empty. */
bool terms_is_text(const char *text, size_t size);
/* Appends TEXT as HTML, everything in it escaped. */
void terms_write(struct buffer *html, const char *text);

#endif

/* A configuration as strangers may read it. */
#ifndef DEVICE_PUBLIC_CONFIG_H
#define DEVICE_PUBLIC_CONFIG_H

#include "base/core/buffer.h"

/* Appends the file's TEXT to PUBLIC without comments, and without what may be a secret: keys
 * that are not known here lose their value, URLs their user, password, query and (but for the
 * relay's) path, key URIs what follows the name, commands their arguments. Pure. */
int public_config_write(const char *text, size_t size, struct buffer *public) MUST_CHECK;

#endif

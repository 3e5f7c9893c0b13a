/* A passphrase from the terminal or a file; never from arguments or the environment, which
 * others on the machine can read. */
#ifndef DEVICE_PASSPHRASE_H
#define DEVICE_PASSPHRASE_H

#include "base/core/buffer.h"

/* Appends the first line of the file PATH to TEXT (from buffer_init_secret); PATH NULL: asks
 * on the terminal with PROMPT and without echo, twice when TWICE. ERROR_NOT_FOUND without a
 * file or terminal, ERROR_CONFLICT when the two differ. Blocks. */
int passphrase_read(const char *path, const char *prompt, bool twice,
                    struct buffer *text) MUST_CHECK;

#endif

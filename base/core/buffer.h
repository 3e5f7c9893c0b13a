/* A growable byte buffer with a maximum given at creation and a sticky failure.
 * Its content is always NUL-terminated after `size` bytes, so `data` may be used as a
 * string. */
#ifndef BASE_CORE_BUFFER_H
#define BASE_CORE_BUFFER_H

#include "base/core/error.h"
#include "base/core/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data; /* NULL until the first append; then size + 1 bytes at least */
    size_t size;
    size_t capacity;
    size_t max;
    int error;   /* ERROR_MEMORY or ERROR_LIMIT once something did not fit; sticky */
    bool secret; /* wiped before it is freed or moved */
};

/* An empty buffer that refuses to grow beyond MAX_BYTES. No allocation. */
struct buffer buffer_init(size_t max_bytes);
/* The same for key material: every byte is wiped on growth and free. */
struct buffer buffer_init_secret(size_t max_bytes);
/* Each append copies, and returns the buffer's sticky error; callers may check only the
 * last. */
int buffer_append(struct buffer *buffer, const void *data, size_t size_bytes);
int buffer_append_text(struct buffer *buffer, const char *text);
int buffer_append_u8(struct buffer *buffer, uint8_t value);
int buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Removes the first SIZE bytes (at most all). */
void buffer_consume(struct buffer *buffer, size_t size_bytes);
/* Size 0 and no error; the memory is kept (wiped if secret). */
void buffer_reset(struct buffer *buffer);
/* "" when empty. Borrowed until the next change. */
const char *buffer_text(const struct buffer *buffer);
struct bytes buffer_bytes(const struct buffer *buffer);
/* Hands the NUL-terminated content to the caller (free() it; NULL after an error, or if
 * nothing could be allocated) and leaves the buffer empty. */
char *buffer_take(struct buffer *buffer);
/* Frees the content; the struct may be used again. Accepts an all-zero buffer. */
void buffer_free(struct buffer *buffer);

#endif

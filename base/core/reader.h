/* A bounded reader over bytes from outside, with a sticky failure: read everything, check
 * once. */
#ifndef BASE_CORE_READER_H
#define BASE_CORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; whoever made them keeps them. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* set by the first read past the end; every later read yields 0 */
};

/* Starts at the first of SIZE bytes, which must outlive the reader. */
struct reader reader_init(const void *data, size_t size);
/* Bytes left; 0 after a failure. */
size_t reader_left(const struct reader *reader);
/* Big-endian integers; 0 and `failed` when too few bytes are left. */
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
/* The next SIZE bytes, borrowed from the input; {NULL, 0} and `failed` when too few are
 * left. */
struct bytes reader_bytes(struct reader *reader, size_t size_bytes);

#endif

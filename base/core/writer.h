/* A bounded writer into a fixed buffer, with a sticky failure. */
#ifndef BASE_CORE_WRITER_H
#define BASE_CORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed; /* set by the first write that does not fit; nothing of it is written */
};

/* Writes to the CAPACITY_BYTES at DATA, which must outlive the writer. */
struct writer writer_init(void *data, size_t capacity_bytes);
/* Bytes written so far. */
size_t writer_size(const struct writer *writer);
void writer_u8(struct writer *writer, uint8_t value);
/* Big-endian. */
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_bytes(struct writer *writer, const void *data, size_t size_bytes);

#endif

#include "base/core/writer.h"

#include <string.h>

struct writer writer_init(void *data, size_t capacity_bytes)
{
    uint8_t *start = data;
    return (struct writer){.start = start,
                           .at = start,
                           .end = start != NULL ? start + capacity_bytes : NULL};
}

size_t writer_size(const struct writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

static void write_integer(struct writer *writer, uint64_t value, size_t size_bytes)
{
    uint8_t octets[8];
    for (size_t i = 0; i < size_bytes; i++) {
        octets[i] = (uint8_t)(value >> 8 * (size_bytes - 1 - i));
    }
    writer_bytes(writer, octets, size_bytes);
}

void writer_u8(struct writer *writer, uint8_t value)
{
    write_integer(writer, value, 1);
}

void writer_u16(struct writer *writer, uint16_t value)
{
    write_integer(writer, value, 2);
}

void writer_u32(struct writer *writer, uint32_t value)
{
    write_integer(writer, value, 4);
}

void writer_u64(struct writer *writer, uint64_t value)
{
    write_integer(writer, value, 8);
}

void writer_bytes(struct writer *writer, const void *data, size_t size_bytes)
{
    if (writer->failed || (size_t)(writer->end - writer->at) < size_bytes) {
        writer->failed = true;
        return;
    }
    if (size_bytes == 0) {
        return;
    }
    memcpy(writer->at, data, size_bytes);
    writer->at += size_bytes;
}

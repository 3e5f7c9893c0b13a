#include "base/core/reader.h"

struct reader reader_init(const void *data, size_t size)
{
    static const uint8_t nothing[1];
    const uint8_t *start = data != NULL ? data : nothing;
    return (struct reader){.at = start, .end = start + (data != NULL ? size : 0)};
}

size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

static uint64_t read_integer(struct reader *reader, size_t size_bytes)
{
    struct bytes bytes = reader_bytes(reader, size_bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        value = value << 8 | bytes.data[i];
    }
    return value;
}

uint8_t reader_u8(struct reader *reader)
{
    return (uint8_t)read_integer(reader, 1);
}

uint16_t reader_u16(struct reader *reader)
{
    return (uint16_t)read_integer(reader, 2);
}

uint32_t reader_u32(struct reader *reader)
{
    return (uint32_t)read_integer(reader, 4);
}

uint64_t reader_u64(struct reader *reader)
{
    return read_integer(reader, 8);
}

struct bytes reader_bytes(struct reader *reader, size_t size_bytes)
{
    if (reader_left(reader) < size_bytes) {
        reader->failed = true;
    }
    if (reader->failed) {
        return (struct bytes){NULL, 0};
    }
    struct bytes bytes = {reader->at, size_bytes};
    reader->at += size_bytes;
    return bytes;
}

#include "device/tar.h"

#include "base/core/text.h"

#include <string.h>

/* IEEE 1003.1-1988 10.1.1; numbers are octal text. */
struct header {
    char name[TAR_NAME_BYTES];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char modified[12];
    char checksum[8];
    char type;
    char linked[100];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char unused[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK_BYTES, "a header is one block");

/* The sum of the header's bytes with the sum's own field as blanks. */
static void set_checksum(struct header *header)
{
    unsigned sum = 0;
    const uint8_t *at = (const uint8_t *)header;
    memset(header->checksum, ' ', sizeof(header->checksum));
    for (size_t i = 0; i < sizeof(*header); i++) {
        sum += at[i];
    }
    text_format(header->checksum, sizeof(header->checksum), "%06o", sum);
    header->checksum[7] = ' ';
}

int tar_add(struct buffer *archive, const char *name, struct bytes content,
            int64_t modified_at)
{
    static const uint8_t zeros[TAR_BLOCK_BYTES];
    struct header header = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    if (modified_at < 0) {
        return ERROR_RANGE;
    }
    if (!text_copy(header.name, sizeof(header.name), name) ||
        !text_format(header.size, sizeof(header.size), "%011zo", content.size) ||
        !text_format(header.modified, sizeof(header.modified), "%011llo",
                     (unsigned long long)modified_at)) {
        return ERROR_LIMIT;
    }
    text_copy(header.mode, sizeof(header.mode), "0000600");
    text_copy(header.uid, sizeof(header.uid), "0000000");
    text_copy(header.gid, sizeof(header.gid), "0000000");
    set_checksum(&header);
    buffer_append(archive, &header, sizeof(header));
    buffer_append(archive, content.data, content.size);
    size_t over = content.size % TAR_BLOCK_BYTES;
    return buffer_append(archive, zeros, over > 0 ? TAR_BLOCK_BYTES - over : 0);
}

int tar_end(struct buffer *archive)
{
    static const uint8_t zeros[2 * TAR_BLOCK_BYTES];
    return buffer_append(archive, zeros, sizeof(zeros));
}

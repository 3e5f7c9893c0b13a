/* A backup's file, which root reads: what is taken has flat names of its own and lies within the
 * file. The input is read as it is; and once more as who makes such a file by hand would give
 * it: checksums right, and a manifest that lists whatever is in it. */
#include "relay/admin/archive.h"

#include "base/core/json.h"
#include "tests/fuzz/require.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BLOCK = 512,
    INPUT_MAX = 64 << 10,
    MANIFEST_MAX = 64 << 10,
    NAME_SIZE = 100,
    SIZE_AT = 124,
    SUM_AT = 148,
    SUM_SIZE = 8,
    LINK_AT = 157,
};

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, data, size) == (ssize_t)size);
    return fd;
}

static void check_member(int fd, const struct archive *archive, size_t i,
                         struct bytes file)
{
    const struct archive_member *member = &archive->members[i];
    uint8_t *content = NULL;
    int to = memfd_create("member", MFD_CLOEXEC);
    REQUIRE(to >= 0);
    REQUIRE(member->name[0] != '\0' && member->name[0] != '.');
    REQUIRE(strchr(member->name, '/') == NULL);
    REQUIRE(strlen(member->user) < sizeof(member->user));
    REQUIRE(archive_find(archive, member->name) == member);
    REQUIRE((member->mode & ~(mode_t)0777) == 0);
    REQUIRE(member->offset >= BLOCK && (uint64_t)member->offset <= file.size);
    REQUIRE(member->size <= file.size - (uint64_t)member->offset);
    REQUIRE(archive_extract(fd, member, to) == 0);
    REQUIRE(lseek(to, 0, SEEK_END) == (off_t)member->size);
    content = malloc(member->size + 1);
    REQUIRE(content != NULL);
    REQUIRE(pread(to, content, member->size, 0) == (ssize_t)member->size);
    REQUIRE(memcmp(content, file.data + member->offset, member->size) == 0);
    free(content);
    (void)close(to);
}

static void read_it(struct bytes file)
{
    static struct archive archive;
    char reason[ARCHIVE_REASON_CAPACITY];
    int fd = file_of(file.data, file.size);
    int error = archive_read(fd, &archive, reason);
    REQUIRE(error == 0 || error == ERROR_MEMORY || reason[0] != '\0');
    REQUIRE(strlen(reason) < sizeof(reason));
    if (error == 0) {
        REQUIRE(archive.count <= ARCHIVE_MEMBERS_MAX);
        for (size_t i = 0; i < archive.count; i++) {
            check_member(fd, &archive, i, file);
        }
    }
    (void)close(fd);
}

/* ---- by hand ---- */

static uint64_t size_of(const uint8_t *header)
{
    uint64_t size = 0;
    for (size_t i = SIZE_AT; i < SIZE_AT + 11; i++) {
        size = size << 3 | (header[i] & 7U);
    }
    return size;
}

static void sign_header(uint8_t *header)
{
    unsigned sum = 0;
    memset(header + SUM_AT, ' ', SUM_SIZE);
    for (size_t i = 0; i < BLOCK; i++) {
        sum += header[i];
    }
    REQUIRE(text_format((char *)header + SUM_AT, SUM_SIZE, "%06o", sum));
    header[SUM_AT + SUM_SIZE - 1] = ' ';
}

static void hash_of(const uint8_t *data, size_t size,
                    char ret_text[static ARCHIVE_HASH_CAPACITY])
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    REQUIRE(digest_sha256(data, size, hash) == 0);
    text_hex(hash, sizeof(hash), ret_text);
}

static void list_file(json_t *files, const uint8_t *header, uint64_t size)
{
    char name[NAME_SIZE + 1] = "";
    char hash[ARCHIVE_HASH_CAPACITY];
    json_t *file = json_object();
    memcpy(name, header, NAME_SIZE);
    hash_of(header + BLOCK, size, hash);
    /* A name that is no UTF-8 is not listed. */
    if (json_set_text(file, "name", name) == 0 &&
        json_set_i64(file, "size", (int64_t)size) == 0 &&
        json_set_text(file, "sha256", hash) == 0) {
        json_array_append(files, file);
    }
    json_decref(file);
}

static size_t add_manifest(uint8_t *at, json_t *files)
{
    static const char name[] = "MANIFEST.json";
    struct buffer text = buffer_init(MANIFEST_MAX);
    char hash[ARCHIVE_HASH_CAPACITY];
    json_t *object = json_object();
    size_t size = 0;
    if (json_set_i64(object, "format", 1) == 0 &&
        json_set_text(object, "madeAt", "2026-11-28T02:00:00Z") == 0 &&
        json_set_text(object, "about", "lan.example.com") == 0 &&
        json_set_take(object, "files", files) == 0 && json_dump(object, &text) == 0) {
        memset(at, 0, BLOCK);
        memcpy(at, name, sizeof(name));
        memcpy(at + 100, "0000600", 8);
        REQUIRE(text_format((char *)at + SIZE_AT, 12, "%011zo", text.size));
        memcpy(at + 136, "00000000000", 12);
        at[156] = '0';
        hash_of(text.data, text.size, hash);
        memcpy(at + LINK_AT, hash, sizeof(hash));
        memcpy(at + 257, "ustar\00000", 8);
        sign_header(at);
        memcpy(at + BLOCK, text.data, text.size);
        size = BLOCK + (text.size + BLOCK - 1) / BLOCK * BLOCK;
    }
    json_decref(object);
    buffer_free(&text);
    return size;
}

/* Headers and contents of the input, as far as they go. */
static void forge(uint8_t *file, size_t size)
{
    json_t *files = json_array();
    size_t at = 0;
    while (size - at >= BLOCK && file[at] != '\0') {
        uint64_t content = size_of(file + at);
        uint64_t blocks = (content + BLOCK - 1) / BLOCK * BLOCK;
        if (blocks > size - at - BLOCK ||
            strncmp((const char *)file + at, "MANIFEST.json", NAME_SIZE) == 0) {
            break;
        }
        sign_header(file + at);
        list_file(files, file + at, content);
        at += BLOCK + blocks;
    }
    at += add_manifest(file + at, files);
    read_it((struct bytes){file, at});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[INPUT_MAX + BLOCK + MANIFEST_MAX + BLOCK];
    if (size > INPUT_MAX) {
        return 0;
    }
    read_it((struct bytes){data, size});
    memset(file, 0, sizeof(file));
    memcpy(file, data, size);
    forge(file, size);
    return 0;
}

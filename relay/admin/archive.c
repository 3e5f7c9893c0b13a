/* POSIX.1-1988 ustar: a header of 512 octets per file, then its content, filled up to 512; two
 * empty blocks at the end. Sizes of 8 GiB and more are written in base 256, as GNU tar and
 * libarchive read and write them. Reading takes what this file writes and nothing else: plain
 * files, flat names. */
#include "relay/admin/archive.h"

#include "base/core/json.h"
#include "base/core/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK = 512,
    CHUNK = 64 << 10,
    MANIFEST_BYTES = 64 << 10,
    OCTAL_SIZE_BITS = 33,
    FORMAT = 1,
};

/* What vouches for all else is vouched for by its own header, which has its hash where a link
 * would have its target; tar passes over it. */
static const char manifest_name[] = "MANIFEST.json";

/* Field by field as POSIX has it; all are octets, so there is nothing between them. */
struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char typeflag;
    char linkname[100];
    char magic[6];
    char version[2];
    char uname[32];
    char gname[32];
    char devmajor[8];
    char devminor[8];
    char prefix[155];
    char rest[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

/* ---- headers ---- */

static unsigned checksum_of(const struct header *header)
{
    const unsigned char *octets = (const unsigned char *)header;
    size_t at = offsetof(struct header, checksum);
    unsigned sum = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        sum += i >= at && i < at + sizeof(header->checksum) ? ' ' : octets[i];
    }
    return sum;
}

static void write_size(char field[static 12], uint64_t size)
{
    if (size >> OCTAL_SIZE_BITS == 0) {
        snprintf(field, 12, "%011" PRIo64, size);
        return;
    }
    memset(field, 0, 12);
    field[0] = (char)0x80;
    for (int i = 11; i > 3; i--) {
        field[i] = (char)(size & 0xff);
        size >>= 8;
    }
}

/* Octal digits, then NUL or blanks; or base 256. */
static bool read_number(const char *field, size_t size, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t i = 0;

    if (size == 12 && (unsigned char)field[0] == 0x80) {
        for (i = 1; i < size; i++) {
            if (number >> 55 != 0) {
                return false;
            }
            number = number << 8 | (unsigned char)field[i];
        }
        *ret_number = number;
        return true;
    }
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        number = number << 3 | (uint64_t)(field[i] - '0');
    }
    if (i == 0 || i == size || (field[i] != '\0' && field[i] != ' ')) {
        return false;
    }
    *ret_number = number;
    return true;
}

static void make_header(const struct archive_member *member, struct header *header)
{
    memset(header, 0, sizeof(*header));
    memcpy(header->name, member->name, strlen(member->name));
    snprintf(header->mode, sizeof(header->mode), "%07o",
             (unsigned)(member->mode & 07777));
    snprintf(header->uid, sizeof(header->uid), "%07o", 0U); /* names count, see restore */
    snprintf(header->gid, sizeof(header->gid), "%07o", 0U);
    write_size(header->size, member->size);
    snprintf(header->mtime, sizeof(header->mtime), "%011" PRIo64,
             (uint64_t)(member->modified_at > 0 ? member->modified_at : 0) &
                 077777777777);
    header->typeflag = '0';
    if (strcmp(member->name, manifest_name) == 0) {
        memcpy(header->linkname, member->hash, sizeof(member->hash));
    }
    memcpy(header->magic, "ustar", 6);
    memcpy(header->version, "00", 2);
    memcpy(header->uname, member->user, strlen(member->user));
    memcpy(header->gname, member->group, strlen(member->group));
    snprintf(header->checksum, sizeof(header->checksum), "%06o", checksum_of(header));
    header->checksum[7] = ' ';
}

static bool is_flat_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strlen(name) < ARCHIVE_NAME_CAPACITY &&
           strspn(name,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               strlen(name);
}

static bool copy_field(char *ret_text, size_t capacity, const char *field, size_t size)
{
    return text_format(ret_text, capacity, "%.*s", (int)strnlen(field, size), field);
}

static bool read_header(const struct header *header, struct archive_member *member)
{
    uint64_t sum = 0;
    uint64_t mode = 0;
    uint64_t mtime = 0;

    memset(member, 0, sizeof(*member));
    if (memcmp(header->magic, "ustar", 6) != 0 || header->typeflag != '0' ||
        header->prefix[0] != '\0' ||
        !read_number(header->checksum, sizeof(header->checksum), &sum) ||
        sum != checksum_of(header) ||
        !read_number(header->mode, sizeof(header->mode), &mode) ||
        !read_number(header->size, sizeof(header->size), &member->size) ||
        !read_number(header->mtime, sizeof(header->mtime), &mtime) ||
        !copy_field(member->name, sizeof(member->name), header->name,
                    sizeof(header->name)) ||
        !copy_field(member->user, sizeof(member->user), header->uname,
                    sizeof(header->uname)) ||
        !copy_field(member->group, sizeof(member->group), header->gname,
                    sizeof(header->gname))) {
        return false;
    }
    member->mode = (mode_t)(mode & 0777);
    member->modified_at = (int64_t)mtime;
    return is_flat_name(member->name) && member->size <= INT64_MAX - BLOCK;
}

/* ---- writing ---- */

static int write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size > 0) {
        ssize_t written = write(fd, at, size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return ERROR_IO;
        }
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

static int fill_block(int fd, uint64_t size)
{
    static const uint8_t zeros[BLOCK];

    return size % BLOCK == 0 ? 0 : write_all(fd, zeros, BLOCK - size % BLOCK);
}

/* At most SIZE bytes of FROM to TO (or nowhere, -1), hashed: fewer are ERROR_CONFLICT. */
static int copy_hashed(int from, uint64_t size, int to,
                       char ret_hash[static ARCHIVE_HASH_CAPACITY])
{
    uint8_t *chunk = malloc(CHUNK);
    struct digest_stream *stream = NULL;
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = chunk == NULL ? ERROR_MEMORY : digest_stream_new(&stream);

    while (error == 0 && size > 0) {
        ssize_t got = read(from, chunk, size < CHUNK ? (size_t)size : CHUNK);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        error = got < 0 ? ERROR_IO : got == 0 ? ERROR_CONFLICT : 0;
        if (error == 0) {
            error = digest_stream_add(stream, chunk, (size_t)got);
            size -= (uint64_t)got;
        }
        if (error == 0 && to >= 0) {
            error = write_all(to, chunk, (size_t)got);
        }
    }
    if (error == 0) {
        error = digest_stream_end(stream, hash);
    }
    if (error == 0) {
        text_hex(hash, sizeof(hash), ret_hash);
    }
    if (chunk != NULL) {
        digest_wipe(chunk, CHUNK);
    }
    free(chunk);
    digest_stream_free(stream);
    return error;
}

static void name_owner(const struct stat *status, struct archive_member *member)
{
    const struct passwd *user = getpwuid(status->st_uid);
    const struct group *group = getgrgid(status->st_gid);

    if (user != NULL) {
        (void)text_copy(member->user, sizeof(member->user), user->pw_name);
    }
    if (group != NULL) {
        (void)text_copy(member->group, sizeof(member->group), group->gr_name);
    }
}

static int open_plain(const char *path, struct stat *status)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO;
    }
    if (fstat(fd, status) != 0 || !S_ISREG(status->st_mode)) {
        (void)close(fd);
        errno = EINVAL;
        return ERROR_IO;
    }
    return fd;
}

int archive_add(struct archive_writer *writer, const char *name, const char *path)
{
    struct archive_member *member = &writer->members[writer->count];
    struct header header;
    struct stat status;
    int error = 0;
    int fd = -1;

    if (writer->count == ARCHIVE_MEMBERS_MAX || !is_flat_name(name)) {
        return ERROR_LIMIT;
    }
    fd = open_plain(path, &status);
    if (fd < 0) {
        return fd;
    }
    *member = (struct archive_member){.mode = status.st_mode & 0777,
                                      .size = (uint64_t)status.st_size,
                                      .modified_at = status.st_mtime};
    memcpy(member->name, name, strlen(name) + 1);
    name_owner(&status, member);
    make_header(member, &header);
    error = write_all(writer->fd, &header, sizeof(header));
    if (error == 0) {
        error = copy_hashed(fd, member->size, writer->fd, member->hash);
    }
    if (error == 0) {
        error = fill_block(writer->fd, member->size);
    }
    (void)close(fd);
    writer->count += error == 0 ? 1 : 0;
    return error;
}

static int list_members(const struct archive_member *members, size_t count, json_t *array)
{
    int error = 0;

    for (size_t i = 0; error == 0 && i < count; i++) {
        json_t *item = json_object();

        error =
            item == NULL ? ERROR_MEMORY : json_set_text(item, "name", members[i].name);
        if (error == 0) {
            error = json_set_i64(item, "size", (int64_t)members[i].size);
        }
        if (error == 0) {
            error = json_set_text(item, "sha256", members[i].hash);
        }
        if (error == 0 && json_array_append(array, item) != 0) {
            error = ERROR_MEMORY;
        }
        json_decref(item);
    }
    return error;
}

static int hash_text(const struct buffer *text,
                     char ret_hash[static ARCHIVE_HASH_CAPACITY])
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    int error = digest_sha256(text->data, text->size, hash);

    if (error == 0) {
        text_hex(hash, sizeof(hash), ret_hash);
    }
    return error;
}

static int make_manifest(const struct archive_writer *writer, int64_t made_at,
                         const char *about, struct buffer *text)
{
    char at[TEXT_TIME_CAPACITY];
    json_t *object = json_object();
    json_t *array = json_array();
    int error = object == NULL || array == NULL ? ERROR_MEMORY : 0;

    text_time(made_at, at);
    if (error == 0) {
        error = json_set_i64(object, "format", FORMAT);
    }
    if (error == 0) {
        error = json_set_text(object, "madeAt", at);
    }
    if (error == 0) {
        error = json_set_text(object, "about", about);
    }
    if (error == 0) {
        error = list_members(writer->members, writer->count, array);
    }
    if (error == 0) {
        error = json_set_take(object, "files", json_incref(array));
    }
    if (error == 0) {
        error = json_dump(object, text);
    }
    json_decref(array);
    json_decref(object);
    return error;
}

int archive_finish(struct archive_writer *writer, int64_t made_at, const char *about)
{
    static const uint8_t end[2 * BLOCK];
    struct archive_member manifest = {.mode = 0600, .modified_at = made_at};
    struct buffer text = buffer_init(MANIFEST_BYTES);
    struct header header;
    int error = make_manifest(writer, made_at, about, &text);

    if (error == 0) {
        error = hash_text(&text, manifest.hash);
    }
    if (error == 0) {
        memcpy(manifest.name, manifest_name, sizeof(manifest_name));
        manifest.size = text.size;
        make_header(&manifest, &header);
        error = write_all(writer->fd, &header, sizeof(header));
    }
    if (error == 0) {
        error = write_all(writer->fd, text.data, text.size);
    }
    if (error == 0) {
        error = fill_block(writer->fd, text.size);
    }
    if (error == 0) {
        error = write_all(writer->fd, end, sizeof(end));
    }
    buffer_free(&text);
    return error;
}

/* ---- reading ---- */

static int say(char *reason, int error, const char *format, ...) PRINTF_LIKE(3, 4);

static int say(char *reason, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason, ARCHIVE_REASON_CAPACITY, format, arguments);
    va_end(arguments);
    return error;
}

static int read_block(int fd, struct header *header)
{
    size_t got = 0;

    while (got < BLOCK) {
        ssize_t size = read(fd, (char *)header + got, BLOCK - got);

        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return size < 0 ? ERROR_IO : ERROR_SYNTAX;
        }
        got += (size_t)size;
    }
    return 0;
}

static int read_manifest(int fd, const struct archive_member *member, struct buffer *text)
{
    char chunk[BLOCK];
    uint64_t left = member->size;
    int error = left > MANIFEST_BYTES ? ERROR_LIMIT : 0;

    while (error == 0 && left > 0) {
        ssize_t got = pread(fd, chunk, left < BLOCK ? (size_t)left : BLOCK,
                            member->offset + (off_t)(member->size - left));

        if (got <= 0) {
            return got < 0 ? ERROR_IO : ERROR_SYNTAX;
        }
        error = buffer_append(text, chunk, (size_t)got);
        left -= (uint64_t)got;
    }
    return error;
}

/* Every file of the manifest is there with its hash, and no other. */
static int compare(const json_t *manifest, struct archive *archive, char *reason)
{
    const json_t *files = json_get_array(manifest, "files");
    const char *about = json_get_text(manifest, "about");
    const char *made = json_get_text(manifest, "madeAt");

    if (json_get_i64(manifest, "format", 0) != FORMAT) {
        return say(reason, ERROR_UNSUPPORTED, "it was made by a newer latchkey");
    }
    if (made == NULL || text_time_parse(made, &archive->made_at) != 0 ||
        json_array_size(files) != archive->count) {
        return say(reason, ERROR_CONFLICT,
                   "its manifest lists other files than are in it");
    }
    text_printable(archive->about, sizeof(archive->about), about != NULL ? about : "",
                   about != NULL ? strlen(about) : 0);
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        const struct archive_member *member = &archive->members[i];
        const char *name = json_get_text(file, "name");
        const char *hash = json_get_text(file, "sha256");

        if (name == NULL || hash == NULL || strcmp(name, member->name) != 0) {
            return say(reason, ERROR_CONFLICT, "its manifest does not list '%s'",
                       member->name);
        }
        if (strcmp(hash, member->hash) != 0 ||
            json_get_i64(file, "size", -1) != (int64_t)member->size) {
            return say(reason, ERROR_CONFLICT,
                       "'%s' is not what was backed up: it was altered", member->name);
        }
    }
    return 0;
}

static int verify(int fd, const struct archive_member *member, struct archive *archive,
                  char *reason)
{
    struct buffer text = buffer_init(MANIFEST_BYTES);
    json_t *manifest = NULL;
    int error = read_manifest(fd, member, &text);

    if (error == 0) {
        error = json_parse(text.data, text.size, MANIFEST_BYTES, &manifest);
    }
    error = error == 0 ? compare(manifest, archive, reason)
                       : say(reason, error, "its manifest can't be read");
    json_decref(manifest);
    buffer_free(&text);
    return error;
}

/* One file: into ARCHIVE, or *RET_MANIFEST. */
static int read_member(int fd, const struct header *header, struct archive *archive,
                       struct archive_member *ret_manifest, char *reason)
{
    struct archive_member member;
    char padding[BLOCK];
    int error = 0;

    if (!read_header(header, &member)) {
        return say(reason, ERROR_SYNTAX, "it is no backup of a relay, or damaged");
    }
    member.offset = lseek(fd, 0, SEEK_CUR);
    error = member.offset < 0 ? ERROR_IO : copy_hashed(fd, member.size, -1, member.hash);
    if (error == 0 && member.size % BLOCK != 0 &&
        read(fd, padding, BLOCK - member.size % BLOCK) !=
            (ssize_t)(BLOCK - member.size % BLOCK)) {
        error = ERROR_CONFLICT;
    }
    if (error != 0) {
        return say(reason, error == ERROR_CONFLICT ? ERROR_SYNTAX : error,
                   "it ends within '%s': it was cut", member.name);
    }
    if (strcmp(member.name, manifest_name) == 0) {
        *ret_manifest = member;
        return strncmp(header->linkname, member.hash, sizeof(header->linkname)) == 0
                   ? 0
                   : say(reason, ERROR_CONFLICT, "its manifest was altered");
    }
    if (archive_find(archive, member.name) != NULL ||
        archive->count == ARCHIVE_MEMBERS_MAX) {
        return say(reason, ERROR_SYNTAX, "'%s' is in it twice, or it has too many files",
                   member.name);
    }
    archive->members[archive->count++] = member;
    return 0;
}

int archive_read(int fd, struct archive *ret_archive,
                 char reterr_reason[static ARCHIVE_REASON_CAPACITY])
{
    struct archive archive = {.count = 0};
    struct archive_member manifest = {.size = 0};
    struct header header;
    int error = lseek(fd, 0, SEEK_SET) == 0 ? 0 : ERROR_IO;

    reterr_reason[0] = '\0';
    while (error == 0 && manifest.name[0] == '\0') {
        error = read_block(fd, &header);
        if (error != 0 || header.name[0] == '\0') {
            return say(reterr_reason, error != 0 ? error : ERROR_SYNTAX,
                       "it has no manifest: it is no backup of a relay, or was cut");
        }
        error = read_member(fd, &header, &archive, &manifest, reterr_reason);
    }
    if (error == 0) {
        error = verify(fd, &manifest, &archive, reterr_reason);
    }
    if (error == 0) {
        *ret_archive = archive;
    }
    return error;
}

const struct archive_member *archive_find(const struct archive *archive, const char *name)
{
    for (size_t i = 0; i < archive->count; i++) {
        if (strcmp(archive->members[i].name, name) == 0) {
            return &archive->members[i];
        }
    }
    return NULL;
}

int archive_extract(int fd, const struct archive_member *member, int to)
{
    char hash[ARCHIVE_HASH_CAPACITY];
    int error = lseek(fd, member->offset, SEEK_SET) == member->offset ? 0 : ERROR_IO;

    if (error == 0) {
        error = copy_hashed(fd, member->size, to, hash);
    }
    return error == 0 && strcmp(hash, member->hash) != 0 ? ERROR_CONFLICT : error;
}

#include "relay/admin/archive.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[64];
    char path[96]; /* of the archive */
    int fd;
};

static void write_file(const struct fixture *fixture, const char *name, const void *data,
                       size_t size)
{
    char path[128];
    FILE *file = NULL;

    snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0640), 0);
}

static int add(const struct fixture *fixture, struct archive_writer *writer,
               const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    return archive_add(writer, name, path);
}

static int make_archive(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct archive_writer writer = {.count = 0};
    char block[1024];

    memset(block, 'x', sizeof(block));
    memcpy(fixture->folder, "/tmp/latchkey-archive-XXXXXX",
           sizeof("/tmp/latchkey-archive-XXXXXX"));
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/a.tar", fixture->folder);
    fixture->fd = open(fixture->path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fixture->fd >= 0);
    writer.fd = fixture->fd;
    write_file(fixture, "secret", "abc\n", 4);
    write_file(fixture, "front.db", block, sizeof(block));
    write_file(fixture, "empty.conf", "", 0);
    assert_int_equal(add(fixture, &writer, "secret"), 0);
    assert_int_equal(add(fixture, &writer, "front.db"), 0);
    assert_int_equal(add(fixture, &writer, "empty.conf"), 0);
    assert_int_equal(add(fixture, &writer, "none"), ERROR_NOT_FOUND);
    assert_int_equal(archive_add(&writer, "../evil", fixture->path), ERROR_LIMIT);
    assert_int_equal(archive_finish(&writer, 1795000000, "lan.example.com"), 0);
    *state = fixture;
    return 0;
}

static int remove_archive(void **state)
{
    struct fixture *fixture = *state;

    (void)close(fixture->fd);
    free(fixture);
    return 0;
}

static void test_what_was_written_is_read(void **state)
{
    struct fixture *fixture = *state;
    struct archive archive;
    char reason[ARCHIVE_REASON_CAPACITY];
    const struct archive_member *member = NULL;
    char content[8] = "";
    int pipes[2];

    assert_int_equal(archive_read(fixture->fd, &archive, reason), 0);
    assert_int_equal(archive.count, 3);
    assert_int_equal(archive.made_at, 1795000000);
    assert_string_equal(archive.about, "lan.example.com");
    member = archive_find(&archive, "secret");
    assert_non_null(member);
    assert_int_equal(member->size, 4);
    assert_int_equal(member->mode, 0640);
    /* printf 'abc\n' | sha256sum */
    assert_string_equal(
        member->hash, "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb");
    assert_null(archive_find(&archive, "MANIFEST.json"));
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(archive_extract(fixture->fd, member, pipes[1]), 0);
    assert_int_equal(read(pipes[0], content, sizeof(content)), 4);
    assert_memory_equal(content, "abc\n", 4);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

static void test_a_link_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    struct archive_writer writer = {.fd = fixture->fd};
    char path[128];

    snprintf(path, sizeof(path), "%s/ca-account.key", fixture->folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(archive_add(&writer, "ca-account.key", path), ERROR_IO);
}

/* Whatever octet is changed, and wherever the file ends: it is refused, with a reason. */
static void test_every_change_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct archive archive;
    char reason[ARCHIVE_REASON_CAPACITY];
    uint8_t octet = 0;
    struct stat status;

    assert_int_equal(fstat(fixture->fd, &status), 0);
    for (off_t at = 0; at < status.st_size - 1024; at += 7) {
        uint8_t other = 0;
        int error = 0;

        assert_int_equal(pread(fixture->fd, &octet, 1, at), 1);
        other = octet ^ 0x04;
        assert_int_equal(pwrite(fixture->fd, &other, 1, at), 1);
        error = archive_read(fixture->fd, &archive, reason);
        /* What fills a block, or a number's field, up holds nothing. */
        if (error == 0) {
            assert_true(octet == 0 || octet == ' ');
        } else {
            assert_true(reason[0] != '\0');
        }
        assert_int_equal(pwrite(fixture->fd, &octet, 1, at), 1);
    }
    assert_int_equal(archive_read(fixture->fd, &archive, reason), 0);
    for (off_t size = status.st_size - 1025; size >= 0; size -= 101) {
        assert_int_equal(ftruncate(fixture->fd, size), 0);
        assert_int_not_equal(archive_read(fixture->fd, &archive, reason), 0);
        assert_true(reason[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_written_is_read, make_archive,
                                        remove_archive),
        cmocka_unit_test_setup_teardown(test_a_link_is_not_followed, make_archive,
                                        remove_archive),
        cmocka_unit_test_setup_teardown(test_every_change_is_refused, make_archive,
                                        remove_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

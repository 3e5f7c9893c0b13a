#include "base/core/file.h"

#include "tests/unit/vector.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/latchkey-file-XXXXXX";
static char path[128];
static dev_t shown_device; /* 0: the file's own */

int __real_stat(const char *name, struct stat *info);
int __wrap_stat(const char *name, struct stat *info);

int __wrap_stat(const char *name, struct stat *info)
{
    int result = __real_stat(name, info);
    info->st_dev = shown_device != 0 ? shown_device : info->st_dev;
    return result;
}

static int make_place(void **state)
{
    (void)state;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    text_format(path, sizeof(path), "%s/file", folder);
    return 0;
}

static int remove_place(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails when a temporary was left behind */
}

static void assert_content(const char *expected)
{
    struct buffer content = buffer_init(1000);
    assert_int_equal(file_read(path, &content), 0);
    assert_string_equal(buffer_text(&content), expected);
    buffer_free(&content);
}

static mode_t mode_of(const char *name)
{
    struct stat info;
    assert_int_equal(stat(name, &info), 0);
    return info.st_mode & 07777;
}

static void reads_are_bounded(void **state)
{
    (void)state;
    char big[9000];
    memset(big, 'x', sizeof(big));
    assert_int_equal(file_write_atomic(path, big, sizeof(big), 0600), 0);
    struct buffer enough = buffer_init(9000);
    assert_int_equal(file_read(path, &enough), 0);
    assert_int_equal(enough.size, 9000);
    buffer_free(&enough);
    struct buffer small = buffer_init(8999);
    assert_int_equal(file_read(path, &small), ERROR_LIMIT);
    buffer_free(&small);
}

/* A FIFO without a writer would keep us waiting for ever. */
static void only_regular_files_are_read(void **state)
{
    (void)state;
    struct buffer content = buffer_init(100);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_read(path, &content), ERROR_IO);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(file_read("/dev/zero", &content), ERROR_IO);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(file_read(folder, &content), ERROR_IO);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(content.size, 0);
    assert_int_equal(file_write_atomic(path, "x", 1, 0600), 0); /* takes its place */
    assert_content("x");
    buffer_free(&content);
}

static void links_are_switched(void **state)
{
    (void)state;
    char one[200];
    char two[200];
    char link[200];
    text_format(one, sizeof(one), "%s/one", folder);
    text_format(two, sizeof(two), "%s/two", folder);
    text_format(link, sizeof(link), "%s/link", folder);
    assert_int_equal(file_write_part(one, "1", 1, 0640, FILE_ANY_GROUP), 0);
    assert_int_equal(mode_of(one), 0640);
    assert_int_equal(file_write_part(one, "1", 1, 0600, FILE_ANY_GROUP), ERROR_EXISTS);
    assert_int_equal(file_write_part(two, "2", 1, 0600, getgid()), 0);
    assert_int_equal(file_link_atomic(link, "one"), 0);
    assert_int_equal(file_link_atomic(link, "two"), 0);
    text_format(path, sizeof(path), "%s/link", folder);
    assert_content("2");
    assert_int_equal(file_link_atomic("/nonexistent/link", "two"), ERROR_NOT_FOUND);
    assert_int_equal(file_sync_folder(folder), 0);
    assert_int_equal(file_sync_folder("/nonexistent"), ERROR_NOT_FOUND);
    assert_int_equal(file_remove(link), 0);
    assert_int_equal(file_remove(one), 0);
    assert_int_equal(file_remove(two), 0);
}

static void flat_folders_are_removed(void **state)
{
    (void)state;
    char flat[200];
    char name[250];
    text_format(flat, sizeof(flat), "%s/flat", folder);
    assert_int_equal(mkdir(flat, 0700), 0);
    for (int i = 0; i < 3; i++) {
        text_format(name, sizeof(name), "%s/%d", flat, i);
        assert_int_equal(file_write_part(name, "x", 1, 0600, FILE_ANY_GROUP), 0);
    }
    /* What a link leads to is somebody else's. */
    char link[200];
    text_format(link, sizeof(link), "%s/link", folder);
    assert_int_equal(symlink("flat", link), 0);
    assert_int_equal(file_remove_folder(link), 0);
    assert_int_equal(file_remove_folder(link), ERROR_NOT_FOUND);
    assert_int_equal(access(name, F_OK), 0);
    assert_int_equal(file_remove_folder(flat), 0);
    assert_int_equal(file_remove_folder(flat), ERROR_NOT_FOUND);
}

static void a_lock_does_not_wait(void **state)
{
    (void)state;
    int fd = -1;
    int other = -1;
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10); /* ends the test where it would hang */
    assert_int_equal(file_lock(path, &fd), 0);
    alarm(0);
    assert_int_equal(file_lock(path, &other), ERROR_BUSY);
    close(fd);
    assert_int_equal(file_remove(path), 0);
}

static void missing_files_are_told_apart(void **state)
{
    (void)state;
    struct buffer content = buffer_init(10);
    assert_int_equal(file_read(path, &content), ERROR_NOT_FOUND);
    assert_int_equal(file_remove(path), ERROR_NOT_FOUND);
    assert_int_equal(file_read(folder, &content), ERROR_IO);
    assert_int_equal(errno, EISDIR);
    buffer_free(&content);
}

static void atomic_writes_replace(void **state)
{
    (void)state;
    mode_t umask_kept = umask(077);
    assert_int_equal(file_write_atomic(path, "old", 3, 0644), 0);
    assert_int_equal(mode_of(path), 0644); /* whatever the umask */
    umask(umask_kept);
    assert_int_equal(file_write_atomic(path, "newer", 5, 0600), 0);
    assert_int_equal(mode_of(path), 0600);
    assert_content("newer");
    assert_int_equal(file_write_atomic(path, "", 0, 0600), 0);
    assert_content("");
    assert_int_equal(file_remove(path), 0);
}

static void atomic_writes_fail_cleanly(void **state)
{
    (void)state;
    char deep[256];
    text_format(deep, sizeof(deep), "%s/none/file", folder);
    assert_int_equal(file_write_atomic(deep, "x", 1, 0600), ERROR_NOT_FOUND);
    assert_int_equal(file_write_atomic(folder, "x", 1, 0600),
                     ERROR_IO); /* a folder stands there */
}

static void new_files_do_not_replace(void **state)
{
    (void)state;
    assert_int_equal(file_write_new(path, "first", 5, 0600), 0);
    assert_int_equal(file_write_new(path, "second", 6, 0600), ERROR_EXISTS);
    assert_content("first");
    assert_int_equal(mode_of(path), 0600);
}

static void left_temporaries_do_not_block(void **state)
{
    (void)state;
    /* The next names of this process: a crash of one with the same pid may have left
     * them. */
    char left[256];
    int made = 0;
    for (int i = 0; i < 90; i++) {
        text_format(left, sizeof(left), "%s.%ld-%d.tmp", path, (long)getpid(), i);
        int fd = open(left, O_CREAT | O_EXCL | O_WRONLY, 0600);
        made += fd >= 0 ? 1 : 0;
        close(fd);
    }
    assert_int_equal(made, 90);
    assert_int_equal(file_write_atomic(path, "x", 1, 0600), 0);
    assert_content("x");
    for (int i = 0; i < 90; i++) {
        text_format(left, sizeof(left), "%s.%ld-%d.tmp", path, (long)getpid(), i);
        unlink(left);
    }
}

static void relative_paths_work(void **state)
{
    (void)state;
    char before[512];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(file_write_atomic("file", "rel", 3, 0600), 0);
    assert_int_equal(chdir(before), 0);
    assert_content("rel");
}

static void folders_are_made_with_parents(void **state)
{
    (void)state;
    char deep[256];
    text_format(deep, sizeof(deep), "%s/a//b/c/", folder);
    mode_t umask_kept = umask(077);
    assert_int_equal(file_make_folder(deep, 0750), 0);
    umask(umask_kept);
    assert_int_equal(mode_of(deep), 0750);
    assert_int_equal(file_make_folder(deep, 0750), 0);
    assert_int_equal(file_write_new(path, "x", 1, 0600), 0);
    assert_int_equal(file_make_folder(path, 0750), ERROR_IO);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(file_make_folder("", 0750), ERROR_IO);
    const char *const parts[] = {"a/b/c", "a/b", "a"};
    for (size_t i = 0; i < 3; i++) {
        text_format(deep, sizeof(deep), "%s/%s", folder, parts[i]);
        assert_int_equal(rmdir(deep), 0);
    }
}

static void only_temporaries_are_removed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool goes;
    } cases[] = {
        {"a.pem.17-0.tmp", true}, {"a.1-22.tmp", true}, {".17-0.tmp", false},
        {"a.17.tmp", false},      {"a.17-.tmp", false}, {"a.-0.tmp", false},
        {"a.17-0.tmpx", false},   {"17-0.tmp", false},  {"a.x17-0.tmp", false},
        {".tmp", false},          {"notes.tmp", false}, {"a.17-0x.tmp", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[200];
        text_format(name, sizeof(name), "%s/%s", folder, cases[i].name);
        close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    assert_int_equal(file_remove_temporaries(folder), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[200];
        text_format(name, sizeof(name), "%s/%s", folder, cases[i].name);
        assert_int_equal(unlink(name), cases[i].goes ? -1 : 0);
    }
    assert_int_equal(file_remove_temporaries(path), ERROR_NOT_FOUND);
}

static void locks_exclude_other_processes(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(file_lock(path, &fd), 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    pid_t child = fork();
    if (child == 0) {
        int second = -1;
        _exit(file_lock(path, &second) == ERROR_BUSY ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(file_lock(path, &fd), 0);
    close(fd);
}

/* Another file system has a file of the same number, and somebody has locked that. */
static void a_lock_of_the_same_number_elsewhere_is_none(void **state)
{
    struct stat info;
    int fd = -1;
    (void)state;
    assert_int_equal(file_write_atomic(path, "", 0, 0600), 0);
    assert_false(file_is_locked(path));
    assert_int_equal(file_lock(path, &fd), 0);
    assert_true(file_is_locked(path));
    assert_int_equal(__real_stat(path, &info), 0);
    shown_device = makedev(major(info.st_dev) + 1, minor(info.st_dev));
    /* Of a file system without a block device nothing is known. */
    assert_int_equal(file_is_locked(path), major(info.st_dev) == 0);
    shown_device = makedev(0, 77);
    assert_true(file_is_locked(path));
    shown_device = 0;
    close(fd);
    assert_false(file_is_locked(path));
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(reads_are_bounded),
        PLACE_TEST(missing_files_are_told_apart),
        PLACE_TEST(atomic_writes_replace),
        PLACE_TEST(atomic_writes_fail_cleanly),
        PLACE_TEST(new_files_do_not_replace),
        PLACE_TEST(left_temporaries_do_not_block),
        PLACE_TEST(relative_paths_work),
        PLACE_TEST(only_regular_files_are_read),
        PLACE_TEST(links_are_switched),
        PLACE_TEST(flat_folders_are_removed),
        PLACE_TEST(a_lock_does_not_wait),
        PLACE_TEST(folders_are_made_with_parents),
        PLACE_TEST(only_temporaries_are_removed),
        PLACE_TEST(locks_exclude_other_processes),
        PLACE_TEST(a_lock_of_the_same_number_elsewhere_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

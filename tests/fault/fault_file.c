/* file_write_atomic and file_write_new when a system call fails, a write is short, or the
 * process dies: afterwards the file is the old one or the new one, whole, and an error
 * leaves no temporary behind. Each call of the path is made to fail in turn. */
#include "base/core/file.h"

#include "tests/unit/vector.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum mode { MODE_OFF, MODE_FAIL, MODE_SHORT, MODE_DIE };

enum { CALLS_MAX = 100, SIZE = 10000 };

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t size);
int __real_fchmod(int fd, mode_t mode);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
int __real_link(const char *from, const char *to);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);

static enum mode mode;
static int left;
static bool is_reached;
static const char *failed_call;
static char folder[] = "/tmp/latchkey-fault-XXXXXX";
static char path[128];
static char old_content[SIZE];
static char new_content[SIZE];

/* Whether this call is the one. */
static bool is_hit(const char *call)
{
    if (mode == MODE_OFF || is_reached || left-- > 0) {
        return false;
    }
    is_reached = true;
    failed_call = call;
    if (mode == MODE_DIE) {
        _exit(0);
    }
    return true;
}

int __wrap_open(const char *name, int flags, ...)
{
    if (is_hit("open")) {
        errno = EMFILE;
        return -1;
    }
    return __real_open(name, flags, 0600);
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if (is_hit("write")) {
        if (mode == MODE_SHORT) {
            return __real_write(fd, data, size > 100 ? 100 : size);
        }
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, data, size);
}

int __wrap_fchmod(int fd, mode_t file_mode)
{
    if (is_hit("fchmod")) {
        errno = EPERM;
        return -1;
    }
    return __real_fchmod(fd, file_mode);
}

int __wrap_fsync(int fd)
{
    if (is_hit("fsync")) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

int __wrap_close(int fd)
{
    bool hit = is_hit("close");
    int result = __real_close(fd);
    if (hit) {
        errno = EIO;
        return -1;
    }
    return result;
}

int __wrap_rename(const char *from, const char *to)
{
    if (is_hit("rename")) {
        errno = EACCES;
        return -1;
    }
    return __real_rename(from, to);
}

int __wrap_link(const char *from, const char *to)
{
    if (is_hit("link")) {
        errno = EMLINK;
        return -1;
    }
    return __real_link(from, to);
}

static int make_place(void **state)
{
    (void)state;
    memset(old_content, 'o', sizeof(old_content));
    memset(new_content, 'n', sizeof(new_content));
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    text_format(path, sizeof(path), "%s/file", folder);
    return 0;
}

/* Removes everything; how many files were there. */
static int empty_place(void)
{
    struct dirent **entries = NULL;
    int count = 0;
    int found = scandir(folder, &entries, NULL, NULL);
    for (int i = 0; i < found; i++) {
        char name[512];
        text_format(name, sizeof(name), "%s/%s", folder, entries[i]->d_name);
        count += unlink(name) == 0 ? 1 : 0;
        free(entries[i]);
    }
    free(entries);
    return count;
}

static int remove_place(void **state)
{
    (void)state;
    empty_place();
    return rmdir(folder);
}

static void start(enum mode new_mode, int index)
{
    left = index;
    is_reached = false;
    failed_call = "none";
    mode = new_mode;
}

enum found { FOUND_NONE, FOUND_OLD, FOUND_NEW };

/* What stands at the path; anything but a whole file fails the test. */
static enum found look(void)
{
    struct buffer content = buffer_init(2 * SIZE);
    int error = file_read(path, &content);
    enum found found = FOUND_NONE;
    if (error != ERROR_NOT_FOUND) {
        assert_int_equal(error, 0);
        assert_int_equal(content.size, SIZE);
        bool is_old = memcmp(content.data, old_content, SIZE) == 0;
        assert_true(is_old || memcmp(content.data, new_content, SIZE) == 0);
        found = is_old ? FOUND_OLD : FOUND_NEW;
    }
    buffer_free(&content);
    return found;
}

static void each_failing_call(void **state)
{
    (void)state;
    bool seen_write = false;
    bool seen_fsync = false;
    bool seen_rename = false;
    int index = 0;
    for (; index < CALLS_MAX; index++) {
        assert_int_equal(file_write_atomic(path, old_content, SIZE, 0600), 0);
        start(MODE_FAIL, index);
        int error = file_write_atomic(path, new_content, SIZE, 0600);
        int errno_seen = errno;
        mode = MODE_OFF;
        print_message("%d %s: %d\n", index, failed_call, error);
        if (!is_reached) {
            assert_int_equal(error, 0);
            break;
        }
        seen_write = seen_write || strcmp(failed_call, "write") == 0;
        seen_fsync = seen_fsync || strcmp(failed_call, "fsync") == 0;
        seen_rename = seen_rename || strcmp(failed_call, "rename") == 0;
        enum found found = look();
        if (error == 0) {
            /* Only the close of the folder may fail without harm. */
            assert_string_equal(failed_call, "close");
            assert_int_equal(found, FOUND_NEW);
        } else {
            assert_int_equal(error, ERROR_IO);
            assert_true(errno_seen != 0);
        }
        assert_int_equal(empty_place(), 1);
    }
    assert_true(index > 5 && index < CALLS_MAX);
    assert_true(seen_write && seen_fsync && seen_rename);
    assert_int_equal(look(), FOUND_NEW);
}

static void each_failing_call_for_a_new_file(void **state)
{
    (void)state;
    int index = 0;
    for (; index < CALLS_MAX; index++) {
        start(MODE_FAIL, index);
        int error = file_write_new(path, new_content, SIZE, 0600);
        mode = MODE_OFF;
        print_message("%d %s: %d\n", index, failed_call, error);
        if (!is_reached) {
            assert_int_equal(error, 0);
            break;
        }
        enum found found = look();
        assert_true(found == FOUND_NEW || error == ERROR_IO);
        assert_int_equal(empty_place(), found == FOUND_NEW ? 1 : 0);
    }
    assert_true(index > 5 && index < CALLS_MAX);
    assert_int_equal(look(), FOUND_NEW);
}

static void short_writes_are_continued(void **state)
{
    (void)state;
    for (int index = 0; index < 3; index++) {
        assert_int_equal(file_write_atomic(path, old_content, SIZE, 0600), 0);
        start(MODE_SHORT, 1); /* the call after open */
        assert_int_equal(file_write_atomic(path, new_content, SIZE, 0600), 0);
        mode = MODE_OFF;
        assert_true(is_reached);
        assert_string_equal(failed_call, "write");
        assert_int_equal(look(), FOUND_NEW);
    }
}

static void each_death(void **state)
{
    (void)state;
    bool seen_old = false;
    bool seen_new = false;
    int index = 0;
    for (; index < CALLS_MAX; index++) {
        assert_int_equal(file_write_atomic(path, old_content, SIZE, 0600), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            start(MODE_DIE, index);
            int error = file_write_atomic(path, new_content, SIZE, 0600);
            _exit(error == 0 ? 9 : 8);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        enum found found = look();
        if (WEXITSTATUS(status) == 9) {
            assert_int_equal(found, FOUND_NEW);
            break;
        }
        assert_int_equal(status, 0);
        seen_old = seen_old || found == FOUND_OLD;
        seen_new = seen_new || found == FOUND_NEW;
        /* What the dead left behind does not hinder the next writer. */
        assert_int_equal(file_write_atomic(path, new_content, SIZE, 0600), 0);
        assert_int_equal(look(), FOUND_NEW);
        empty_place();
    }
    assert_true(index < CALLS_MAX);
    assert_true(seen_old && seen_new);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(each_failing_call),
        PLACE_TEST(each_failing_call_for_a_new_file),
        PLACE_TEST(short_writes_are_continued),
        PLACE_TEST(each_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

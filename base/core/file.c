/* Durable replacement of a file, in the only order that survives a power cut: the new
 * bytes go to a temporary in the same folder and are fsynced, rename(2) or link(2) makes
 * them visible in one step, and an fsync of the folder makes that step durable. Before
 * the rename a failure leaves the old file; after it the new one is whole in any case.
 *
 * The temporary is made with O_EXCL and mode 0600 and gets its final mode before it gets
 * its name, so a key is never readable by others, not even for a moment. */
#include "base/core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { TEMPORARY_TRIES = 100, LOCKS_BYTES = 1 << 20 };

static int from_errno(void)
{
    if (errno == ENOENT || errno == ENOTDIR) {
        return ERROR_NOT_FOUND;
    }
    return errno == ENOMEM ? ERROR_MEMORY : ERROR_IO;
}

/* close that keeps errno. */
static void close_quietly(int fd)
{
    int errno_kept = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = errno_kept;
}

/* Opens a regular file. Opening a FIFO would wait for a writer, and reading a device or a socket
 * for its input, so without O_NONBLOCK a wrong path could keep a program from starting. */
static int open_regular(const char *path, int *ret_fd)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return from_errno();
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        return ERROR_IO;
    }
    *ret_fd = fd;
    return 0;
}

int file_read(const char *path, struct buffer *buffer)
{
    uint8_t chunk[4096];
    int fd = -1;
    int error = open_regular(path, &fd);
    if (error != 0) {
        return error;
    }
    for (;;) {
        ssize_t size = read(fd, chunk, sizeof(chunk));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            error = ERROR_IO;
        } else if (size > 0) {
            error = buffer_append(buffer, chunk, (size_t)size);
        }
        if (error != 0 || size == 0) {
            break;
        }
    }
    explicit_bzero(chunk, sizeof(chunk));
    close_quietly(fd);
    return error;
}

static int write_whole(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return ERROR_IO;
        }
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Opens a new file beside PATH and writes its name to RET_NAME. */
static int open_temporary(const char *path, char ret_name[static PATH_MAX], int *ret_fd)
{
    /* O_EXCL decides between threads; no counter, since liblatchkey has no globals. */
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        int size = snprintf(ret_name, PATH_MAX, "%s.%ld-%d.tmp", path, (long)getpid(), i);
        if (size < 0 || size >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return ERROR_IO;
        }
        int fd =
            open(ret_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            *ret_fd = fd;
            return 0;
        }
        /* A crashed process with our pid may have left its own. */
        if (errno != EEXIST) {
            return from_errno();
        }
    }
    return ERROR_IO;
}

/* A whole, durable temporary beside PATH. */
static int write_temporary(const char *path, const void *data, size_t size, mode_t mode,
                           char ret_name[static PATH_MAX])
{
    int fd = -1;
    int error = open_temporary(path, ret_name, &fd);
    if (error != 0) {
        return error;
    }
    error = write_whole(fd, data, size);
    if (error == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
        error = ERROR_IO;
    }
    if (error == 0 && close(fd) != 0) {
        error = ERROR_IO;
    } else if (error != 0) {
        close_quietly(fd);
    }
    if (error != 0) {
        int errno_kept = errno;
        unlink(ret_name);
        errno = errno_kept;
    }
    return error;
}

static int sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash != NULL ? (size_t)(slash - path) : 0;
    if (size >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return ERROR_IO;
    }
    memcpy(folder, path, size);
    folder[size] = '\0';
    return file_sync_folder(slash == NULL ? "." : size == 0 ? "/" : folder);
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode)
{
    char name[PATH_MAX];
    int error = write_temporary(path, data, size, mode, name);
    if (error != 0) {
        return error;
    }
    if (rename(name, path) != 0) {
        int errno_kept = errno;
        unlink(name);
        errno = errno_kept;
        return ERROR_IO;
    }
    return sync_folder_of(path);
}

int file_write_new(const char *path, const void *data, size_t size, mode_t mode)
{
    char name[PATH_MAX];
    int error = write_temporary(path, data, size, mode, name);
    if (error != 0) {
        return error;
    }
    if (link(name, path) != 0) {
        error = errno == EEXIST ? ERROR_EXISTS : ERROR_IO;
    }
    int errno_kept = errno;
    unlink(name);
    errno = errno_kept;
    return error != 0 ? error : sync_folder_of(path);
}

int file_write_part(const char *path, const void *data, size_t size, mode_t mode,
                    gid_t group)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return errno == EEXIST ? ERROR_EXISTS : from_errno();
    }
    int error = write_whole(fd, data, size);
    if (error == 0 && group != FILE_ANY_GROUP && fchown(fd, (uid_t)-1, group) != 0) {
        error = ERROR_IO;
    }
    if (error == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
        error = ERROR_IO;
    }
    close_quietly(fd);
    return error;
}

int file_sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return from_errno();
    }
    int error = fsync(fd) == 0 ? 0 : ERROR_IO;
    close_quietly(fd);
    return error;
}

int file_link_atomic(const char *path, const char *target)
{
    static atomic_uint counter;
    char name[PATH_MAX];
    int size = snprintf(name, sizeof(name), "%s.%ld-%u.tmp", path, (long)getpid(),
                        atomic_fetch_add(&counter, 1));
    if (size < 0 || (size_t)size >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return ERROR_IO;
    }
    unlink(name); /* a crashed process with our pid may have left it */
    if (symlink(target, name) != 0) {
        return from_errno();
    }
    if (rename(name, path) != 0) {
        int errno_kept = errno;
        unlink(name);
        errno = errno_kept;
        return ERROR_IO;
    }
    return sync_folder_of(path);
}

int file_remove_folder(const char *folder)
{
    struct stat info;
    DIR *entries = NULL;
    int error = 0;
    if (lstat(folder, &info) == 0 && S_ISLNK(info.st_mode)) {
        return unlink(folder) == 0 ? 0 : from_errno();
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return from_errno();
    }
    entries = fdopendir(fd);
    if (entries == NULL) {
        close_quietly(fd);
        return ERROR_MEMORY;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL;
         entry = readdir(entries)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(dirfd(entries), entry->d_name, 0) != 0) {
            error = ERROR_IO;
        }
    }
    int errno_kept = errno;
    closedir(entries);
    errno = errno_kept;
    return error == 0 && rmdir(folder) == 0 ? 0 : ERROR_IO;
}

/* Makes one folder; fine when it exists. */
static int make_one(const char *path, mode_t mode)
{
    struct stat info;
    if (mkdir(path, mode) == 0) {
        return chmod(path, mode) == 0 ? 0 : ERROR_IO; /* whatever the umask */
    }
    if (errno != EEXIST) {
        return ERROR_IO;
    }
    if (stat(path, &info) != 0) {
        return ERROR_IO;
    }
    if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return ERROR_IO;
    }
    return 0;
}

int file_make_folder(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof(part)) {
        errno = size == 0 ? ENOENT : ENAMETOOLONG;
        return ERROR_IO;
    }
    memcpy(part, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (part[i] != '/' || part[i - 1] == '/') {
            continue;
        }
        part[i] = '\0';
        int error = make_one(part, mode);
        if (error != 0) {
            return error;
        }
        part[i] = '/';
    }
    return make_one(path, mode);
}

int file_lock(const char *path, int *ret_fd)
{
    /* Not for writing: works on a read-only disk, and lets one be made read-only. A FIFO would
     * wait for its writer. */
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        return from_errno();
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno == EWOULDBLOCK ? ERROR_BUSY : ERROR_IO;
        close_quietly(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

/* Whether a line of /proc/locks ("1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF") is about
 * this file. btrfs and overlayfs show another device there than stat(2) does, one of major 0:
 * only two block devices that differ tell two files apart. */
static bool is_lock_of(const char *line, size_t size, const struct stat *file)
{
    char wanted[32];
    char device[32];
    char text[256];
    snprintf(wanted, sizeof(wanted), ":%llu 0 EOF", (unsigned long long)file->st_ino);
    snprintf(device, sizeof(device), " %02x:%02x", major(file->st_dev),
             minor(file->st_dev));
    snprintf(text, sizeof(text), "%.*s", (int)(size < sizeof(text) ? size : 0), line);
    char *at = strstr(text, wanted);
    if (at == NULL || strstr(text, "FLOCK") == NULL || strstr(text, "WRITE") == NULL) {
        return false;
    }
    *at = '\0';
    const char *shown = strrchr(text, ' ');
    return shown != NULL && (major(file->st_dev) == 0 || strcmp(shown, device) == 0 ||
                             strncmp(shown, " 00:", 4) == 0);
}

/* To try the lock would take it for a moment, and a process that starts in it would end. */
bool file_is_locked(const char *path)
{
    struct buffer locks = buffer_init(LOCKS_BYTES);
    struct stat status;
    bool is_locked = false;
    if (stat(path, &status) == 0 && file_read("/proc/locks", &locks) == 0) {
        const char *line = buffer_text(&locks);
        while (!is_locked && *line != '\0') {
            size_t size = strcspn(line, "\n");
            is_locked = is_lock_of(line, size, &status);
            line += size + (line[size] == '\n' ? 1 : 0);
        }
    }
    buffer_free(&locks);
    return is_locked;
}

int file_remove(const char *path)
{
    return unlink(path) == 0 ? 0 : from_errno();
}

/* "<name>.<pid>-<number>.tmp", as open_temporary() makes it. */
static bool is_temporary(const char *name)
{
    static const char digits[] = "0123456789";
    size_t size = strlen(name);
    if (size < 4 || strcmp(name + size - 4, ".tmp") != 0) {
        return false;
    }
    size_t end = size - 4;
    size_t start = end;
    while (start > 0 && name[start - 1] != '.') {
        start--;
    }
    size_t pid_size = strspn(name + start, digits);
    size_t number = start + pid_size + 1;
    return start > 1 && pid_size > 0 && name[start + pid_size] == '-' && number < end &&
           strspn(name + number, digits) == end - number;
}

int file_remove_temporaries(const char *folder)
{
    DIR *entries = opendir(folder);
    int error = 0;
    if (entries == NULL) {
        return from_errno();
    }
    for (struct dirent *entry = readdir(entries); entry != NULL;
         entry = readdir(entries)) {
        if (is_temporary(entry->d_name) &&
            unlinkat(dirfd(entries), entry->d_name, 0) != 0) {
            error = ERROR_IO;
        }
    }
    int errno_kept = errno;
    closedir(entries);
    errno = errno_kept;
    return error;
}

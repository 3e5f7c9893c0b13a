/* A device that makes a new identity at each boot has a new name each time, and burns the
 * relay's budgets. Firmware images like to keep /var in memory, so this happens to good
 * people; it is better found at the first start than by the users. */
#include "device/state_place.h"

#include "base/core/buffer.h"
#include "base/core/file.h"
#include "base/core/limits.h"
#include "base/core/text.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

enum { PATH_CAPACITY = 4096 };

/* As in linux/magic.h, which kernel headers may lack. */
static const unsigned long tmpfs_magic = 0x01021994;
static const unsigned long ramfs_magic = 0x858458f6;
static const unsigned long overlay_magic = 0x794c7630;

static unsigned long magic_of(const char *folder)
{
    struct statfs info;
    return statfs(folder, &info) == 0 ? (unsigned long)info.f_type & 0xffffffffUL : 0;
}

/* proc(5): blanks and the like in a path are written as \ and three octal digits. */
static bool copy_path(const char *from, size_t size, char *ret_path, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        if (c == '\\' && i + 3 < size) {
            c = (char)((from[i + 1] - '0') * 64 + (from[i + 2] - '0') * 8 + from[i + 3] -
                       '0');
            i += 3;
        }
        if (used + 1 >= capacity) {
            return false;
        }
        ret_path[used++] = c;
    }
    ret_path[used] = '\0';
    return used > 0;
}

bool state_place_upper(const char *mountinfo, unsigned major, unsigned minor,
                       char *ret_upper, size_t capacity)
{
    static const char option[] = "upperdir=";
    char device[32];
    if (!text_format(device, sizeof(device), " %u:%u ", major, minor)) {
        return false;
    }
    for (const char *line = mountinfo; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        const char *found = memmem(line, size, device, strlen(device));
        const char *at = memmem(line, size, option, sizeof(option) - 1);
        /* The device is the third field: after two numbers. */
        if (found != NULL && at != NULL && found < at &&
            (at[-1] == ',' || at[-1] == ' ') &&
            memchr(line, '/', (size_t)(found - line)) == NULL) {
            at += sizeof(option) - 1;
            size_t left = size - (size_t)(at - line);
            const char *comma = memchr(at, ',', left);
            return copy_path(at, comma != NULL ? (size_t)(comma - at) : left, ret_upper,
                             capacity);
        }
        line += size + (line[size] == '\n' ? 1 : 0);
    }
    return false;
}

static bool find_upper(const char *folder, char *ret_upper, size_t capacity)
{
    struct stat info;
    struct buffer text = buffer_init(LIMIT_FILE_BYTES);
    bool found = stat(folder, &info) == 0 &&
                 file_read("/proc/self/mountinfo", &text) == 0 &&
                 state_place_upper(buffer_text(&text), major(info.st_dev),
                                   minor(info.st_dev), ret_upper, capacity);
    buffer_free(&text);
    return found;
}

const char *state_place_volatile(const char *folder)
{
    char upper[PATH_CAPACITY];
    unsigned long magic = magic_of(folder);
    if (magic == tmpfs_magic) {
        return "tmpfs";
    }
    if (magic == ramfs_magic) {
        return "ramfs";
    }
    if (magic != overlay_magic || !find_upper(folder, upper, sizeof(upper))) {
        return NULL;
    }
    magic = magic_of(upper);
    return magic == tmpfs_magic   ? "an overlay on tmpfs"
           : magic == ramfs_magic ? "an overlay on ramfs"
                                  : NULL;
}

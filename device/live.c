/* Every folder is written whole and fsynced before the link leads to it, and never changed after
 * that. A crash leaves the old link or the new one, and perhaps a folder without a link, which
 * the next start removes. Going back to the previous one is the link alone, and so needs no
 * room on a full disk.
 *
 * With a group the state folder lets its members pass (0710), but not look. */
#include "device/live.h"

#include "base/core/file.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PEM_BYTES = LIMIT_CHAIN_BYTES + (16 << 10),
    GROUP_BYTES = 4096,
    NUMBER_MAX = 999999999,
    MODE_BITS = 07777,
};

static const char prefix[] = "live-";

int live_find_group(const char *name, gid_t *ret_group)
{
    char text[GROUP_BYTES];
    struct group group;
    struct group *found = NULL;
    uint64_t number = 0;
    if (text_u64(name, (gid_t)-2, &number) == 0) {
        *ret_group = (gid_t)number;
        return 0;
    }
    if (getgrnam_r(name, &group, text, sizeof(text), &found) != 0 || found == NULL) {
        return ERROR_NOT_FOUND;
    }
    *ret_group = group.gr_gid;
    return 0;
}

static bool has_group(const struct live *live)
{
    return live->group != FILE_ANY_GROUP;
}

static mode_t file_mode(const struct live *live)
{
    return has_group(live) ? 0640 : 0600;
}

static mode_t folder_mode(const struct live *live)
{
    return has_group(live) ? 0750 : 0700;
}

static bool number_path(const struct live *live, unsigned number, const char *name,
                        char ret_path[static LIVE_PATH_CAPACITY])
{
    return text_format(ret_path, LIVE_PATH_CAPACITY, "%s/%s%u%s%s", live->folder, prefix,
                       number, name[0] != '\0' ? "/" : "", name);
}

/* The number of "live-17"; 0 for any other name. */
static unsigned parse_number(const char *name)
{
    uint64_t number = 0;
    if (!text_starts_with(name, prefix) ||
        text_u64(name + strlen(prefix), NUMBER_MAX, &number) < 0) {
        return 0;
    }
    return (unsigned)number;
}

static bool has_modes(const struct live *live, const char *path, mode_t mode)
{
    struct stat info;
    return stat(path, &info) == 0 && (info.st_mode & MODE_BITS) == mode &&
           (!has_group(live) || info.st_gid == live->group);
}

/* The fingerprint of what stands in a folder; "" unless all of it is as it should be. */
static void read_fingerprint(const struct live *live, unsigned number,
                             char ret_text[static LIVE_FINGERPRINT_CAPACITY])
{
    static const char *const names[] = {"privkey.pem", "fullchain.pem", "bundle.pem"};
    char path[LIVE_PATH_CAPACITY];
    uint8_t hash[DIGEST_SHA256_SIZE];
    struct bundle bundle = {.key = NULL};
    ret_text[0] = '\0';
    if (number == 0 || !number_path(live, number, "", path) ||
        !has_modes(live, path, folder_mode(live))) {
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!number_path(live, number, names[i], path) ||
            !has_modes(live, path, file_mode(live))) {
            return;
        }
    }
    if (bundle_load(path, &bundle) == 0 && cert_fingerprint(bundle.cert, hash) == 0) {
        text_hex(hash, sizeof(hash), ret_text);
    }
    bundle_free(&bundle);
}

static unsigned read_link(const struct live *live)
{
    char path[LIVE_PATH_CAPACITY];
    char target[64];
    if (!text_format(path, sizeof(path), "%s/live", live->folder)) {
        return 0;
    }
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    if (size <= 0) {
        return 0;
    }
    target[size] = '\0';
    return parse_number(target);
}

static void remove_number(const struct live *live, unsigned number)
{
    char path[LIVE_PATH_CAPACITY];
    if (number_path(live, number, "", path) && file_remove_folder(path) < 0) {
        /* It is in nobody's way, and the next start tries again. */
        return;
    }
}

/* Calls for each of our folders. */
static int each_folder(struct live *live, void (*fn)(struct live *, unsigned))
{
    DIR *entries = opendir(live->folder);
    if (entries == NULL) {
        return ERROR_IO;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL;
         entry = readdir(entries)) {
        unsigned number = parse_number(entry->d_name);
        if (number != 0) {
            fn(live, number);
        }
    }
    closedir(entries);
    return 0;
}

/* The highest below the current one: a crash between two switches may have left more. */
static void find_previous(struct live *live, unsigned number)
{
    if (number != live->current && number > live->previous &&
        (live->current == 0 || number < live->current)) {
        live->previous = number;
    }
}

static void remove_other(struct live *live, unsigned number)
{
    if (number != live->current && number != live->previous) {
        remove_number(live, number);
    }
}

/* Lets the group pass the state folder, or nobody any more. */
static int set_folder_mode(const struct live *live)
{
    struct stat info;
    if (has_group(live)) {
        return chown(live->folder, (uid_t)-1, live->group) == 0 &&
                       chmod(live->folder, 0710) == 0
                   ? 0
                   : ERROR_IO;
    }
    if (stat(live->folder, &info) == 0 && (info.st_mode & 0777) == 0710) {
        return chmod(live->folder, 0700) == 0 ? 0 : ERROR_IO;
    }
    return 0;
}

int live_open(const char *folder, gid_t group, struct live *ret_live)
{
    struct live live = {.group = group};
    if (!text_copy(live.folder, sizeof(live.folder), folder)) {
        return ERROR_LIMIT;
    }
    int error = set_folder_mode(&live);
    if (error < 0) {
        return error;
    }
    live.current = read_link(&live);
    error = each_folder(&live, find_previous);
    if (error < 0) {
        return error;
    }
    read_fingerprint(&live, live.current, live.fingerprint);
    read_fingerprint(&live, live.previous, live.previous_fingerprint);
    live.is_made = live.current != 0;
    if (each_folder(&live, remove_other) < 0) {
        return ERROR_IO;
    }
    *ret_live = live;
    return 0;
}

static int write_files(const struct live *live, unsigned number,
                       const struct bundle *bundle)
{
    struct buffer key = buffer_init_secret(PEM_BYTES);
    struct buffer chain = buffer_init(PEM_BYTES);
    struct buffer both = buffer_init_secret(PEM_BYTES);
    const struct {
        const char *name;
        const struct buffer *pem;
    } files[] = {{"privkey.pem", &key}, {"fullchain.pem", &chain}, {"bundle.pem", &both}};
    int error = key_to_pem(bundle->key, &key);
    if (error == 0) {
        error = cert_to_pem(bundle->cert, &chain);
    }
    if (error == 0) {
        buffer_append(&both, key.data, key.size);
        error = buffer_append(&both, chain.data, chain.size);
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && error == 0; i++) {
        char path[LIVE_PATH_CAPACITY];
        error = number_path(live, number, files[i].name, path)
                    ? file_write_part(path, files[i].pem->data, files[i].pem->size,
                                      file_mode(live), live->group)
                    : ERROR_LIMIT;
    }
    buffer_free(&key);
    buffer_free(&chain);
    buffer_free(&both);
    return error;
}

static int write_folder(const struct live *live, unsigned number,
                        const struct bundle *bundle)
{
    char path[LIVE_PATH_CAPACITY];
    if (!number_path(live, number, "", path)) {
        return ERROR_LIMIT;
    }
    if (mkdir(path, 0700) != 0) {
        /* Left by a switch that failed. */
        if (errno != EEXIST || file_remove_folder(path) < 0 || mkdir(path, 0700) != 0) {
            return ERROR_IO;
        }
    }
    int error = write_files(live, number, bundle);
    if (error == 0 && has_group(live) && chown(path, (uid_t)-1, live->group) != 0) {
        error = ERROR_IO;
    }
    if (error == 0 && chmod(path, folder_mode(live)) != 0) {
        error = ERROR_IO;
    }
    return error == 0 ? file_sync_folder(path) : error;
}

/* A backup or a copy that followed the link has put a folder in its place. */
static int switch_to(const struct live *live, unsigned number)
{
    char path[LIVE_PATH_CAPACITY];
    char target[32];
    text_format(target, sizeof(target), "%s%u", prefix, number);
    if (!text_format(path, sizeof(path), "%s/live", live->folder)) {
        return ERROR_LIMIT;
    }
    int error = file_link_atomic(path, target);
    if (error < 0 && errno == EISDIR && file_remove_folder(path) == 0) {
        error = file_link_atomic(path, target);
    }
    return error;
}

/* Notes that the link leads to NUMBER now. */
static void note(struct live *live, unsigned number, const char *fingerprint)
{
    char text[LIVE_FINGERPRINT_CAPACITY];
    text_copy(text, sizeof(text), fingerprint);
    live->previous = live->current;
    text_copy(live->previous_fingerprint, sizeof(live->previous_fingerprint),
              live->fingerprint);
    live->current = number;
    text_copy(live->fingerprint, sizeof(live->fingerprint), text);
    live->is_made = true;
}

/* A number that no folder has. */
static unsigned free_number(const struct live *live)
{
    unsigned highest = live->current > live->previous ? live->current : live->previous;
    return highest < NUMBER_MAX ? highest + 1 : 1;
}

int live_put(struct live *live, const struct bundle *bundle)
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    char fingerprint[LIVE_FINGERPRINT_CAPACITY];
    unsigned number = live->previous;
    unsigned oldest = 0;
    int error = cert_fingerprint(bundle->cert, hash);
    if (error < 0) {
        return error;
    }
    text_hex(hash, sizeof(hash), fingerprint);
    if (strcmp(fingerprint, live->fingerprint) == 0) {
        return 0;
    }
    if (number == 0 || strcmp(fingerprint, live->previous_fingerprint) != 0) {
        oldest = live->previous;
        number = free_number(live);
        error = write_folder(live, number, bundle);
    }
    if (error == 0) {
        error = switch_to(live, number);
    }
    int errno_kept = errno;
    if (error == 0 || read_link(live) == number) {
        /* Also when only the last fsync failed: others see the new files. */
        note(live, number, fingerprint);
        if (oldest != 0) {
            remove_number(live, oldest);
        }
    } else if (number != live->previous) {
        remove_number(live, number);
    }
    errno = errno_kept;
    return error;
}

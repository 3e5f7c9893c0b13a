/* A reader's transaction is opened on each of the three files before any of them is copied:
 * front.db first, admin.db last, so that the issuer's copy knows all that front's asks for,
 * and admin.db's holds every wish that the two have answered. The roles go on meanwhile.
 *
 * The file is written under a temporary name, fsynced and then renamed: a backup that is there
 * is whole. It does not begin where it would take the last of the disk, which may be the store's
 * too: a relay without a new backup goes on, one that can't write does not. */
#include "relay/admin/admin_backup.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "relay/admin/admin_stores.h"
#include "relay/admin/archive.h"
#include "relay/admin/backup_folder.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/place.h"
#include "relay/store/schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DECIDED_MS = 2000, NIGHTLY_S = 20 * 3600, ROOM_LEFT_BYTES = 16 << 20 };

static const struct {
    const char *file;
    const char *const *schema;
} databases[] = {
    {"front.db", schema_front}, {"issuer.db", schema_issuer}, {"admin.db", schema_admin}};

enum { HELD_FRONT, HELD_ISSUER, HELD_ADMIN, DATABASE_COUNT };

struct backup {
    const struct relay_config *config;
    struct database *held[DATABASE_COUNT]; /* NULL: not there */
    struct archive_writer writer;
    int64_t now_at;
};

/* ---- what goes in ---- */

/* Whether the issuer has decided on all that the held front.db asks for in ZONE. */
static bool is_decided(const struct backup *backup, struct database *issuer,
                       const char *zone)
{
    int64_t asked = 0;
    int64_t decided = 0;

    return front_store_last_request(backup->held[HELD_FRONT], zone, &asked) != 0 ||
           issuer_store_entry_at(issuer, zone, "cursor", "front", &decided) != 0 ||
           decided >= asked;
}

/* What front had asked for a moment ago would else be decided once more by the restored
 * issuer. It takes some milliseconds; an issuer that does not run has all the time later. */
static void wait_decided(const struct backup *backup, struct database *issuer)
{
    int64_t until_mono_ms = clock_mono_ms() + DECIDED_MS;
    const struct relay_config *zone = backup->config;

    while (backup->held[HELD_FRONT] != NULL && zone != NULL &&
           clock_mono_ms() < until_mono_ms) {
        if (is_decided(backup, issuer, zone->zone)) {
            zone = zone->next;
        } else {
            admin_stores_pause();
        }
    }
}

static int hold_one(struct backup *backup, size_t i)
{
    int64_t rev = 0;
    int error = database_open(backup->config->store, databases[i].file, DATABASE_READER,
                              databases[i].schema, &backup->held[i]);

    if (error == ERROR_NOT_FOUND) {
        fprintf(stderr, "latchkey-relay: backup: there is no %s yet\n",
                databases[i].file);
        return 0;
    }
    if (error == 0 && i == HELD_ISSUER) {
        wait_decided(backup, backup->held[i]);
    }
    if (error == 0) {
        error = database_hold(backup->held[i], &rev);
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: backup: %s: %s\n", databases[i].file,
                backup->held[i] != NULL ? database_error(backup->held[i])
                                        : database_open_error());
    }
    return error;
}

static int hold_all(struct backup *backup)
{
    int error = 0;

    for (size_t i = 0; error == 0 && i < DATABASE_COUNT; i++) {
        error = hold_one(backup, i);
    }
    return error;
}

/* The copy lies in the backup folder for as long as it is written into the archive. */
static int add_database(struct backup *backup, size_t i)
{
    char path[PATH_MAX];
    int error =
        text_format(path, sizeof(path), "%s/.%s.%d.part", backup->config->backup_folder,
                    databases[i].file, (int)getpid())
            ? 0
            : ERROR_LIMIT;

    if (error != 0) {
        return error;
    }
    error = database_copy(backup->held[i], path);
    if (error == 0) {
        error = archive_add(&backup->writer, databases[i].file, path);
    } else {
        fprintf(stderr, "latchkey-relay: backup: %s\n", database_error(backup->held[i]));
    }
    (void)!file_remove(path);
    database_close(backup->held[i]); /* so that its -wal may shrink again */
    backup->held[i] = NULL;
    return error;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool has_member(const struct backup *backup, const char *name)
{
    for (size_t i = 0; i < backup->writer.count; i++) {
        if (strcmp(backup->writer.members[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A file that must be there for a relay to be the same again. */
static int add_file(struct backup *backup, const char *name, const char *path)
{
    int error = 0;

    if (path == NULL || path[0] == '\0' || has_member(backup, name)) {
        return 0;
    }
    error = archive_add(&backup->writer, name, path);
    if (error == ERROR_NOT_FOUND) {
        fprintf(stderr,
                "latchkey-relay: backup: '%s' is not there, so it is not in the backup\n",
                path);
        return 0;
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: backup: '%s': %s\n", path,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

/* The keys of the CA accounts: one by default, more after a rollover or with several CAs. */
static int add_account_keys(struct backup *backup)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    struct dirent *entry = NULL;
    DIR *stream = NULL;
    int error = place_path(backup->config->store, "issuer", ".", folder, sizeof(folder));

    if (error != 0) {
        return error;
    }
    stream = opendir(folder);
    if (stream == NULL) {
        return ERROR_IO;
    }
    while (error == 0 && (entry = readdir(stream)) != NULL) {
        if (!text_starts_with(entry->d_name, "ca-account") ||
            text_ends_with(entry->d_name, ".tmp")) {
            continue;
        }
        error = text_format(path, sizeof(path), "%s/%s", folder, entry->d_name)
                    ? add_file(backup, entry->d_name, path)
                    : ERROR_LIMIT;
    }
    (void)closedir(stream);
    return error;
}

bool admin_backup_key_name(const struct relay_config *main_config,
                           const struct relay_config *zone,
                           char ret_name[static ARCHIVE_NAME_CAPACITY])
{
    const char *name = base_of(zone->relay_key_file);

    for (const struct relay_config *at = main_config; at != NULL && at != zone;
         at = at->next) {
        if (strcmp(base_of(at->relay_key_file), name) == 0 &&
            strcmp(at->relay_key_file, zone->relay_key_file) != 0) {
            return text_format(ret_name, ARCHIVE_NAME_CAPACITY, "relay-key-%s.pem",
                               zone->zone);
        }
    }
    return text_copy(ret_name, ARCHIVE_NAME_CAPACITY, name);
}

static int add_zone(struct backup *backup, const struct relay_config *zone, size_t number)
{
    char name[ARCHIVE_NAME_CAPACITY];
    int error = admin_backup_key_name(backup->config, zone, name)
                    ? add_file(backup, name, zone->relay_key_file)
                    : ERROR_LIMIT;

    if (error == 0) {
        error = text_format(name, sizeof(name),
                            number == 0 ? "relay.conf" : "zone-%zu.conf", number)
                    ? add_file(backup, name, zone->path)
                    : ERROR_LIMIT;
    }
    if (error == 0 && zone->ca_eab_key_file[0] != '\0') {
        error = text_format(name, sizeof(name), "ca-eab-%zu.key", number)
                    ? add_file(backup, name, zone->ca_eab_key_file)
                    : ERROR_LIMIT;
    }
    if (error == 0 && zone->dns_records_file[0] != '\0') {
        error = text_format(name, sizeof(name), "records-%zu.zone", number)
                    ? add_file(backup, name, zone->dns_records_file)
                    : ERROR_LIMIT;
    }
    return error;
}

static int add_all(struct backup *backup)
{
    size_t number = 0;
    int error = add_file(backup, "secret", backup->config->secret_file);

    for (const struct relay_config *zone = backup->config; error == 0 && zone != NULL;
         zone = zone->next) {
        error = add_zone(backup, zone, number++);
    }
    if (error == 0) {
        error = add_account_keys(backup);
    }
    for (size_t i = 0; error == 0 && i < DATABASE_COUNT; i++) {
        error = backup->held[i] != NULL ? add_database(backup, i) : 0;
    }
    return error;
}

/* ---- the file ---- */

static int write_archive(const struct relay_config *config, int fd)
{
    struct backup backup = {
        .config = config, .now_at = clock_wall_at(), .writer = {.fd = fd}};
    int error = hold_all(&backup);

    if (error == 0) {
        error = add_all(&backup);
    }
    if (error == 0) {
        error = archive_finish(&backup.writer, backup.now_at, config->zone);
    }
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        database_close(backup.held[i]);
    }
    return error;
}

/* For `status`, and the audit: somebody took a copy of all keys out of the roles' folders. The last
 * thing that is done, as the admin role's user: root does not write where that user could put a
 * link. The nightly copy is nobody's act, and its unit has not the right to become another: it is
 * in its folder, where `status` looks too. */
static void note(const struct relay_config *config, const char *target)
{
    struct database *admin = NULL;

    if (place_become(config->store, "admin") != 0) {
        fprintf(stderr,
                "latchkey-relay: backup: made, but it is not in the audit: this may "
                "not become the user of the store's folder 'admin'\n");
        return;
    }
    if (admin_stores_write(config, &admin) != 0) {
        return;
    }
    if (admin_store_note_backup(admin, config->zone, target, clock_wall_at(),
                                admin_stores_who()) != 0) {
        fprintf(stderr,
                "latchkey-relay: backup: made, but the audit can't be written: %s\n",
                database_error(admin));
    }
    database_close(admin);
}

static int say_failed(const char *path, int error)
{
    fprintf(stderr, "latchkey-relay: backup: '%s': %s%s\n", path,
            error == ERROR_IO ? strerror(errno) : error_text(error),
            error == ERROR_IO && errno == EROFS
                ? " (another backup_folder must be in ReadWritePaths= of the unit "
                  "latchkey-relay-backup)"
                : "");
    return ADMIN_FAILED;
}

static int backup_to_file(const struct relay_config *config, const char *path)
{
    char part[PATH_MAX];
    int fd = -1;
    int error = 0;

    if (access(path, F_OK) == 0) {
        return say_failed(path, ERROR_EXISTS);
    }
    if (!text_format(part, sizeof(part), "%s.%d.part", path, (int)getpid())) {
        return say_failed(path, ERROR_LIMIT);
    }
    fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return say_failed(part, ERROR_IO);
    }
    error = write_archive(config, fd);
    if (error == 0 && fsync(fd) != 0) {
        error = ERROR_IO;
    }
    if (close(fd) != 0 && error == 0) {
        error = ERROR_IO;
    }
    if (error == 0 && link(part, path) != 0) {
        error = errno == EEXIST ? ERROR_EXISTS : ERROR_IO;
    }
    if (error != 0) {
        int failed_errno = errno;

        (void)unlink(part);
        errno = failed_errno;
        return say_failed(path, error);
    }
    (void)unlink(part);
    printf("%s\n", path);
    return ADMIN_DONE;
}

static int backup_to_stdout(const struct relay_config *config)
{
    int error = 0;

    if (isatty(STDOUT_FILENO)) {
        return admin_stores_usage(
            "backup -: a backup holds secrets and is no text; send it to a "
            "program or a file");
    }
    error = write_archive(config, STDOUT_FILENO);
    return error == 0 ? ADMIN_DONE : say_failed("-", error);
}

/* ---- the backup folder ---- */

/* Of the file NAME of the store with what is in its log; 0: not there. */
static uint64_t size_of(const struct relay_config *config, const char *name)
{
    static const char *const ends[] = {"", "-wal"};
    uint64_t size = 0;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char role[16];
        char file[32];
        char path[PATH_MAX];
        struct stat info;

        if (text_format(role, sizeof(role), "%.*s", (int)strcspn(name, "."), name) &&
            text_format(file, sizeof(file), "%s%s", name, ends[i]) &&
            place_path(config->store, role, file, path, sizeof(path)) == 0 &&
            stat(path, &info) == 0) {
            size += (uint64_t)info.st_size;
        }
    }
    return size;
}

/* One database's copy at a time lies in the folder, and with IN_FOLDER the archive of all. */
static bool has_room(const struct relay_config *config, bool in_folder)
{
    struct statvfs disk;
    uint64_t largest = 0;
    uint64_t all = 0;
    uint64_t free_bytes = 0;

    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        uint64_t size = size_of(config, databases[i].file);

        largest = size > largest ? size : largest;
        all += size;
    }
    if (statvfs(config->backup_folder, &disk) != 0) {
        return true; /* the first write tells */
    }
    free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    all = largest + (in_folder ? all : 0) + ROOM_LEFT_BYTES;
    if (free_bytes >= all) {
        return true;
    }
    fprintf(
        stderr,
        "latchkey-relay: backup: '%s' has %" PRIu64 " MiB free, and this wants %" PRIu64
        ": nothing was written; make room, or set [relay] backup_folder or backup_keep\n",
        config->backup_folder, free_bytes >> 20, (all >> 20) + 1);
    return false;
}

/* RET_PATH: the file that was made. Nightly none is when the last one is young. */
static int backup_to_folder(const struct relay_config *config, bool nightly,
                            char ret_path[static PATH_MAX])
{
    char name[BACKUP_FOLDER_NAME_CAPACITY];
    int64_t newest_at = 0;
    int64_t now_at = clock_wall_at();
    int status = ADMIN_DONE;
    int error = backup_folder_newest(config->backup_folder, now_at, &newest_at);

    if (error != 0) {
        return say_failed(config->backup_folder, error);
    }
    if (nightly && newest_at > now_at - NIGHTLY_S) {
        return ADMIN_DONE;
    }
    if (!backup_folder_name(now_at, name) ||
        !text_format(ret_path, PATH_MAX, "%s/%s", config->backup_folder, name)) {
        return say_failed(config->backup_folder, ERROR_LIMIT);
    }
    status = has_room(config, true) ? backup_to_file(config, ret_path) : ADMIN_FAILED;
    if (status == ADMIN_DONE && nightly) {
        backup_folder_prune(config->backup_folder, now_at, config->backup_keep);
    }
    return status;
}

int admin_backup_run(const struct relay_config *config, int argc, char **argv)
{
    bool nightly = argc == 2 && strcmp(argv[1], "--nightly") == 0;
    const char *target = argc == 2 && !nightly ? argv[1] : NULL;
    char lock[PATH_MAX];
    char path[PATH_MAX];
    int lock_fd = -1;
    int status = ADMIN_DONE;
    int error = 0;

    if (!config->is_main) {
        return admin_stores_usage("backup is of all zones: leave out --zone");
    }
    if (argc > 2 || (target != NULL && target[0] == '-' && target[1] != '\0')) {
        return admin_stores_usage(
            "backup takes a file, - for standard output, or --nightly");
    }
    if (nightly && config->backup_keep == 0) {
        return ADMIN_DONE;
    }
    error = file_make_folder(config->backup_folder, 0700);
    if (error == 0) {
        error = text_format(lock, sizeof(lock), "%s/.lock", config->backup_folder)
                    ? file_lock(lock, &lock_fd)
                    : ERROR_LIMIT;
    }
    if (error != 0) {
        return error == ERROR_BUSY && nightly ? ADMIN_DONE /* another is at it */
                                              : say_failed(config->backup_folder, error);
    }
    backup_folder_remove_parts(config->backup_folder);
    if (target == NULL) {
        status = backup_to_folder(config, nightly, path);
        target = path;
    } else if (!has_room(config, false)) {
        status = ADMIN_FAILED;
    } else {
        status = strcmp(target, "-") == 0 ? backup_to_stdout(config)
                                          : backup_to_file(config, target);
    }
    (void)close(lock_fd);
    if (status == ADMIN_DONE && !nightly) {
        note(config, target);
    }
    return status;
}

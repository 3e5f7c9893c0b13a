/* Nothing is written before all of the file is verified: its hashes, then each database by
 * SQLite itself, beside the place where it will be. Then names are changed. Killed between, a
 * second restore does all of it again. */
#include "relay/admin/admin_restore.h"

#include "base/core/clock.h"
#include "base/core/file.h"
#include "relay/admin/admin_backup.h"
#include "relay/admin/admin_stores.h"
#include "relay/admin/archive.h"
#include "relay/store/admin_store.h"
#include "relay/store/place.h"
#include "relay/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".restoring";

/* What is put beside a file: SQLite's, which it would play back, and ours. */
static const char *const companions[] = {"-wal", "-shm", "-journal", ".restoring",
                                         ".restored"};

enum {
    COMPANION_COUNT = sizeof(companions) / sizeof(companions[0]),
    JOURNAL_COUNT = 3, /* of them are SQLite's */
};

static const struct {
    const char *file;
    const char *const *schema;
} databases[] = {
    {"issuer.db", schema_issuer}, {"front.db", schema_front}, {"admin.db", schema_admin}};

enum { DATABASE_COUNT = sizeof(databases) / sizeof(databases[0]) };

struct restore {
    const struct relay_config *config;
    const char *into; /* the store */
    bool elsewhere;   /* than the configuration says */
    bool force;
    int fd;
    struct archive archive;
};

/* ---- where things go ---- */

static bool is_database(const char *name)
{
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        if (strcmp(name, databases[i].file) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_configuration(const char *name)
{
    return text_ends_with(name, ".conf") || text_ends_with(name, ".zone") ||
           text_starts_with(name, "ca-eab-");
}

/* The role in whose folder a file is, where there are such folders. */
static const char *role_of(const char *name)
{
    return strcmp(name, "front.db") == 0   ? "front"
           : strcmp(name, "admin.db") == 0 ? "admin"
                                           : "issuer";
}

static const char *configured_path(const struct restore *restore, const char *name)
{
    const struct relay_config *config = restore->config;
    char own[ARCHIVE_NAME_CAPACITY];

    if (restore->elsewhere) {
        return NULL;
    }
    if (strcmp(name, "secret") == 0) {
        return config->secret_file;
    }
    for (; config != NULL; config = config->next) {
        if (admin_backup_key_name(restore->config, config, own) &&
            strcmp(own, name) == 0) {
            return config->relay_key_file;
        }
    }
    return NULL;
}

static int target_path(const struct restore *restore, const char *name,
                       char ret_path[static PATH_MAX])
{
    const char *configured = configured_path(restore, name);

    if (configured != NULL) {
        return text_copy(ret_path, PATH_MAX, configured) ? 0 : ERROR_LIMIT;
    }
    if (is_configuration(name)) {
        return text_format(ret_path, PATH_MAX, "%s/%s.restored", restore->into, name)
                   ? 0
                   : ERROR_LIMIT;
    }
    if (strcmp(name, "secret") == 0) { /* all roles' */
        return text_format(ret_path, PATH_MAX, "%s/%s", restore->into, name)
                   ? 0
                   : ERROR_LIMIT;
    }
    return place_path(restore->into, role_of(name), name, ret_path, PATH_MAX);
}

/* Root gives a file to whom it belonged, or to whom its role's folder belongs here. */
static void give(const struct archive_member *member, const char *path, int fd)
{
    const struct passwd *user = getpwnam(member->user);
    const struct group *group = getgrnam(member->group);
    char folder[PATH_MAX];
    char *slash = NULL;
    struct stat status;

    if (geteuid() != 0 || !text_copy(folder, sizeof(folder), path)) {
        return;
    }
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    if (is_database(member->name) && stat(folder, &status) == 0 && status.st_uid != 0) {
        (void)!fchown(fd, status.st_uid, status.st_gid);
    } else if (user != NULL && group != NULL) {
        (void)!fchown(fd, user->pw_uid, group->gr_gid);
    } else if (member->user[0] != '\0') {
        char name[ARCHIVE_OWNER_CAPACITY];

        text_printable(name, sizeof(name), member->user, strlen(member->user));
        fprintf(
            stderr,
            "latchkey-relay: restore: there is no user '%s' here; '%s' is root's now\n",
            name, path);
    }
}

/* ---- writing ---- */

static int write_member(const struct restore *restore,
                        const struct archive_member *member)
{
    char path[PATH_MAX];
    char part[PATH_MAX];
    int fd = -1;
    int error = target_path(restore, member->name, path);

    if (error != 0 || !text_format(part, sizeof(part), "%s%s", path, suffix)) {
        return ERROR_LIMIT;
    }
    (void)unlink(part);
    fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error = ERROR_IO;
    }
    if (error == 0) {
        error = archive_extract(restore->fd, member, fd);
    }
    if (error == 0) {
        give(member, path, fd);
        if (fchmod(fd, is_database(member->name) ? 0640 : member->mode & 0640) != 0 ||
            fsync(fd) != 0) {
            error = ERROR_IO;
        }
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: restore: '%s': %s\n", part,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return error;
}

/* SQLite reads all of it, and its tables are of a version that this program knows. */
static int check_database(const struct restore *restore, size_t i)
{
    struct database *database = NULL;
    char name[64];
    int64_t version = 0;
    int error = text_format(name, sizeof(name), "%s%s", databases[i].file, suffix)
                    ? 0
                    : ERROR_LIMIT;

    if (error == 0) {
        error = database_open(restore->into, name, DATABASE_READER, databases[i].schema,
                              &database);
    }
    if (error == 0) {
        error = database_check(database, &version);
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: restore: %s in the backup can't be used: %s\n",
                databases[i].file,
                database != NULL ? database_error(database) : database_open_error());
    }
    database_close(database);
    return error;
}

/* The former database's journals would be played back into the new one. */
static int put_in_place(const struct restore *restore,
                        const struct archive_member *member)
{
    char path[PATH_MAX];
    char other[PATH_MAX];
    int error = target_path(restore, member->name, path);

    for (size_t i = 0; error == 0 && is_database(member->name) && i < JOURNAL_COUNT;
         i++) {
        error = text_format(other, sizeof(other), "%s%s", path, companions[i])
                    ? 0
                    : ERROR_LIMIT;
        if (error == 0 && unlink(other) != 0 && errno != ENOENT) {
            error = ERROR_IO;
        }
    }
    if (error == 0) {
        error = text_format(other, sizeof(other), "%s%s", path, suffix) ? 0 : ERROR_LIMIT;
    }
    if (error == 0 && rename(other, path) != 0) {
        error = ERROR_IO;
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: restore: '%s': %s\n", path,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

static void remove_parts(const struct restore *restore)
{
    for (size_t i = 0; i < restore->archive.count; i++) {
        char path[PATH_MAX];
        char part[PATH_MAX];

        if (target_path(restore, restore->archive.members[i].name, path) == 0 &&
            text_format(part, sizeof(part), "%s%s", path, suffix)) {
            (void)unlink(part);
        }
    }
}

static int write_all(const struct restore *restore)
{
    const struct archive *archive = &restore->archive;
    int error = file_make_folder(restore->into, 0750);

    for (size_t i = 0; error == 0 && i < archive->count; i++) {
        error = write_member(restore, &archive->members[i]);
    }
    for (size_t i = 0; error == 0 && i < DATABASE_COUNT; i++) {
        error = archive_find(archive, databases[i].file) != NULL
                    ? check_database(restore, i)
                    : 0;
    }
    if (error != 0) {
        remove_parts(restore);
        return error;
    }
    for (size_t i = 0; error == 0 && i < archive->count; i++) {
        error = put_in_place(restore, &archive->members[i]);
    }
    return error == 0 ? file_sync_folder(restore->into) : error;
}

/* ---- what must not be ---- */

static bool is_companion(const char *name)
{
    for (size_t i = 0; i < COMPANION_COUNT; i++) {
        if (text_ends_with(name, companions[i])) {
            return true;
        }
    }
    return false;
}

/* Whether a member before the one at COUNT goes to PATH too. */
static bool is_taken(const struct restore *restore, size_t count, const char *path)
{
    char other[PATH_MAX];

    for (size_t i = 0; i < count; i++) {
        if (target_path(restore, restore->archive.members[i].name, other) == 0 &&
            strcmp(other, path) == 0) {
            return true;
        }
    }
    return false;
}

/* A file made by hand could hold names that `backup` never gives: one that takes another's place
 * after that was verified, or a journal that SQLite plays back into a database. */
static bool has_sound_names(const struct restore *restore, const char **ret_name)
{
    const struct archive *archive = &restore->archive;
    char path[PATH_MAX];

    for (size_t i = 0; i < archive->count; i++) {
        *ret_name = archive->members[i].name;
        if (is_companion(*ret_name) || target_path(restore, *ret_name, path) != 0 ||
            is_taken(restore, i, path)) {
            return false;
        }
    }
    return true;
}

static bool has_database(const struct archive *archive)
{
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        if (archive_find(archive, databases[i].file) != NULL) {
            return true;
        }
    }
    return false;
}

static bool is_living(const struct restore *restore)
{
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        char path[PATH_MAX];

        if (database_has_writer(restore->into, databases[i].file)) {
            fprintf(stderr,
                    "latchkey-relay: restore: a relay runs on '%s' (%s is open): end it "
                    "first\n",
                    restore->into, databases[i].file);
            return true;
        }
        if (!restore->force && target_path(restore, databases[i].file, path) == 0 &&
            access(path, F_OK) == 0) {
            fprintf(stderr,
                    "latchkey-relay: restore: '%s' is there: give --force to replace "
                    "what this "
                    "store holds, or --into another folder\n",
                    path);
            return true;
        }
    }
    return false;
}

static void note(const struct restore *restore, const char *path)
{
    struct relay_config config = *restore->config;
    struct database *admin = NULL;
    char into[PATH_MAX];

    if (!text_copy(into, sizeof(into), restore->into)) {
        return;
    }
    config.store = into;
    if (place_become(into, "admin") != 0) { /* as in admin_backup.c */
        fprintf(stderr,
                "latchkey-relay: restore: done, but it is not in the audit: this may "
                "not become the user of the store's folder 'admin'\n");
        return;
    }
    if (admin_stores_write(&config, &admin) == 0 &&
        admin_store_note_restore(admin, config.zone, path, admin_stores_who()) != 0) {
        fprintf(stderr,
                "latchkey-relay: restore: done, but the audit can't be written: %s\n",
                database_error(admin));
    }
    database_close(admin);
}

static int restore_file(struct restore *restore, const char *path)
{
    char reason[ARCHIVE_REASON_CAPACITY];
    char made[TEXT_TIME_CAPACITY];
    const char *name = NULL;
    int error = archive_read(restore->fd, &restore->archive, reason);

    if (error != 0) {
        fprintf(stderr, "latchkey-relay: restore: '%s' is refused: %s\n", path,
                reason[0] != '\0' ? reason : error_text(error));
        return ADMIN_FAILED;
    }
    if (!has_database(&restore->archive)) {
        fprintf(stderr,
                "latchkey-relay: restore: '%s' is refused: there is no database in it\n",
                path);
        return ADMIN_FAILED;
    }
    if (!has_sound_names(restore, &name)) {
        fprintf(stderr,
                "latchkey-relay: restore: '%s' is refused: '%s' in it has a name that no "
                "backup of a relay gives\n",
                path, name);
        return ADMIN_FAILED;
    }
    if (is_living(restore)) {
        return ADMIN_FAILED;
    }
    if (write_all(restore) != 0) {
        return ADMIN_FAILED;
    }
    note(restore, path);
    text_time(restore->archive.made_at, made);
    printf("restored into '%s': the relay of '%s' as it was at %s\n"
           "What it wrote after that is not there. The old relay must not run any more: "
           "both would "
           "answer the same devices.\n",
           restore->into, restore->archive.about, made);
    return ADMIN_DONE;
}

int admin_restore_run(const struct relay_config *config, int argc, char **argv)
{
    static const struct option options[] = {{"into", required_argument, NULL, 'i'},
                                            {"force", no_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    struct restore restore = {.config = config, .into = config->store, .fd = -1};
    bool good = true;
    int status = ADMIN_FAILED;

    optind = 0;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
         c = getopt_long(argc, argv, "", options, NULL)) {
        good = good && c != '?';
        restore.force = restore.force || c == 'f';
        restore.into = c == 'i' ? optarg : restore.into;
    }
    if (!config->is_main) {
        return admin_stores_usage("restore is of all zones: leave out --zone");
    }
    restore.elsewhere = strcmp(restore.into, config->store) != 0;
    if (!good || optind + 1 != argc) {
        return admin_stores_usage(
            "restore takes a backup's file, --into FOLDER and --force");
    }
    restore.fd = open(argv[optind], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (restore.fd < 0) {
        fprintf(stderr, "latchkey-relay: restore: '%s': %s\n", argv[optind],
                strerror(errno));
        return ADMIN_FAILED;
    }
    status = restore_file(&restore, argv[optind]);
    (void)close(restore.fd);
    return status;
}

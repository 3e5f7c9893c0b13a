/* SQLite behind the door.
 *
 * The one writer of a file holds FOLDER/NAME.lock for its life: a second front or issuer
 * on the same store is refused at start instead of corrupting the rule of one writer. WAL
 * lets readers of other processes read while it writes, and synchronous=FULL makes a
 * commit durable before any answer is given on its strength.
 *
 * Where the roles have users of their own, each file is in its role's folder (place.h): a
 * journal that somebody else leaves beside it would be played back into it.
 *
 * A reader may run as another user with read permission only. SQLite can then open a WAL
 * database only while -wal and -shm exist, so the writer leaves both behind when it ends
 * (SQLITE_FCNTL_PERSIST_WAL), and a reader keeps its handle. A reader's file is somebody
 * else's output: schema tricks are turned off (DEFENSIVE, trusted_schema).
 *
 * SQLite ends a transaction by itself on some errors (disk full, I/O). Statements that
 * came after it would then commit one by one; so each write inside a transaction first
 * asks whether the transaction still stands. */
#include "relay/store/database.h"

#include "base/core/file.h"
#include "relay/store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUSY_MS = 5000,
    STATEMENTS_MAX = 256, /* literals in the program, not input: a bug beyond */
    VALUE_BYTES_MAX = 4 << 20,
    ERROR_TEXT_CAPACITY = 256,
};

struct statement {
    const char *sql; /* the key: its address */
    sqlite3_stmt *prepared;
    bool busy; /* stepping now; a nested use gets a statement of its own */
};

struct database {
    sqlite3 *handle;
    char *path;
    enum database_mode mode;
    int known_version;
    int lock_fd;
    bool in_transaction;
    int64_t seen_version; /* data_version at the last database_changed; -1: never asked */
    dev_t device;         /* of the file that is open, to see it replaced */
    ino_t inode;
    struct statement statements[STATEMENTS_MAX];
    size_t statement_count;
    char error[ERROR_TEXT_CAPACITY];
};

struct database_row {
    sqlite3_stmt *prepared;
};

/* What the last failed open said: its handle is gone by the time somebody asks. */
static char open_error[ERROR_TEXT_CAPACITY];

static int error_of(struct database *database, int code)
{
    snprintf(database->error, sizeof(database->error), "%s: %s", database->path,
             database->handle != NULL ? sqlite3_errmsg(database->handle)
                                      : sqlite3_errstr(code));
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERROR_BUSY;
    case SQLITE_FULL:
        return ERROR_LIMIT;
    case SQLITE_NOMEM:
        return ERROR_MEMORY;
    case SQLITE_CONSTRAINT:
        return ERROR_EXISTS;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERROR_DENIED;
    case SQLITE_CANTOPEN:
        return ERROR_NOT_FOUND;
    default:
        return ERROR_IO;
    }
}

static int say(struct database *database, int error, const char *text)
{
    snprintf(database->error, sizeof(database->error), "%s: %s", database->path, text);
    return error;
}

static int execute(struct database *database, const char *sql)
{
    int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : error_of(database, code);
}

/* One integer of a statement that yields one row; for pragmas. */
static int ask_i64(struct database *database, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *prepared = NULL;
    int code = sqlite3_prepare_v2(database->handle, sql, -1, &prepared, NULL);
    int error = 0;

    if (code != SQLITE_OK) {
        return error_of(database, code);
    }
    code = sqlite3_step(prepared);
    if (code == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(prepared, 0);
    } else {
        error = code == SQLITE_DONE ? say(database, ERROR_NOT_FOUND, "no row")
                                    : error_of(database, code);
    }
    (void)sqlite3_finalize(prepared);
    return error;
}

/* The file must have its final mode before SQLite makes -wal and -shm, which copy it. */
static int make_file(struct database *database)
{
    int fd = open(database->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    int error = 0;

    if (fd < 0) {
        return say(database, ERROR_IO, strerror(errno));
    }
    if (fchmod(fd, 0640) != 0 && errno != EPERM) {
        error = say(database, ERROR_IO, strerror(errno));
    }
    (void)close(fd);
    return error;
}

static void remember_file(struct database *database)
{
    struct stat status;

    if (stat(database->path, &status) == 0) {
        database->device = status.st_dev;
        database->inode = status.st_ino;
    }
}

static int open_handle(struct database *database)
{
    bool writer = database->mode == DATABASE_WRITER;
    int flags = (writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = 0;

    remember_file(database);
    code = sqlite3_open_v2(database->path, &database->handle, flags, NULL);
    if (code != SQLITE_OK) {
        return error_of(database, code);
    }
    (void)sqlite3_busy_timeout(database->handle, BUSY_MS);
    (void)sqlite3_limit(database->handle, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    (void)sqlite3_limit(database->handle, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* A large sort must not want a file in /tmp, which a confined role can't write. */
    (void)sqlite3_exec(database->handle, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    /* A captured writer could put a view in a table's place that never ends. */
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return 0;
}

static void close_handle(struct database *database)
{
    for (size_t i = 0; i < database->statement_count; i++) {
        (void)sqlite3_finalize(database->statements[i].prepared);
    }
    database->statement_count = 0;
    (void)sqlite3_close_v2(database->handle);
    database->handle = NULL;
}

static int migrate(struct database *database, const char *const *migrations)
{
    int64_t version = 0;
    int error = execute(database, "BEGIN IMMEDIATE");

    if (error != 0) {
        return error;
    }
    error = ask_i64(database, "PRAGMA user_version", &version);
    if (error == 0 && version > database->known_version) {
        error = say(database, ERROR_UNSUPPORTED, "made by a newer latchkey");
    }
    for (int64_t i = version; error == 0 && i < database->known_version; i++) {
        char pragma[64];

        snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d", (int)(i + 1));
        error = execute(database, migrations[i]);
        if (error == 0) {
            error = execute(database, pragma);
        }
    }
    if (error == 0) {
        error = execute(database, "COMMIT");
    }
    if (error != 0 && sqlite3_get_autocommit(database->handle) == 0) {
        (void)sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    }
    return error;
}

static int open_writer(struct database *database, const char *folder,
                       const char *const *migrations)
{
    size_t size = strlen(database->path) + sizeof(".lock");
    char *lock_path = malloc(size);
    int persist = 1;
    int error = ERROR_MEMORY;

    if (lock_path == NULL) {
        goto out;
    }
    snprintf(lock_path, size, "%s.lock", database->path);
    error = file_make_folder(folder, 0750);
    if (error != 0) {
        error = say(database, error, "the folder can't be made");
        goto out;
    }
    error = file_lock(lock_path, &database->lock_fd);
    if (error != 0) {
        error = say(database, error,
                    error == ERROR_BUSY ? "another process writes it" : strerror(errno));
        goto out;
    }
    error = make_file(database);
    if (error == 0) {
        error = open_handle(database);
    }
    if (error == 0) {
        error = execute(database, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    }
    if (error == 0) {
        (void)sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_PERSIST_WAL,
                                   &persist);
        error = migrate(database, migrations);
    }
out:
    free(lock_path);
    return error;
}

static int open_reader(struct database *database)
{
    int64_t version = 0;
    int error = open_handle(database);

    if (error == 0) {
        error = ask_i64(database, "PRAGMA user_version", &version);
    }
    if (error == ERROR_NOT_FOUND && access(database->path, F_OK) == 0) {
        return ERROR_DENIED; /* it is there, but not for us */
    }
    if (error != 0) {
        return error;
    }
    /* An older one is read as far as it goes: its writer migrates it when it comes, and the
     * operator's commands may not come for months. */
    if (version == 0 && database->known_version > 0) {
        return say(database, ERROR_NOT_FOUND, "its tables are not there yet");
    }
    if (version > database->known_version) {
        return say(database, ERROR_UNSUPPORTED, "made by a newer latchkey");
    }
    return 0;
}

/* The role that owns NAME is its stem: front.db is front's. */
static int find_place(const char *folder, const char *name, char **ret_path)
{
    char path[PATH_MAX];
    char *role = strndup(name, strcspn(name, "."));
    int error =
        role == NULL ? ERROR_MEMORY : place_path(folder, role, name, path, sizeof(path));

    free(role);
    if (error != 0) {
        return error;
    }
    *ret_path = strdup(path);
    return *ret_path == NULL ? ERROR_MEMORY : 0;
}

int database_open(const char *folder, const char *name, enum database_mode mode,
                  const char *const *migrations, struct database **ret_database)
{
    struct database *database = calloc(1, sizeof(*database));
    int error = 0;

    if (database == NULL) {
        return ERROR_MEMORY;
    }
    database->mode = mode;
    database->lock_fd = -1;
    database->seen_version = -1;
    error = find_place(folder, name, &database->path);
    if (error != 0) {
        goto out;
    }
    while (migrations[database->known_version] != NULL) {
        database->known_version++;
    }
    error = mode == DATABASE_WRITER ? open_writer(database, folder, migrations)
                                    : open_reader(database);
out:
    if (error != 0) {
        memcpy(open_error, database->error, sizeof(open_error));
        database_close(database);
        return error;
    }
    *ret_database = database;
    return 0;
}

const char *database_open_error(void)
{
    return open_error;
}

bool database_has_writer(const char *folder, const char *name)
{
    char path[PATH_MAX];
    char *place = NULL;
    bool has = find_place(folder, name, &place) == 0 &&
               snprintf(path, sizeof(path), "%s.lock", place) < (int)sizeof(path) &&
               file_is_locked(path);

    free(place);
    return has;
}

void database_close(struct database *database)
{
    if (database == NULL) {
        return;
    }
    database_rollback(database);
    close_handle(database);
    if (database->lock_fd >= 0) {
        (void)close(database->lock_fd);
    }
    free(database->path);
    free(database);
}

const char *database_error(const struct database *database)
{
    return database->error;
}

/* What is written to a file that was moved away or replaced, nobody opens again. */
static bool is_in_place(const struct database *database)
{
    struct stat status;

    return stat(database->path, &status) == 0 && status.st_dev == database->device &&
           status.st_ino == database->inode;
}

int database_begin(struct database *database, int64_t *ret_rev)
{
    int64_t rev = 0;
    int error = 0;

    if (database->in_transaction) {
        return say(database, ERROR_STATE, "a transaction is open already");
    }
    if (!is_in_place(database)) {
        return say(database, ERROR_NOT_FOUND, "the file is not in its place any more");
    }
    error = database_run(database, "BEGIN IMMEDIATE", "");
    if (error != 0) {
        return error;
    }
    database->in_transaction = true;
    error = database_run(database, "UPDATE revision SET rev = rev + 1 WHERE one = 1", "");
    if (error == 0) {
        error = database_revision(database, &rev);
    }
    if (error != 0) {
        database_rollback(database);
        return error;
    }
    *ret_rev = rev;
    return 0;
}

int database_commit(struct database *database)
{
    int error = 0;

    if (!database->in_transaction) {
        return say(database, ERROR_STATE, "no transaction is open");
    }
    error = database_run(database, "COMMIT", "");
    if (error != 0) {
        database_rollback(database);
        return error;
    }
    database->in_transaction = false;
    return 0;
}

void database_rollback(struct database *database)
{
    if (database->handle != NULL && sqlite3_get_autocommit(database->handle) == 0) {
        (void)sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    }
    database->in_transaction = false;
}

/* Somebody may have put another file in the place of ours (a restored backup). A writer
 * holds the lock, so only readers look. While the new one can't be read, the old handle
 * goes on answering. */
static bool reopen_replaced(struct database *database)
{
    struct stat status;
    struct database *fresh = NULL;

    if (database->mode != DATABASE_READER || stat(database->path, &status) != 0 ||
        (status.st_dev == database->device && status.st_ino == database->inode)) {
        return false;
    }
    fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return false;
    }
    fresh->path = database->path;
    fresh->mode = DATABASE_READER;
    fresh->known_version = database->known_version;
    if (open_reader(fresh) != 0) {
        close_handle(fresh);
        free(fresh);
        return false;
    }
    close_handle(database);
    database->handle = fresh->handle;
    database->device = fresh->device;
    database->inode = fresh->inode;
    free(fresh);
    return true;
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

int database_hold(struct database *database, int64_t *ret_rev)
{
    int error = execute(database, "BEGIN");

    return error == 0 ? database_revision(database, ret_rev) : error;
}

/* The copy is made in the source's read transaction, so that no writer makes it begin again.
 * It is a plain file: without WAL it needs nothing beside it. */
static int copy_pages(struct database *database, sqlite3 *target)
{
    sqlite3_backup *backup =
        sqlite3_backup_init(target, "main", database->handle, "main");
    int code = SQLITE_OK;

    if (backup == NULL) {
        return say(database, ERROR_IO, sqlite3_errmsg(target));
    }
    code = sqlite3_backup_step(backup, -1);
    (void)sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE) {
        (void)error_of(database, code);
        return say(database, (code & 0xff) == SQLITE_FULL ? ERROR_LIMIT : ERROR_IO,
                   sqlite3_errstr(code));
    }
    code = sqlite3_exec(target, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : say(database, ERROR_IO, sqlite3_errmsg(target));
}

int database_copy(struct database *database, const char *path)
{
    sqlite3 *target = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = 0;

    if (fd < 0) {
        return say(database, errno == EEXIST ? ERROR_EXISTS : ERROR_IO, strerror(errno));
    }
    if (sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        error = say(database, ERROR_IO,
                    target != NULL ? sqlite3_errmsg(target) : "no memory");
    }
    if (error == 0) {
        error = copy_pages(database, target);
    }
    if (sqlite3_close(target) != SQLITE_OK && error == 0) {
        error = say(database, ERROR_IO, "the copy can't be closed");
    }
    (void)close(fd);
    return error;
}

static int take_verdict(const struct database_row *row, void *arg)
{
    struct database *database = arg;

    if (strcmp(database_text(row, 0), "ok") == 0) {
        return 0;
    }
    return say(database, ERROR_SYNTAX, database_text(row, 0));
}

int database_check(struct database *database, int64_t *ret_version)
{
    int error =
        database_query(database, "PRAGMA quick_check(1)", take_verdict, database, "");

    return error == 0 ? ask_i64(database, "PRAGMA user_version", ret_version) : error;
}

int database_has_table(struct database *database, const char *name, bool *ret_has)
{
    int64_t count = 0;
    int error = database_query(
        database, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
        take_i64, &count, "t", name);

    if (error == 0) {
        *ret_has = count > 0;
    }
    return error;
}

bool database_changed(struct database *database)
{
    bool replaced = reopen_replaced(database);
    int64_t version = -1;

    if (database_query(database, "PRAGMA data_version", take_i64, &version, "") != 0) {
        return true; /* unknown is "look again": the next read then says what is wrong */
    }
    if (version == database->seen_version && !replaced) {
        return false;
    }
    database->seen_version = version;
    return true;
}

int database_revision(struct database *database, int64_t *ret_rev)
{
    int64_t rev = -1;
    int error = database_query(database, "SELECT rev FROM revision WHERE one = 1",
                               take_i64, &rev, "");

    if (error != 0) {
        return error;
    }
    if (rev < 0) {
        return say(database, ERROR_IO, "the revision's row is gone");
    }
    *ret_rev = rev;
    return 0;
}

static struct statement *find_cached(struct database *database, const char *sql)
{
    for (size_t i = 0; i < database->statement_count; i++) {
        if (database->statements[i].sql == sql) {
            return &database->statements[i];
        }
    }
    return NULL;
}

/* The cached statement of this literal; a second use while the first is stepping gets one
 * of its own, freed by release. */
static int acquire(struct database *database, const char *sql, struct statement *own,
                   struct statement **ret_statement)
{
    struct statement *cached = find_cached(database, sql);
    bool keep = cached == NULL && database->statement_count < STATEMENTS_MAX;
    struct statement *statement =
        keep ? &database->statements[database->statement_count] : own;
    int code = 0;

    if (cached != NULL && !cached->busy) {
        cached->busy = true;
        *ret_statement = cached;
        return 0;
    }
    *statement = (struct statement){.sql = sql, .busy = true};
    code = sqlite3_prepare_v3(database->handle, sql, -1,
                              keep ? SQLITE_PREPARE_PERSISTENT : 0, &statement->prepared,
                              NULL);
    if (code != SQLITE_OK) {
        return error_of(database, code);
    }
    database->statement_count += keep;
    *ret_statement = statement;
    return 0;
}

static void release(struct statement *statement, const struct statement *own)
{
    if (statement == own) {
        (void)sqlite3_finalize(statement->prepared);
        return;
    }
    (void)sqlite3_reset(statement->prepared);
    (void)sqlite3_clear_bindings(statement->prepared);
    statement->busy = false;
}

static int bind(struct database *database, sqlite3_stmt *prepared, const char *format,
                va_list arguments)
{
    int code = SQLITE_OK;

    if (sqlite3_bind_parameter_count(prepared) != (int)strlen(format)) {
        return say(database, ERROR_INTERNAL, "as many parameters as the format says");
    }
    for (int i = 0; format[i] != '\0' && code == SQLITE_OK; i++) {
        if (format[i] == 't') {
            const char *text = va_arg(arguments, const char *);

            code = sqlite3_bind_text(prepared, i + 1, text != NULL ? text : "", -1,
                                     SQLITE_STATIC);
        } else if (format[i] == 'i') {
            code = sqlite3_bind_int64(prepared, i + 1, va_arg(arguments, int64_t));
        } else if (format[i] == 'b') {
            const struct bytes *bytes = va_arg(arguments, const struct bytes *);

            code = sqlite3_bind_text64(
                prepared, i + 1, bytes->data != NULL ? (const char *)bytes->data : "",
                bytes->size, SQLITE_STATIC, SQLITE_UTF8);
        } else {
            return say(database, ERROR_INTERNAL, "formats are t, i and b");
        }
    }
    return code == SQLITE_OK ? 0 : error_of(database, code);
}

static int query(struct database *database, const char *sql, database_row_fn *fn,
                 void *arg, const char *format, va_list arguments)
{
    struct statement own = {0};
    struct statement *statement = &own;
    int error = 0;
    int code = 0;

    if (database->in_transaction && sqlite3_get_autocommit(database->handle) != 0) {
        return say(database, ERROR_IO, "the transaction was ended by an earlier failure");
    }
    error = acquire(database, sql, &own, &statement);
    if (error != 0) {
        return error;
    }
    error = bind(database, statement->prepared, format, arguments);
    while (error == 0 && (code = sqlite3_step(statement->prepared)) == SQLITE_ROW) {
        struct database_row row = {.prepared = statement->prepared};

        error = fn != NULL ? fn(&row, arg) : 0;
    }
    if (error == 0 && code != SQLITE_DONE) {
        error = error_of(database, code);
    }
    release(statement, &own);
    return error;
}

int database_run(struct database *database, const char *sql, const char *format, ...)
{
    va_list arguments;
    int error = 0;

    va_start(arguments, format);
    error = query(database, sql, NULL, NULL, format, arguments);
    va_end(arguments);
    return error;
}

int database_changes(const struct database *database)
{
    return sqlite3_changes(database->handle);
}

int database_query(struct database *database, const char *sql, database_row_fn *fn,
                   void *arg, const char *format, ...)
{
    va_list arguments;
    int error = 0;

    va_start(arguments, format);
    error = query(database, sql, fn, arg, format, arguments);
    va_end(arguments);
    return error;
}

const char *database_text(const struct database_row *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row->prepared, column);

    return text != NULL ? (const char *)text : "";
}

size_t database_text_size(const struct database_row *row, int column)
{
    (void)sqlite3_column_text(row->prepared, column);
    return (size_t)sqlite3_column_bytes(row->prepared, column);
}

int64_t database_i64(const struct database_row *row, int column)
{
    return sqlite3_column_int64(row->prepared, column);
}

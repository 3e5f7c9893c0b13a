/* The database door: one connection to one file of the store, prepared statements kept
 * for its life, transactions with a revision. SQLite now; PostgreSQL fills the same
 * functions later. Not thread-safe; each call may block on the disk. Reads are bounded by
 * the caller stopping early. */
#ifndef RELAY_STORE_DATABASE_H
#define RELAY_STORE_DATABASE_H

#include "base/core/buffer.h"

struct database;

enum database_mode {
    DATABASE_WRITER, /* makes the file, migrates it, takes the role's lock (ERROR_BUSY:
                        another writer runs) */
    DATABASE_READER, /* read-only; ERROR_NOT_FOUND while the file is not there or has no
                        tables yet. An older file may lack tables, see database_has_table */
};

/* Opens NAME (e.g. "front.db") in FOLDER, or in FOLDER/front where the roles have folders of
 * their own (place.h). WAL, synchronous=FULL, busy timeout 5 s. The
 * writer makes FOLDER and leaves the files readable by the group (0640). MIGRATIONS: from
 * schema.h, for a writer; a reader checks the version: ERROR_UNSUPPORTED for a newer one.
 */
int database_open(const char *folder, const char *name, enum database_mode mode,
                  const char *const *migrations,
                  struct database **ret_database) MUST_CHECK;
/* Why the last database_open of this process failed, in words, for the log. */
const char *database_open_error(void);
void database_close(struct database *database);
/* Whether a writer has FOLDER/NAME open now: its role runs. False, too, when that can't be
 * seen. */
bool database_has_writer(const char *folder, const char *name);
/* Copies the whole database as it is at one moment into the new file PATH (mode 0600), while
 * its writer goes on; ERROR_EXISTS when PATH is there. database_hold fixes the moment; else it
 * is now. */
int database_copy(struct database *database, const char *path) MUST_CHECK;
/* A reader sees the file from now on as it is at this moment, until database_rollback or until it
 * is closed; *RET_REV is its revision. What its writer writes meanwhile is kept in the -wal. */
int database_hold(struct database *database, int64_t *ret_rev) MUST_CHECK;
/* The version of the file's tables, and whether SQLite finds it whole: else ERROR_SYNTAX with the
 * reason in database_error. Reads all of it. */
int database_check(struct database *database, int64_t *ret_version) MUST_CHECK;
/* The last error in words, for the log. Borrowed until the next call. */
const char *database_error(const struct database *database);

/* One write transaction: *RET_REV is the revision that every row written in it must carry
 * (the file's last + 1). Nested calls are ERROR_STATE; ERROR_NOT_FOUND when the file was moved
 * away or replaced. */
int database_begin(struct database *database, int64_t *ret_rev) MUST_CHECK;
int database_commit(struct database *database) MUST_CHECK;
void database_rollback(struct database *database);
/* Whether anything was committed by somebody else since the last call (cheap: 3 us). True
 * at the first call. */
bool database_changed(struct database *database);
/* The file's revision as last committed. */
int database_revision(struct database *database, int64_t *ret_rev) MUST_CHECK;
/* Whether there is a table NAME: *RET_HAS. An older file may lack it. */
int database_has_table(struct database *database, const char *name,
                       bool *ret_has) MUST_CHECK;

/* Prepared statements: SQL must be a string literal (its address is the cache's key).
 * Parameters are bound in order by FORMAT: 't' const char * (text), 'i' int64_t, 'b'
 * struct bytes passed by pointer (const struct bytes *). */
int database_run(struct database *database, const char *sql, const char *format,
                 ...) MUST_CHECK;
/* Rows changed by the last database_run. */
int database_changes(const struct database *database);

struct database_row;
/* Called per row; a negative result ends the query and is its result. */
typedef int database_row_fn(const struct database_row *row, void *arg);
int database_query(struct database *database, const char *sql, database_row_fn *fn,
                   void *arg, const char *format, ...) MUST_CHECK;
/* Columns of the current row; text is borrowed until the callback returns, never NULL. */
const char *database_text(const struct database_row *row, int column);
size_t database_text_size(const struct database_row *row, int column);
int64_t database_i64(const struct database_row *row, int column);

#endif

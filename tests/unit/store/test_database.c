/* The database door: revisions, readers beside a writer, nested queries, and what happens
 * when the disk says no. */
#include "base/core/file.h"
#include "base/core/text.h"
#include "relay/store/database.h"
#include "relay/store/schema.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const schema[] = {
    "CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), rev BIGINT NOT "
    "NULL);"
    "INSERT INTO revision (one, rev) VALUES (1, 0);"
    "CREATE TABLE things (name TEXT PRIMARY KEY, number BIGINT NOT NULL);",
    NULL,
};
static const char *const schema_later[] = {
    "CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), rev BIGINT NOT "
    "NULL);"
    "INSERT INTO revision (one, rev) VALUES (1, 0);"
    "CREATE TABLE things (name TEXT PRIMARY KEY, number BIGINT NOT NULL);",
    "ALTER TABLE things ADD COLUMN note TEXT NOT NULL DEFAULT 'none';"
    "CREATE TABLE others (name TEXT PRIMARY KEY);",
    NULL,
};

struct place {
    char folder[64];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    snprintf(place->folder, sizeof(place->folder), "/tmp/front-database-XXXXXX");
    *state = place;
    return mkdtemp(place->folder) == NULL;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    static const char *const names[] = {"x.db", "x.db-wal", "x.db-shm", "x.db.lock",
                                        "y.db", "y.db-wal", "y.db-shm", "y.db.lock"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", place->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(place->folder);
    free(place);
    return 0;
}

static struct database *writer_of(struct place *place)
{
    struct database *database = NULL;

    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_WRITER, schema, &database), 0);
    return database;
}

static struct database *reader_of(struct place *place)
{
    struct database *database = NULL;

    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_READER, schema, &database), 0);
    return database;
}

static int add(struct database *database, const char *name, int64_t number)
{
    return database_run(database, "INSERT INTO things (name, number) VALUES (?, ?)", "ti",
                        name, number);
}

static int take_i64(const struct database_row *row, void *arg)
{
    *(int64_t *)arg = database_i64(row, 0);
    return 0;
}

static int64_t count(struct database *database)
{
    int64_t value = -1;

    assert_int_equal(
        database_query(database, "SELECT count(*) FROM things", take_i64, &value, ""), 0);
    return value;
}

static int64_t revision(struct database *database)
{
    int64_t value = -1;

    assert_int_equal(database_revision(database, &value), 0);
    return value;
}

static void test_reader_sees_commits(void **state)
{
    struct place *place = *state;
    struct database *writer = writer_of(place);
    struct database *reader = reader_of(place);
    int64_t rev = 0;

    assert_true(database_changed(reader));
    assert_false(database_changed(reader));
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(rev, 1);
    assert_int_equal(add(writer, "a", 1), 0);
    assert_int_equal(count(reader), 0);
    assert_false(database_changed(reader));
    assert_int_equal(database_commit(writer), 0);
    assert_true(database_changed(reader));
    assert_false(database_changed(reader));
    assert_int_equal(count(reader), 1);
    assert_int_equal(revision(reader), 1);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(rev, 2);
    assert_int_equal(add(writer, "b", 1), 0);
    database_rollback(writer);
    assert_int_equal(revision(writer), 1);
    assert_int_equal(count(writer), 1);
    assert_int_equal(add(reader, "c", 1), ERROR_DENIED);
    database_close(reader);
    database_close(writer);
}

static void test_transactions_do_not_nest(void **state)
{
    struct database *writer = writer_of(*state);
    int64_t rev = 0;

    assert_int_equal(database_commit(writer), ERROR_STATE);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(database_begin(writer, &rev), ERROR_STATE);
    assert_int_equal(add(writer, "a", 1), 0);
    assert_int_equal(add(writer, "a", 2), ERROR_EXISTS);
    assert_int_equal(add(writer, "b", 2), 0);
    assert_int_equal(database_commit(writer), 0);
    assert_int_equal(count(writer), 2);
    database_close(writer);
}

static void test_one_writer(void **state)
{
    struct place *place = *state;
    struct database *writer = writer_of(place);
    struct database *second = NULL;
    char path[128];
    struct stat status;

    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_WRITER, schema, &second),
        ERROR_BUSY);
    snprintf(path, sizeof(path), "%s/x.db", place->folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    snprintf(path, sizeof(path), "%s/x.db-wal", place->folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    database_close(writer);
    writer = writer_of(place);
    database_close(writer);
}

static void test_reader_before_and_after_writer(void **state)
{
    struct place *place = *state;
    struct database *reader = NULL;
    struct database *writer = NULL;
    int64_t rev = 0;
    char path[128];

    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_READER, schema, &reader),
        ERROR_NOT_FOUND);
    snprintf(path, sizeof(path), "%s/x.db", place->folder);
    assert_int_equal(file_write_new(path, "", 0, 0640), 0);
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_READER, schema, &reader),
        ERROR_NOT_FOUND);
    writer = writer_of(place);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "a", 7), 0);
    assert_int_equal(database_commit(writer), 0);
    database_close(writer);
    snprintf(path, sizeof(path), "%s/x.db-wal", place->folder);
    assert_int_equal(access(path, F_OK), 0);
    reader = reader_of(place);
    assert_int_equal(count(reader), 1);
    database_close(reader);
}

static bool has_others(struct database *database)
{
    bool has = false;

    assert_int_equal(database_has_table(database, "others", &has), 0);
    return has;
}

/* A reader of a later schema reads an older file as far as it goes, and sees it migrated. */
static void test_versions(void **state)
{
    struct place *place = *state;
    struct database *database = writer_of(place);
    struct database *reader = NULL;
    int64_t rev = 0;
    int64_t notes = 0;

    assert_int_equal(database_begin(database, &rev), 0);
    assert_int_equal(add(database, "a", 7), 0);
    assert_int_equal(database_commit(database), 0);
    database_close(database);
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_READER, schema_later, &reader), 0);
    assert_int_equal(count(reader), 1);
    assert_false(has_others(reader));
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_WRITER, schema_later, &database),
        0);
    assert_int_equal(database_query(database,
                                    "SELECT count(*) FROM things WHERE note = 'none'",
                                    take_i64, &notes, ""),
                     0);
    assert_int_equal(notes, 1);
    database_close(database);
    assert_true(has_others(reader));
    database_close(reader);
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_WRITER, schema, &database),
        ERROR_UNSUPPORTED);
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_READER, schema, &database),
        ERROR_UNSUPPORTED);
}

/* A writer notices when its file is moved away, and goes on when it is back. */
static void test_moved_away(void **state)
{
    struct place *place = *state;
    struct database *database = writer_of(place);
    char path[128];
    char away[128];
    int64_t rev = 0;

    snprintf(path, sizeof(path), "%s/x.db", place->folder);
    snprintf(away, sizeof(away), "%s/y.db", place->folder);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(database_begin(database, &rev), ERROR_NOT_FOUND);
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(database_begin(database, &rev), 0);
    database_rollback(database);
    database_close(database);
}

struct nest {
    struct database *database;
    int depth;
    int rows;
};

static const char nest_sql[] = "SELECT name, number FROM things ORDER BY name";

static int nest_row(const struct database_row *row, void *arg)
{
    struct nest *nest = arg;

    nest->rows++;
    assert_int_equal(database_text_size(row, 0), 1);
    if (nest->depth == 0) {
        struct nest inner = {.database = nest->database, .depth = 1};
        char before = database_text(row, 0)[0];

        assert_int_equal(database_query(nest->database, nest_sql, nest_row, &inner, ""),
                         0);
        assert_int_equal(inner.rows, 3);
        assert_int_equal(database_text(row, 0)[0], before);
    }
    return 0;
}

static int stop_row(const struct database_row *row, void *arg)
{
    (void)row;
    (*(int *)arg)++;
    return ERROR_LIMIT;
}

static void test_queries_nest_and_stop(void **state)
{
    struct database *writer = writer_of(*state);
    struct nest nest = {.database = writer};
    struct bytes bytes = {.data = (const uint8_t *)"c", .size = 1};
    int64_t rev = 0;
    int rows = 0;

    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "a", 1), 0);
    assert_int_equal(add(writer, "b", INT64_MAX), 0);
    assert_int_equal(database_run(writer,
                                  "INSERT INTO things (name, number) VALUES (?, ?)", "bi",
                                  &bytes, INT64_C(-1)),
                     0);
    assert_int_equal(database_commit(writer), 0);
    assert_int_equal(database_query(writer, nest_sql, nest_row, &nest, ""), 0);
    assert_int_equal(nest.rows, 3);
    assert_int_equal(database_query(writer, nest_sql, stop_row, &rows, ""), ERROR_LIMIT);
    assert_int_equal(rows, 1);
    /* A stopped statement is free again, and holds no snapshot. */
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(database_commit(writer), 0);
    assert_int_equal(
        database_run(writer, "INSERT INTO things (name, number) VALUES (?, ?)", "t", "x"),
        ERROR_INTERNAL);
    database_close(writer);
}

/* A full disk: the transaction ends as a whole, what comes after it in the same batch is
 * refused, and the next transaction works again. */
static void test_full_disk(void **state)
{
    struct database *writer = writer_of(*state);
    char *large = malloc(100001);
    int64_t rev = 0;
    int64_t ignored = 0;
    int error = 0;

    memset(large, 'x', 100000);
    large[100000] = '\0';
    assert_int_equal(
        database_query(writer, "PRAGMA max_page_count = 12", take_i64, &ignored, ""), 0);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "small", 1), 0);
    error = add(writer, large, 1);
    assert_int_equal(error, ERROR_LIMIT);
    assert_true(strstr(database_error(writer), "full") != NULL);
    error = add(writer, "after", 1);
    if (error == 0) {
        error = database_commit(writer);
        assert_int_equal(error, 0);
        assert_int_equal(count(writer), 2);
    } else {
        assert_int_equal(database_commit(writer), ERROR_IO);
        assert_int_equal(count(writer), 0);
    }
    assert_int_equal(
        database_query(writer, "PRAGMA max_page_count = 1000", take_i64, &ignored, ""),
        0);
    rev = revision(writer);
    assert_int_equal(database_begin(writer, &ignored), 0);
    assert_int_equal(ignored, rev + 1);
    assert_int_equal(add(writer, large, 1), 0);
    assert_int_equal(database_commit(writer), 0);
    database_close(writer);
    free(large);
}

/* A commit whose write fails: nothing of it is seen, by the writer or by a reader, now or
 * after reopening. */
static void test_failing_commit(void **state)
{
    struct place *place = *state;
    struct database *writer = writer_of(place);
    struct database *reader = reader_of(place);
    struct rlimit old;
    struct rlimit small;
    char path[128];
    struct stat status;
    int64_t rev = 0;
    int error = 0;

    (void)signal(SIGXFSZ, SIG_IGN);
    snprintf(path, sizeof(path), "%s/x.db-wal", place->folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "kept", 1), 0);
    assert_int_equal(database_commit(writer), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = (rlim_t)status.st_size + 100;
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "lost", 1), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    error = database_commit(writer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(error == ERROR_LIMIT || error == ERROR_IO);
    assert_int_equal(count(writer), 1);
    assert_int_equal(count(reader), 1);
    assert_int_equal(revision(reader), 1);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(rev, 2);
    assert_int_equal(add(writer, "next", 1), 0);
    assert_int_equal(database_commit(writer), 0);
    assert_int_equal(count(reader), 2);
    database_close(reader);
    database_close(writer);
}

/* A writer that is killed in the middle of a transaction: the next one finds the last
 * commit. */
static void test_killed_writer(void **state)
{
    struct place *place = *state;
    struct database *writer = NULL;
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        int64_t rev = 0;

        if (database_open(place->folder, "x.db", DATABASE_WRITER, schema, &writer) != 0 ||
            database_begin(writer, &rev) != 0 || add(writer, "kept", 1) != 0 ||
            database_commit(writer) != 0 || database_begin(writer, &rev) != 0 ||
            add(writer, "lost", 1) != 0) {
            _exit(1);
        }
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    writer = writer_of(place);
    assert_int_equal(count(writer), 1);
    assert_int_equal(revision(writer), 1);
    database_close(writer);
}

static void test_replaced_file(void **state)
{
    struct place *place = *state;
    struct database *writer = writer_of(place);
    struct database *reader = reader_of(place);
    char from[128];
    char to[128];
    int64_t rev = 0;

    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "a", 1), 0);
    assert_int_equal(database_commit(writer), 0);
    assert_true(database_changed(reader));
    assert_int_equal(count(reader), 1);
    database_close(writer);
    assert_int_equal(
        database_open(place->folder, "y.db", DATABASE_WRITER, schema, &writer), 0);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "b", 1), 0);
    assert_int_equal(add(writer, "c", 1), 0);
    assert_int_equal(database_commit(writer), 0);
    database_close(writer);
    static const char *const ends[] = {"-wal", "-shm", ""};
    for (size_t i = 0; i < 3; i++) {
        snprintf(from, sizeof(from), "%s/y.db%s", place->folder, ends[i]);
        snprintf(to, sizeof(to), "%s/x.db%s", place->folder, ends[i]);
        assert_int_equal(rename(from, to), 0);
    }
    assert_true(database_changed(reader));
    assert_int_equal(count(reader), 2);
    assert_false(database_changed(reader));
    /* While the file is away, the handle goes on answering. */
    snprintf(from, sizeof(from), "%s/x.db", place->folder);
    assert_int_equal(unlink(from), 0);
    (void)database_changed(reader);
    assert_int_equal(count(reader), 2);
    database_close(reader);
}

/* What another user of the store's group reads: 0, or a step that failed. */
static int read_as_other_user(struct place *place)
{
    struct database *reader = NULL;
    int64_t value = -1;

    if (setgid(getgid()) != 0 || setuid(65534) != 0) {
        return 1;
    }
    if (database_open(place->folder, "x.db", DATABASE_READER, schema, &reader) != 0) {
        return 2;
    }
    if (!database_changed(reader) || database_changed(reader)) {
        return 3;
    }
    if (database_query(reader, "SELECT count(*) FROM things", take_i64, &value, "") !=
            0 ||
        value != 1) {
        return 4;
    }
    return add(reader, "b", 1) == ERROR_DENIED ? 0 : 5;
}

/* dns and the others run as users of their own, with read permission through the group: they
 * read while the writer runs, and after it has ended. */
static void test_reader_of_another_user(void **state)
{
    struct place *place = *state;
    struct database *writer = NULL;
    int64_t rev = 0;

    if (geteuid() != 0) {
        print_message("needs root to become another user\n");
        skip();
    }
    assert_int_equal(chmod(place->folder, 0750), 0);
    writer = writer_of(place);
    assert_int_equal(database_begin(writer, &rev), 0);
    assert_int_equal(add(writer, "a", 1), 0);
    assert_int_equal(database_commit(writer), 0);
    for (int round = 0; round < 2; round++) {
        int status = 0;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            _exit(read_as_other_user(place));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        if (round == 0) {
            database_close(writer);
        }
    }
}

static void test_broken_file(void **state)
{
    struct place *place = *state;
    struct database *database = NULL;
    char path[128];
    char noise[4096];

    memset(noise, 'n', sizeof(noise));
    snprintf(path, sizeof(path), "%s/x.db", place->folder);
    assert_int_equal(file_write_new(path, noise, sizeof(noise), 0640), 0);
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_READER, schema, &database),
        ERROR_IO);
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_WRITER, schema, &database),
        ERROR_IO);
    assert_null(database);
}

static int count_row(const struct database_row *row, void *arg)
{
    size_t *count = arg;

    (void)row;
    (*count)++;
    return 0;
}

/* A captured writer owns its file: what stands in a table's place must not be run. */
static void test_a_view_is_no_table(void **state)
{
    static const char *const hostile[] = {
        "CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), rev BIGINT NOT "
        "NULL);"
        "INSERT INTO revision (one, rev) VALUES (1, 0);"
        "CREATE VIEW things AS SELECT 'a' AS name, 1 AS number;",
        NULL,
    };
    struct place *place = *state;
    struct database *writer = NULL;
    struct database *reader = NULL;
    size_t count = 0;

    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_WRITER, hostile, &writer), 0);
    assert_int_equal(
        database_open(place->folder, "x.db", DATABASE_READER, schema, &reader), 0);
    assert_int_not_equal(
        database_query(reader, "SELECT name FROM things", count_row, &count, ""), 0);
    assert_int_equal(count, 0);
    database_close(reader);
    database_close(writer);
}

/* The schemas of the project apply from nothing. */
static void test_schemas(void **state)
{
    struct place *place = *state;
    const char *const *const schemas[] = {schema_front, schema_issuer, schema_admin};

    for (size_t i = 0; i < 3; i++) {
        struct database *database = NULL;
        char name[8];

        snprintf(name, sizeof(name), "%c.db", "xyz"[i]);
        assert_int_equal(
            database_open(place->folder, name, DATABASE_WRITER, schemas[i], &database),
            0);
        assert_int_equal(revision(database), 0);
        database_close(database);
    }
    char path[128];
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/z.db%s", place->folder, ends[i]);
        (void)unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reader_sees_commits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_transactions_do_not_nest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moved_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reader_before_and_after_writer, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queries_nest_and_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaced_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reader_of_another_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_view_is_no_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_schemas, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

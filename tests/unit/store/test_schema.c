/* What is asked again and again must be found by an index: readers follow each table by
 * revision, many times a second. */
#include "relay/store/schema.h"

#include "relay/store/database.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* One plan per table that is followed; the text is SQLite's. */
static const struct {
    const char *file;
    const char *const *migrations;
    const char *sql;
} followed[] = {
#define FOLLOW(file, migrations, table)                                                  \
    {                                                                                    \
        file, migrations,                                                                \
            "EXPLAIN QUERY PLAN SELECT * FROM " table                                    \
            " WHERE rev > ? AND zone = ? ORDER BY rev"                                   \
    }
    FOLLOW("front.db", schema_front, "accounts"),
    FOLLOW("front.db", schema_front, "requests"),
    FOLLOW("front.db", schema_front, "addresses"),
    FOLLOW("issuer.db", schema_issuer, "orders"),
    FOLLOW("issuer.db", schema_issuer, "certificates"),
    FOLLOW("issuer.db", schema_issuer, "challenges"),
    FOLLOW("issuer.db", schema_issuer, "revocations"),
    FOLLOW("admin.db", schema_admin, "blocks"),
    FOLLOW("admin.db", schema_admin, "tokens"),
};

struct plan {
    char text[1024];
};

static int read_step(const struct database_row *row, void *arg)
{
    struct plan *plan = arg;
    size_t size = strlen(plan->text);
    snprintf(plan->text + size, sizeof(plan->text) - size, "%s; ", database_text(row, 3));
    return 0;
}

static void remove_files(const char *folder, const char *name)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s/%s%s", folder, name, ends[i]);
        (void)unlink(path);
    }
}

static void test_news_are_found_by_index(void **state)
{
    char folder[] = "/tmp/latchkey-schema-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(followed) / sizeof(followed[0]); i++) {
        struct database *database = NULL;
        struct plan plan = {""};
        assert_int_equal(database_open(folder, followed[i].file, DATABASE_WRITER,
                                       followed[i].migrations, &database),
                         0);
        assert_int_equal(database_query(database, followed[i].sql, read_step, &plan, "it",
                                        (int64_t)5, "zone"),
                         0);
        if (strstr(plan.text, "(zone=? AND rev>?)") == NULL ||
            strstr(plan.text, "TEMP B-TREE") != NULL) {
            fail_msg("%s: %s", followed[i].sql, plan.text);
        }
        database_close(database);
        remove_files(folder, followed[i].file);
    }
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_news_are_found_by_index)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

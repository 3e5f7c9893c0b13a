/* Places among those of all zones that share the CA's limit, and what a long listing costs. */
#include "relay/admin/admin_queue.h"

#include "base/core/text.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CA "https://ca.example/dir"

enum { TICKETS = 2400, ZONES = 3, COUNTS_MAX = 40 };

static char zone_names[ZONES][24] = {"a.example.com", "b.example.com", "c.example.com"};
static char domain[] = "example.com";
static char directory[] = CA;
static unsigned count_calls;

int __real_queue_store_count_ahead(struct database *database, const char *zone,
                                   int64_t ticket, int64_t *ret_count);
int __wrap_queue_store_count_ahead(struct database *database, const char *zone,
                                   int64_t ticket, int64_t *ret_count);

int __wrap_queue_store_count_ahead(struct database *database, const char *zone,
                                   int64_t ticket, int64_t *ret_count)
{
    count_calls++;
    return __real_queue_store_count_ahead(database, zone, ticket, ret_count);
}

/* Whose TICKET is: by turns, long stretches without one of the first zone, then its alone. */
static unsigned zone_of(int64_t ticket)
{
    if (ticket < 20) {
        return ticket % ZONES;
    }
    if (ticket < 1000) {
        return 1 + ticket % 2;
    }
    return ticket < 2000 ? ticket % ZONES : 0;
}

static void fill(const char *folder)
{
    struct database *issuer = NULL;
    int64_t rev = 0;

    assert_int_equal(
        database_open(folder, "issuer.db", DATABASE_WRITER, schema_issuer, &issuer), 0);
    assert_int_equal(database_begin(issuer, &rev), 0);
    for (int64_t ticket = 0; ticket < TICKETS; ticket++) {
        char id[24];
        const struct queue_store_place place = {
            .ticket = ticket, .id = id, .reason = "why"};

        assert_true(text_format(id, sizeof(id), "device-%d", (int)ticket));
        assert_int_equal(
            queue_store_add(issuer, zone_names[zone_of(ticket)], rev, &place), 0);
    }
    assert_int_equal(database_commit(issuer), 0);
    database_close(issuer);
}

/* What `queue --json` with LIMIT prints. */
static json_t *list(const struct relay_config *config, const char *limit)
{
    char option[32];
    char command[] = "queue";
    char json[] = "--json";
    char *arguments[] = {command, json, option, NULL};
    FILE *file = tmpfile();
    json_t *printed = NULL;
    int kept = dup(STDOUT_FILENO);

    assert_true(text_format(option, sizeof(option), "--limit=%s", limit));
    assert_non_null(file);
    assert_true(kept >= 0);
    fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    assert_int_equal(admin_queue_run(config, 3, arguments), EXIT_SUCCESS);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    rewind(file);
    printed = json_loadf(file, 0, NULL);
    fclose(file);
    assert_non_null(printed);
    return printed;
}

static void check(const struct relay_config *config, const char *limit)
{
    json_t *printed = NULL;
    json_t *queue = NULL;
    size_t next = 0;

    count_calls = 0;
    printed = list(config, limit);
    assert_true(count_calls <= COUNTS_MAX);
    assert_int_equal(json_integer_value(json_object_get(printed, "waitingInAll")),
                     TICKETS);
    queue = json_object_get(printed, "queue");
    for (int64_t ticket = 0; ticket < TICKETS && next < json_array_size(queue);
         ticket++) {
        if (strcmp(zone_names[zone_of(ticket)], config->zone) == 0) {
            json_t *place = json_array_get(queue, next++);

            assert_int_equal(json_integer_value(json_object_get(place, "place")),
                             ticket + 1);
        }
    }
    assert_true(next == strtoul(limit, NULL, 10) || next > 300);
    json_decref(printed);
}

static void test_places(void **state)
{
    char folder[] = "/tmp/latchkey-queue-XXXXXX";
    struct relay_config configs[ZONES];

    (void)state;
    assert_non_null(mkdtemp(folder));
    fill(folder);
    memset(configs, 0, sizeof(configs));
    for (unsigned i = 0; i < ZONES; i++) {
        configs[i].zone = zone_names[i];
        configs[i].store = folder;
        configs[i].registered_domain = domain;
        configs[i].ca_directory = directory;
        configs[i].budgets = true;
        configs[i].budget_certificates_week = 50;
        configs[i].first = configs;
        configs[i].next = i + 1 < ZONES ? &configs[i + 1] : NULL;
    }
    for (unsigned i = 0; i < ZONES; i++) {
        check(&configs[i], "1000000");
        check(&configs[i], "30");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_places)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

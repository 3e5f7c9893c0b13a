#include "relay/admin/admin_queue.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 1000000, JSON_BYTES = 64 << 20 };

struct listing {
    int64_t shown;
    json_t *places; /* NULL: a table for people */
};

static int add_json(struct listing *listing, const struct queue_store_place *place)
{
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY : json_set_text(object, "id", place->id);

    if (error == 0) {
        error = json_set_i64(object, "place", listing->shown);
    }
    if (error == 0) {
        error = json_set_text(object, "reason", place->reason);
    }
    if (error == 0) {
        error = json_set_i64(object, "askedAt", place->asked_at);
    }
    if (error == 0) {
        error = json_set_i64(object, "announcedAt", place->turn_at);
    }
    if (error == 0) {
        error = json_set_i64(object, "keptUntil", place->kept_until_at);
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    return json_array_append_new(listing->places, object) == 0 ? 0 : ERROR_MEMORY;
}

static int take_place(const struct queue_store_place *place, void *arg)
{
    struct listing *listing = arg;
    char asked[TEXT_TIME_CAPACITY];
    char turn[TEXT_TIME_CAPACITY];

    listing->shown++;
    if (listing->places != NULL) {
        return add_json(listing, place);
    }
    if (listing->shown == 1) {
        printf("%6s  %-32s  %-20s  %-20s  %s\n", "PLACE", "DEVICE", "WAITS SINCE",
               "ANNOUNCED", "FOR");
    }
    text_time(place->asked_at, asked);
    text_time(place->turn_at, turn);
    printf("%6" PRId64 "  %-32s  %s  %s%s  %s\n", listing->shown, place->id, asked, turn,
           place->turn_at <= clock_wall_at() ? " (due)" : "", place->reason);
    return 0;
}

static int print_json(const struct listing *listing, int64_t total)
{
    struct buffer text = buffer_init(JSON_BYTES);
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY : json_set_i64(object, "waiting", total);

    if (error == 0) {
        error = json_set_take(object, "queue", json_incref(listing->places));
    }
    if (error == 0) {
        error = json_dump(object, &text);
    }
    if (error == 0) {
        puts(buffer_text(&text));
    }
    json_decref(object);
    buffer_free(&text);
    return error;
}

static int show(const struct relay_config *config, int64_t limit, bool json)
{
    struct database *issuer = NULL;
    struct listing listing = {.places = json ? json_array() : NULL};
    int64_t total = 0;
    bool has = false;
    int error = json && listing.places == NULL ? ERROR_MEMORY : 0;

    if (error == 0) {
        error = database_open(config->store, "issuer.db", DATABASE_READER, schema_issuer,
                              &issuer);
    }
    if (error == 0) {
        error = database_has_table(issuer, "queue", &has);
    }
    if (error == 0 && has) {
        error = queue_store_count_ahead(issuer, config->zone, INT64_MAX, &total);
    }
    if (error == 0 && has) {
        error = queue_store_places(issuer, config->zone, limit, take_place, &listing);
    }
    error = error == ERROR_NOT_FOUND ? 0 : error; /* the issuer has not run yet */
    if (error == 0 && json) {
        error = print_json(&listing, total);
    } else if (error == 0 && total == 0) {
        printf("nobody waits\n");
    } else if (error == 0 && total > listing.shown) {
        printf("... and %" PRId64 " more (--limit N)\n", total - listing.shown);
    }
    json_decref(listing.places);
    database_close(issuer);
    return error;
}

int admin_queue_run(const struct relay_config *config, int argc, char **argv)
{
    static const struct option options[] = {{"limit", required_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    uint64_t limit = LIMIT_DEFAULT;
    bool json = false;
    bool good = true;
    int error = 0;

    optind = 1;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1 && good;
         c = getopt_long(argc, argv, "", options, NULL)) {
        json = json || c == 'j';
        good = c == 'j' || (c == 'n' && text_u64(optarg, LIMIT_MAX, &limit) == 0);
    }
    if (!good || optind != argc) {
        fprintf(stderr, "latchkey-relay: queue takes --limit N and --json\n");
        return 2;
    }
    error = show(config, (int64_t)limit, json);
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: the queue in '%s' can't be read: %s\n",
                config->store, error_text(error));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

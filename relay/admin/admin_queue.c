/* All is read before anything is printed: a pager that is left open must hold nothing of the
 * store. */
#include "relay/admin/admin_queue.h"

#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/admin/admin_output.h"
#include "relay/store/queue_store.h"
#include "relay/store/schema.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT_DEFAULT = 50,
    LIMIT_MAX = 1000000,
    TEXT_BYTES = 256 << 20, /* a million lines */
    REASON_CAPACITY = 96,
    TICKETS_AT_ONCE = 256,
};

/* The queue of another zone that shares the CA's limit, followed in the order of tickets: asking
 * the store for each place that is shown would keep it busy for a long listing. */
struct neighbour {
    int64_t ahead; /* before those of TICKETS that are still to come */
    bool is_whole; /* nothing is behind TICKETS */
    size_t next;
    size_t count;
    int64_t tickets[TICKETS_AT_ONCE];
};

struct listing {
    struct database *issuer;
    const struct relay_config *config;
    struct relay_config_share share;
    int64_t shown;
    int64_t place; /* of the one that is shown: among all that share the CA's limit */
    int64_t waiting_in_all;
    struct neighbour neighbours[RELAY_CONFIG_ZONES_MAX - 1]; /* of the share's others */
    json_t *places; /* NULL: a table for people, into text */
    struct buffer text;
};

static int add_json(struct listing *listing, const struct queue_store_place *place)
{
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY : json_set_text(object, "id", place->id);

    if (error == 0) {
        error = json_set_i64(object, "place", listing->place);
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

/* How many wait in the queues of the zones that share the CA's limit. */
static int count_others(const struct listing *listing, int64_t *ret_count)
{
    int64_t sum = 0;
    int error = 0;

    for (size_t i = 0; error == 0 && i < listing->share.other_count; i++) {
        int64_t count = 0;

        error = queue_store_count_ahead(listing->issuer, listing->share.others[i],
                                        INT64_MAX, &count);
        sum += count;
    }
    *ret_count = sum;
    return error;
}

static int take_ticket(const struct queue_store_place *place, void *arg)
{
    struct neighbour *neighbour = arg;

    neighbour->tickets[neighbour->count++] = place->ticket;
    return 0;
}

/* Goes on to TICKET in the queue of ZONE. What is skipped is counted, not read. */
static int follow(struct database *issuer, const char *zone, int64_t ticket,
                  struct neighbour *neighbour)
{
    int error = 0;

    while (neighbour->next < neighbour->count &&
           neighbour->tickets[neighbour->next] < ticket) {
        neighbour->next++;
        neighbour->ahead++;
    }
    if (neighbour->next < neighbour->count || neighbour->is_whole) {
        return 0;
    }
    neighbour->next = 0;
    neighbour->count = 0;
    error = queue_store_count_ahead(issuer, zone, ticket, &neighbour->ahead);
    if (error == 0) {
        error = queue_store_places_after(issuer, zone, ticket - 1, TICKETS_AT_ONCE,
                                         take_ticket, neighbour);
    }
    neighbour->is_whole = neighbour->count < TICKETS_AT_ONCE;
    return error;
}

/* How many of other zones are before TICKET, which is above that of the last call. */
static int count_before(struct listing *listing, int64_t ticket, int64_t *ret_count)
{
    int64_t sum = 0;
    int error = 0;

    for (size_t i = 0; error == 0 && i < listing->share.other_count; i++) {
        error = follow(listing->issuer, listing->share.others[i], ticket,
                       &listing->neighbours[i]);
        sum += listing->neighbours[i].ahead;
    }
    *ret_count = sum;
    return error;
}

static int take_place(const struct queue_store_place *place, void *arg)
{
    struct listing *listing = arg;
    char asked[TEXT_TIME_CAPACITY];
    char turn[TEXT_TIME_CAPACITY];
    char reason[REASON_CAPACITY];
    int64_t others = 0;
    int error = count_before(listing, place->ticket, &others);

    if (error != 0) {
        return error;
    }
    listing->place = ++listing->shown + others;
    if (listing->places != NULL) {
        return add_json(listing, place);
    }
    if (listing->shown == 1) {
        buffer_printf(&listing->text, "%6s  %-32s  %-20s  %-20s  %s\n", "PLACE", "DEVICE",
                      "WAITS SINCE", "ANNOUNCED", "FOR");
    }
    text_time(place->asked_at, asked);
    text_time(place->turn_at, turn);
    text_printable(reason, sizeof(reason), place->reason, strlen(place->reason));
    return buffer_printf(&listing->text, "%6" PRId64 "  %-32s  %s  %s%s  %s\n",
                         listing->place, place->id, asked, turn,
                         place->turn_at <= clock_wall_at() ? " (due)" : "", reason);
}

static int print_json(struct listing *listing, int64_t total)
{
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY : json_set_i64(object, "waiting", total);

    if (error == 0) {
        error = json_set_i64(object, "waitingInAll", listing->waiting_in_all);
    }
    if (error == 0) {
        error = admin_output_share(object, listing->config);
    }
    if (error == 0) {
        error = json_set_take(object, "queue", json_incref(listing->places));
    }
    if (error == 0) {
        error = json_dump(object, &listing->text);
    }
    if (error == 0) {
        puts(buffer_text(&listing->text));
    }
    json_decref(object);
    return error;
}

static int read_queue(struct listing *listing, int64_t limit, int64_t *ret_total)
{
    const struct relay_config *config = listing->config;
    int64_t others = 0;
    bool has = false;
    int error = database_open(config->store, "issuer.db", DATABASE_READER, schema_issuer,
                              &listing->issuer);

    if (error == 0) {
        error = database_has_table(listing->issuer, "queue", &has);
    }
    if (error == 0 && has) {
        error =
            queue_store_count_ahead(listing->issuer, config->zone, INT64_MAX, ret_total);
    }
    if (error == 0 && has) {
        error = count_others(listing, &others);
    }
    if (error == 0 && has) {
        error =
            queue_store_places(listing->issuer, config->zone, limit, take_place, listing);
    }
    listing->waiting_in_all = *ret_total + others;
    return error == ERROR_NOT_FOUND ? 0 : error; /* the issuer has not run yet */
}

static void print_rest(const struct listing *listing, int64_t total)
{
    char others[ADMIN_OUTPUT_ZONES_CAPACITY];

    fputs(buffer_text(&listing->text), stdout);
    if (total == 0) {
        printf("nobody waits\n");
    } else if (total > listing->shown) {
        printf("... and %" PRId64 " more (--limit N)\n", total - listing->shown);
    }
    if (listing->share.other_count > 0) {
        admin_output_others(&listing->share, ", ", others);
        printf("The CA counts new certificates for '%s', so places are among those of %s "
               "too: "
               "%" PRId64 " wait in all.\n",
               listing->config->registered_domain, others, listing->waiting_in_all);
    }
}

static int show(const struct relay_config *config, int64_t limit, bool json)
{
    struct listing listing = {.config = config,
                              .share = relay_config_zones_share(config),
                              .places = json ? json_array() : NULL,
                              .text = buffer_init(TEXT_BYTES)};
    int64_t total = 0;
    int error = json && listing.places == NULL ? ERROR_MEMORY : 0;

    if (error == 0) {
        error = read_queue(&listing, limit, &total);
    }
    if (error == 0 && json) {
        error = print_json(&listing, total);
    } else if (error == 0) {
        print_rest(&listing, total);
    }
    json_decref(listing.places);
    buffer_free(&listing.text);
    database_close(listing.issuer);
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

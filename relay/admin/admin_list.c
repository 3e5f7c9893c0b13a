/* One filter gives the candidates, from its own index where it has one; the others are looked
 * at for each of them. Without a filter, candidates come in pages in order of id, so that a
 * list can be gone through with --after while devices come and go. */
#include "relay/admin/admin_list.h"

#include "base/core/text.h"
#include "relay/admin/admin_device.h"
#include "relay/admin/admin_output.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { PAGE = 500, LIMIT_DEFAULT = 1000, DAYS_MAX = 36500, DAY_S = 86400 };

#define LIST_USAGE                                                                       \
    "list takes --expiring DAYS, --blocked, --waiting, --clones, --token KID, --limit "  \
    "N (0: "                                                                             \
    "all), --after ID and --json"

struct list {
    struct admin_stores stores;
    const char *token; /* NULL: any */
    const char *after;
    uint64_t expiring_days;
    uint64_t limit; /* 0: none */
    bool expiring;
    bool blocked;
    bool waiting;
    bool clones;
    bool json;
    bool with_zone; /* several are listed */
    uint64_t count;
    bool is_full;
    bool has_header;
    int error;
    char page[PAGE][LANNAME_ID_SIZE + 1];
    size_t page_count;
};

/* ---- one device ---- */

static bool fits(const struct list *list, const struct admin_device *device)
{
    int64_t until_at = list->stores.now_at + (int64_t)list->expiring_days * DAY_S;

    return (device->has_account || list->blocked) &&
           (!list->blocked || device->blocked) &&
           (!list->waiting || device->waiting_since_at != 0) &&
           (!list->clones || device->cloned) &&
           (list->token == NULL || strcmp(list->token, device->token) == 0) &&
           (!list->expiring ||
            (device->not_after_at != 0 && device->not_after_at <= until_at));
}

static void print_header(struct list *list)
{
    if (!list->has_header) {
        printf("%-32s  %-11s  %-10s  CERTIFICATE\n", "ID", "STATUS", "SINCE");
    }
    list->has_header = true;
}

/* 75 columns, and notes behind. */
static void print_device(struct list *list, const struct admin_device *device)
{
    char since[TEXT_TIME_CAPACITY] = "-";
    char life[40];
    char waits[ADMIN_OUTPUT_SPAN_CAPACITY];

    print_header(list);
    if (device->created_at != 0) {
        admin_output_date(device->created_at, since);
    }
    admin_device_life(&list->stores, device, life);
    printf("%-32s  %-11s  %-10s  %s", device->id, admin_device_status(device), since,
           life);
    if (device->cloned) {
        printf("  CLONED");
    }
    if (device->waiting_since_at != 0) {
        admin_output_span(list->stores.now_at - device->waiting_since_at, waits);
        printf("  waits for %s", waits);
    }
    if (list->with_zone) {
        printf("  %s", list->stores.zone);
    }
    putchar('\n');
}

/* A negative result ends the query: an error, or that there is enough. */
static int take(struct list *list, const char *id)
{
    struct admin_device device;

    list->error = admin_device_load(&list->stores, id, &device);
    if (list->error != 0 || !fits(list, &device)) {
        return list->error;
    }
    if (list->limit != 0 && list->count == list->limit) {
        list->is_full = true;
        return ERROR_LIMIT;
    }
    list->count++;
    if (list->json) {
        list->error = admin_output_line(admin_device_json(&list->stores, &device));
    } else {
        print_device(list, &device);
    }
    return list->error;
}

/* ---- candidates ---- */

static int take_life(const struct issuer_store_life *life, void *arg)
{
    return take(arg, life->id);
}

static int take_place(const struct queue_store_place *place, void *arg)
{
    return take(arg, place->id);
}

static int walk_queue(struct list *list)
{
    struct admin_stores *stores = &list->stores;
    bool has = false;
    int error =
        stores->issuer == NULL ? 0 : database_has_table(stores->issuer, "queue", &has);

    return error != 0 || !has ? error
                              : queue_store_places(stores->issuer, stores->zone,
                                                   INT64_MAX, take_place, list);
}

static int page_id(const char *id, void *arg)
{
    struct list *list = arg;

    return text_copy(list->page[list->page_count++], LANNAME_ID_SIZE + 1, id)
               ? 0
               : ERROR_SYNTAX;
}

static int page_block(const struct admin_store_block *block, void *arg)
{
    return page_id(block->id, arg);
}

static int fill_page(struct list *list, const char *after)
{
    struct admin_stores *stores = &list->stores;

    list->page_count = 0;
    if (list->blocked) {
        return stores->admin == NULL
                   ? 0
                   : admin_store_blocks_after(stores->admin, stores->zone, after, PAGE,
                                              page_block, list);
    }
    if (stores->front == NULL) {
        return 0;
    }
    if (list->clones) {
        return front_store_ids_cloned(stores->front, stores->zone, after, PAGE, page_id,
                                      list);
    }
    if (list->token != NULL) {
        return front_store_ids_of_token(stores->front, stores->zone, list->token, after,
                                        PAGE, page_id, list);
    }
    return front_store_ids(stores->front, stores->zone, "", after, PAGE, page_id, list);
}

static int walk_pages(struct list *list)
{
    char after[LANNAME_ID_SIZE + 1];
    int error = text_copy(after, sizeof(after), list->after) ? 0 : ERROR_RANGE;

    do {
        if (error == 0) {
            error = fill_page(list, after);
        }
        for (size_t i = 0; error == 0 && i < list->page_count; i++) {
            error = take(list, list->page[i]);
        }
        if (error == 0 && list->page_count > 0) {
            memcpy(after, list->page[list->page_count - 1], sizeof(after));
        }
    } while (error == 0 && list->page_count == PAGE);
    return error;
}

static int walk(struct list *list)
{
    struct admin_stores *stores = &list->stores;
    int64_t until_at = stores->now_at + (int64_t)list->expiring_days * DAY_S;
    int error = 0;

    if (list->waiting) {
        error = walk_queue(list);
    } else if (list->expiring && !list->blocked && !list->clones && list->token == NULL) {
        error = stores->issuer == NULL
                    ? 0
                    : issuer_store_ending(stores->issuer, stores->zone, until_at,
                                          INT64_MAX, take_life, list);
    } else {
        error = walk_pages(list);
    }
    return list->is_full ? 0 : error;
}

/* ---- the command ---- */

static bool parse_options(int argc, char **argv, struct list *list)
{
    static const struct option options[] = {{"expiring", required_argument, NULL, 'e'},
                                            {"blocked", no_argument, NULL, 'b'},
                                            {"waiting", no_argument, NULL, 'w'},
                                            {"clones", no_argument, NULL, 'c'},
                                            {"token", required_argument, NULL, 't'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {"after", required_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    bool good = true;

    optind = 0; /* begins anew, and options may follow arguments again */
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1 && good;
         c = getopt_long(argc, argv, "", options, NULL)) {
        list->blocked = list->blocked || c == 'b';
        list->waiting = list->waiting || c == 'w';
        list->clones = list->clones || c == 'c';
        list->json = list->json || c == 'j';
        list->expiring = list->expiring || c == 'e';
        list->token = c == 't' ? optarg : list->token;
        list->after = c == 'a' ? optarg : list->after;
        good = c != '?' &&
               (c != 'e' || text_u64(optarg, DAYS_MAX, &list->expiring_days) == 0) &&
               (c != 'l' || text_u64(optarg, INT64_MAX, &list->limit) == 0) &&
               (c != 'a' || strlen(optarg) <= LANNAME_ID_SIZE);
    }
    return good && optind == argc;
}

static int list_zone(struct list *list, const struct relay_config *config)
{
    int error = admin_stores_open(config, &list->stores);
    int status = error != 0 ? ADMIN_FAILED : ADMIN_DONE;

    if (error == 0) {
        error = walk(list);
        status = error == 0 ? ADMIN_DONE
                            : admin_stores_fail("can't read the store", error, NULL);
    }
    admin_stores_close(&list->stores);
    return status;
}

int admin_list_run(const struct relay_config *config, bool all_zones, int argc,
                   char **argv)
{
    struct list list = {.after = "", .limit = LIMIT_DEFAULT};
    int status = ADMIN_DONE;

    if (!parse_options(argc, argv, &list)) {
        return admin_stores_usage(LIST_USAGE);
    }
    list.with_zone = all_zones && config->next != NULL;
    do {
        status = list_zone(&list, config);
        config = config->next;
    } while (status == ADMIN_DONE && all_zones && config != NULL && !list.is_full);
    if (list.is_full) {
        fprintf(stderr, "%llu devices; there are more: --limit 0 shows all\n",
                (unsigned long long)list.count);
    } else if (status == ADMIN_DONE) {
        fprintf(stderr, "%llu device%s\n", (unsigned long long)list.count,
                list.count == 1 ? "" : "s");
    }
    return status;
}

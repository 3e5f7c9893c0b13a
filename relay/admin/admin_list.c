/* One filter gives the candidates, a page at a time, from its own index where it has one; the
 * others are looked at for each of them. Without a filter they come in order of id, so that a list
 * can be gone through with --after while devices come and go. */
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
    struct admin_device page[PAGE];
    size_t page_count;
    /* The last one of the page before. */
    char after_id[LANNAME_ID_SIZE + 1];
    int64_t after_at;
    int64_t after_ticket;
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

static int show(struct list *list, const struct admin_device *device)
{
    list->count++;
    if (list->json) {
        return admin_output_line(admin_device_json(&list->stores, device));
    }
    print_device(list, device);
    return 0;
}

/* ---- candidates ---- */

static int page_id(const char *id, void *arg)
{
    struct list *list = arg;
    struct admin_device *device = &list->page[list->page_count++];

    return text_copy(device->id, sizeof(device->id), id) ? 0 : ERROR_SYNTAX;
}

static int page_block(const struct admin_store_block *block, void *arg)
{
    return page_id(block->id, arg);
}

static int page_life(const struct issuer_store_life *life, void *arg)
{
    struct list *list = arg;

    list->after_at = life->not_after_at;
    return page_id(life->id, arg);
}

static int page_place(const struct queue_store_place *place, void *arg)
{
    struct list *list = arg;

    list->after_ticket = place->ticket;
    return page_id(place->id, arg);
}

static int page_queue(struct list *list)
{
    const struct admin_stores *stores = &list->stores;
    bool has = false;
    int error =
        stores->issuer == NULL ? 0 : database_has_table(stores->issuer, "queue", &has);

    return error != 0 || !has
               ? error
               : queue_store_places_after(stores->issuer, stores->zone,
                                          list->after_ticket, PAGE, page_place, list);
}

static int page_ending(struct list *list)
{
    const struct admin_stores *stores = &list->stores;
    const struct issuer_store_ending_page page = {
        .until_at = stores->now_at + (int64_t)list->expiring_days * DAY_S,
        .after_at = list->after_at,
        .after_id = list->after_id,
        .limit = PAGE,
    };

    return stores->issuer == NULL ? 0
                                  : issuer_store_ending(stores->issuer, stores->zone,
                                                        &page, page_life, list);
}

static int page_ids(struct list *list)
{
    const struct admin_stores *stores = &list->stores;
    const char *after = list->after_id;

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

/* The next page, and what is known of each device on it. */
static int load_page(struct list *list)
{
    int error = list->waiting ? page_queue(list)
                : list->expiring && !list->blocked && !list->clones && list->token == NULL
                    ? page_ending(list)
                    : page_ids(list);

    for (size_t i = 0; error == 0 && i < list->page_count; i++) {
        struct admin_device *device = &list->page[i];

        memcpy(list->after_id, device->id, sizeof(device->id));
        error = admin_device_load(&list->stores, list->after_id, device);
    }
    return error;
}

/* What is read is released before anything is printed: whoever reads the output may stop. */
static int walk(struct list *list)
{
    int error =
        text_copy(list->after_id, sizeof(list->after_id), list->after) ? 0 : ERROR_RANGE;

    list->after_at = INT64_MIN;
    list->after_ticket = -1;
    do {
        list->page_count = 0;
        if (error == 0) {
            error = admin_stores_hold(&list->stores);
        }
        if (error == 0) {
            error = load_page(list);
            admin_stores_release(&list->stores);
        }
        for (size_t i = 0; error == 0 && !list->is_full && i < list->page_count; i++) {
            if (!fits(list, &list->page[i])) {
                continue;
            }
            list->is_full = list->limit != 0 && list->count == list->limit;
            error = list->is_full ? 0 : show(list, &list->page[i]);
        }
    } while (error == 0 && !list->is_full && list->page_count == PAGE);
    return error;
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

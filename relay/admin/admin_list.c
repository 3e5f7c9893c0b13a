/* Reads all three files, each of which may not be there yet: an operator who looks before
 * the first device came must see an empty list, not an error. */
#include "relay/admin/admin_list.h"

#include "base/core/clock.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000, HISTORY = 10 };

struct listing {
    const char *zone;
    struct database *front;
    struct database *issuer;
    struct database *admin;
    int64_t now_at;
    int64_t after_rev;
    size_t count;
};

static int open_one(const struct relay_config *config, const char *name,
                    const char *const *migrations, struct database **ret_database)
{
    int result =
        database_open(config->store, name, DATABASE_READER, migrations, ret_database);
    if (result == 0 || result == ERROR_NOT_FOUND) {
        return 0;
    }
    fprintf(stderr, "latchkey-relay: can't read '%s/%s': %s\n", config->store, name,
            error_text(result));
    return result;
}

static int listing_open(const struct relay_config *config, struct listing *ret_listing)
{
    *ret_listing = (struct listing){.zone = config->zone, .now_at = clock_wall_at()};
    int result = open_one(config, "front.db", schema_front, &ret_listing->front);
    if (result == 0) {
        result = open_one(config, "issuer.db", schema_issuer, &ret_listing->issuer);
    }
    if (result == 0) {
        result = open_one(config, "admin.db", schema_admin, &ret_listing->admin);
    }
    return result;
}

static void listing_close(struct listing *listing)
{
    database_close(listing->front);
    database_close(listing->issuer);
    database_close(listing->admin);
}

static int copy_expiry(const struct issuer_store_certificate *certificate, void *arg)
{
    int64_t *not_after_at = arg;
    *not_after_at = certificate->not_after_at;
    return 0;
}

/* "expires ...", "expired ..." or "none" for the current certificate of ID. */
static int describe_certificate(const struct listing *listing, const char *id,
                                char ret_text[static 64])
{
    int64_t not_after_at = 0;
    char time[TEXT_TIME_CAPACITY];
    int result = listing->issuer == NULL
                     ? ERROR_NOT_FOUND
                     : issuer_store_current_certificate(listing->issuer, listing->zone,
                                                        id, copy_expiry, &not_after_at);
    if (result == ERROR_NOT_FOUND) {
        text_copy(ret_text, 64, "none");
        return 0;
    }
    if (result != 0) {
        return result;
    }
    text_time(not_after_at, time);
    bool expired = not_after_at <= listing->now_at;
    return text_format(ret_text, 64, "%s %s", expired ? "expired" : "expires", time)
               ? 0
               : ERROR_LIMIT;
}

static int is_blocked(const struct listing *listing, const char *id, bool *ret_blocked)
{
    *ret_blocked = false;
    return listing->admin == NULL
               ? 0
               : admin_store_is_blocked(listing->admin, listing->zone, id, ret_blocked);
}

/* Whether ID seems to be several devices with one key, see relay/front/receipt.h. */
static int is_cloned(const struct listing *listing, const char *id, bool *ret_cloned)
{
    struct front_store_receipt receipt = {.cloned_at = 0};
    int64_t settled_at = 0;
    bool has = false;
    int result = database_has_table(listing->front, "receipts", &has);
    if (result == 0 && has) {
        result = front_store_get_receipt(listing->front, listing->zone, id, &receipt);
    }
    if ((result == 0 || result == ERROR_NOT_FOUND) && listing->admin != NULL) {
        result =
            admin_store_clone_settled_at(listing->admin, listing->zone, id, &settled_at);
    }
    if (result == 0 || result == ERROR_NOT_FOUND) {
        *ret_cloned = front_store_is_cloned(&receipt, settled_at, listing->now_at);
        result = 0;
    }
    return result;
}

static int print_device_line(const struct front_store_account *account, void *arg)
{
    struct listing *listing = arg;
    char certificate[64];
    char created[TEXT_TIME_CAPACITY];
    bool blocked = false;
    bool cloned = false;
    int result = describe_certificate(listing, account->id, certificate);
    if (result == 0) {
        result = is_blocked(listing, account->id, &blocked);
    }
    if (result == 0) {
        result = is_cloned(listing, account->id, &cloned);
    }
    if (result != 0) {
        return result;
    }
    text_time(account->created_at, created);
    printf("%s  %-11s  since %s  certificate %s%s\n", account->id,
           blocked ? "blocked" : account->status, created, certificate,
           cloned ? "  CLONED" : "");
    listing->after_rev = account->rev;
    listing->count++;
    return 0;
}

static int fail(int error)
{
    fprintf(stderr, "latchkey-relay: can't read the store: %s\n", error_text(error));
    return EXIT_FAILURE;
}

int admin_list_devices(const struct relay_config *config)
{
    struct listing listing;
    int result = listing_open(config, &listing);
    size_t before = 0;
    while (result == 0 && listing.front != NULL) {
        before = listing.count;
        result =
            front_store_accounts_since(listing.front, listing.zone, listing.after_rev,
                                       PAGE, print_device_line, &listing);
        if (listing.count == before) {
            break;
        }
    }
    if (result == 0) {
        fprintf(stderr, "%zu device%s\n", listing.count, listing.count == 1 ? "" : "s");
    }
    listing_close(&listing);
    return result == 0 ? EXIT_SUCCESS : fail(result);
}

static int print_account(const struct front_store_account *account, void *arg)
{
    char created[TEXT_TIME_CAPACITY];
    (void)arg;
    text_time(account->created_at, created);
    printf("id        %s\nstatus    %s\nsince     %s\ntoken     %s\n", account->id,
           account->status, created,
           account->token[0] != '\0' ? account->token : "none (open enrolment)");
    return 0;
}

static int print_addresses(const struct front_store_addresses *addresses, void *arg)
{
    char published[TEXT_TIME_CAPACITY];
    (void)arg;
    text_time(addresses->published_at, published);
    printf("addresses %s (published %s)\n",
           addresses->gone || addresses->addresses[0] == '\0' ? "none"
                                                              : addresses->addresses,
           published);
    return 0;
}

static int print_order(const struct issuer_store_order *order, void *arg)
{
    char created[TEXT_TIME_CAPACITY];
    char problem[LIMIT_DETAIL_BYTES];
    (void)arg;
    text_time(order->created_at, created);
    text_printable(problem, sizeof(problem), order->problem, strlen(order->problem));
    printf("order     %s  %-10s  %s  %s%s%s\n", created,
           issuer_store_state_text(order->state), order->number, order->names,
           problem[0] != '\0' ? "  " : "", problem);
    return 0;
}

static int print_certificate(const struct issuer_store_certificate *certificate,
                             void *arg)
{
    char from[TEXT_TIME_CAPACITY];
    char until[TEXT_TIME_CAPACITY];
    (void)arg;
    text_time(certificate->not_before_at, from);
    text_time(certificate->not_after_at, until);
    printf("cert      %s  %s .. %s  %s%s\n", certificate->serial, from, until,
           certificate->names,
           certificate->revoked_at != 0 ? "  revoked"
           : certificate->replaced      ? "  replaced"
                                        : "");
    return 0;
}

static int print_device(struct listing *listing, const char *id)
{
    bool blocked = false;
    bool cloned = false;
    int result = listing->front == NULL
                     ? ERROR_NOT_FOUND
                     : front_store_get_account(listing->front, listing->zone, id,
                                               print_account, NULL);
    if (result == 0) {
        result = is_blocked(listing, id, &blocked);
    }
    if (result == 0) {
        result = is_cloned(listing, id, &cloned);
    }
    if (result != 0) {
        return result;
    }
    printf("blocked   %s\n", blocked ? "yes" : "no");
    if (cloned) {
        printf("cloned    yes: two devices have this key; factory-reset one, then run "
               "'latchkey-relay settle %s'\n",
               id);
    } else {
        printf("cloned    no\n");
    }
    result = front_store_get_addresses(listing->front, listing->zone, id, print_addresses,
                                       NULL);
    if (result == ERROR_NOT_FOUND) {
        result = 0;
    }
    if (result == 0 && listing->issuer != NULL) {
        result = issuer_store_certificates_of(listing->issuer, listing->zone, id, HISTORY,
                                              print_certificate, NULL);
    }
    if (result == 0 && listing->issuer != NULL) {
        result = issuer_store_orders_of(listing->issuer, listing->zone, id, HISTORY,
                                        print_order, NULL);
    }
    return result;
}

int admin_list_device(const struct relay_config *config, const char *id)
{
    struct listing listing;
    int result = listing_open(config, &listing);
    if (result == 0) {
        result = print_device(&listing, id);
    }
    listing_close(&listing);
    if (result == ERROR_NOT_FOUND) {
        fprintf(
            stderr,
            "latchkey-relay: no device '%s' has enrolled here (latchkey-relay list)\n",
            id);
        return EXIT_FAILURE;
    }
    return result == 0 ? EXIT_SUCCESS : fail(result);
}

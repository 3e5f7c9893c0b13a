#include "relay/admin/admin_audit.h"

#include "base/core/text.h"
#include "relay/admin/admin_output.h"
#include "relay/admin/admin_stores.h"
#include "relay/store/audit_store.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DETAIL_CAPACITY = 1600, LIMIT_DEFAULT = 1000 };

#define AUDIT_USAGE                                                                      \
    "audit takes: list [--after N] [--limit N] [--json], verify [--head HASH], or head"

struct audit_wish {
    const char *head; /* that must be in the chain; NULL: none was kept */
    uint64_t after;
    uint64_t limit;
    bool json;
};

static int print_row(const struct audit_store_row *row, void *arg)
{
    const struct audit_wish *wish = arg;
    char at[TEXT_TIME_CAPACITY];
    char who[ADMIN_WHO_CAPACITY];
    char detail[DETAIL_CAPACITY];
    json_t *object = NULL;
    int error = 0;

    text_time(row->at, at);
    text_printable(who, sizeof(who), row->who, strlen(row->who));
    text_printable(detail, sizeof(detail), row->detail, strlen(row->detail));
    if (!wish->json) {
        printf("%6" PRId64 "  %s  %-12s  %-12s  %s\n", row->number, at, who, row->action,
               detail);
        return 0;
    }
    object = json_object();
    error = object == NULL ? ERROR_MEMORY : json_set_i64(object, "number", row->number);
    if (error == 0) {
        error = json_set_text(object, "at", at);
    }
    if (error == 0) {
        error = json_set_text(object, "who", who);
    }
    if (error == 0) {
        error = json_set_text(object, "action", row->action);
    }
    if (error == 0) {
        error = json_set_text(object, "detail", detail);
    }
    if (error == 0) {
        error = json_set_text(object, "hash", row->hash);
    }
    if (error == 0) {
        error = admin_output_line(json_incref(object));
    }
    json_decref(object);
    return error;
}

static int list(const struct admin_stores *stores, const struct audit_wish *wish)
{
    struct audit_wish copy = *wish;
    int error = audit_store_rows(stores->admin, stores->zone, (int64_t)wish->after,
                                 wish->limit == 0 ? INT64_MAX : (int64_t)wish->limit,
                                 print_row, &copy);

    return error == 0 ? ADMIN_DONE
                      : admin_stores_fail("can't read the audit", error, stores->admin);
}

struct kept {
    const char *hash;
    bool found;
};

static int find_kept(const struct audit_store_row *row, void *arg)
{
    struct kept *kept = arg;

    kept->found = kept->found || strcmp(row->hash, kept->hash) == 0;
    return 0;
}

static int verify(const struct admin_stores *stores, const struct audit_wish *wish)
{
    struct kept kept = {.hash = wish->head, .found = wish->head == NULL};
    struct audit_store_head head = {0};
    int64_t broken = 0;
    int error = audit_store_verify(stores->admin, stores->zone, &head, &broken);

    if (error == 0 && wish->head != NULL) {
        error =
            audit_store_rows(stores->admin, stores->zone, 0, INT64_MAX, find_kept, &kept);
    }
    if (error != 0) {
        return admin_stores_fail("can't read the audit", error, stores->admin);
    }
    if (broken != 0) {
        fprintf(
            stderr,
            "latchkey-relay: audit: row %" PRId64
            " is missing or was altered; the rows before it are as they were written\n",
            broken);
        return ADMIN_FAILED;
    }
    if (!kept.found) {
        fprintf(stderr,
                "latchkey-relay: audit: no row has the hash '%s': the chain was made "
                "anew after it "
                "was kept, or this is another relay's\n",
                wish->head);
        return ADMIN_FAILED;
    }
    printf("good: %" PRId64 " rows%s%s\n", head.number,
           head.number > 0 ? ", the last is " : "", head.hash);
    return ADMIN_DONE;
}

static int print_head(const struct admin_stores *stores)
{
    struct audit_store_head head = {0};
    int error = audit_store_head(stores->admin, stores->zone, &head);

    if (error != 0) {
        return admin_stores_fail("can't read the audit", error, stores->admin);
    }
    printf("%" PRId64 " %s\n", head.number, head.hash[0] != '\0' ? head.hash : "-");
    return ADMIN_DONE;
}

static bool parse_options(int argc, char **argv, struct audit_wish *wish)
{
    static const struct option options[] = {{"after", required_argument, NULL, 'a'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {"head", required_argument, NULL, 'h'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    bool good = true;

    optind = 0; /* begins anew, and options may follow arguments again */
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1 && good;
         c = getopt_long(argc, argv, "", options, NULL)) {
        wish->json = wish->json || c == 'j';
        wish->head = c == 'h' ? optarg : wish->head;
        good = c != '?' && (c != 'a' || text_u64(optarg, INT64_MAX, &wish->after) == 0) &&
               (c != 'l' || text_u64(optarg, INT64_MAX, &wish->limit) == 0);
    }
    return good;
}

int admin_audit_run(const struct relay_config *config, int argc, char **argv)
{
    struct audit_wish wish = {.limit = LIMIT_DEFAULT};
    struct admin_stores stores;
    const char *verb = "list";
    int status = ADMIN_FAILED;

    if (!parse_options(argc, argv, &wish) || argc > optind + 1) {
        return admin_stores_usage(AUDIT_USAGE);
    }
    verb = optind < argc ? argv[optind] : verb;
    if (strcmp(verb, "list") != 0 && strcmp(verb, "verify") != 0 &&
        strcmp(verb, "head") != 0) {
        return admin_stores_usage(AUDIT_USAGE);
    }
    if (admin_stores_open(config, &stores) == 0) {
        status = stores.admin == NULL          ? ADMIN_DONE /* nothing was ever changed */
                 : strcmp(verb, "list") == 0   ? list(&stores, &wish)
                 : strcmp(verb, "verify") == 0 ? verify(&stores, &wish)
                                               : print_head(&stores);
    }
    admin_stores_close(&stores);
    return status;
}

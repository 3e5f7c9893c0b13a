/* Everything is read from the store and its file system: nothing is asked of the network, so
 * that this takes no longer when the network is what fails. */
#include "relay/admin/admin_status.h"

#include "relay/admin/admin_output.h"
#include "relay/admin/admin_stores.h"
#include "relay/store/admin_store.h"
#include "relay/store/census.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

enum level { GOOD, ATTENTION, FAILURE, UNKNOWN };

static const char *const level_texts[] = {[GOOD] = "good",
                                          [ATTENTION] = "attention",
                                          [FAILURE] = "failure",
                                          [UNKNOWN] = "unknown"};

enum {
    TEXT_CAPACITY = 240,
    DAY_S = 86400,
    BACKUP_OLD_S = 36 * 3600,
    BACKUP_FAILED_S = 7 * DAY_S,
    DELEGATION_OLD_S = 30 * DAY_S,
    DISK_LOW_PERCENT = 10,
    DISK_FULL_PERCENT = 3,
};

struct status {
    struct admin_stores stores;
    json_t *checks; /* for programs; NULL: lines for people */
    enum level worst;
    int error;
};

static void say(struct status *status, enum level level, const char *name,
                const char *format, ...) PRINTF_LIKE(4, 5);

static void say(struct status *status, enum level level, const char *name,
                const char *format, ...)
{
    char text[TEXT_CAPACITY];
    json_t *item = NULL;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    status->worst = level > status->worst ? level : status->worst;
    if (status->checks == NULL) {
        printf("%-9s  %-12s  %s\n", level_texts[level], name, text);
        return;
    }
    item = json_object();
    status->error = item == NULL ? ERROR_MEMORY : json_set_text(item, "check", name);
    if (status->error == 0) {
        status->error = json_set_text(item, "level", level_texts[level]);
    }
    if (status->error == 0) {
        status->error = json_set_text(item, "text", text);
    }
    if (status->error == 0 && json_array_append(status->checks, item) != 0) {
        status->error = ERROR_MEMORY;
    }
    json_decref(item);
}

/* "3 days ago" of AT. */
static void ago(const struct status *status, int64_t at,
                char ret_text[static ADMIN_OUTPUT_SPAN_CAPACITY])
{
    int64_t past_s = status->stores.now_at - at;

    admin_output_span(past_s > 0 ? past_s : 0, ret_text);
}

static void check_roles(struct status *status)
{
    static const char *const files[] = {"front.db", "issuer.db"};
    static const char *const roles[] = {"front", "issuer"};

    for (size_t i = 0; i < 2; i++) {
        bool runs = database_has_writer(status->stores.config->store, files[i]);

        say(status, runs ? GOOD : FAILURE, roles[i], runs ? "runs" : "does not run");
    }
}

static void check_certificates(struct status *status)
{
    const struct admin_stores *stores = &status->stores;
    int64_t counts[CENSUS_LIFE_COUNT] = {0};
    int64_t urgent = 0;
    int64_t all = 0;

    if (stores->issuer == NULL) {
        say(status, ATTENTION, "certificates", "the issuer was never started");
        return;
    }
    if (census_certificates(stores->issuer, stores->zone, stores->now_at, counts) != 0) {
        say(status, UNKNOWN, "certificates", "%s", database_error(stores->issuer));
        return;
    }
    for (int i = CENSUS_DAY_1; i < CENSUS_LIFE_COUNT; i++) {
        all += counts[i];
    }
    urgent = counts[CENSUS_DAY_1] + counts[CENSUS_DAY_3];
    say(status, urgent > 0 ? ATTENTION : GOOD, "certificates",
        "%" PRId64 " live; end within 3 days: %" PRId64 ", 7 days: %" PRId64
        ", 30 days: %" PRId64 "; ended: %" PRId64,
        all, urgent, urgent + counts[CENSUS_DAY_7],
        urgent + counts[CENSUS_DAY_7] + counts[CENSUS_DAY_14] + counts[CENSUS_DAY_30],
        counts[CENSUS_EXPIRED]);
}

static int take_first(const struct queue_store_place *place, void *arg)
{
    *(int64_t *)arg = place->asked_at;
    return 0;
}

static void check_queue(struct status *status)
{
    const struct admin_stores *stores = &status->stores;
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];
    int64_t count = 0;
    int64_t first_at = 0;
    bool has = false;

    if (stores->issuer == NULL ||
        database_has_table(stores->issuer, "queue", &has) != 0 || !has) {
        return;
    }
    if (queue_store_count_ahead(stores->issuer, stores->zone, INT64_MAX, &count) != 0 ||
        queue_store_places(stores->issuer, stores->zone, 1, take_first, &first_at) != 0) {
        say(status, UNKNOWN, "queue", "%s", database_error(stores->issuer));
    } else if (count == 0) {
        say(status, GOOD, "queue", "nobody waits");
    } else {
        ago(status, first_at, span);
        say(status, ATTENTION, "queue",
            "%" PRId64 " devices wait for the CA's limits, the first for %s "
            "(latchkey-relay queue)",
            count, span);
    }
}

struct accounts {
    size_t count;
    size_t open;
};

static int take_account(const struct issuer_store_ca_account *account, void *arg)
{
    struct accounts *accounts = arg;

    accounts->count++;
    accounts->open += account->url[0] != '\0' ? 1 : 0;
    return 0;
}

static void check_ca(struct status *status)
{
    const struct admin_stores *stores = &status->stores;
    struct accounts accounts = {0};
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];
    int64_t issued_at = 0;

    if (stores->issuer == NULL) {
        return;
    }
    if (issuer_store_ca_accounts(stores->issuer, stores->zone, take_account, &accounts) !=
            0 ||
        census_last_issued(stores->issuer, stores->zone, &issued_at) != 0) {
        say(status, UNKNOWN, "ca", "%s", database_error(stores->issuer));
        return;
    }
    if (accounts.open == 0) {
        say(status, FAILURE, "ca",
            "no account: nothing can be issued (latchkey-relay ca)");
    } else if (issued_at == 0) {
        say(status, GOOD, "ca", "an account; no device has a certificate yet");
    } else {
        ago(status, issued_at, span);
        say(status, GOOD, "ca", "an account; the last certificate begins %s ago", span);
    }
}

static void check_disk(struct status *status)
{
    struct statvfs disk;
    uint64_t percent = 0;
    uint64_t free_mib = 0;
    enum level level = GOOD;

    if (statvfs(status->stores.config->store, &disk) != 0 || disk.f_blocks == 0) {
        say(status, UNKNOWN, "disk", "'%s': %s", status->stores.config->store,
            strerror(errno));
        return;
    }
    percent = (uint64_t)disk.f_bavail * 100 / disk.f_blocks;
    free_mib = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
    if (percent < DISK_FULL_PERCENT) {
        level = FAILURE;
    } else if (percent < DISK_LOW_PERCENT) {
        level = ATTENTION;
    }
    say(status, level, "disk", "%" PRIu64 " %% (%" PRIu64 " MiB) free where the store is",
        percent, free_mib);
}

/* What a command noted; false: never. */
static bool read_note(struct status *status, const char *what,
                      struct admin_store_note *note)
{
    const struct admin_stores *stores = &status->stores;
    int error = stores->admin == NULL
                    ? ERROR_NOT_FOUND
                    : admin_store_get_note(stores->admin, stores->zone, what, note);

    return error == 0;
}

static void check_backup(struct status *status)
{
    struct admin_store_note note;
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];
    int64_t age_s = 0;

    if (!read_note(status, "backup", &note)) {
        say(status, ATTENTION, "backup", "none was made yet (latchkey-relay backup)");
        return;
    }
    age_s = status->stores.now_at - note.at;
    ago(status, note.at, span);
    say(status,
        age_s > BACKUP_FAILED_S ? FAILURE
        : age_s > BACKUP_OLD_S  ? ATTENTION
                                : GOOD,
        "backup", "made %s ago: %.120s", span, note.content);
}

static void check_delegation(struct status *status)
{
    struct admin_store_note note;
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];

    if (!read_note(status, "delegation", &note)) {
        say(status, ATTENTION, "delegation",
            "never checked (latchkey-relay check-delegation)");
        return;
    }
    ago(status, note.at, span);
    say(status,
        strcmp(note.content, "good") != 0                    ? FAILURE
        : status->stores.now_at - note.at > DELEGATION_OLD_S ? ATTENTION
                                                             : GOOD,
        "delegation", "%.100s when it was checked %s ago", note.content, span);
}

static int print_object(struct status *status)
{
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY
                               : json_set_text(object, "zone", status->stores.zone);

    if (error == 0) {
        error = json_set_text(object, "status", level_texts[status->worst]);
    }
    if (error == 0) {
        error = json_set_take(object, "checks", json_incref(status->checks));
    }
    if (error == 0) {
        error = admin_output_line(json_incref(object));
    }
    json_decref(object);
    return error;
}

static void check_all(struct status *status)
{
    check_roles(status);
    check_certificates(status);
    check_queue(status);
    check_ca(status);
    check_disk(status);
    check_backup(status);
    check_delegation(status);
    if (status->checks != NULL && status->error == 0) {
        status->error = print_object(status);
    }
}

int admin_status_run(const struct relay_config *config, int argc, char **argv)
{
    struct status status = {.worst = GOOD};
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

    if (argc > 1 && !json) {
        (void)admin_stores_usage("status takes --json");
        return UNKNOWN;
    }
    status.checks = json ? json_array() : NULL;
    if (admin_stores_open(config, &status.stores) == 0 &&
        (!json || status.checks != NULL)) {
        check_all(&status);
    } else {
        status.worst = UNKNOWN;
    }
    json_decref(status.checks);
    admin_stores_close(&status.stores);
    return status.error == 0 ? (int)status.worst : UNKNOWN;
}

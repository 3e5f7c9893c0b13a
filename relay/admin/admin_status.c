/* Everything is read from the store, its disk and the roles' status listeners on loopback: nothing
 * is asked of the network, so that this takes no longer when the network is what fails. */
#include "relay/admin/admin_status.h"

#include "base/core/file.h"
#include "relay/admin/admin_output.h"
#include "relay/admin/admin_stores.h"
#include "relay/admin/backup_folder.h"
#include "relay/admin/role_survey.h"
#include "relay/store/admin_store.h"
#include "relay/store/ca_store.h"
#include "relay/store/census.h"
#include "relay/store/issuer_store.h"
#include "relay/store/overview.h"
#include "relay/store/queue_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum level { GOOD, ATTENTION, FAILURE, UNKNOWN };

static const char *const level_texts[] = {[GOOD] = "good",
                                          [ATTENTION] = "attention",
                                          [FAILURE] = "failure",
                                          [UNKNOWN] = "unknown"};

/* A failure is worse than what nobody knows: plugins rank so, though their numbers do not. */
static const int ranks[] = {[GOOD] = 0, [ATTENTION] = 1, [UNKNOWN] = 2, [FAILURE] = 3};

enum {
    TEXT_CAPACITY = 240,
    DAY_S = 86400,
    BACKUP_OLD_S = 36 * 3600,
    BACKUP_FAILED_S = 7 * DAY_S,
    DELEGATION_OLD_S = 30 * DAY_S,
    DISK_LOW_PERCENT = 10,
    DISK_FULL_PERCENT = 3,
    IO_BUSY_PERCENT = 50,
    PRESSURE_BYTES = 4096,
};

struct status {
    struct admin_stores stores;
    json_t *checks; /* for programs; NULL: lines for people */
    enum level worst;
    int error;
};

static void say(struct status *status, enum level level, const char *name,
                const char *format, ...) PRINTF_LIKE(4, 5);

static int add_item(struct status *status, enum level level, const char *name,
                    const char *text, int64_t since_at)
{
    json_t *item = json_object();
    int error = item == NULL ? ERROR_MEMORY : json_set_text(item, "check", name);

    if (error == 0) {
        error = json_set_text(item, "level", level_texts[level]);
    }
    if (error == 0) {
        error = json_set_text(item, "text", text);
    }
    if (error == 0) {
        error = admin_output_time(item, "since", since_at);
    }
    if (error == 0 && json_array_append(status->checks, item) != 0) {
        error = ERROR_MEMORY;
    }
    json_decref(item);
    return error;
}

static void say_since(struct status *status, enum level level, const char *name,
                      const char *text, int64_t since_at)
{
    status->worst = ranks[level] > ranks[status->worst] ? level : status->worst;
    if (status->checks == NULL) {
        printf("%-9s  %-12s  %s\n", level_texts[level], name, text);
    } else if (status->error == 0) {
        status->error = add_item(status, level, name, text, since_at);
    }
}

static void say(struct status *status, enum level level, const char *name,
                const char *format, ...)
{
    char text[TEXT_CAPACITY];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    say_since(status, level, name, text, 0);
}

/* "3 days ago" of AT. */
static void ago(const struct status *status, int64_t at,
                char ret_text[static ADMIN_OUTPUT_SPAN_CAPACITY])
{
    int64_t past_s = status->stores.now_at - at;

    admin_output_span(past_s > 0 ? past_s : 0, ret_text);
}

static void say_running(struct status *status, const struct role_survey *role)
{
    char text[TEXT_CAPACITY];
    char since[TEXT_TIME_CAPACITY];
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];

    if (!role->has_answered) {
        if (role->listen[0] == '\0') {
            say(status, GOOD, role->name,
                "runs; without its status listener no more is known");
        } else {
            say(status, ATTENTION, role->name,
                "runs, but does not answer on %s; its log may say why", role->listen);
        }
        return;
    }
    ago(status, role->started_at, span);
    text_time(role->started_at, since);
    (void)snprintf(text, sizeof(text), "runs since %s (%s)%s%s", since, span,
                   role->is_well             ? ""
                   : role->reason[0] != '\0' ? ", but: "
                                             : ", but does not say how it is",
                   role->is_well ? "" : role->reason);
    say_since(status, role->is_well ? GOOD : ATTENTION, role->name, text,
              role->started_at);
}

static void check_roles(struct status *status)
{
    struct role_survey roles[ROLE_SURVEY_COUNT];
    int error = role_survey_run(status->stores.config, roles);

    if (error != 0) {
        say(status, UNKNOWN, "roles", "%s", error_text(error));
        return;
    }
    for (size_t i = 0; i < ROLE_SURVEY_COUNT; i++) {
        if (roles[i].is_held || roles[i].has_answered) {
            say_running(status, &roles[i]);
        } else if (roles[i].is_wanted) {
            say(status, i == ROLE_SURVEY_ADMIN ? ATTENTION : FAILURE, roles[i].name,
                "does not run");
        }
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

struct ca {
    bool is_refused;
    char text[TEXT_CAPACITY];
};

static int take_state(const struct ca_store_state *state, void *arg)
{
    struct ca *ca = arg;

    ca->is_refused = ca_store_is_refused(state->state);
    text_printable(ca->text, sizeof(ca->text), state->reason, strlen(state->reason));
    return 0;
}

/* True, and said, when nothing is issued until the operator acts. */
static bool say_refused(struct status *status)
{
    const struct admin_stores *stores = &status->stores;
    struct ca ca = {.is_refused = false};

    if (ca_store_state(stores->issuer, stores->zone, stores->config->ca_directory,
                       take_state, &ca) != 0 ||
        !ca.is_refused) {
        return false;
    }
    say(status, FAILURE, "ca", "%s (latchkey-relay ca)", ca.text);
    return true;
}

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

    if (stores->issuer == NULL || say_refused(status)) {
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

static unsigned percent_of(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 100 : (unsigned)(part * 100 / whole);
}

/* A file system without inodes of its own (btrfs) has 0 of them. */
static void check_room(struct status *status, const char *name, const char *folder,
                       const char *what)
{
    struct statvfs disk;
    unsigned percent = 0;
    unsigned inodes = 0;

    if (statvfs(folder, &disk) != 0 || disk.f_blocks == 0) {
        say(status, UNKNOWN, name, "'%s': %s", folder, strerror(errno));
        return;
    }
    percent = percent_of(disk.f_bavail, disk.f_blocks);
    inodes = percent_of(disk.f_favail, disk.f_files);
    if ((disk.f_flag & ST_RDONLY) != 0) {
        say(status, FAILURE, name, "read-only where %s", what);
    } else if (inodes < DISK_LOW_PERCENT) {
        say(status, inodes < DISK_FULL_PERCENT ? FAILURE : ATTENTION, name,
            "%u %% of the inodes free where %s", inodes, what);
    } else {
        say(status,
            percent < DISK_FULL_PERCENT  ? FAILURE
            : percent < DISK_LOW_PERCENT ? ATTENTION
                                         : GOOD,
            name, "%u %% (%" PRIu64 " MiB) free where %s", percent,
            (uint64_t)disk.f_bavail * disk.f_frsize >> 20, what);
    }
}

static void check_disks(struct status *status)
{
    const struct relay_config *config = status->stores.config;
    struct stat store;
    struct stat backups;

    check_room(status, "disk", config->store, "the store is");
    if (stat(config->store, &store) == 0 && stat(config->backup_folder, &backups) == 0 &&
        store.st_dev != backups.st_dev) {
        check_room(status, "backup disk", config->backup_folder, "the backups are");
    }
}

/* How much of the last five minutes every task that had work waited for a disk, from the kernel's
 * "full avg10=0.00 avg60=0.00 avg300=1.23 total=..." (Linux 4.20); nothing without that. */
static void check_io(struct status *status)
{
    static const char field[] = "avg300=";
    struct buffer text = buffer_init(PRESSURE_BYTES);
    uint64_t percent = 0;

    if (file_read("/proc/pressure/io", &text) == 0) {
        const char *line = strstr(buffer_text(&text), "full ");
        const char *value = line != NULL ? strstr(line, field) : NULL;
        char digits[8] = "";

        if (value != NULL &&
            text_format(digits, sizeof(digits), "%.*s",
                        (int)strspn(value + strlen(field), "0123456789"),
                        value + strlen(field)) &&
            text_u64(digits, 100, &percent) == 0) {
            say(status, percent >= IO_BUSY_PERCENT ? ATTENTION : GOOD, "disk I/O",
                "%" PRIu64 " %% of the last 5 minutes were spent waiting for it",
                percent);
        }
    }
    buffer_free(&text);
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

/* The last one that a command noted, of whichever zone it was asked, or that lies in the folder of
 * the nightly ones. */
static void check_backup(struct status *status)
{
    const struct relay_config *config = status->stores.config;
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];
    int64_t noted_at = 0;
    int64_t made_at = 0;
    int64_t age_s = 0;
    int64_t now_at = status->stores.now_at;
    bool is_ahead = false;
    int error = 0;

    if (status->stores.admin != NULL &&
        overview_last_backup(status->stores.admin, &noted_at) != 0) {
        say(status, UNKNOWN, "backup", "%s", database_error(status->stores.admin));
        return;
    }
    if (noted_at > now_at) {
        noted_at = 2 * now_at - noted_at; /* as backup_folder_newest() has it */
        is_ahead = true;
    }
    error = backup_folder_newest(config->backup_folder, now_at, &made_at);
    is_ahead = is_ahead && noted_at > made_at;
    made_at = made_at > noted_at ? made_at : noted_at;
    age_s = now_at - made_at;
    if (error != 0 &&
        (made_at == 0 || (config->backup_keep > 0 && age_s > BACKUP_OLD_S))) {
        say(status, UNKNOWN, "backup", "'%s' can't be looked into: %s%s",
            config->backup_folder, error_text(error),
            error == ERROR_DENIED ? " (chgrp latchkey and chmod 0750 let the admin role)"
                                  : "");
        return;
    }
    if (made_at == 0) {
        say(status, ATTENTION, "backup", "none was made yet (latchkey-relay backup)");
        return;
    }
    ago(status, made_at, span);
    if (is_ahead) {
        say(status, ATTENTION, "backup",
            "the last was noted %s ahead of now: the clock was wrong, then or now "
            "(latchkey-relay backup)",
            span);
        return;
    }
    say(status,
        age_s > BACKUP_FAILED_S ? FAILURE
        : age_s > BACKUP_OLD_S  ? ATTENTION
                                : GOOD,
        "backup", "the last was made %s ago", span);
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
    check_disks(status);
    check_io(status);
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

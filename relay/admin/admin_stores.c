#include "relay/admin/admin_stores.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "relay/store/front_store.h"
#include "relay/store/schema.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITER_WAIT_MS = 10000, ISSUER_WAIT_MS = 30000, PAUSE_MS = 100, NAMED_MAX = 5 };

static int open_one(const struct relay_config *config, const char *name,
                    const char *const *migrations, struct database **ret_database)
{
    int error =
        database_open(config->store, name, DATABASE_READER, migrations, ret_database);

    if (error == 0 || error == ERROR_NOT_FOUND) {
        return 0;
    }
    fprintf(stderr, "latchkey-relay: can't read the store: %s: %s%s\n", error_text(error),
            database_open_error(),
            error == ERROR_DENIED
                ? " (run this as root, or as a member of the store's group)"
                : "");
    return error;
}

int admin_stores_open(const struct relay_config *config, struct admin_stores *ret_stores)
{
    int error = 0;

    *ret_stores = (struct admin_stores){
        .config = config, .zone = config->zone, .now_at = clock_wall_at()};
    error = open_one(config, "front.db", schema_front, &ret_stores->front);
    if (error == 0) {
        error = open_one(config, "issuer.db", schema_issuer, &ret_stores->issuer);
    }
    if (error == 0) {
        error = open_one(config, "admin.db", schema_admin, &ret_stores->admin);
    }
    return error;
}

void admin_stores_close(struct admin_stores *stores)
{
    database_close(stores->front);
    database_close(stores->issuer);
    database_close(stores->admin);
}

void admin_stores_pause(void)
{
    (void)poll(NULL, 0, PAUSE_MS);
}

int admin_stores_write(const struct relay_config *config, struct database **ret_database)
{
    int64_t until_mono_ms = clock_mono_ms() + WRITER_WAIT_MS;
    int error = database_open(config->store, "admin.db", DATABASE_WRITER, schema_admin,
                              ret_database);

    while (error == ERROR_BUSY && clock_mono_ms() < until_mono_ms) {
        admin_stores_pause();
        error = database_open(config->store, "admin.db", DATABASE_WRITER, schema_admin,
                              ret_database);
    }
    if (error != 0) {
        fprintf(stderr, "latchkey-relay: can't write the store: %s: %s\n",
                error_text(error), database_open_error());
    }
    if (error == ERROR_BUSY) {
        fprintf(stderr, "latchkey-relay: another command is writing; try again\n");
    }
    return error;
}

static char operator_name[ADMIN_WHO_CAPACITY] = "unknown";

void admin_stores_note_operator(void)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *user = getpwuid(getuid());
    const char *name = sudo != NULL ? sudo : user != NULL ? user->pw_name : "unknown";

    text_printable(operator_name, sizeof(operator_name), name, strlen(name));
}

const char *admin_stores_who(void)
{
    return operator_name;
}

int admin_stores_fail(const char *what, int error, const struct database *database)
{
    const char *detail = database != NULL ? database_error(database) : "";

    fprintf(stderr, "latchkey-relay: %s: %s%s%s\n", what,
            error == ERROR_IO && detail[0] == '\0' ? strerror(errno) : error_text(error),
            detail[0] != '\0' ? ": " : "", detail);
    return ADMIN_FAILED;
}

int admin_stores_usage(const char *text)
{
    fprintf(stderr, "latchkey-relay: %s\n", text);
    return ADMIN_USAGE;
}

int admin_stores_hold(struct admin_stores *stores)
{
    struct database *const databases[] = {stores->front, stores->issuer, stores->admin};
    int error = 0;

    for (size_t i = 0; error == 0 && i < 3; i++) {
        int64_t rev = 0;

        error = databases[i] != NULL ? database_hold(databases[i], &rev) : 0;
    }
    if (error != 0) {
        admin_stores_release(stores);
    }
    return error;
}

void admin_stores_release(struct admin_stores *stores)
{
    struct database *const databases[] = {stores->front, stores->issuer, stores->admin};

    for (size_t i = 0; i < 3; i++) {
        if (databases[i] != NULL) {
            database_rollback(databases[i]);
        }
    }
}

int64_t admin_stores_last(int64_t number)
{
    return number > 0 && number < INT64_C(1) << 53 ? number : 0;
}

int admin_stores_wait_issuer(const struct relay_config *config,
                             admin_stores_serial_fn *last, int64_t serial)
{
    int64_t until_mono_ms = clock_mono_ms() + ISSUER_WAIT_MS;
    bool runs = true;

    while (last(config) < serial) {
        runs = database_has_writer(config->store, "issuer.db");
        if (!runs || clock_mono_ms() >= until_mono_ms) {
            fprintf(stderr, "latchkey-relay: written down; the issuer %s\n",
                    runs ? "has not ended it yet, and goes on trying"
                         : "does not run: it is done at its next start");
            return ADMIN_PENDING;
        }
        admin_stores_pause();
    }
    return ADMIN_DONE;
}

struct candidates {
    char ids[NAMED_MAX][LANNAME_ID_SIZE + 1];
    size_t count;
};

static int take_candidate(const char *id, void *arg)
{
    struct candidates *candidates = arg;

    return text_copy(candidates->ids[candidates->count++], LANNAME_ID_SIZE + 1, id)
               ? 0
               : ERROR_SYNTAX;
}

static bool is_prefix(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size < LANNAME_ID_SIZE &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz234567") == size;
}

int admin_stores_find(const struct admin_stores *stores, const char *text,
                      char ret_id[static LANNAME_ID_SIZE + 1])
{
    struct candidates candidates = {.count = 0};
    char id[LANNAME_ID_SIZE + 1];
    int error = 0;

    if (!text_copy(id, sizeof(id), text)) {
        id[0] = '\0';
    }
    text_lower(id);
    if (lanname_is_id((const uint8_t *)id, strlen(id))) {
        return text_copy(ret_id, LANNAME_ID_SIZE + 1, id) ? ADMIN_DONE : ADMIN_FAILED;
    }
    if (!is_prefix(id)) {
        fprintf(stderr,
                "latchkey-relay: '%s' is no device id: it must be 32 characters a-z and "
                "2-7, or "
                "the first of them (latchkey-relay list)\n",
                text);
        return ADMIN_USAGE;
    }
    if (stores->front != NULL) {
        error = front_store_ids(stores->front, stores->zone, id, "", NAMED_MAX,
                                take_candidate, &candidates);
    }
    if (error != 0) {
        return admin_stores_fail("can't read the accounts", error, stores->front);
    }
    if (candidates.count == 1) {
        return text_copy(ret_id, LANNAME_ID_SIZE + 1, candidates.ids[0]) ? ADMIN_DONE
                                                                         : ADMIN_FAILED;
    }
    if (candidates.count == 0) {
        fprintf(stderr,
                "latchkey-relay: no device whose id begins with '%s' has enrolled here "
                "(latchkey-relay list)\n",
                text);
        return ADMIN_NOT_FOUND;
    }
    fprintf(stderr, "latchkey-relay: '%s' may be several devices; give more of the id:\n",
            text);
    for (size_t i = 0; i < candidates.count; i++) {
        fprintf(stderr, "  %s\n", candidates.ids[i]);
    }
    return ADMIN_USAGE;
}

#include "relay/admin/admin_change.h"

#include "base/core/text.h"
#include "relay/admin/admin_wish.h"
#include "relay/store/issuer_store.h"

#include <stdio.h>
#include <string.h>

static int change(const struct admin_stores *stores, const char *command, const char *id,
                  const char *reason)
{
    const char *who = admin_stores_who();
    struct database *admin = NULL;
    int status = ADMIN_DONE;
    int error = admin_stores_write(stores->config, &admin);

    if (error != 0) {
        return ADMIN_FAILED;
    }
    if (strcmp(command, "block") == 0) {
        error = admin_store_block(admin, stores->zone, id, reason, who);
    } else if (strcmp(command, "unblock") == 0) {
        error = admin_store_unblock(admin, stores->zone, id, who);
    } else {
        error = admin_store_settle_clone(admin, stores->zone, id, stores->now_at, who);
    }
    if (error == ERROR_NOT_FOUND) {
        fprintf(stderr, "latchkey-relay: '%s' is not blocked\n", id);
        status = ADMIN_NOT_FOUND;
    } else if (error != 0) {
        status = admin_stores_fail(command, error, admin);
    }
    database_close(admin);
    return status;
}

static int print_life(const struct issuer_store_life *life, void *arg)
{
    (void)arg;
    printf("revoking the certificate with serial %s\n", life->serial);
    return 0;
}

static int forget(const struct admin_stores *stores, const char *id)
{
    struct admin_store_wish wish = {
        .kind = "forget", .id = id, .detail = "", .at = stores->now_at};
    int status = ADMIN_DONE;

    if (stores->issuer != NULL &&
        issuer_store_lives_of_id(stores->issuer, stores->zone, id, stores->now_at,
                                 print_life, NULL) != 0) {
        return admin_stores_fail("can't read the certificates", ERROR_IO, stores->issuer);
    }
    (void)fflush(stdout);
    status = admin_wish_run(stores, &wish, true, true);
    if (status == ADMIN_DONE) {
        printf("forgotten: its account, names and certificates are gone. With an "
               "enrolment token it "
               "may come again: block it to keep it out\n");
    }
    return status;
}

static int reactivate(const struct admin_stores *stores, const char *id)
{
    struct admin_store_wish wish = {
        .kind = "reactivate", .id = id, .detail = "", .at = stores->now_at};

    return admin_wish_run(stores, &wish, true, false);
}

/* Nobody revokes a certificate by a slip of the finger: what can't be taken back wants the
 * whole id. */
static int find(const struct admin_stores *stores, const char *command, const char *text,
                char ret_id[static LANNAME_ID_SIZE + 1])
{
    if (strcmp(command, "forget") == 0 && strlen(text) != LANNAME_ID_SIZE) {
        return admin_stores_usage(
            "forget takes a whole device id, of 32 characters (latchkey-relay search)");
    }
    return admin_stores_find(stores, text, ret_id);
}

int admin_change_run(const struct relay_config *config, int argc, char **argv)
{
    struct admin_stores stores;
    char id[LANNAME_ID_SIZE + 1];
    bool block = strcmp(argv[0], "block") == 0;
    const char *reason = argc == 3 ? argv[2] : "";
    int status = ADMIN_FAILED;

    if (argc < 2 || argc > (block ? 3 : 2)) {
        fprintf(stderr, "latchkey-relay: %s takes a device id%s\n", argv[0],
                block ? " and a reason in one word or quoted" : "");
        return ADMIN_USAGE;
    }
    if (strlen(reason) > ADMIN_REASON_MAX) {
        return admin_stores_usage("the reason must be at most 256 characters");
    }
    if (admin_stores_open(config, &stores) == 0) {
        status = find(&stores, argv[0], argv[1], id);
        if (status == ADMIN_DONE && strcmp(argv[0], "forget") == 0) {
            status = forget(&stores, id);
        } else if (status == ADMIN_DONE && strcmp(argv[0], "reactivate") == 0) {
            status = reactivate(&stores, id);
        } else if (status == ADMIN_DONE) {
            status = change(&stores, argv[0], id, reason);
        }
    }
    admin_stores_close(&stores);
    return status;
}

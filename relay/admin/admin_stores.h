/* What every command needs: the three files of the store to read, admin.db to write, who gives
 * the command, which device is meant, and how failures are said. Each of the files may not be
 * there yet: an operator who looks before the first device came must see an empty list, not an
 * error. */
#ifndef RELAY_ADMIN_ADMIN_STORES_H
#define RELAY_ADMIN_ADMIN_STORES_H

#include "base/lanname.h"
#include "relay/relay_config.h"
#include "relay/store/database.h"

/* Exit statuses of all commands; `status` has those of monitoring plugins instead. */
enum admin_status {
    ADMIN_DONE = 0,
    ADMIN_FAILED = 1,
    ADMIN_USAGE = 2,
    ADMIN_NOT_FOUND = 3, /* no such device, token, certificate ... */
    ADMIN_PENDING = 4,   /* written down, but the role has not carried it out yet */
};

enum { ADMIN_WHO_CAPACITY = 64, ADMIN_REASON_MAX = 256 };

struct admin_stores {
    const struct relay_config *config;
    const char *zone;
    struct database *front; /* NULL while it is not there, like the others */
    struct database *issuer;
    struct database *admin;
    int64_t now_at;
};

/* Opens for reading, and says what can't be. Close in any case. */
int admin_stores_open(const struct relay_config *config,
                      struct admin_stores *ret_stores) MUST_CHECK;
void admin_stores_close(struct admin_stores *stores);
/* Fixes the moment as of which the files are read, until admin_stores_release: many look-ups then
 * cost no lock each. Nothing that may wait for somebody, such as printing, belongs in between, as
 * what the roles write meanwhile takes up room. */
int admin_stores_hold(struct admin_stores *stores) MUST_CHECK;
void admin_stores_release(struct admin_stores *stores);
/* admin.db for writing; waits some seconds for another command to end. Says what is wrong. */
int admin_stores_write(const struct relay_config *config,
                       struct database **ret_database) MUST_CHECK;
/* Remembers who gives the command: the login behind sudo, if any. Before root becomes another. */
void admin_stores_note_operator(void);
/* The name that was noted, for the audit. */
const char *admin_stores_who(void);
/* Says "WHAT: why" and returns the exit status of a failure. DATABASE (or NULL) knows more. */
int admin_stores_fail(const char *what, int error, const struct database *database);
/* Says how the command is used and returns that exit status. */
int admin_stores_usage(const char *text);
/* The id that TEXT means: a whole one, or a prefix that one account alone has. Else it is
 * said, and the exit status is returned; 0 when found. A whole id need not have an account. */
int admin_stores_find(const struct admin_stores *stores, const char *text,
                      char ret_id[static LANNAME_ID_SIZE + 1]) MUST_CHECK;
/* NUMBER, the last that a role has carried out, or 0 when it can't be: one that was captured may
 * say any. An admin.db that was lost, or is older than the other files, must go on above it. */
int64_t admin_stores_last(int64_t number);
/* The serial of the last wish of some kind that the issuer has carried out for CONFIG's zone. */
typedef int64_t admin_stores_serial_fn(const struct relay_config *config);
/* Waits, half a minute at most, until the issuer has carried out SERIAL. The exit status: when it
 * has not, that is said. */
int admin_stores_wait_issuer(const struct relay_config *config,
                             admin_stores_serial_fn *last, int64_t serial) MUST_CHECK;
/* Lets some time go by while a condition of other processes is waited for. */
void admin_stores_pause(void);

#endif

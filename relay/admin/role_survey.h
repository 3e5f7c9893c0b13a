/* Which roles run, since when, and what ails them, for `status`: a role that runs holds a lock in
 * the store, and its status listener, on loopback, knows the rest. */
#ifndef RELAY_ADMIN_ROLE_SURVEY_H
#define RELAY_ADMIN_ROLE_SURVEY_H

#include "relay/relay_config.h"

enum role_survey_index {
    ROLE_SURVEY_FRONT,
    ROLE_SURVEY_ISSUER,
    ROLE_SURVEY_DNS,
    ROLE_SURVEY_ADMIN,
    ROLE_SURVEY_COUNT
};

enum { ROLE_SURVEY_REASON_CAPACITY = 160 };

struct role_survey {
    const char *name;
    const char *listen; /* of its status; "": none. Borrowed from the configuration */
    bool is_wanted;     /* the relay is not whole without it */
    bool is_held;       /* its lock is seen */
    bool has_answered;  /* as this role */
    int64_t started_at; /* 0: unknown */
    bool is_well;
    char reason[ROLE_SURVEY_REASON_CAPACITY]; /* why it is not well, in its own words */
};

/* Asks all of them at once; takes three seconds when one hangs. */
int role_survey_run(const struct relay_config *config,
                    struct role_survey ret_roles[static ROLE_SURVEY_COUNT]) MUST_CHECK;

#endif

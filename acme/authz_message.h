/* Authorization objects as a CA sends them (RFC 8555 7.1.4), reduced to dns-01. Private
 * to acme/. */
#ifndef ACME_AUTHZ_MESSAGE_H
#define ACME_AUTHZ_MESSAGE_H

#include "acme/acme_problem.h"

enum authz_status {
    AUTHZ_PENDING,
    AUTHZ_VALID,
    AUTHZ_DEAD, /* invalid, deactivated, expired, revoked */
};

struct authz_message {
    json_t *object; /* owns the texts */
    enum authz_status status;
    const char *name;   /* the identifier, without "*." */
    bool has_challenge; /* a usable dns-01 challenge; the next three are its */
    const char *challenge_url;
    const char *token;
    bool is_challenge_pending; /* it waits for us; else it is being looked at, or decided
                                */
    struct acme_problem problem; /* of the challenge that failed */
};

/* Reads an authorization for one of NAMES. Challenges of other types, and dns-01 ones
 * without a well-formed token or with a foreign URL, are as if they were not there. */
int authz_message_parse(const void *body, size_t size, char *const *names,
                        size_t name_count, const char *origin,
                        struct authz_message *ret_message, char *reason,
                        size_t reason_capacity) MUST_CHECK;
void authz_message_free(struct authz_message *message);

#endif

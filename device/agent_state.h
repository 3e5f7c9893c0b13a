/* What the agent remembers across restarts beside keys and certificates:
 * FOLDER/state.json. Losing it costs an order at most, so a damaged file is no reason to
 * stop. */
#ifndef DEVICE_AGENT_STATE_H
#define DEVICE_AGENT_STATE_H

#include "base/core/buffer.h"
#include "base/core/limits.h"
#include "device/own_addresses.h"

enum {
    AGENT_STATE_ZONE_CAPACITY = 254,
    AGENT_STATE_CODE_CAPACITY = 32,
    AGENT_STATE_CSR_CAPACITY = 2048,
    AGENT_STATE_TEXT_CAPACITY = LIMIT_DETAIL_BYTES + 1,
};

struct agent_state {
    char zone[AGENT_STATE_ZONE_CAPACITY];  /* the relay's zone; "" until known */
    char directory[LIMIT_URL_BYTES];       /* the relay that all of this is about */
    char account_url[LIMIT_URL_BYTES + 1]; /* "" until known */
    char *order;                           /* the worker's saved order, or NULL; owned */
    char csr[AGENT_STATE_CSR_CAPACITY];    /* base64url of the request in work, by
                                              pending.pem */
    /* About the present relay: what it showed first, which is never replaced silently. */
    char relay_zone[AGENT_STATE_ZONE_CAPACITY]; /* "" until known */
    char relay_pin[64];                         /* of its own key; "" until known */
    char receipt[32];  /* that it answered the last publication with; "" : none */
    int64_t cloned_at; /* it says that another device has this key; 0: no */
    /* Where a relay has moved by its own signed word. */
    char moved_from[LIMIT_URL_BYTES]; /* the one in the configuration */
    char moved_to[LIMIT_URL_BYTES];   /* "" : nowhere */
    char moved_pin[64];
    char move_about[LIMIT_URL_BYTES]; /* whose word it was, and its number */
    int64_t move_serial;
    char move_second
        [LIMIT_URL_BYTES]; /* those before: of relays that name each other, each is
                                          followed once */
    int64_t move_second_serial;
    char move_third[LIMIT_URL_BYTES];
    int64_t move_third_serial;
    int64_t moved_issued_at; /* when the new one first issued; 0: not yet */
    int64_t time_floor_at;   /* it is later than this: signed by a relay; 0: never was */
    int64_t counter;         /* of the last publication */
    struct own_addresses published; /* what the relay holds for the stable name */
    int64_t published_at;           /* 0: nothing is published */
    int64_t obtained_at;     /* when the trusted certificate was installed; 0: none */
    int64_t hold_until_at;   /* the relay asked not to come before; 0: no */
    char live_confirmed[65]; /* hex SHA-256 of the leaf in live/ that other servers were
                                      told of */
    char fallback_fingerprint[65]; /* hex SHA-256 of the fallback leaf */
    char fallback_names[1024];     /* what it was made for, see fallback.c */
    char failure_code[AGENT_STATE_CODE_CAPACITY]; /* of the last failed order; "" after a
                                                     success */
    char failure_text[AGENT_STATE_TEXT_CAPACITY];
    int64_t failure_at;
};

/* Reads PATH. ERROR_NOT_FOUND when there is none, ERROR_SYNTAX or ERROR_RANGE when it
 * makes no sense: *RET_STATE is empty then. Free with agent_state_free in any case.
 * Blocks on the disk. */
int agent_state_load(const char *path, struct agent_state *ret_state) MUST_CHECK;
/* Writes it atomically and durably, mode 0600. Blocks on the disk. */
int agent_state_save(const char *path, const struct agent_state *state) MUST_CHECK;
/* The same from and to text. */
int agent_state_parse(const void *data, size_t size,
                      struct agent_state *ret_state) MUST_CHECK;
int agent_state_dump(const struct agent_state *state, struct buffer *text) MUST_CHECK;
/* Forgets what is about another relay than DIRECTORY; whether there was something. */
bool agent_state_turn_to(struct agent_state *state, const char *directory);
/* Replaces the order by a copy of TEXT; NULL: none. */
int agent_state_set_order(struct agent_state *state, const char *text) MUST_CHECK;
void agent_state_free(struct agent_state *state);

#endif

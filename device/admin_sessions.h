/* Who is logged in on the device's pages, and how often somebody may try. A bounded table
 * in memory: a restart logs everybody out. Pure: time and randomness are passed in. */
#ifndef DEVICE_ADMIN_SESSIONS_H
#define DEVICE_ADMIN_SESSIONS_H

#include "base/net/address.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    ADMIN_SESSIONS_MAX = 8,
    ADMIN_SESSIONS_TOKEN_SIZE = 43, /* base64url of 32 random bytes */
    ADMIN_SESSIONS_IDLE_MS = 15 * 60 * 1000,
    ADMIN_SESSIONS_LIFE_MS = 12 * 60 * 60 * 1000,
    ADMIN_SESSIONS_WRONG_MAX = 30,     /* logins in a minute, of all that are not known */
    ADMIN_SESSIONS_PEER_WRONG_MAX = 3, /* and from one peer */
    ADMIN_SESSIONS_KNOWN_MAX = 8,
    ADMIN_SESSIONS_PEER_SIZE = 16,
};

struct admin_session {
    bool is_open;
    uint8_t token_hash[32]; /* the token itself is in the cookie only */
    char csrf[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    int64_t opened_mono_ms;
    int64_t used_mono_ms;
};

struct admin_try {
    bool is_wrong;
    int64_t mono_ms;
    uint8_t peer[ADMIN_SESSIONS_PEER_SIZE];
};

/* All zero is empty. */
struct admin_sessions {
    struct admin_session at[ADMIN_SESSIONS_MAX];
    struct admin_try tries[ADMIN_SESSIONS_WRONG_MAX]; /* the last wrong ones */
    size_t next_try;
    uint8_t known[ADMIN_SESSIONS_KNOWN_MAX]
                 [ADMIN_SESSIONS_PEER_SIZE]; /* who had it right */
    size_t next_known;
};

/* Whether PEER may try to log in now. What others do wrong does not count for one that has had it
 * right before: somebody with many addresses could keep the owner out for ever. */
bool admin_sessions_may_try(const struct admin_sessions *sessions,
                            const struct address *peer, int64_t now_mono_ms);
/* PEER's try was wrong. */
void admin_sessions_note_wrong(struct admin_sessions *sessions,
                               const struct address *peer, int64_t now_mono_ms);
/* PEER's try was right. */
void admin_sessions_note_right(struct admin_sessions *sessions,
                               const struct address *peer);
/* A new session; the one that was used least lately makes room. RET_TOKEN is for the
 * cookie. ERROR_CRYPTO. */
int admin_sessions_open(struct admin_sessions *sessions, int64_t now_mono_ms,
                        char ret_token[static ADMIN_SESSIONS_TOKEN_SIZE + 1]) MUST_CHECK;
/* The session of TOKEN, used now; NULL when there is none, or it has ended: 15 minutes
 * after its last use, 12 hours after its start. */
struct admin_session *admin_sessions_find(struct admin_sessions *sessions,
                                          const char *token, int64_t now_mono_ms);
/* Whether CSRF is the session's; constant time. */
bool admin_sessions_is_csrf(const struct admin_session *session, const char *csrf);
/* Logs out. */
void admin_sessions_close(struct admin_session *session);

#endif

/* What the operator must hear of: conditions that begin and end, each told once, told again every
 * day while it lasts. What was told survives a restart in a file. No clock. */
#ifndef RELAY_ADMIN_ALERT_H
#define RELAY_ADMIN_ALERT_H

#include "base/core/buffer.h"

enum alert_kind {
    ALERT_NOTHING_ISSUED,
    ALERT_ACCOUNT,
    ALERT_DELEGATION,
    ALERT_DISK,
    ALERT_BACKUP,
    ALERT_EXPIRED,
    ALERT_RELAY_CERTIFICATE,
    ALERT_FRONT_DOWN,
    ALERT_ISSUER_DOWN,
    ALERT_DNS_DOWN,
    ALERT_CT,
    ALERT_COUNT
};

enum { ALERT_TEXT_CAPACITY = 512, ALERT_AGAIN_S = 86400 };

/* "nothing-issued", "account" ...; NULL-terminated. */
extern const char *const alert_names[];

struct alert {
    bool is_active;
    int64_t since_at; /* when it began, or ended */
    char text[ALERT_TEXT_CAPACITY];
    int64_t told_at; /* that it is active; 0: nothing is to be taken back */
    unsigned tries;  /* to tell of this that failed */
    int64_t retry_at;
    int64_t
        seen_at; /* since when the condition holds, not yet long enough; 0: it does not */
};

struct alert_set {
    struct alert at[ALERT_COUNT];
};

/* What holds for one zone; what is about the relay as a whole stands with the main zone. */
struct alert_zone {
    const char *zone; /* borrowed */
    struct alert_set alerts;
};

/* Whether KIND is about the relay and not about one of its zones. */
bool alert_is_of_relay(enum alert_kind kind);
/* Reads what a former life wrote of the COUNT zones named in ZONES, the main one first; no file is
 * no alerts. What an earlier version wrote without zones is the main one's. ERROR_SYNTAX for
 * another's. */
int alert_load(const char *path, struct alert_zone *zones, size_t count) MUST_CHECK;
int alert_save(const struct alert_zone *zones, size_t count, const char *path) MUST_CHECK;
/* Whether KIND's condition holds at NOW, and what it is about, a sentence. True when the alert
 * began or ended by that. What may pass by itself within a minute (a role that is started again)
 * must last so long. */
bool alert_update(struct alert_set *set, enum alert_kind kind, bool holds,
                  const char *text, int64_t now_at);
/* The first that is to be told of now: ALERT_COUNT when none is. */
enum alert_kind alert_next(const struct alert_set *set, int64_t now_at);
/* It was told, or could not be: tried again in five minutes, three times at most. */
void alert_told(struct alert_set *set, enum alert_kind kind, bool good, int64_t now_at);
/* What the command reads: {"alert", "state" ("begin", "again", "end"), "since", "text", "zone",
 * "relay"}, one line. */
int alert_message(const struct alert_set *set, enum alert_kind kind, const char *zone,
                  const char *relay, struct buffer *json) MUST_CHECK;

#endif

/* What `latchkey doctor` found: one verdict for each check. A verdict is a stable code, a
 * sentence that says what it means, a sentence that says what helps, and the facts of this
 * device and network as lines of detail. Pure: the worker looks (worker_diagnosis*.c), the
 * page, status.json and the command line show. Each code has its section in
 * docs/DOCTOR.md. */
#ifndef DEVICE_DIAGNOSIS_H
#define DEVICE_DIAGNOSIS_H

#include "base/core/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum diagnosis_level {
    DIAGNOSIS_OK,
    DIAGNOSIS_SKIPPED, /* not looked at: something else had to be there first */
    DIAGNOSIS_UNKNOWN, /* looked at without a result */
    DIAGNOSIS_WARN,    /* works, but not as it should, or not for long */
    DIAGNOSIS_FAIL,
    DIAGNOSIS_LEVEL_COUNT,
};

/* In the order in which they are shown: what comes first explains what comes later. */
enum diagnosis_check {
    DIAGNOSIS_CHECK_CLOCK,
    DIAGNOSIS_CHECK_ADDRESS,
    DIAGNOSIS_CHECK_ROUTE,
    DIAGNOSIS_CHECK_RESOLVER,
    DIAGNOSIS_CHECK_ZONE,
    DIAGNOSIS_CHECK_PRIVATE,
    DIAGNOSIS_CHECK_QUESTION,
    DIAGNOSIS_CHECK_PUBLIC,
    DIAGNOSIS_CHECK_RELAY,
    DIAGNOSIS_CHECK_ORDER,
    DIAGNOSIS_CHECK_CERTIFICATE,
    DIAGNOSIS_CHECK_PORT,
    DIAGNOSIS_CHECK_SERVED,
    DIAGNOSIS_CHECK_NAMES,
    DIAGNOSIS_CHECK_STORAGE,
    DIAGNOSIS_CHECK_IDENTITY,
    DIAGNOSIS_CHECK_COUNT,
};

enum diagnosis_code {
    /* of any check */
    DIAGNOSIS_NOT_CHECKED,
    DIAGNOSIS_NOT_KNOWN,
    /* clock */
    DIAGNOSIS_CLOCK_RIGHT,
    DIAGNOSIS_CLOCK_OFF,
    DIAGNOSIS_CLOCK_CORRECTED,
    DIAGNOSIS_CLOCK_WRONG,
    DIAGNOSIS_CLOCK_UNSET,
    /* address */
    DIAGNOSIS_ADDRESS_FOUND,
    DIAGNOSIS_ADDRESS_NONE,
    /* route */
    DIAGNOSIS_ROUTE_FOUND,
    DIAGNOSIS_ROUTE_NONE,
    /* resolver */
    DIAGNOSIS_RESOLVER_ANSWERS,
    DIAGNOSIS_RESOLVER_PART_SILENT,
    DIAGNOSIS_RESOLVER_NONE,
    DIAGNOSIS_RESOLVER_SILENT,
    DIAGNOSIS_RESOLVER_REFUSES,
    /* zone */
    DIAGNOSIS_ZONE_FOUND,
    DIAGNOSIS_ZONE_BLOCKED,
    DIAGNOSIS_ZONE_LOST,
    DIAGNOSIS_ZONE_FAILING,
    /* private-answers */
    DIAGNOSIS_PRIVATE_ANSWERED,
    DIAGNOSIS_REBINDING_FILTER,
    DIAGNOSIS_REBINDING_FILTER_IPV4,
    DIAGNOSIS_REBINDING_FILTER_IPV6,
    DIAGNOSIS_REBINDING_FILTER_SOME,
    DIAGNOSIS_ANSWERS_CHANGED,
    DIAGNOSIS_PRIVATE_SILENT,
    /* question */
    DIAGNOSIS_QUESTION_ARRIVED,
    DIAGNOSIS_QUESTION_NOT_ARRIVED,
    /* public-resolver */
    DIAGNOSIS_PUBLIC_ANSWERS,
    DIAGNOSIS_PUBLIC_UNREACHABLE,
    DIAGNOSIS_PUBLIC_FILTERS,
    DIAGNOSIS_PUBLIC_LOST,
    /* relay */
    DIAGNOSIS_RELAY_ANSWERS,
    DIAGNOSIS_RELAY_NAME_UNKNOWN,
    DIAGNOSIS_RELAY_UNREACHABLE,
    DIAGNOSIS_RELAY_PROXY,
    DIAGNOSIS_RELAY_INTERCEPTED,
    DIAGNOSIS_RELAY_EXPIRED,
    DIAGNOSIS_RELAY_PORTAL,
    DIAGNOSIS_RELAY_DOWN,
    DIAGNOSIS_RELAY_OTHER,
    DIAGNOSIS_RELAY_IMPOSTOR,
    DIAGNOSIS_RELAY_ZONE,
    DIAGNOSIS_RELAY_KEY,
    /* order */
    DIAGNOSIS_ORDER_NONE,
    DIAGNOSIS_ORDER_WAITING,
    DIAGNOSIS_ORDER_FAILED,
    DIAGNOSIS_ORDER_REFUSED,
    /* certificate */
    DIAGNOSIS_CERTIFICATE_GOOD,
    DIAGNOSIS_CERTIFICATE_LATE,
    DIAGNOSIS_CERTIFICATE_NONE,
    DIAGNOSIS_CERTIFICATE_EXPIRED,
    DIAGNOSIS_CERTIFICATE_FUTURE,
    /* port */
    DIAGNOSIS_PORT_OPEN,
    DIAGNOSIS_PORT_CLOSED,
    /* served */
    DIAGNOSIS_SERVED_TRUSTED,
    DIAGNOSIS_SERVED_OTHER,
    DIAGNOSIS_SERVED_NOWHERE,
    /* names */
    DIAGNOSIS_NAMES_CURRENT,
    DIAGNOSIS_NAMES_OLD,
    DIAGNOSIS_NAMES_MISSING,
    /* storage */
    DIAGNOSIS_STORAGE_GOOD,
    DIAGNOSIS_STORAGE_FULL,
    DIAGNOSIS_STORAGE_READ_ONLY,
    DIAGNOSIS_STORAGE_FAILING,
    /* identity */
    DIAGNOSIS_IDENTITY_SINGLE,
    DIAGNOSIS_IDENTITY_CLONED,
    DIAGNOSIS_CODE_COUNT,
};

/* What the filter's behaviour tells of the router; see device/router_mends.h. */
enum diagnosis_router {
    DIAGNOSIS_ROUTER_ANY, /* nothing */
    DIAGNOSIS_ROUTER_DNSMASQ,
    DIAGNOSIS_ROUTER_UNBOUND, /* likely, but old versions of dnsmasq do the same */
    DIAGNOSIS_ROUTER_KNOT,
    DIAGNOSIS_ROUTER_FRITZBOX,
    DIAGNOSIS_ROUTER_GOOGLE,
    DIAGNOSIS_ROUTER_COUNT,
};

enum {
    DIAGNOSIS_DETAIL_BYTES = 768, /* all lines of a verdict, with their ends */
    DIAGNOSIS_LINE_BYTES = 256,
    DIAGNOSIS_ZONE_BYTES = 256,
};

struct verdict {
    enum diagnosis_code code;
    char detail[DIAGNOSIS_DETAIL_BYTES]; /* printable ASCII lines, each ending in '\n' */
};

/* Whole: a check that was not made says so by its code. */
struct diagnosis {
    int64_t at;                      /* when it was made; 0: never */
    char zone[DIAGNOSIS_ZONE_BYTES]; /* for the settings of routers; "" : not known */
    enum diagnosis_router router;    /* behind a filter that was found */
    struct verdict verdicts[DIAGNOSIS_CHECK_COUNT]; /* by check */
};

/* Never made: every check is DIAGNOSIS_NOT_CHECKED. */
void diagnosis_init(struct diagnosis *diagnosis);
/* Sets the verdict of CHECK, without detail. A code of another check is our bug (it becomes
 * DIAGNOSIS_NOT_KNOWN). */
void diagnosis_set(struct diagnosis *diagnosis, enum diagnosis_check check,
                   enum diagnosis_code code);
/* Adds a line of detail to CHECK's verdict: made printable, cut at DIAGNOSIS_LINE_BYTES, left
 * out when there is no room. */
void diagnosis_add(struct diagnosis *diagnosis, enum diagnosis_check check,
                   const char *format, ...) PRINTF_LIKE(3, 4);
/* The worst level of all; DIAGNOSIS_OK when nothing is wrong. What was not looked at does
 * not count. */
enum diagnosis_level diagnosis_worst(const struct diagnosis *diagnosis);
/* The INDEXth line of detail without its end, cut to fit; false when there is none. */
bool diagnosis_line(const struct verdict *verdict, size_t index,
                    char ret_line[static DIAGNOSIS_LINE_BYTES]);

/* Stable words: "clock", "rebinding-filter", "fail"; never NULL. */
const char *diagnosis_check_word(enum diagnosis_check check);
const char *diagnosis_code_word(enum diagnosis_code code);
const char *diagnosis_level_word(enum diagnosis_level level);
/* A check in words for people ("Does the network drop private answers?"); never NULL. */
const char *diagnosis_check_title(enum diagnosis_check check);
/* The level that a code always has. */
enum diagnosis_level diagnosis_code_level(enum diagnosis_code code);
/* The check that a code belongs to; DIAGNOSIS_CHECK_COUNT for those of any check. */
enum diagnosis_check diagnosis_code_check(enum diagnosis_code code);
/* What is so; one or two English sentences, without markup; never NULL. */
const char *diagnosis_code_text(enum diagnosis_code code);
/* What helps; "" when nothing needs help. */
const char *diagnosis_code_mend(enum diagnosis_code code);
/* Whether the settings of device/router_mends.h belong under the mend. */
bool diagnosis_code_has_settings(enum diagnosis_code code);
/* The code of a word, or the check; false for an unknown one. */
bool diagnosis_code_of(const char *word, enum diagnosis_code *ret_code);
bool diagnosis_check_of(const char *word, enum diagnosis_check *ret_check);

/* One verdict as text between worker and agent: "<check> <code> <router>\n" and the detail. */
int diagnosis_write_verdict(const struct diagnosis *diagnosis, enum diagnosis_check check,
                            struct buffer *text) MUST_CHECK;
/* Takes such a text (from a worker that may be captured) into DIAGNOSIS. ERROR_SYNTAX for an
 * unknown word or a code of another check. */
int diagnosis_take_verdict(struct diagnosis *diagnosis, const char *text) MUST_CHECK;

/* {"at", "worst", "verdicts": [{"check", "title", "level", "code", "text", "mend"?,
 * "detail"?: [lines], "settings"?: [{"system", "where", "lines": []}]}]}; json_decref() it. */
int diagnosis_to_json(const struct diagnosis *diagnosis, json_t **ret_object) MUST_CHECK;

#endif

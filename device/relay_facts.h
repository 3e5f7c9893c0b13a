/* What a relay says of itself in its directory (meta.latchkey), as the worker passes it on before
 * it does anything else, and whether this is the relay that we know. Pure. */
#ifndef DEVICE_RELAY_FACTS_H
#define DEVICE_RELAY_FACTS_H

#include "acme/acme.h"
#include "base/core/json.h"

struct relay_facts {
    char zone[STATEMENT_ZONE_CAPACITY];
    struct key *key;                /* of the relay; NULL: it has none */
    char pin[KEY_PIN_SIZE + 1];     /* of the key; "" : none */
    char time_url[LIMIT_URL_BYTES]; /* "" : it does not tell the time */
    const char *moved_to; /* a statement not yet verified, borrowed; NULL: none */
};

/* Reads the message `relay` about the relay at DIRECTORY. ERROR_RANGE with a sentence in REASON:
 * a zone that is no domain name, a key that is none, an address of another origin. Free with
 * relay_facts_free. */
int relay_facts_read(const json_t *message, const char *directory,
                     struct relay_facts *ret_facts, char *reason,
                     size_t capacity) MUST_CHECK;
void relay_facts_free(struct relay_facts *facts);

/* What is known of it already. */
struct relay_known {
    const char *pin; /* from the configuration or from a signed move; "" : not pinned */
    const char *remembered; /* the pin of the key that it showed first; "" : none yet */
    const char *zone;       /* that it had first; "" : none yet */
};

enum relay_verdict {
    RELAY_ITSELF,
    RELAY_KEY_CHANGED, /* not pinned, and it shows another key than at first, or none: its
                          certificates are good, its time and its moves are not believed */
    RELAY_NOT_ITSELF,  /* pinned, and it has another key, or none */
    RELAY_ZONE_CHANGED,
};

/* For all but RELAY_ITSELF a sentence is in REASON. */
enum relay_verdict relay_facts_judge(const struct relay_facts *facts,
                                     const struct relay_known *known, char *reason,
                                     size_t capacity);
/* Whether TEXT is a domain name of lower-case labels that fits into a name of ours. */
bool relay_facts_is_zone(const char *text);

#endif

/* What became of the operator's wishes: the table `wish_answers`, in front.db and in issuer.db
 * alike. A role answers each wish of admin.db in order, its own and those that are none of its
 * business alike, so that the highest number is where it goes on. All block on the disk. */
#ifndef RELAY_STORE_WISH_ANSWER_H
#define RELAY_STORE_WISH_ANSWER_H

#include "relay/store/database.h"

/* BEGUN: taken, and under way. DONE, FAILED: ended. */
enum wish_answer_state { WISH_ANSWER_BEGUN, WISH_ANSWER_DONE, WISH_ANSWER_FAILED };

struct wish_answer {
    int64_t number;
    enum wish_answer_state state;
    const char *content; /* a sentence for the operator; "" : nothing to say */
    int64_t at;
};

typedef int wish_answer_fn(const struct wish_answer *answer, void *arg);

/* Adds or overwrites, in the transaction REV. */
int wish_answer_put(struct database *database, const char *zone, int64_t rev,
                    const struct wish_answer *answer) MUST_CHECK;
/* FN is called once, or ERROR_NOT_FOUND: not answered yet. */
int wish_answer_get(struct database *database, const char *zone, int64_t number,
                    wish_answer_fn *fn, void *arg) MUST_CHECK;
/* The highest number; 0 when there is none. */
int wish_answer_last(struct database *database, const char *zone,
                     int64_t *ret_number) MUST_CHECK;
/* Those that are under way, in order. */
int wish_answer_begun(struct database *database, const char *zone, wish_answer_fn *fn,
                      void *arg) MUST_CHECK;

#endif

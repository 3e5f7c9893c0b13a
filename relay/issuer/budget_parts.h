/* Private to budget*.c. */
#ifndef RELAY_ISSUER_BUDGET_PARTS_H
#define RELAY_ISSUER_BUDGET_PARTS_H

#include "relay/issuer/budget.h"

/* The limit of the bucket named BUCKET, one of RULES'. */
const struct bucket_limit *budget_limit_of(const struct budget_rules *rules,
                                           const char *bucket);
/* Inside a transaction: places are kept longer by the time since the last call, when that is
 * longer than the sweeps' (nobody could come while no issuer ran) or less than none (the clock was
 * set, which is nobody's fault). */
int budget_move_places(struct database *database, const char *zone, int64_t rev,
                       int64_t now_at) MUST_CHECK;

#endif

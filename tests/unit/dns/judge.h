/* What holds for every answer, whatever the question: ldns reads it, and the rules that
 * resolvers insist on are kept. For the tests and the fuzz target. */
#ifndef TESTS_UNIT_DNS_JUDGE_H
#define TESTS_UNIT_DNS_JUDGE_H

#include "dns/answer.h"

/* NULL when ANSWER (not empty) is a right answer to QUERY and at most LIMIT octets long;
 * else what is wrong with it. */
const char *judge_answer(struct bytes query, struct bytes answer, size_t limit);
/* The most that an answer to QUERY may have: by its OPT over UDP (RFC 6891 6.2.5). */
size_t judge_limit(struct bytes query, enum dns_transport transport);

#endif

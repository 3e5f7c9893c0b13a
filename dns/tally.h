/* What was answered, by type and rcode. Each thread that answers has a tally of its own and
 * is its only writer, so counting costs no lock and no locked instruction; anybody may read. */
#ifndef DNS_TALLY_H
#define DNS_TALLY_H

#include "base/core/reader.h"

#include <stdatomic.h>
#include <stdint.h>

enum dns_tally_type {
    DNS_TALLY_A,
    DNS_TALLY_AAAA,
    DNS_TALLY_TXT,
    DNS_TALLY_CAA,
    DNS_TALLY_NS,
    DNS_TALLY_SOA,
    DNS_TALLY_OTHER_TYPE,
    DNS_TALLY_NO_QUESTION,
    DNS_TALLY_TYPE_COUNT
};

enum dns_tally_rcode {
    DNS_TALLY_NOERROR,
    DNS_TALLY_FORMERR,
    DNS_TALLY_NXDOMAIN,
    DNS_TALLY_NOTIMP,
    DNS_TALLY_REFUSED,
    DNS_TALLY_OTHER_RCODE,
    DNS_TALLY_RCODE_COUNT
};

/* All zero at first. */
struct dns_tally {
    atomic_uint_fast64_t answers[DNS_TALLY_TYPE_COUNT][DNS_TALLY_RCODE_COUNT];
    atomic_uint_fast64_t truncated;
    atomic_uint_fast64_t silent; /* no answer: a runt, itself an answer, from port 0 */
    atomic_uint_fast64_t
        limited; /* held back or cut short because one source asks too much */
};

struct dns_tally_sum {
    uint64_t answers[DNS_TALLY_TYPE_COUNT][DNS_TALLY_RCODE_COUNT];
    uint64_t truncated;
    uint64_t silent;
    uint64_t limited;
};

/* Counts ANSWER, which dns_answer made. */
void dns_tally_answer(struct dns_tally *tally, struct bytes answer);
void dns_tally_silence(struct dns_tally *tally);
void dns_tally_limit(struct dns_tally *tally);
/* Adds what TALLY has to SUM; from any thread. */
void dns_tally_add_up(const struct dns_tally *tally, struct dns_tally_sum *sum);
/* All answers of SUM. */
uint64_t dns_tally_answer_count(const struct dns_tally_sum *sum);

/* As they are written: "A", "NXDOMAIN"; NULL-terminated. */
extern const char *const dns_tally_types[];
extern const char *const dns_tally_rcodes[];

#endif

#include "dns/tally.h"

#include "dns/query.h"

const char *const dns_tally_types[] = {
    [DNS_TALLY_A] = "A",
    [DNS_TALLY_AAAA] = "AAAA",
    [DNS_TALLY_TXT] = "TXT",
    [DNS_TALLY_CAA] = "CAA",
    [DNS_TALLY_NS] = "NS",
    [DNS_TALLY_SOA] = "SOA",
    [DNS_TALLY_OTHER_TYPE] = "other",
    [DNS_TALLY_NO_QUESTION] = "none",
    [DNS_TALLY_TYPE_COUNT] = NULL,
};

const char *const dns_tally_rcodes[] = {
    [DNS_TALLY_NOERROR] = "NOERROR",   [DNS_TALLY_FORMERR] = "FORMERR",
    [DNS_TALLY_NXDOMAIN] = "NXDOMAIN", [DNS_TALLY_NOTIMP] = "NOTIMP",
    [DNS_TALLY_REFUSED] = "REFUSED",   [DNS_TALLY_OTHER_RCODE] = "other",
    [DNS_TALLY_RCODE_COUNT] = NULL,
};

enum { FLAG_TC = 0x02, QDCOUNT_LOW = 5 };

/* Only the owner writes: a plain load, add and store, which others may see late but never
 * torn. */
static void count(atomic_uint_fast64_t *counter)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static enum dns_tally_type type_of(struct bytes answer)
{
    size_t at = DNS_HEADER_SIZE;
    if (answer.data[QDCOUNT_LOW] == 0) {
        return DNS_TALLY_NO_QUESTION;
    }
    while (at < answer.size && answer.data[at] != 0) {
        at += 1u + answer.data[at];
    }
    if (at + 2 >= answer.size) {
        return DNS_TALLY_NO_QUESTION;
    }
    switch (answer.data[at + 1] << 8 | answer.data[at + 2]) {
    case DNS_TYPE_A:
        return DNS_TALLY_A;
    case DNS_TYPE_AAAA:
        return DNS_TALLY_AAAA;
    case DNS_TYPE_TXT:
        return DNS_TALLY_TXT;
    case DNS_TYPE_CAA:
        return DNS_TALLY_CAA;
    case DNS_TYPE_NS:
        return DNS_TALLY_NS;
    case DNS_TYPE_SOA:
        return DNS_TALLY_SOA;
    default:
        return DNS_TALLY_OTHER_TYPE;
    }
}

/* RFC 1035 4.1.1; BADVERS (RFC 6891) has the low bits of NOERROR, and is rare enough. */
static enum dns_tally_rcode rcode_of(struct bytes answer)
{
    switch (answer.data[3] & 0x0f) {
    case 0:
        return DNS_TALLY_NOERROR;
    case 1:
        return DNS_TALLY_FORMERR;
    case 3:
        return DNS_TALLY_NXDOMAIN;
    case 4:
        return DNS_TALLY_NOTIMP;
    case 5:
        return DNS_TALLY_REFUSED;
    default:
        return DNS_TALLY_OTHER_RCODE;
    }
}

void dns_tally_answer(struct dns_tally *tally, struct bytes answer)
{
    if (answer.size < DNS_HEADER_SIZE) {
        return;
    }
    count(&tally->answers[type_of(answer)][rcode_of(answer)]);
    if ((answer.data[2] & FLAG_TC) != 0) {
        count(&tally->truncated);
    }
}

void dns_tally_silence(struct dns_tally *tally)
{
    count(&tally->silent);
}

void dns_tally_limit(struct dns_tally *tally)
{
    count(&tally->limited);
}

static uint64_t get(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void dns_tally_add_up(const struct dns_tally *tally, struct dns_tally_sum *sum)
{
    for (size_t type = 0; type < DNS_TALLY_TYPE_COUNT; type++) {
        for (size_t rcode = 0; rcode < DNS_TALLY_RCODE_COUNT; rcode++) {
            sum->answers[type][rcode] += get(&tally->answers[type][rcode]);
        }
    }
    sum->truncated += get(&tally->truncated);
    sum->silent += get(&tally->silent);
    sum->limited += get(&tally->limited);
}

uint64_t dns_tally_answer_count(const struct dns_tally_sum *sum)
{
    uint64_t total = 0;
    for (size_t type = 0; type < DNS_TALLY_TYPE_COUNT; type++) {
        for (size_t rcode = 0; rcode < DNS_TALLY_RCODE_COUNT; rcode++) {
            total += sum->answers[type][rcode];
        }
    }
    return total;
}

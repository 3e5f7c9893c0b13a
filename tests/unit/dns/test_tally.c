#include "dns/tally.h"

#include "tests/unit/dns/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A header with FLAGS and RCODE, and the question a.b. of TYPE. */
static struct bytes answer(uint8_t flags, uint8_t rcode, uint16_t type)
{
    static uint8_t message[21];
    const uint8_t start[] = {
        0,   1, 0x80 | flags,         rcode,         0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 1,
        'b', 0, (uint8_t)(type >> 8), (uint8_t)type, 0, 1};
    memcpy(message, start, sizeof(message));
    return (struct bytes){message, sizeof(message)};
}

static void test_types_and_rcodes(void **state)
{
    static struct dns_tally tally;
    struct dns_tally_sum sum = {.silent = 0};
    (void)state;
    dns_tally_answer(&tally, answer(0, 0, DNS_TYPE_A));
    dns_tally_answer(&tally, answer(0, 0, DNS_TYPE_A));
    dns_tally_answer(&tally, answer(2, 0, DNS_TYPE_TXT));
    dns_tally_answer(&tally, answer(0, 3, DNS_TYPE_AAAA));
    dns_tally_answer(&tally, answer(0, 5, DNS_TYPE_CAA));
    dns_tally_answer(&tally, answer(0, 4, 64));
    dns_tally_answer(&tally, answer(0, 9, DNS_TYPE_SOA));
    dns_tally_silence(&tally);
    dns_tally_limit(&tally);
    dns_tally_add_up(&tally, &sum);
    assert_int_equal(sum.answers[DNS_TALLY_A][DNS_TALLY_NOERROR], 2);
    assert_int_equal(sum.answers[DNS_TALLY_TXT][DNS_TALLY_NOERROR], 1);
    assert_int_equal(sum.answers[DNS_TALLY_AAAA][DNS_TALLY_NXDOMAIN], 1);
    assert_int_equal(sum.answers[DNS_TALLY_CAA][DNS_TALLY_REFUSED], 1);
    assert_int_equal(sum.answers[DNS_TALLY_OTHER_TYPE][DNS_TALLY_NOTIMP], 1);
    assert_int_equal(sum.answers[DNS_TALLY_SOA][DNS_TALLY_OTHER_RCODE], 1);
    assert_int_equal(sum.truncated, 1);
    assert_int_equal(sum.silent, 1);
    assert_int_equal(sum.limited, 1);
    assert_int_equal(dns_tally_answer_count(&sum), 7);
    dns_tally_add_up(&tally, &sum);
    assert_int_equal(dns_tally_answer_count(&sum), 14);
}

/* FORMERR has no question; nothing is read beyond what is there. */
static void test_no_question(void **state)
{
    static struct dns_tally tally;
    const uint8_t refusal[12] = {0, 1, 0x80, 1};
    const uint8_t cut[14] = {0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 'a'};
    struct dns_tally_sum sum = {.silent = 0};
    (void)state;
    dns_tally_answer(&tally, (struct bytes){refusal, sizeof(refusal)});
    dns_tally_answer(&tally, (struct bytes){cut, sizeof(cut)});
    dns_tally_answer(&tally, (struct bytes){cut, 11});
    dns_tally_add_up(&tally, &sum);
    assert_int_equal(sum.answers[DNS_TALLY_NO_QUESTION][DNS_TALLY_FORMERR], 1);
    assert_int_equal(sum.answers[DNS_TALLY_NO_QUESTION][DNS_TALLY_NOERROR], 1);
    assert_int_equal(dns_tally_answer_count(&sum), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_and_rcodes),
        cmocka_unit_test(test_no_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

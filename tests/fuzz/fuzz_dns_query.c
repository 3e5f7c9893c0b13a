/* Any bytes as a query, over UDP and TCP, to the zone of tests/unit/dns/fixture.c: the
 * answer is silence, or what judge.c takes, with ldns as the reader. */
#include "tests/unit/dns/fixture.h"
#include "tests/unit/dns/judge.h"

#include "tests/fuzz/require.h"

#include <string.h>

static void ask(const struct fixture *fixture, struct bytes query,
                enum dns_transport transport)
{
    static uint8_t answer[DNS_ANSWER_MAX];
    static const struct dns_cookie_keys cookies = {.current = {1, 2}};
    static const struct sockaddr_storage client = {.ss_family = AF_INET6};
    const struct dns_asker asker = {
        .transport = transport, .cookies = &cookies, .address = &client};
    size_t size =
        dns_answer(query, &asker, &fixture->view, fixture->probes, FIXTURE_NOW_AT, answer,
                   transport == DNS_UDP ? DNS_UDP_MAX : sizeof(answer));
    bool is_query = query.size >= DNS_HEADER_SIZE && (query.data[2] & 0x80) == 0;
    REQUIRE((size > 0) == is_query);
    if (size > 0) {
        const char *fault = judge_answer(query, (struct bytes){answer, size},
                                         judge_limit(query, transport));
        if (fault != NULL) {
            fprintf(stderr, "%s\n", fault);
        }
        REQUIRE(fault == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fixture fixture;
    static bool open;
    if (!open) {
        fixture_open(&fixture);
        open = true;
    }
    ask(&fixture, (struct bytes){data, size}, DNS_UDP);
    ask(&fixture, (struct bytes){data, size}, DNS_TCP);
    return 0;
}

/* A snapshot with a right hash but any content: it is refused, or what was taken answers
 * questions as ldns can read them. */
#include "relay/nameserver/snapshot.h"

#include "base/crypto/digest.h"
#include "tests/unit/dns/fixture.h"
#include "tests/unit/dns/judge.h"

#include "tests/fuzz/require.h"

#include <string.h>

enum { INPUT_MAX = 64 << 10 };

static void ask(const struct dns_view *view, const char *name, uint16_t type)
{
    uint8_t query[512];
    static uint8_t answer[DNS_ANSWER_MAX];
    const struct dns_asker asker = {.transport = DNS_TCP};
    struct bytes bytes = {query, fixture_query(name, type, 1232, query)};
    size_t size =
        dns_answer(bytes, &asker, view, NULL, FIXTURE_NOW_AT, answer, sizeof(answer));
    REQUIRE(judge_answer(bytes, (struct bytes){answer, size}, sizeof(answer)) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fixture fixture;
    static bool open;
    static uint8_t content[INPUT_MAX + DIGEST_SHA256_SIZE];
    const struct lanname_policy policy = {false, false};
    struct dns_view view;
    struct follower_seen seen;
    if (!open) {
        fixture_open(&fixture);
        open = true;
    }
    if (size > INPUT_MAX) {
        return 0;
    }
    memcpy(content, data, size);
    REQUIRE(digest_sha256(content, size, content + size) == 0);
    REQUIRE(dns_view_init(&view, fixture.template, &policy, 100, 100) == 0);
    if (snapshot_decode((struct bytes){content, size + DIGEST_SHA256_SIZE}, &view,
                        &seen) == 0) {
        ask(&view, "_acme-challenge." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_TXT);
        ask(&view, FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_A);
        ask(&view, "home." FIXTURE_ID "." FIXTURE_ZONE, DNS_TYPE_AAAA);
        ask(&view, FIXTURE_ZONE, DNS_TYPE_CAA);
    }
    dns_view_free(&view);
    return 0;
}

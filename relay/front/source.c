#include "relay/front/source.h"

#include "base/core/clock.h"
#include "relay/front/response.h"

#include <inttypes.h>

enum { SITE_BITS_4 = 24, SITE_BITS_6 = 48 };

bool source_is_open(const struct request *request)
{
    const struct relay_config *config = request->service->config;
    struct address peer;

    if (config->enrolment == RELAY_ENROLMENT_OPEN) {
        return true;
    }
    http_exchange_peer(request->exchange, &peer);
    for (size_t i = 0; i < config->open_prefixes.count; i++) {
        struct prefix prefix;

        if (prefix_parse(config->open_prefixes.at[i], &prefix) == 0 &&
            prefix_holds(&prefix, &peer)) {
            return true;
        }
    }
    return false;
}

static bool is_this_machine(const struct address *peer)
{
    static const char *const loopbacks[] = {"127.0.0.0/8", "::1/128"};
    struct prefix prefix;

    for (size_t i = 0; i < sizeof(loopbacks) / sizeof(loopbacks[0]); i++) {
        if (prefix_parse(loopbacks[i], &prefix) == 0 && prefix_holds(&prefix, peer)) {
            return true;
        }
    }
    return false;
}

bool source_take(struct request *request, enum quota_kind kind, uint64_t per_hour,
                 const char *what)
{
    char text[PREFIX_TEXT_CAPACITY];
    struct prefix prefix;
    struct address peer;
    int64_t wait_s = 0;

    http_exchange_peer(request->exchange, &peer);
    if (is_this_machine(&peer) || !prefix_of(&peer, SITE_BITS_4, SITE_BITS_6, &prefix)) {
        return true;
    }
    prefix_text(&prefix, text);
    wait_s =
        quota_take_hourly(request->service->quota, kind, text, per_hour, clock_mono_ms());
    if (wait_s == 0) {
        return true;
    }
    response_retry_after(request, wait_s);
    response_error(request, ACME_PROBLEM_RATE_LIMITED,
                   "too many %s from the network %s: at most %" PRIu64
                   " an hour; the next is welcome in %" PRId64 " seconds",
                   what, text, per_hour, wait_s);
    return false;
}

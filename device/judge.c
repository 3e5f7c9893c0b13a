/* The order of thought, for the network's resolvers: does one answer anything (localhost is
 * enough)? Does it find the zone (a TXT record that is always there, and that no filter for
 * private addresses touches)? Only then do missing answers for private addresses mean a
 * filter. A public resolver, asked over HTTPS past everything in this network, tells a fault
 * of the network from a fault of the zone; the relay's count of questions tells a filter on
 * the way back from a resolver that never asks. */
#include "device/judge.h"

#include "base/core/text.h"

#include <string.h>

enum {
    CLOCK_RIGHT_S = 120,
    CLOCK_OFF_S = 3600,
    RCODE_NXDOMAIN = 3,
    RCODE_REFUSED = 5,
    EDE_BLOCKED = 15,    /* RFC 8914 4.16 */
    EDE_PROHIBITED = 18, /* RFC 8914 4.19 */
};

/* --- replies --- */

static bool is_sinkhole(const struct dns_message_address *address)
{
    static const uint8_t zero[16] = {0};
    static const uint8_t loopback6[16] = {[15] = 1};
    if (address->family == 4) {
        return address->octets[0] == 127 || memcmp(address->octets, zero, 4) == 0;
    }
    return memcmp(address->octets, zero, 16) == 0 ||
           memcmp(address->octets, loopback6, 16) == 0;
}

static bool is_equal(const struct dns_message_address *a,
                     const struct dns_message_address *b)
{
    return a->family == b->family &&
           memcmp(a->octets, b->octets, a->family == 4 ? 4 : 16) == 0;
}

static enum judge_reply judge_addresses(const struct dns_message_reply *reply,
                                        const struct dns_message_address *expected)
{
    for (size_t i = 0; i < reply->address_count; i++) {
        if (expected == NULL || is_equal(&reply->addresses[i], expected)) {
            return JUDGE_RIGHT;
        }
    }
    return is_sinkhole(&reply->addresses[0]) ? JUDGE_SINKHOLE : JUDGE_OTHER;
}

void judge_reply_of(const struct dns_message_reply *reply, enum judge_question question,
                    const struct dns_message_address *expected,
                    struct judge_answer *ret_answer)
{
    struct judge_answer answer = {.reply = JUDGE_EMPTY,
                                  .ede = reply->ede,
                                  .has_soa = reply->has_soa,
                                  .address_count = reply->address_count};
    memcpy(answer.addresses, reply->addresses, sizeof(answer.addresses));
    if (reply->rcode == RCODE_NXDOMAIN) {
        answer.reply = JUDGE_NXDOMAIN;
    } else if (reply->rcode == RCODE_REFUSED) {
        answer.reply = JUDGE_REFUSED;
    } else if (reply->rcode != 0) {
        answer.reply = JUDGE_SERVFAIL;
    } else if (question == JUDGE_CONTROL) {
        answer.reply = reply->has_text ? JUDGE_RIGHT : JUDGE_EMPTY;
    } else if (question == JUDGE_LOCAL) {
        answer.reply = JUDGE_RIGHT;
    } else if (reply->address_count > 0) {
        answer.reply = judge_addresses(reply, expected);
    }
    *ret_answer = answer;
}

static bool is_dropped(const struct judge_answer *answer)
{
    return answer->reply == JUDGE_EMPTY || answer->reply == JUDGE_NXDOMAIN ||
           answer->reply == JUDGE_REFUSED || answer->reply == JUDGE_SERVFAIL ||
           answer->reply == JUDGE_SINKHOLE;
}

static bool has_replied(const struct judge_answer *answer)
{
    return answer->reply != JUDGE_UNASKED && answer->reply != JUDGE_SILENT;
}

static const char *reply_text(const struct judge_answer *answer)
{
    static const char *const texts[] = {
        [JUDGE_UNASKED] = "was not asked",
        [JUDGE_SILENT] = "gives no answer",
        [JUDGE_RIGHT] = "gives the right answer",
        [JUDGE_EMPTY] = "gives an empty answer",
        [JUDGE_NXDOMAIN] = "says there is no such name (NXDOMAIN)",
        [JUDGE_REFUSED] = "refuses (REFUSED)",
        [JUDGE_SERVFAIL] = "fails (SERVFAIL)",
        [JUDGE_SINKHOLE] = "answers with an address that leads nowhere",
        [JUDGE_OTHER] = "answers with another address",
    };
    return texts[answer->reply];
}

/* "192.168.77.1:53 gives an empty answer, extended error 15 (blocked), for a name in 10/8" */
static void add_answer(struct diagnosis *diagnosis, enum diagnosis_check check,
                       const struct judge_resolver *resolver,
                       enum judge_question question, const char *what)
{
    const struct judge_answer *answer = &resolver->answers[question];
    char extended[64] = "";
    if (answer->ede != DNS_MESSAGE_NO_EDE && answer->reply != JUDGE_UNASKED) {
        text_format(extended, sizeof(extended), ", extended error %d%s", answer->ede,
                    answer->ede == EDE_BLOCKED      ? " (blocked)"
                    : answer->ede == EDE_PROHIBITED ? " (prohibited)"
                                                    : "");
    }
    diagnosis_add(diagnosis, check, "%s %s%s for %s", resolver->text, reply_text(answer),
                  extended, what);
}

/* --- clock --- */

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static void judge_clock(const struct findings *findings, struct diagnosis *diagnosis)
{
    char now[TEXT_TIME_CAPACITY];
    char there[TEXT_TIME_CAPACITY];
    enum diagnosis_code code = DIAGNOSIS_NOT_KNOWN;
    const struct judge_relay *relay = &findings->relay;
    bool is_before_relay = relay->not_before_at > findings->now_at;
    int64_t off_s = distance(findings->date_at, findings->system_at);
    if (distance(findings->now_at, findings->system_at) > CLOCK_OFF_S) {
        code = DIAGNOSIS_CLOCK_CORRECTED;
    } else if (findings->system_at < findings->floor_at) {
        code = DIAGNOSIS_CLOCK_UNSET;
    } else if (findings->date_at != 0) {
        code = off_s <= CLOCK_RIGHT_S ? DIAGNOSIS_CLOCK_RIGHT
               : off_s <= CLOCK_OFF_S ? DIAGNOSIS_CLOCK_OFF
                                      : DIAGNOSIS_CLOCK_WRONG;
    } else if (is_before_relay) {
        /* Nobody serves a certificate before it begins. */
        code = DIAGNOSIS_CLOCK_WRONG;
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_CLOCK, code);
    text_time(findings->system_at, now);
    diagnosis_add(diagnosis, DIAGNOSIS_CHECK_CLOCK, "the device's clock says %s", now);
    if (findings->date_at != 0) {
        text_time(findings->date_at, there);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_CLOCK, "%s says %s",
                      findings->date_source, there);
    } else if (is_before_relay) {
        text_time(relay->not_before_at, there);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_CLOCK,
                      "the relay's certificate begins at %s", there);
    }
}

/* --- address and route --- */

static void judge_network(const struct findings *findings, struct diagnosis *diagnosis)
{
    char text[DIAGNOSIS_LINE_BYTES];
    bool has_route = findings->has_route4 || findings->has_route6;
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_ADDRESS,
                  findings->addresses->count > 0 ? DIAGNOSIS_ADDRESS_FOUND
                                                 : DIAGNOSIS_ADDRESS_NONE);
    if (findings->addresses->count > 0) {
        own_addresses_text(findings->addresses, text, sizeof(text));
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ADDRESS, "%s", text);
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_ROUTE,
                  !findings->is_route_known ? DIAGNOSIS_NOT_KNOWN
                  : has_route               ? DIAGNOSIS_ROUTE_FOUND
                                            : DIAGNOSIS_ROUTE_NONE);
    if (findings->gateway[0] != '\0') {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ROUTE, "IPv4 by way of %s",
                      findings->gateway);
    } else if (findings->has_route4) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ROUTE, "IPv4");
    }
    if (findings->has_route6) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ROUTE, "IPv6");
    }
}

/* --- resolver --- */

static bool is_alive(const struct judge_resolver *resolver)
{
    for (size_t i = 0; i < JUDGE_QUESTION_COUNT; i++) {
        if (has_replied(&resolver->answers[i])) {
            return true;
        }
    }
    return false;
}

/* REFUSED to all, even to what it knows by itself: this device is not welcome. */
static bool is_refusing(const struct judge_resolver *resolver)
{
    for (size_t i = 0; i < JUDGE_QUESTION_COUNT; i++) {
        const struct judge_answer *answer = &resolver->answers[i];
        if (has_replied(answer) && answer->reply != JUDGE_REFUSED) {
            return false;
        }
    }
    return is_alive(resolver);
}

static void judge_resolvers(const struct findings *findings, struct diagnosis *diagnosis)
{
    size_t alive = 0;
    size_t refusing = 0;
    for (size_t i = 0; i < findings->resolver_count; i++) {
        alive += is_alive(&findings->resolvers[i]) ? 1 : 0;
        refusing += is_refusing(&findings->resolvers[i]) ? 1 : 0;
    }
    enum diagnosis_code code = DIAGNOSIS_RESOLVER_ANSWERS;
    if (findings->resolver_count == 0) {
        code = findings->unusable_resolvers > 0 ? DIAGNOSIS_NOT_KNOWN
                                                : DIAGNOSIS_RESOLVER_NONE;
    } else if (alive == 0) {
        code = DIAGNOSIS_RESOLVER_SILENT;
    } else if (alive < findings->resolver_count) {
        code = DIAGNOSIS_RESOLVER_PART_SILENT;
    } else if (refusing == findings->resolver_count) {
        code = DIAGNOSIS_RESOLVER_REFUSES;
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_RESOLVER, code);
    for (size_t i = 0; i < findings->resolver_count; i++) {
        const struct judge_resolver *resolver = &findings->resolvers[i];
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RESOLVER, "%s %s", resolver->text,
                      !is_alive(resolver)     ? "gives no answer"
                      : is_refusing(resolver) ? "refuses (REFUSED)"
                                              : "answers");
    }
    if (findings->unusable_resolvers > 0) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RESOLVER,
                      "%zu more are named in a way that is not understood here",
                      findings->unusable_resolvers);
    }
}

/* --- public resolvers --- */

/* The question whose answer shows whether private addresses come through. */
static const struct judge_answer *private_answer(const struct judge_resolver *resolver)
{
    const struct judge_answer *own = &resolver->answers[JUDGE_OWN];
    return own->reply != JUDGE_UNASKED ? own : &resolver->answers[JUDGE_FRESH4];
}

/* The best of them: RIGHT when one answers all, else what keeps it. */
static enum diagnosis_code public_code(const struct findings *findings)
{
    enum diagnosis_code code = DIAGNOSIS_PUBLIC_UNREACHABLE;
    for (size_t i = 0; i < findings->public_count; i++) {
        const struct judge_resolver *resolver = &findings->publics[i];
        const struct judge_answer *control = &resolver->answers[JUDGE_CONTROL];
        if (!resolver->is_reached || !has_replied(control)) {
            continue;
        }
        if (control->reply != JUDGE_RIGHT) {
            code = code == DIAGNOSIS_PUBLIC_UNREACHABLE ? DIAGNOSIS_PUBLIC_LOST : code;
        } else if (private_answer(resolver)->reply == JUDGE_RIGHT) {
            return DIAGNOSIS_PUBLIC_ANSWERS;
        } else {
            code = DIAGNOSIS_PUBLIC_FILTERS;
        }
    }
    return code;
}

static void judge_publics(const struct findings *findings, struct diagnosis *diagnosis)
{
    if (findings->public_count == 0 || findings->zone[0] == '\0') {
        diagnosis_set(diagnosis, DIAGNOSIS_CHECK_PUBLIC, DIAGNOSIS_NOT_CHECKED);
        return;
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_PUBLIC, public_code(findings));
    for (size_t i = 0; i < findings->public_count; i++) {
        const struct judge_resolver *resolver = &findings->publics[i];
        if (!resolver->is_reached) {
            diagnosis_add(diagnosis, DIAGNOSIS_CHECK_PUBLIC, "%s: %s", resolver->text,
                          resolver->failure);
            continue;
        }
        add_answer(diagnosis, DIAGNOSIS_CHECK_PUBLIC, resolver, JUDGE_CONTROL,
                   "the zone");
        if (resolver->answers[JUDGE_CONTROL].reply == JUDGE_RIGHT) {
            add_answer(diagnosis, DIAGNOSIS_CHECK_PUBLIC, resolver,
                       resolver->answers[JUDGE_OWN].reply != JUDGE_UNASKED ? JUDGE_OWN
                                                                           : JUDGE_FRESH4,
                       "a name with a private address");
        }
    }
}

/* --- zone --- */

static void judge_zone(const struct findings *findings, struct diagnosis *diagnosis)
{
    bool is_found = false;
    bool has_reply = false;
    enum diagnosis_code code = DIAGNOSIS_ZONE_FAILING;
    enum diagnosis_code public = public_code(findings);
    for (size_t i = 0; i < findings->resolver_count; i++) {
        const struct judge_resolver *resolver = &findings->resolvers[i];
        is_found |= resolver->answers[JUDGE_CONTROL].reply == JUDGE_RIGHT;
        has_reply |= is_alive(resolver) && !is_refusing(resolver);
    }
    if (is_found) {
        code = DIAGNOSIS_ZONE_FOUND;
    } else if (!has_reply || findings->zone[0] == '\0') {
        code = DIAGNOSIS_NOT_CHECKED;
    } else if (public == DIAGNOSIS_PUBLIC_ANSWERS || public == DIAGNOSIS_PUBLIC_FILTERS) {
        code = DIAGNOSIS_ZONE_BLOCKED;
    } else if (public == DIAGNOSIS_PUBLIC_LOST) {
        code = DIAGNOSIS_ZONE_LOST;
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_ZONE, code);
    if (code == DIAGNOSIS_NOT_CHECKED) {
        return;
    }
    diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ZONE, "the zone is %s", findings->zone);
    for (size_t i = 0; i < findings->resolver_count; i++) {
        add_answer(diagnosis, DIAGNOSIS_CHECK_ZONE, &findings->resolvers[i],
                   JUDGE_CONTROL, "it");
    }
}

/* --- private answers --- */

/* How one resolver treats private addresses. */
struct treatment {
    bool is_known; /* it finds the zone, so that what is missing means something */
    bool drops4;
    bool drops6;
    bool changes;
    bool is_silent;
};

static struct treatment treatment_of(const struct judge_resolver *resolver)
{
    static const enum judge_question questions[] = {JUDGE_OWN, JUDGE_FRESH4,
                                                    JUDGE_FRESH6};
    struct treatment treatment = {.is_known = resolver->answers[JUDGE_CONTROL].reply ==
                                              JUDGE_RIGHT};
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        const struct judge_answer *answer = &resolver->answers[questions[i]];
        bool drops = treatment.is_known && is_dropped(answer);
        treatment.changes |= answer->reply == JUDGE_OTHER;
        treatment.is_silent |= answer->reply == JUDGE_SILENT;
        treatment.drops6 |= drops && questions[i] == JUDGE_FRESH6;
        treatment.drops4 |= drops && questions[i] == JUDGE_FRESH4;
    }
    /* The own network may be dropped alone, or have no IPv4. */
    if (treatment.is_known && is_dropped(&resolver->answers[JUDGE_OWN]) &&
        !treatment.drops6) {
        treatment.drops4 = true;
    }
    return treatment;
}

static enum diagnosis_code private_code(const struct findings *findings)
{
    size_t known = 0;
    size_t dropping4 = 0;
    size_t dropping6 = 0;
    bool is_changed = false;
    bool is_silent = false;
    for (size_t i = 0; i < findings->resolver_count; i++) {
        struct treatment treatment = treatment_of(&findings->resolvers[i]);
        is_changed |= treatment.changes;
        known += treatment.is_known ? 1 : 0;
        dropping4 += treatment.drops4 ? 1 : 0;
        dropping6 += treatment.drops6 ? 1 : 0;
        is_silent |= treatment.is_known && treatment.is_silent;
    }
    if (is_changed) {
        return DIAGNOSIS_ANSWERS_CHANGED;
    }
    if (known == 0) {
        return DIAGNOSIS_NOT_CHECKED;
    }
    if (dropping4 > 0 && dropping4 < known) {
        return DIAGNOSIS_REBINDING_FILTER_SOME;
    }
    if (dropping4 > 0) {
        return dropping6 > 0 ? DIAGNOSIS_REBINDING_FILTER
                             : DIAGNOSIS_REBINDING_FILTER_IPV4;
    }
    if (dropping6 > 0) {
        return DIAGNOSIS_REBINDING_FILTER_IPV6;
    }
    return is_silent ? DIAGNOSIS_PRIVATE_SILENT : DIAGNOSIS_PRIVATE_ANSWERED;
}

/* What kind of filter it is, by its behaviour alone; see device/router_mends.c. */
static enum diagnosis_router router_of(const struct judge_resolver *resolver)
{
    const struct judge_answer *answer = &resolver->answers[JUDGE_FRESH4];
    if (!is_dropped(answer)) {
        answer = &resolver->answers[JUDGE_OWN];
    }
    if (!is_dropped(answer)) {
        answer = &resolver->answers[JUDGE_FRESH6];
    }
    if (answer->reply == JUDGE_REFUSED && answer->ede == EDE_PROHIBITED) {
        return DIAGNOSIS_ROUTER_KNOT;
    }
    if (answer->reply == JUDGE_EMPTY && answer->ede == EDE_BLOCKED) {
        return DIAGNOSIS_ROUTER_DNSMASQ;
    }
    if (answer->reply != JUDGE_EMPTY || answer->has_soa) {
        return DIAGNOSIS_ROUTER_ANY;
    }
    return text_starts_with(resolver->text, "192.168.178.1:") ? DIAGNOSIS_ROUTER_FRITZBOX
           : text_starts_with(resolver->text, "192.168.86.")  ? DIAGNOSIS_ROUTER_GOOGLE
                                                              : DIAGNOSIS_ROUTER_UNBOUND;
}

static void judge_private(const struct findings *findings, struct diagnosis *diagnosis)
{
    enum diagnosis_code code = private_code(findings);
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_PRIVATE, code);
    if (code == DIAGNOSIS_NOT_CHECKED || code == DIAGNOSIS_PRIVATE_ANSWERED) {
        return;
    }
    for (size_t i = 0; i < findings->resolver_count; i++) {
        const struct judge_resolver *resolver = &findings->resolvers[i];
        struct treatment treatment = treatment_of(resolver);
        if (!treatment.is_known && !treatment.changes) {
            continue;
        }
        if ((treatment.drops4 || treatment.drops6) &&
            diagnosis->router == DIAGNOSIS_ROUTER_ANY) {
            diagnosis->router = router_of(resolver);
        }
        add_answer(diagnosis, DIAGNOSIS_CHECK_PRIVATE, resolver, JUDGE_OWN,
                   "the device's own name");
        add_answer(diagnosis, DIAGNOSIS_CHECK_PRIVATE, resolver, JUDGE_FRESH4,
                   "a name with an address in 10/8");
        add_answer(diagnosis, DIAGNOSIS_CHECK_PRIVATE, resolver, JUDGE_FRESH6,
                   "a name with an address in fd00::/8");
    }
    if (public_code(findings) == DIAGNOSIS_PUBLIC_ANSWERS) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_PRIVATE,
                      "a public resolver gives them all: it is this network");
    }
}

/* --- question --- */

static void judge_question(const struct findings *findings, struct diagnosis *diagnosis)
{
    enum diagnosis_code code = DIAGNOSIS_NOT_KNOWN;
    bool is_asked = false;
    bool is_dropped_back = false;
    for (size_t i = 0; i < findings->resolver_count; i++) {
        const struct judge_answer *answer = &findings->resolvers[i].answers[JUDGE_PROBE];
        is_asked |= has_replied(answer);
        is_dropped_back |= is_dropped(answer);
    }
    if (!is_asked || findings->seen == JUDGE_SEEN_UNASKED) {
        code = DIAGNOSIS_NOT_CHECKED;
    } else if (findings->seen >= 0) {
        code = findings->seen > 0 ? DIAGNOSIS_QUESTION_ARRIVED
                                  : DIAGNOSIS_QUESTION_NOT_ARRIVED;
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_QUESTION, code);
    if (code == DIAGNOSIS_QUESTION_ARRIVED && is_dropped_back) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_QUESTION,
                      "the relay answered it; the answer was dropped on its way back");
    } else if (code == DIAGNOSIS_NOT_KNOWN) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_QUESTION, "%s", findings->seen_reason);
    }
}

/* --- relay --- */

static enum diagnosis_code relay_failure_code(const struct findings *findings)
{
    const struct judge_relay *relay = &findings->relay;
    bool is_out_of_date =
        relay->not_after_at != 0 && (findings->now_at < relay->not_before_at ||
                                     findings->now_at >= relay->not_after_at);
    if (relay->is_proxy) {
        return DIAGNOSIS_RELAY_PROXY;
    }
    if (relay->error == ERROR_NOT_FOUND || !relay->is_name_known) {
        return DIAGNOSIS_RELAY_NAME_UNKNOWN;
    }
    if (relay->error == ERROR_SIGNATURE) {
        return is_out_of_date ? DIAGNOSIS_RELAY_EXPIRED : DIAGNOSIS_RELAY_INTERCEPTED;
    }
    return relay->is_connected ? DIAGNOSIS_RELAY_PORTAL : DIAGNOSIS_RELAY_UNREACHABLE;
}

static enum diagnosis_code relay_code(const struct findings *findings)
{
    const struct judge_relay *relay = &findings->relay;
    if (!relay->is_asked) {
        return DIAGNOSIS_NOT_CHECKED;
    }
    if (relay->error != 0) {
        return relay_failure_code(findings);
    }
    if (relay->status >= 500 || relay->status == 429) {
        return DIAGNOSIS_RELAY_DOWN;
    }
    if (relay->status != 200 || !relay->is_acme) {
        return DIAGNOSIS_RELAY_PORTAL;
    }
    if (!relay->is_latchkey) {
        return DIAGNOSIS_RELAY_OTHER;
    }
    switch (relay->verdict) {
    case RELAY_NOT_ITSELF:
        return DIAGNOSIS_RELAY_IMPOSTOR;
    case RELAY_ZONE_CHANGED:
        return DIAGNOSIS_RELAY_ZONE;
    case RELAY_KEY_CHANGED:
        return DIAGNOSIS_RELAY_KEY;
    case RELAY_ITSELF:
        break;
    }
    return DIAGNOSIS_RELAY_ANSWERS;
}

static void judge_relay(const struct findings *findings, struct diagnosis *diagnosis)
{
    const struct judge_relay *relay = &findings->relay;
    enum diagnosis_code code = relay_code(findings);
    char text[TEXT_TIME_CAPACITY];
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_RELAY, code);
    if (code == DIAGNOSIS_NOT_CHECKED) {
        return;
    }
    diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RELAY, "the relay is %s", relay->name);
    if (relay->error != 0) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RELAY, "%s", relay->reason);
    } else if (relay->doubt[0] != '\0') {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RELAY, "%s", relay->doubt);
    } else if (code != DIAGNOSIS_RELAY_ANSWERS) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RELAY, "HTTP status %d", relay->status);
    }
    if (relay->error == ERROR_SIGNATURE && relay->not_after_at != 0) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RELAY, "the certificate there is by %s",
                      relay->issuer);
        text_time(relay->not_after_at, text);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RELAY, "and ends at %s", text);
    }
    if (code == DIAGNOSIS_RELAY_ANSWERS && relay->has_pin) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_RELAY,
                      "its key has the pin that is expected");
    }
}

/* --- the device's own HTTPS --- */

static void judge_served(const struct findings *findings, struct diagnosis *diagnosis)
{
    static const enum diagnosis_code ports[] = {
        [JUDGE_SERVED_UNASKED] = DIAGNOSIS_NOT_CHECKED,
        [JUDGE_SERVED_NOTHING] = DIAGNOSIS_PORT_CLOSED,
        [JUDGE_SERVED_OWN] = DIAGNOSIS_PORT_OPEN,
        [JUDGE_SERVED_ANOTHER] = DIAGNOSIS_PORT_OPEN,
    };
    static const enum diagnosis_code names[] = {
        [JUDGE_SERVED_UNASKED] = DIAGNOSIS_NOT_CHECKED,
        [JUDGE_SERVED_NOTHING] = DIAGNOSIS_SERVED_NOWHERE,
        [JUDGE_SERVED_OWN] = DIAGNOSIS_SERVED_TRUSTED,
        [JUDGE_SERVED_ANOTHER] = DIAGNOSIS_SERVED_OTHER,
    };
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_PORT, ports[findings->port]);
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_SERVED, names[findings->served]);
    if (findings->port != JUDGE_SERVED_UNASKED) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_PORT, "%s", findings->port_text);
    }
    if (findings->served != JUDGE_SERVED_UNASKED) {
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_SERVED, "%s", findings->served_text);
    }
}

/* The answer for the stable name of whoever passes private addresses on. */
static const struct judge_answer *stable_answer(const struct findings *findings)
{
    for (size_t i = 0; i < findings->resolver_count; i++) {
        struct treatment treatment = treatment_of(&findings->resolvers[i]);
        const struct judge_answer *answer = &findings->resolvers[i].answers[JUDGE_STABLE];
        if (treatment.is_known && !treatment.drops4 && !treatment.changes &&
            has_replied(answer)) {
            return answer;
        }
    }
    for (size_t i = 0; i < findings->public_count; i++) {
        const struct judge_answer *answer = &findings->publics[i].answers[JUDGE_STABLE];
        if (private_answer(&findings->publics[i])->reply == JUDGE_RIGHT &&
            has_replied(answer)) {
            return answer;
        }
    }
    return NULL;
}

/* Whether the answer holds the device's addresses of its family, and no others. */
static bool is_current(const struct findings *findings, const struct judge_answer *answer)
{
    size_t own = 0;
    size_t found = 0;
    for (size_t i = 0; i < findings->addresses->count; i++) {
        const struct lanname_address *address = &findings->addresses->at[i];
        struct dns_message_address same = {.family = address->family};
        memcpy(same.octets, address->octets, sizeof(same.octets));
        own += address->family == answer->addresses[0].family ? 1 : 0;
        for (size_t j = 0; j < answer->address_count; j++) {
            found += is_equal(&same, &answer->addresses[j]) ? 1 : 0;
        }
    }
    return own == found && found == answer->address_count;
}

static void judge_names(const struct findings *findings, struct diagnosis *diagnosis)
{
    const struct judge_answer *answer = stable_answer(findings);
    enum diagnosis_code code = DIAGNOSIS_NOT_CHECKED;
    if (answer != NULL && answer->reply == JUDGE_RIGHT) {
        code =
            is_current(findings, answer) ? DIAGNOSIS_NAMES_CURRENT : DIAGNOSIS_NAMES_OLD;
    } else if (answer != NULL) {
        code = answer->reply == JUDGE_EMPTY || answer->reply == JUDGE_NXDOMAIN
                   ? DIAGNOSIS_NAMES_MISSING
                   : DIAGNOSIS_NOT_KNOWN;
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_NAMES, code);
    for (size_t i = 0; answer != NULL && i < answer->address_count; i++) {
        char text[46];
        struct lanname_address address = {.family = answer->addresses[i].family};
        memcpy(address.octets, answer->addresses[i].octets, sizeof(address.octets));
        lanname_address_text(&address, text);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_NAMES, "it leads to %s", text);
    }
}

void judge_all(const struct findings *findings, struct diagnosis *diagnosis)
{
    diagnosis->at = findings->now_at;
    diagnosis->router = DIAGNOSIS_ROUTER_ANY;
    text_copy(diagnosis->zone, sizeof(diagnosis->zone), findings->zone);
    judge_clock(findings, diagnosis);
    judge_network(findings, diagnosis);
    judge_resolvers(findings, diagnosis);
    judge_zone(findings, diagnosis);
    judge_private(findings, diagnosis);
    judge_question(findings, diagnosis);
    judge_publics(findings, diagnosis);
    judge_relay(findings, diagnosis);
    judge_served(findings, diagnosis);
    judge_names(findings, diagnosis);
}

#include "relay/issuer/lane.h"

#include "relay/issuer/window.h"
#include "relay/store/issuer_store.h"

#include <string.h>

enum {
    KNOWN_S = 120 * 86400, /* Let's Encrypt: the same names within the last 120 days */
    EXPIRING_PART = 6,     /* a sixth of the life is left: half of what a renewal has */
};

struct look {
    const struct issuer *issuer;
    const char *names;
    int64_t now_at;
    enum budget_lane lane;
};

static int take_current(const struct issuer_store_certificate *certificate, void *arg)
{
    struct look *look = arg;
    int64_t life_s = certificate->not_after_at - certificate->not_before_at;

    if (strcmp(certificate->names, look->names) != 0 ||
        strcmp(certificate->ca, look->issuer->config->ca_directory) != 0) {
        return 0;
    }
    if (certificate->revoked_at == 0 && certificate->not_after_at > look->now_at &&
        acme_client_has_renewal_info(ca_client(look->issuer->ca)) &&
        window_inside(certificate, look->now_at)) {
        look->lane = BUDGET_LANE_WINDOW;
    } else if (look->now_at - certificate->not_before_at >= KNOWN_S) {
        look->lane = BUDGET_LANE_FIRST; /* to the CA the names are new again */
    } else if (certificate->not_after_at - look->now_at < life_s / EXPIRING_PART) {
        look->lane = BUDGET_LANE_EXPIRING;
    } else {
        look->lane = window_reached(certificate, look->now_at) ? BUDGET_LANE_RENEWAL
                                                               : BUDGET_LANE_KEY_CHANGE;
    }
    return 0;
}

int lane_of(struct issuer *issuer, const char *id, const char *names, int64_t now_at,
            enum budget_lane *ret_lane)
{
    struct look look = {
        .issuer = issuer, .names = names, .now_at = now_at, .lane = BUDGET_LANE_FIRST};
    int error = issuer_store_current_certificate(issuer->database, issuer->config->zone,
                                                 id, take_current, &look);

    if (error != 0 && error != ERROR_NOT_FOUND) {
        return error;
    }
    *ret_lane = look.lane;
    return 0;
}

bool lane_is_renewal(enum budget_lane lane)
{
    return lane == BUDGET_LANE_EXPIRING || lane == BUDGET_LANE_WINDOW ||
           lane == BUDGET_LANE_RENEWAL;
}

static int take_time_made(const struct issuer_store_certificate *certificate, void *arg)
{
    *(int64_t *)arg = certificate->not_before_at;
    return 0;
}

static int is_known(struct database *database, const char *zone, int64_t now_at,
                    bool *ret_is_known)
{
    int64_t made_at = 0;
    int error =
        issuer_store_relay_certificate(database, zone, "", take_time_made, &made_at);

    if (error != 0 && error != ERROR_NOT_FOUND) {
        return error;
    }
    *ret_is_known = now_at - made_at < KNOWN_S;
    return 0;
}

int lane_relay_is_known(struct issuer *issuer, int64_t now_at, bool *ret_is_known)
{
    return is_known(issuer->database, issuer->config->zone, now_at, ret_is_known);
}

int lane_relays_to_come(struct issuer *issuer, int64_t now_at, int64_t *ret_count)
{
    const struct budget_rules *rules = &issuer->rules;
    bool known = false;
    int error = is_known(issuer->database, issuer->config->zone, now_at, &known);
    int64_t count = known ? 0 : 1;

    for (size_t i = 0; error == 0 && i < rules->other_count; i++) {
        error = is_known(issuer->database, rules->others[i], now_at, &known);
        count += known ? 0 : 1;
    }
    *ret_count = count;
    return error;
}

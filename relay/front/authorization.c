/* Who signs with the key owns the name, so there is nothing to prove and no hook to call.
 * One dns-01 challenge is shown as valid, for clients that look for the one that was
 * used. */
#include "relay/front/authorization.h"

#include "base/core/text.h"
#include "relay/front/order.h"
#include "relay/front/response.h"
#include "relay/store/url.h"

#include <string.h>

static json_t *challenge_of(const struct order *order, const char *url)
{
    char validated[TEXT_TIME_CAPACITY];
    char challenge[LIMIT_URL_BYTES + 8];

    text_time(order->created_at, validated);
    if (!text_format(challenge, sizeof(challenge), "%s/dns-01", url)) {
        return NULL;
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "dns-01", "url", challenge,
                     "status", "valid", "validated", validated, "token", order->number);
}

/* The INDEXth of "a b c"; NULL when there are fewer. Its size is up to the blank or the
 * end. */
static const char *name_at(const char *names, uint64_t index)
{
    for (; index > 0; index--) {
        names = strchr(names, ' ');
        if (names == NULL) {
            return NULL;
        }
        names++;
    }
    return names;
}

/* The order, the name and the URL that the path means; else answered. */
static const char *find(struct request *request, struct order *order,
                        char ret_url[static LIMIT_URL_BYTES])
{
    const char *name = NULL;
    uint64_t index = 0;

    if (!order_find(request, order)) {
        return NULL;
    }
    if (text_u64(request->arguments[2], LIMIT_ORDER_NAMES, &index) == 0) {
        name = name_at(order->names, index);
    }
    if (name == NULL || !url_authorization(request->base->url, order->id, order->number,
                                           (unsigned)index, ret_url)) {
        response_status(request, 404, ACME_PROBLEM_MALFORMED,
                        "the order has no authorization '%.20s'", request->arguments[2]);
        return NULL;
    }
    return name;
}

void authorization_respond(struct request *request)
{
    struct order order;
    char url[LIMIT_URL_BYTES];
    char expires[TEXT_TIME_CAPACITY];
    const char *name = find(request, &order, url);
    json_t *object = NULL;

    if (name != NULL) {
        bool wildcard = name[0] == '*';
        const char *value = wildcard ? name + 2 : name;

        text_time(order.expires_at, expires);
        object = json_pack("{s:{s:s,s:s%},s:s,s:s,s:[o]}", "identifier", "type", "dns",
                           "value", value, strcspn(value, " "), "status", "valid",
                           "expires", expires, "challenges", challenge_of(&order, url));
        if (wildcard && object != NULL) {
            (void)json_object_set_new(object, "wildcard", json_true());
        }
        response_json(request, 200, object);
    }
    order_free(&order);
}

void authorization_respond_challenge(struct request *request)
{
    struct order order;
    char url[LIMIT_URL_BYTES];
    char link[LIMIT_URL_BYTES + 16];

    if (find(request, &order, url) != NULL) {
        if (text_format(link, sizeof(link), "<%s>;rel=\"up\"", url)) {
            response_header(request, "Link", link);
        }
        response_json(request, 200, challenge_of(&order, url));
    }
    order_free(&order);
}

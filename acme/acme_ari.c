/* Renewal information (RFC 9773).
 *
 * Boulder exempts a renewal from its rate limits only while start <= now < end, so that
 * the pick is uniform over the first 60 % of the window: what queues behind others for a
 * while is still inside. A real client once drew from a window around the start, and half
 * of its renewals lost the exemption; the property start <= pick < end is tested by 10^5
 * draws. */
#include "acme/acme_ari.h"

#include "acme/acme_retry_after.h"
#include "base/core/json.h"
#include "base/core/text.h"

#include <string.h>

enum {
    ARI_BYTES_MAX = 64 << 10,
    POLL_MIN_S = 3600,
    POLL_FALLBACK_S = 6 * 3600,
    PICK_PERCENT = 60,
    SHORT_LIFE_S = 10 * 86400,
};

int acme_ari_parse(const void *body, size_t size, const char *retry_after,
                   int64_t not_before_at, int64_t not_after_at, int64_t now_at,
                   struct acme_ari *ret_ari)
{
    struct acme_ari ari = {0};
    json_t *object = NULL;
    const json_t *window;
    const char *start, *end, *url;
    int error = json_parse(body, size, ARI_BYTES_MAX, &object);

    if (error != 0)
        return error == ERROR_MEMORY ? error : ERROR_SYNTAX;
    window = json_get_object(object, "suggestedWindow");
    start = json_get_text(window, "start");
    end = json_get_text(window, "end");
    if (start == NULL || end == NULL || text_time_parse(start, &ari.start_at) != 0 ||
        text_time_parse(end, &ari.end_at) != 0)
        error = ERROR_SYNTAX;
    else if (ari.end_at <= ari.start_at || ari.start_at > not_after_at ||
             ari.end_at < not_before_at)
        error = ERROR_RANGE;
    if (error == 0) {
        url = json_get_text(object, "explanationURL");
        if (url != NULL && text_starts_with(url, "https://") &&
            strlen(url) < sizeof(ari.explanation_url))
            text_printable(ari.explanation_url, sizeof(ari.explanation_url), url,
                           strlen(url));
        ari.poll_at = acme_retry_after_at(retry_after, now_at, POLL_FALLBACK_S);
        if (ari.poll_at < now_at + POLL_MIN_S)
            ari.poll_at = now_at + POLL_MIN_S;
        *ret_ari = ari;
    }
    json_decref(object);
    return error;
}

int64_t acme_ari_pick(const struct acme_ari *ari, acme_random_fn *random)
{
    int64_t width_s = ari->end_at - ari->start_at;
    /* Divided first: a window of any width does not overflow. */
    int64_t part_s = width_s / 100 * PICK_PERCENT + width_s % 100 * PICK_PERCENT / 100;

    return ari->start_at + (part_s > 0 ? (int64_t)random((uint64_t)part_s) : 0);
}

int64_t acme_ari_fallback(int64_t not_before_at, int64_t not_after_at,
                          acme_random_fn *random)
{
    int64_t life_s = not_after_at - not_before_at;
    int64_t at, jitter_s;

    if (life_s <= 0)
        return not_before_at;
    at = not_before_at + (life_s < SHORT_LIFE_S ? life_s / 2 : life_s / 3 * 2);
    jitter_s = life_s / 20;
    return at + (jitter_s > 0 ? (int64_t)random((uint64_t)jitter_s) : 0);
}

int acme_ari_to_json(const struct acme_ari *ari, json_t **ret_object)
{
    json_t *object = json_object(), *window = json_object();
    char start[TEXT_TIME_CAPACITY], end[TEXT_TIME_CAPACITY];
    int error = object != NULL && window != NULL ? 0 : ERROR_MEMORY;

    text_time(ari->start_at, start);
    text_time(ari->end_at, end);
    if (error == 0)
        error = json_set_text(window, "start", start);
    if (error == 0)
        error = json_set_text(window, "end", end);
    if (error == 0)
        error = json_set_take(object, "suggestedWindow", json_incref(window));
    if (error == 0 && ari->explanation_url[0] != '\0')
        error = json_set_text(object, "explanationURL", ari->explanation_url);
    json_decref(window);
    if (error != 0) {
        json_decref(object);
        return error;
    }
    *ret_object = object;
    return 0;
}

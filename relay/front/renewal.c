/* While the issuer doesn't know the CA's window, the window is made as the CA would:
 * around 2/3 of the life (1/2 of one below ten days), 2 % wide; of that the first 60 %,
 * so that a device which acts late in it is still inside the CA's (only there is a
 * renewal free of the CA's rate limits). */
#include "relay/front/renewal.h"

#include "base/core/clock.h"
#include "relay/front/response.h"

enum {
    RETRY_S = 6 * 3600,
    SHORT_LIFE_S = 10 * 86400,
    LOOKS_PER_LIFE = 120, /* of a short certificate */
    UNKNOWN_RETRY_S = 3600,
};

void renewal_window(const struct issuer_store_certificate *certificate, int64_t now_at,
                    int64_t *ret_start_at, int64_t *ret_end_at)
{
    int64_t life_s = certificate->not_after_at - certificate->not_before_at;
    int64_t middle_at = certificate->not_before_at +
                        (life_s < SHORT_LIFE_S ? life_s / 2 : life_s / 3 * 2);

    if (certificate->revoked_at > 0) {
        *ret_start_at = now_at - 3600;
        *ret_end_at = now_at - 1800;
    } else if (certificate->ari_start_at > 0 &&
               certificate->ari_end_at > certificate->ari_start_at) {
        *ret_start_at = certificate->ari_start_at;
        *ret_end_at = certificate->ari_end_at;
    } else {
        *ret_start_at = middle_at - life_s / 100;
        *ret_end_at = *ret_start_at + life_s / 50 * 6 / 10 + 1;
    }
}

int64_t renewal_retry_s(const struct issuer_store_certificate *certificate)
{
    int64_t life_s = certificate->not_after_at - certificate->not_before_at;
    int64_t retry_s = life_s / LOOKS_PER_LIFE;

    return retry_s > RETRY_S ? RETRY_S : retry_s < 1 ? 1 : retry_s;
}

struct information {
    struct acme_ari ari;
    int64_t retry_s;
};

static int take(const struct issuer_store_certificate *row, void *arg)
{
    struct information *information = arg;

    renewal_window(row, clock_wall_at(), &information->ari.start_at,
                   &information->ari.end_at);
    information->retry_s = renewal_retry_s(row);
    return 0;
}

void renewal_respond(struct request *request)
{
    struct service *service = request->service;
    struct database *issuer = service_issuer(service);
    struct information information = {0};
    json_t *object = NULL;
    int error = issuer == NULL
                    ? ERROR_NOT_FOUND
                    : issuer_store_certificate(issuer, service->zone,
                                               request->arguments[0], take, &information);

    if (error == ERROR_NOT_FOUND) {
        response_retry_after(request, UNKNOWN_RETRY_S);
        response_status(request, 404, ACME_PROBLEM_MALFORMED,
                        "the certificate '%.100s' was not issued through this relay",
                        request->arguments[0]);
        return;
    }
    if (error != 0) {
        response_internal(request, error, "reading a certificate");
        return;
    }
    response_retry_after(request, information.retry_s);
    response_json(request, 200,
                  acme_ari_to_json(&information.ari, &object) == 0 ? object : NULL);
}

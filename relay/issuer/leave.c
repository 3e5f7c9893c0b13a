/* Whether the account is valid is front's to keep: it refuses a device that has left. Here
 * only what is held for the device is let go, so that a front that replays this takes nothing
 * from it but what it could withhold anyway. An order that is under way at the CA ends by
 * itself. */
#include "relay/issuer/leave.h"

#include "base/core/log.h"
#include "relay/issuer/verify.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"

static int take_ticket(const struct queue_store_place *place, void *arg)
{
    *(int64_t *)arg = place->ticket;
    return 0;
}

static int leave_queue(struct issuer *issuer, const char *id)
{
    const char *zone = issuer->config->zone;
    int64_t ticket = 0;
    int error = queue_store_place(issuer->database, zone, id, take_ticket, &ticket);

    if (error == 0) {
        error = queue_store_remove(issuer->database, zone, ticket);
    }
    return error == ERROR_NOT_FOUND ? 0 : error;
}

int leave_request(struct issuer *issuer, int64_t rev,
                  const struct front_store_request *request)
{
    static const char left[] = "{\"type\":\"urn:ietf:params:acme:error:unauthorized\","
                               "\"detail\":\"The device has deactivated its account\","
                               "\"status\":403}";
    struct verify_row row = {request->number, request->id, request->jws, request->jwk};
    struct acme_problem problem;
    int error = 0;

    if (verify_leave(&issuer->verify, &row, &problem) != 0) {
        log_warning("request '%s': not taken as the leave of '%s': %s", request->number,
                    request->id, problem.detail);
        return 0;
    }
    error = issuer_store_end_ready_orders(issuer->database, issuer->config->zone, rev,
                                          request->id, left);
    if (error == 0) {
        error = leave_queue(issuer, request->id);
    }
    if (error == 0) {
        log_info("device %s: has left; its open orders have ended", request->id);
    }
    return error;
}

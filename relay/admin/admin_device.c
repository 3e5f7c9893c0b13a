#include "relay/admin/admin_device.h"

#include "relay/admin/admin_output.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/queue_store.h"

#include <string.h>

static int take_account(const struct front_store_account *account, void *arg)
{
    struct admin_device *device = arg;

    device->has_account = true;
    device->deactivated = strcmp(account->status, "valid") != 0;
    device->created_at = account->created_at;
    text_printable(device->token, sizeof(device->token), account->token,
                   strlen(account->token));
    return 0;
}

static int take_life(const struct issuer_store_life *life, void *arg)
{
    struct admin_device *device = arg;

    device->not_after_at = life->not_after_at;
    text_printable(device->serial, sizeof(device->serial), life->serial,
                   strlen(life->serial));
    return 0;
}

/* See relay/front/receipt.h. */
static int see_clone(const struct admin_stores *stores, struct admin_device *device)
{
    struct front_store_receipt receipt = {.cloned_at = 0};
    int64_t settled_at = 0;
    bool has = false;
    int error = database_has_table(stores->front, "receipts", &has);

    if (error == 0 && has) {
        error =
            front_store_get_receipt(stores->front, stores->zone, device->id, &receipt);
    }
    if (error == ERROR_NOT_FOUND) {
        return 0;
    }
    if (error == 0 && receipt.cloned_at != 0 && stores->admin != NULL) {
        error = admin_store_clone_settled_at(stores->admin, stores->zone, device->id,
                                             &settled_at);
    }
    if (error == 0) {
        device->cloned = front_store_is_cloned(&receipt, settled_at, stores->now_at);
    }
    return error;
}

static int nothing_is_fine(int error)
{
    return error == ERROR_NOT_FOUND ? 0 : error;
}

static int take_place(const struct queue_store_place *place, void *arg)
{
    struct admin_device *device = arg;

    device->waiting_since_at = place->asked_at;
    device->turn_at = place->turn_at;
    text_printable(device->waits_for, sizeof(device->waits_for), place->reason,
                   strlen(place->reason));
    return 0;
}

static int see_issuer(const struct admin_stores *stores, struct admin_device *device)
{
    bool has = false;
    int error = nothing_is_fine(issuer_store_current_life(stores->issuer, stores->zone,
                                                          device->id, take_life, device));

    if (error == 0) {
        error = database_has_table(stores->issuer, "queue", &has);
    }
    if (error == 0 && has) {
        error = nothing_is_fine(queue_store_place(stores->issuer, stores->zone,
                                                  device->id, take_place, device));
    }
    return error;
}

int admin_device_load(const struct admin_stores *stores, const char *id,
                      struct admin_device *ret_device)
{
    int error = 0;

    *ret_device = (struct admin_device){.created_at = 0};
    if (!text_copy(ret_device->id, sizeof(ret_device->id), id)) {
        return ERROR_SYNTAX;
    }
    if (stores->front != NULL) {
        error = nothing_is_fine(front_store_get_account(stores->front, stores->zone, id,
                                                        take_account, ret_device));
        if (error == 0) {
            error = see_clone(stores, ret_device);
        }
    }
    if (error == 0 && stores->issuer != NULL) {
        error = see_issuer(stores, ret_device);
    }
    if (error == 0 && stores->admin != NULL) {
        error =
            admin_store_is_blocked(stores->admin, stores->zone, id, &ret_device->blocked);
    }
    return error;
}

const char *admin_device_status(const struct admin_device *device)
{
    return device->blocked        ? "blocked"
           : !device->has_account ? "none"
           : device->deactivated  ? "deactivated"
                                  : "valid";
}

json_t *admin_device_json(const struct admin_stores *stores,
                          const struct admin_device *device)
{
    json_t *object = json_object();
    int error =
        object == NULL ? ERROR_MEMORY : json_set_text(object, "zone", stores->zone);

    if (error == 0) {
        error = json_set_text(object, "id", device->id);
    }
    if (error == 0) {
        error = json_set_text(object, "status", admin_device_status(device));
    }
    if (error == 0) {
        error = admin_output_time(object, "createdAt", device->created_at);
    }
    if (error == 0 && device->token[0] != '\0') {
        error = json_set_text(object, "token", device->token);
    }
    if (error == 0 && device->not_after_at != 0) {
        error = json_set_text(object, "serial", device->serial);
    }
    if (error == 0) {
        error = admin_output_time(object, "notAfter", device->not_after_at);
    }
    if (error == 0) {
        error = json_set_bool(object, "cloned", device->cloned);
    }
    if (error == 0) {
        error = admin_output_time(object, "waitingSince", device->waiting_since_at);
    }
    if (error == 0 && device->waiting_since_at != 0) {
        error = json_set_text(object, "waitsFor", device->waits_for);
    }
    if (error == 0) {
        error = admin_output_time(object, "turnAt", device->turn_at);
    }
    if (error != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

void admin_device_life(const struct admin_stores *stores,
                       const struct admin_device *device, char ret_text[static 40])
{
    char span[ADMIN_OUTPUT_SPAN_CAPACITY];
    int64_t left_s = device->not_after_at - stores->now_at;

    if (device->not_after_at == 0) {
        (void)text_copy(ret_text, 40, "none");
        return;
    }
    admin_output_span(left_s < 0 ? -left_s : left_s, span);
    (void)text_format(ret_text, 40, left_s < 0 ? "ended %s ago" : "%s", span);
}

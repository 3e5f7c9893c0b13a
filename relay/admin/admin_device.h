/* A device as the operator's lists show it: what the three files of the store know, in one
 * record. */
#ifndef RELAY_ADMIN_ADMIN_DEVICE_H
#define RELAY_ADMIN_ADMIN_DEVICE_H

#include "base/core/json.h"
#include "relay/admin/admin_stores.h"

enum {
    ADMIN_DEVICE_TOKEN_CAPACITY = 72,
    ADMIN_DEVICE_SERIAL_CAPACITY = 48,
    ADMIN_DEVICE_REASON_CAPACITY = 96
};

struct admin_device {
    char id[LANNAME_ID_SIZE + 1];
    bool
        has_account; /* false: forgotten, or never enrolled; then only what follows the next line */
    bool deactivated;
    int64_t created_at;
    char token[ADMIN_DEVICE_TOKEN_CAPACITY]; /* kid; "" : open enrolment */
    int64_t not_after_at;                    /* of the current certificate; 0: none */
    char serial[ADMIN_DEVICE_SERIAL_CAPACITY];
    bool blocked;
    bool cloned;
    int64_t waiting_since_at; /* in the queue for the CA; 0: not */
    int64_t turn_at;          /* as announced last */
    char waits_for[ADMIN_DEVICE_REASON_CAPACITY];
};

/* Reads what is known of ID; that there is nothing is no error. */
int admin_device_load(const struct admin_stores *stores, const char *id,
                      struct admin_device *ret_device) MUST_CHECK;
/* "valid", "deactivated", "blocked" or "none". */
const char *admin_device_status(const struct admin_device *device);
/* Its members, without details. NULL when there is no memory. */
json_t *admin_device_json(const struct admin_stores *stores,
                          const struct admin_device *device);
/* "31 days", "ended 2 days ago" or "none", for the current certificate. */
void admin_device_life(const struct admin_stores *stores,
                       const struct admin_device *device, char ret_text[static 40]);

#endif

/* The worker's task `diagnose` from the side of those who give it: the agent, or `latchkey
 * doctor` where no agent runs. */
#ifndef DEVICE_DIAGNOSIS_TASK_H
#define DEVICE_DIAGNOSIS_TASK_H

#include "base/crypto/key.h"
#include "device/device_config.h"
#include "device/diagnosis.h"
#include "device/own_addresses.h"
#include "device/worker_protocol.h"

/* All borrowed; "" where something is not known. */
struct diagnosis_task {
    const struct device_config *config;
    const struct device_relay *relay; /* the one in use */
    const char *remembered_pin;       /* of the key that it showed first */
    const char *relay_zone;           /* that it had first */
    const struct key *key;            /* the identity's */
    const char *account_url;
    const char *zone;
    const struct own_addresses *addresses;
    uint16_t port;           /* of the device's HTTPS; 0: none */
    const char *fingerprint; /* hex SHA-256 of the trusted leaf */
};

/* What only the device itself knows. Times are 0 where there is none. */
struct diagnosis_own {
    int64_t now_at;
    bool has_trusted;
    int64_t not_before_at;
    int64_t not_after_at;
    int64_t renew_at;         /* planned */
    const char *failure_code; /* of the last order; "" : it went well */
    const char *failure_text;
    int64_t failure_at;
    int64_t next_try_at;
    bool is_running;     /* an agent knows the two below; else they are not looked at */
    const char *storage; /* as storage_text() has it */
    bool is_cloned;      /* the relay sees another device with this key */
};

/* Makes the task; free it with worker_message_free. */
int diagnosis_task_describe(const struct diagnosis_task *task,
                            struct worker_message *ret_message) MUST_CHECK;
/* Reads what the worker sent (type WORKER_DIAGNOSIS): its verdicts on everything but what
 * diagnosis_task_add_own adds, made at NOW_AT. ERROR_SYNTAX for what is none. */
int diagnosis_task_read(const json_t *body, int64_t now_at,
                        struct diagnosis *ret_diagnosis) MUST_CHECK;
/* Sets the verdicts on order, certificate, storage and identity. Pure. */
void diagnosis_task_add_own(const struct diagnosis_own *own, struct diagnosis *diagnosis);

#endif

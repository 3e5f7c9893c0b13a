/* The worker's task `diagnose`: looks at the network, the resolvers, the relay and the
 * device's own HTTPS, and reports verdicts. It changes nothing anywhere. */
#ifndef DEVICE_WORKER_DIAGNOSIS_H
#define DEVICE_WORKER_DIAGNOSIS_H

#include "device/worker_channel.h"

/* Whether MESSAGE (type WORKER_TASK) asks for it. */
bool worker_diagnosis_is_task(const struct worker_message *message);
/* Runs it on a loop of its own until the verdicts are sent: half a minute at most. An error
 * means that the agent could not be told. Blocks until then. */
int worker_diagnosis_run(struct worker_channel *channel,
                         const struct worker_message *message) MUST_CHECK;

#endif

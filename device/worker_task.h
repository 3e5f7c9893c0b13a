/* What the worker does with one task: drives acme/'s machines over HTTP, asks the agent
 * for signatures, and reports with one last message. */
#ifndef DEVICE_WORKER_TASK_H
#define DEVICE_WORKER_TASK_H

#include "base/net/loop.h"
#include "device/worker_channel.h"

/* Runs the task of MESSAGE (type WORKER_TASK; borrowed) on its own loop until its last
 * message is sent. A task that fails is reported to the agent and is no error here; an
 * error means that the agent could not be told. Blocks until then. */
int worker_task_run(struct worker_channel *channel,
                    const struct worker_message *message) MUST_CHECK;

#endif

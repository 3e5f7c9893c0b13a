/* The end of the agent's log as the system keeps it. */
#ifndef DEVICE_SYSTEM_LOG_H
#define DEVICE_SYSTEM_LOG_H

#include "base/core/buffer.h"

/* Appends what journalctl says of the unit latchkey to TEXT; cut where TEXT's maximum is.
 * ERROR_NOT_FOUND where there is no journalctl, or it fails; ERROR_TIMEOUT after WAIT_MS.
 * Blocks. */
int system_log_read(int wait_ms, struct buffer *text) MUST_CHECK;

#endif

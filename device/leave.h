/* Leaving the relay: the device's account there is deactivated (RFC 8555 7.3.6), so that
 * its names lead nowhere any more. */
#ifndef DEVICE_LEAVE_H
#define DEVICE_LEAVE_H

#include "device/device_config.h"
#include "device/identity.h"

/* Asks DIRECTORY, by a worker of its own, to deactivate the account ACCOUNT_URL. For a
 * program that does nothing else: runs a loop, and blocks for at most TIMEOUT_S. ERROR_IO
 * when the relay did not do it; REASON says why. */
int leave_relay(const struct device_config *config, const struct identity *identity,
                const char *directory, const char *account_url, unsigned timeout_s,
                char *reason, size_t reason_capacity) MUST_CHECK;

#endif

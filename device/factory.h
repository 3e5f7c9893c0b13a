/* A state folder back to nothing: for a golden image, and for the next owner. */
#ifndef DEVICE_FACTORY_H
#define DEVICE_FACTORY_H

#include "base/core/error.h"

/* Called with the name of each thing in the folder: removed, or left because it is not the
 * agent's. */
typedef void factory_fn(const char *name, int error, void *arg);

/* Removes all that an agent keeps in FOLDER: the identity last, so that a power cut leaves
 * either the old device, perhaps without its state, or none. Durable when it returns. The
 * caller holds the folder's lock, which stays. FN hears of each name with 0, ERROR_IO, or
 * ERROR_UNSUPPORTED for what is not the agent's and stays. ERROR_EXISTS when something
 * stays, ERROR_IO with errno, ERROR_NOT_FOUND when there is no folder. Blocks. */
int factory_wipe(const char *folder, factory_fn *fn, void *arg) MUST_CHECK;

#endif

/* What the worker gives up before it talks to the network: every file but a few to read
 * (Landlock, Linux 5.13), every descriptor but its socket, new privileges, and being
 * traced. */
#ifndef DEVICE_WORKER_SANDBOX_H
#define DEVICE_WORKER_SANDBOX_H

#include "base/core/error.h"

/* Closes every descriptor from 3 on but FD. Call it first. */
void worker_sandbox_close_descriptors(int fd);
/* From here on the process can read the system's configuration, libraries and
 * certificates, and CA_FILE (NULL or "": none), and can open no other file, the agent's
 * keys above all; nor can it write one. ERROR_UNSUPPORTED on a kernel without Landlock,
 * where it goes on with what the file modes allow. There is no way back. */
int worker_sandbox_enter(const char *ca_file) MUST_CHECK;

#endif

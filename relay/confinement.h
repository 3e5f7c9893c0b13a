/* What a role of the relay gives up once it has started: files by Landlock, system calls by
 * seccomp. One table for all roles, so that it can be read as a whole. Where the kernel lacks
 * one of the two the role goes on with the other, and what the units and the users' rights give;
 * the log says which is in force.
 *
 * A role writes its own folder of the store (relay/store/place.h) and that of its ready_file,
 * and reads the other roles' folders and those of the files that the configuration names for it.
 * In a store without folders it writes the whole store. */
#ifndef RELAY_CONFINEMENT_H
#define RELAY_CONFINEMENT_H

#include "relay/relay_config.h"

enum confinement_role {
    CONFINEMENT_FRONT,
    CONFINEMENT_ISSUER,
    CONFINEMENT_DNS,
    CONFINEMENT_ADMIN,
};

/* Landlock: before the first thread. On a kernel without it a warning is all; else an error
 * (logged) must be the role's end. CONFIG and the further zones' name the files that may be
 * read again; '[relay] sandbox = no' makes both calls do nothing. */
int confinement_files(enum confinement_role role,
                      const struct relay_config *config) MUST_CHECK;
/* seccomp, for all threads, as the last step of the start: from here on the role opens no
 * listener, starts no program and no thread. As above. */
int confinement_calls(enum confinement_role role,
                      const struct relay_config *config) MUST_CHECK;
/* Both, for a role of one thread. */
int confinement_enter(enum confinement_role role,
                      const struct relay_config *config) MUST_CHECK;

#endif

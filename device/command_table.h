/* The commands of a build: command_table.c, or command_table_minimal.c in its place. */
#ifndef DEVICE_COMMAND_TABLE_H
#define DEVICE_COMMAND_TABLE_H

#include "device/command.h"

struct command_table_row {
    const char *name;
    int (*run)(int argc, char **argv);
};

/* Ended by a NULL name. */
extern const struct command_table_row command_table[];

/* Whether CONFIG, read from PATH, names what can be used; what is wrong is printed. */
bool command_table_check(const char *path, const struct device_config *config);

#endif

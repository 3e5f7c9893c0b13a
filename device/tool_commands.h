/* The commands of a build: tool_commands.c, or tool_commands_minimal.c in its place. */
#ifndef DEVICE_TOOL_COMMANDS_H
#define DEVICE_TOOL_COMMANDS_H

#include "device/command.h"

struct tool_command {
    const char *name;
    int (*run)(int argc, char **argv);
};

/* Ended by a NULL name. */
extern const struct tool_command tool_commands[];

/* Whether CONFIG, read from PATH, names what can be used; what is wrong is printed. */
bool tool_commands_check(const char *path, const struct device_config *config);

#endif

/* latchkey: the agent, which stays resident, and the name by which people give commands. These
 * are another program, latchkey-tool, so that the agent is small; it takes this one's place. */
#include "device/child.h"
#include "device/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_CAPACITY = 4096 };

static int run_tool(char **argv)
{
    char path[PATH_CAPACITY];
    int error = child_find("latchkey-tool", path, sizeof(path));
    if (error == 0) {
        execv(path, argv);
    }
    fprintf(stderr, "latchkey: its commands are in '%s', which can't be started: %s\n",
            error == 0 ? path : "latchkey-tool", strerror(errno));
    return COMMAND_USAGE;
}

int main(int argc, char **argv)
{
    bool wants_help = argc > 2 && strcmp(argv[2], "--help") == 0;
    if (argc > 1 && strcmp(argv[1], "run") == 0 && !wants_help) {
        return command_run(argc - 2, argv + 2);
    }
    return run_tool(argv);
}

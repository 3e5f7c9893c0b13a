/* `latchkey factory-prepare` and `factory-reset`. Both work on the files, so the agent must
 * not run: it would write some of them again. */
#include "base/core/file.h"
#include "base/core/text.h"
#include "device/agent_state.h"
#include "device/command.h"
#include "device/factory.h"
#include "device/identity_source.h"
#include "device/leave.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_CAPACITY = 4096, LEAVE_TIMEOUT_S = 20 };

struct report {
    const char *command;
    size_t removed;
};

static void on_name(const char *name, int error, void *arg)
{
    struct report *report = arg;
    if (error == 0) {
        printf("removed      %s\n", name);
        report->removed++;
    } else if (error == ERROR_UNSUPPORTED) {
        fprintf(stderr,
                "latchkey %s: '%s' stays: it is not the agent's; remove it yourself\n",
                report->command, name);
    } else {
        fprintf(stderr, "latchkey %s: '%s' can't be removed: %s\n", report->command, name,
                strerror(errno));
    }
}

/* Keeps agents away for as long as the descriptor is open. */
static int lock(const char *command, const char *folder, int *ret_fd)
{
    char path[FOLDER_CAPACITY + 8];
    struct stat info;
    if (stat(folder, &info) != 0) {
        printf("nothing      '%s' is not there\n", folder);
        return ERROR_NOT_FOUND;
    }
    if (!text_format(path, sizeof(path), "%s/lock", folder)) {
        return ERROR_LIMIT;
    }
    int error = file_lock(path, ret_fd);
    if (error == ERROR_BUSY) {
        fprintf(stderr,
                "latchkey %s: an agent runs with '%s'; stop it first (systemctl stop "
                "latchkey)\n",
                command, folder);
    } else if (error < 0) {
        fprintf(stderr, "latchkey %s: '%s' can't be locked: %s\n", command, folder,
                strerror(errno));
    }
    return error;
}

static int wipe(const char *command, const char *folder)
{
    struct report report = {.command = command};
    int error = factory_wipe(folder, on_name, &report);
    if (error == 0) {
        printf("done         '%s' holds no identity, key, state or secret%s\n", folder,
               report.removed == 0 ? "; it held none before" : "");
    } else if (error != ERROR_EXISTS) {
        fprintf(stderr, "latchkey %s: '%s' is not clean: %s\n", command, folder,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

int command_factory_prepare(int argc, char **argv)
{
    static const char name[] = "factory-prepare";
    struct command_options options;
    char folder[FOLDER_CAPACITY];
    int fd = -1;
    if (!command_parse(name, argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    if (command_find_folder(&options, folder, sizeof(folder)) < 0) {
        return EXIT_FAILURE;
    }
    int error = lock(name, folder, &fd);
    if (error == ERROR_NOT_FOUND) {
        return EXIT_SUCCESS;
    }
    if (error == 0) {
        error = wipe(name, folder);
    }
    if (fd >= 0) {
        close(fd);
    }
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Best effort: a relay that can't be reached must not keep a device from its next owner. */
static void leave(const struct device_config *config)
{
    struct agent_state state;
    struct identity identity = {.key = NULL};
    struct identity_source source = {.uri = NULL};
    char path[FOLDER_CAPACITY];
    char reason[512] = "";
    if (!text_format(path, sizeof(path), "%s/state.json", config->state_folder) ||
        agent_state_load(path, &state) < 0) {
        puts("relay        it does not know this device");
        return;
    }
    const char *directory =
        state.directory[0] != '\0' ? state.directory : config->relays[0].directory;
    if (state.account_url[0] == '\0') {
        puts("relay        it does not know this device");
    } else if (identity_source_open(config, &source, &identity, NULL, reason,
                                    sizeof(reason)) < 0) {
        fprintf(stderr, "latchkey factory-reset: %s\n", reason);
    } else if (leave_relay(config, &identity, directory, state.account_url,
                           LEAVE_TIMEOUT_S, reason, sizeof(reason)) == 0) {
        printf("relay        left: %s.%s leads nowhere any more\n", identity.id,
               state.zone);
    } else {
        fprintf(stderr,
                "latchkey factory-reset: the relay was not told: %s; it forgets the "
                "device's addresses after 30 days\n",
                reason);
    }
    identity_free(&identity);
    identity_source_close(&source);
    agent_state_free(&state);
}

static int reset(const struct device_config *config)
{
    static const char name[] = "factory-reset";
    int fd = -1;
    int error = lock(name, config->state_folder, &fd);
    if (error == ERROR_NOT_FOUND) {
        return 0;
    }
    if (error == 0 && config->identity[0] != '\0') {
        /* The end of an account is final, and this key will come back to it. */
        puts("relay        stays: the identity key is in a token, and its name with it");
    } else if (error == 0) {
        leave(config);
    }
    if (error == 0) {
        error = wipe(name, config->state_folder);
    }
    if (error == 0) {
        puts(
            config->identity[0] == '\0'
                ? "next         the agent's next start makes a new identity: a new name"
                : "next         the identity key is in a token and stays: the name does, "
                  "too");
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

int command_factory_reset(int argc, char **argv)
{
    struct command_options options;
    struct device_config config;
    bool is_sure = false;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--yes") == 0) {
            is_sure = true;
            argc--;
            for (int j = i; j < argc; j++) {
                argv[j] = argv[j + 1];
            }
        }
    }
    if (!command_parse("factory-reset", argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    if (!is_sure || options.state != NULL) {
        fputs("latchkey factory-reset: this removes the device's name, keys, apps and "
              "own certificate for ever, and takes its leave of the relay; the "
              "configuration stays. Say --yes to do it (and --config, not --state)\n",
              stderr);
        return COMMAND_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    int error = command_read_config(options.config, &config);
    if (error == 0) {
        error = reset(&config);
    }
    device_config_free(&config);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

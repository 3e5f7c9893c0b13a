#include "device/command.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent.h"
#include "device/hook.h"
#include "device/live.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPORT_BYTES = 16 << 10 };

bool command_parse(const char *command, int argc, char **argv, unsigned takes,
                   struct command_options *ret_options)
{
    struct command_options options = {.config = DEVICE_CONFIG_PATH};
    for (int i = 0; i < argc; i++) {
        const char **value = strcmp(argv[i], "--config") == 0  ? &options.config
                             : strcmp(argv[i], "--state") == 0 ? &options.state
                                                               : NULL;
        if (value != NULL) {
            if (i + 1 == argc) {
                fprintf(stderr, "latchkey %s: '%s' needs a value\n", command, argv[i]);
                return false;
            }
            *value = argv[++i];
        } else if ((takes & COMMAND_TAKES_JSON) != 0 && strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else if ((takes & COMMAND_TAKES_SVG) != 0 && strcmp(argv[i], "--svg") == 0) {
            options.svg = true;
        } else if ((takes & COMMAND_TAKES_INVITE) != 0 &&
                   strcmp(argv[i], "--invite") == 0) {
            options.invite = true;
        } else {
            fprintf(stderr,
                    "latchkey %s: '%s' is not understood; see 'latchkey --help'\n",
                    command, argv[i]);
            return false;
        }
    }
    *ret_options = options;
    return true;
}

int command_read_config(const char *path, struct device_config *ret_config)
{
    struct buffer report = buffer_init(REPORT_BYTES);
    int error = device_config_read(path, ret_config, &report);
    if (report.size > 0) {
        fprintf(stderr, "%s", buffer_text(&report));
        if (buffer_text(&report)[report.size - 1] != '\n') {
            fputc('\n', stderr);
        }
    } else if (error < 0) {
        fprintf(stderr, "latchkey: the configuration '%s' can't be read: %s\n", path,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    buffer_free(&report);
    return error;
}

/* What the configuration needs of the system for other servers. */
static bool check_live(const char *path, const struct device_config *config)
{
    struct hook_command command;
    gid_t group = 0;
    bool is_good = true;
    const char *wrong = hook_split(config->reload, &command);
    if (wrong == NULL) {
        wrong = hook_check(&command);
    }
    if (wrong != NULL) {
        fprintf(stderr, "%s: [device] reload = '%s': %s\n", path, config->reload, wrong);
        is_good = false;
    }
    if (config->live_group[0] != '\0' &&
        live_find_group(config->live_group, &group) < 0) {
        fprintf(stderr, "%s: [device] live_group = '%s': there is no such group\n", path,
                config->live_group);
        is_good = false;
    }
    return is_good;
}

bool command_check_files(const char *path, const struct device_config *config)
{
    const struct {
        const char *key;
        const char *file;
    } files[] = {{"ca_file", config->ca_file}, {"token_file", config->token_file}};
    bool is_good = check_live(path, config);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].file[0] != '\0' && access(files[i].file, R_OK) != 0) {
            fprintf(stderr, "%s: [device] %s = '%s': %s\n", path, files[i].key,
                    files[i].file, strerror(errno));
            is_good = false;
        }
    }
    for (size_t i = 0; i < config->interfaces.count; i++) {
        const char *name = config->interfaces.at[i];
        if (strpbrk(name, "*?:") == NULL && if_nametoindex(name) == 0) {
            fprintf(stderr,
                    "%s: [device] interface = '%s': there is none of this name now; it "
                    "counts from when it appears\n",
                    path, name);
        }
    }
    return is_good;
}

int command_find_folder(const struct command_options *options, char *ret_folder,
                        size_t capacity)
{
    if (options->state != NULL) {
        return text_copy(ret_folder, capacity, options->state) ? 0 : ERROR_LIMIT;
    }
    struct device_config config;
    int error = command_read_config(options->config, &config);
    if (error == 0) {
        error = text_copy(ret_folder, capacity, config.state_folder) ? 0 : ERROR_LIMIT;
    }
    device_config_free(&config);
    return error;
}

int command_run(int argc, char **argv)
{
    struct command_options options;
    struct device_config config;
    if (!command_parse("run", argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    if (options.state != NULL) {
        fputs("latchkey run: '--state' is not understood: name state_folder in the "
              "configuration\n",
              stderr);
        return COMMAND_USAGE;
    }
    int status = EXIT_FAILURE;
    if (command_read_config(options.config, &config) == 0) {
        /* What is missing may come later (an enrolment token); HTTPS does not wait for it. */
        command_check_files(options.config, &config);
        log_open("latchkey", (enum log_level)config.log);
        status = agent_run(&config);
    }
    device_config_free(&config);
    return status;
}

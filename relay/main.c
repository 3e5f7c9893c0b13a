/* latchkey-relay: the relay's roles and the operator's commands. */
#include "base/core/log.h"
#include "relay/admin/admin.h"
#include "relay/front/front.h"
#include "relay/issuer/issuer.h"
#include "relay/nameserver/nameserver.h"
#include "relay/nameserver_start.h"
#include "relay/relay_config.h"
#include "relay/supervisor.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char default_config[] = "/etc/latchkey/relay.conf";

static void print_usage(FILE *file)
{
    fprintf(file,
            "Usage: latchkey-relay [--config FILE] COMMAND\n"
            "\n"
            "Roles, one process each:\n"
            "  front               the ACME server that devices talk to\n"
            "  issuer              gets certificates from the CA\n"
            "  dns                 answers the zone\n"
            "  run                 starts all three, for labs and containers\n"
            "\n"
            "Commands for the operator:\n"
            "%s"
            "\n"
            "Options:\n"
            "  -c, --config FILE   the configuration; default %s\n"
            "      --check         read the configuration, say what is wrong with it, "
            "and exit\n"
            "  -h, --help          this text\n"
            "  -V, --version       the version\n",
            admin_usage, default_config);
}

enum option_value { OPTION_CHECK = 256 };

struct command_line {
    const char *config_path;
    bool check;
    int exit_status; /* -1: go on */
};

static struct command_line parse_command_line(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, OPTION_CHECK},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    struct command_line line = {.config_path = default_config, .exit_status = -1};
    /* '+': options after the command are the command's own. */
    for (int c = getopt_long(argc, argv, "+c:hV", options, NULL); c != -1;
         c = getopt_long(argc, argv, "+c:hV", options, NULL)) {
        switch (c) {
        case 'c':
            line.config_path = optarg;
            break;
        case OPTION_CHECK:
            line.check = true;
            break;
        case 'h':
            print_usage(stdout);
            line.exit_status = EXIT_SUCCESS;
            return line;
        case 'V':
            printf("latchkey-relay %s\n", LATCHKEY_VERSION);
            line.exit_status = EXIT_SUCCESS;
            return line;
        default:
            print_usage(stderr);
            line.exit_status = 2;
            return line;
        }
    }
    return line;
}

static int run_command(const char *program, const char *config_path,
                       const struct relay_config *config, int argc, char **argv)
{
    const char *command = argv[0];
    enum log_level level = (enum log_level)config->log;
    if (argc > 1 || (strcmp(command, "front") != 0 && strcmp(command, "issuer") != 0 &&
                     strcmp(command, "dns") != 0 && strcmp(command, "run") != 0)) {
        return admin_run(config, argc, argv);
    }
    if (strcmp(command, "run") == 0) {
        return supervisor_run(program, config_path);
    }
    log_open(command, level);
    int result = strcmp(command, "front") == 0    ? front_run(config)
                 : strcmp(command, "issuer") == 0 ? issuer_run(config)
                                                  : nameserver_start(config);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct command_line line = parse_command_line(argc, argv);
    if (line.exit_status >= 0) {
        return line.exit_status;
    }
    if (optind == argc && !line.check) {
        print_usage(stderr);
        return 2;
    }
    struct relay_config config;
    struct buffer report = buffer_init(64 << 10);
    int status = EXIT_FAILURE;
    int result = relay_config_read(line.config_path, &config, &report);
    fputs(buffer_text(&report), stderr);
    if (result != 0) {
        fprintf(stderr, "latchkey-relay: '%s' can't be used: %s\n", line.config_path,
                error_text(result));
    } else if (line.check) {
        printf("%s: good\n", line.config_path);
        status = EXIT_SUCCESS;
    } else {
        status = run_command("/proc/self/exe", line.config_path, &config, argc - optind,
                             argv + optind);
    }
    buffer_free(&report);
    relay_config_free(&config);
    return status;
}

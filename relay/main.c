/* latchkey-relay: the relay's roles and the operator's commands. */
#include "base/core/log.h"
#include "base/core/notify.h"
#include "relay/admin/admin.h"
#include "relay/admin/dashboard.h"
#include "relay/front/front.h"
#include "relay/issuer/issuer.h"
#include "relay/nameserver/nameserver.h"
#include "relay/relay_config_zones.h"
#include "relay/supervisor.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char default_config[] = "/etc/latchkey/relay.conf";

static void print_usage(FILE *file)
{
    fprintf(file,
            "Usage: latchkey-relay [--config FILE] [--zone ZONE] COMMAND\n"
            "\n"
            "Roles, one process each:\n"
            "  front               the ACME server that devices talk to\n"
            "  issuer              gets certificates from the CA\n"
            "  dns                 answers the zone\n"
            "  admin               the dashboard on loopback, and alerts\n"
            "  run                 starts all of them, for labs and containers\n"
            "\n"
            "Commands for the operator:\n"
            "%s"
            "\n"
            "Options:\n"
            "  -c, --config FILE   the configuration; default %s\n"
            "  -z, --zone ZONE     the zone that a command is about; default: the main "
            "file's\n"
            "      --check         read the configuration, say what is wrong with it, "
            "and exit\n"
            "  -h, --help          this text\n"
            "  -V, --version       the version\n",
            admin_usage, default_config);
}

enum option_value { OPTION_CHECK = 256 };

struct command_line {
    const char *config_path;
    const char *zone; /* NULL: not given */
    bool check;
    int exit_status; /* -1: go on */
};

static struct command_line parse_command_line(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"zone", required_argument, NULL, 'z'},
                                            {"check", no_argument, NULL, OPTION_CHECK},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    struct command_line line = {.config_path = default_config, .exit_status = -1};
    /* '+': options after the command are the command's own. */
    for (int c = getopt_long(argc, argv, "+c:z:hV", options, NULL); c != -1;
         c = getopt_long(argc, argv, "+c:z:hV", options, NULL)) {
        switch (c) {
        case 'c':
            line.config_path = optarg;
            break;
        case 'z':
            line.zone = optarg;
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

/* Without its manager's ear a role serves all the same. */
static void open_notify(void)
{
    int error = notify_open();
    if (error != 0) {
        log_warning("the service manager can't be told what happens here (NOTIFY_SOCKET, "
                    "WATCHDOG_USEC): %s",
                    error == ERROR_IO ? strerror(errno) : error_text(error));
    }
}

static bool is_role(const char *command)
{
    return strcmp(command, "front") == 0 || strcmp(command, "issuer") == 0 ||
           strcmp(command, "dns") == 0 || strcmp(command, "admin") == 0 ||
           strcmp(command, "run") == 0;
}

static int run_role(const struct command_line *line, struct relay_config **config,
                    const char *role)
{
    if (line->zone != NULL) {
        fprintf(stderr, "latchkey-relay: %s serves all zones: leave out --zone\n", role);
        return 2;
    }
    bool all = strcmp(role, "run") == 0;
    log_open(all ? "relay" : role, (enum log_level)(*config)->log);
    open_notify();
    if (all) {
        bool with_admin =
            (*config)->admin_listen[0] != '\0' || (*config)->alert_command[0] != '\0';
        return supervisor_run("/proc/self/exe", line->config_path, with_admin);
    }
    int result = strcmp(role, "front") == 0    ? front_run(config)
                 : strcmp(role, "issuer") == 0 ? issuer_run(config)
                 : strcmp(role, "admin") == 0  ? dashboard_run(config, line->config_path)
                                               : nameserver_run(config);
    notify_close();
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_admin(const struct command_line *line, const struct relay_config *config,
                     int argc, char **argv)
{
    struct buffer report = buffer_init(16 << 10);
    const struct relay_config *zone = config;
    if (line->zone != NULL) {
        zone = relay_config_zones_find(config, line->zone, &report);
    }
    if (zone == NULL) {
        fprintf(stderr, "latchkey-relay: --zone: %s", buffer_text(&report));
    }
    buffer_free(&report);
    return zone != NULL ? admin_run(zone, line->zone == NULL, argc, argv) : 2;
}

static int check(const struct command_line *line, const struct relay_config *config)
{
    struct buffer report = buffer_init(64 << 10);
    relay_config_zones_warn(config, &report);
    fputs(buffer_text(&report), stderr);
    buffer_free(&report);
    printf("%s: good\n", line->config_path);
    return EXIT_SUCCESS;
}

/* What the command line asks for. A role may replace *CONFIG. */
static int run(const struct command_line *line, struct relay_config **config, int argc,
               char **argv)
{
    struct buffer report = buffer_init(64 << 10);
    int result = relay_config_read(line->config_path, *config, &report);
    fputs(buffer_text(&report), stderr);
    buffer_free(&report);
    if (result != 0) {
        fprintf(stderr, "latchkey-relay: '%s' can't be used: %s\n", line->config_path,
                error_text(result));
        return EXIT_FAILURE;
    }
    if (line->check) {
        return check(line, *config);
    }
    if (argc == 1 && is_role(argv[0])) {
        return run_role(line, config, argv[0]);
    }
    return run_admin(line, *config, argc, argv);
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
    struct relay_config *config = calloc(1, sizeof(*config));
    if (config == NULL) {
        fprintf(stderr, "latchkey-relay: %s\n", error_text(ERROR_MEMORY));
        return EXIT_FAILURE;
    }
    int status = run(&line, &config, argc - optind, argv + optind);
    relay_config_free(config);
    free(config);
    return status;
}

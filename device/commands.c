/* latchkey-tool: every command of latchkey's but the agent. `latchkey` runs it in its place, so
 * that what stays resident is small. */
#include "device/command.h"
#include "device/command_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(FILE *out)
{
    fputs(
        "Usage: latchkey COMMAND [OPTIONS]\n"
        "\n"
        "An HTTPS address on the local network that browsers trust.\n"
        "\n"
        "  run                       the agent: serves HTTPS, orders and renews the "
        "certificate\n"
        "  status [--json]           what the running agent does\n"
        "  doctor [--json]           what is wrong, and what helps\n"
        "  support-bundle [FILE]     what somebody who helps needs to see, without a "
        "secret (tar)\n"
        "  renew                     asks it for a new certificate now\n"
        "  qr [--svg] [--invite]     the device's pin as a QR code, and its "
        "fingerprints;\n"
        "                            with --invite one app may enrol by it\n"
        "  csr HOST [--der]          a request for your own CA: a certificate for HOST\n"
        "  install FILE... | --confirm | --cancel | --remove\n"
        "                            the certificate that came back; on trial until "
        "confirmed\n"
        "  apps [--json]             the apps that have enrolled; apps remove ID\n"
        "  verify PAYLOAD|-          checks a device by what its QR code says, and "
        "enrols\n"
        "      [--address ADDRESS] [--store FILE] [--name NAME] [--replace]\n"
        "  verify --pinned FILE [--trusted]\n"
        "                            checks it again by what was stored, and its "
        "trusted certificate\n"
        "  admin-secret              what the owner logs in with on the device's pages\n"
        "  texts                     the pages' texts, for translators\n"
        "  identity export|import FILE [--passphrase-file FILE] [--replace]\n"
        "                            a backup of the identity key under a passphrase\n"
        "  factory-prepare           empties the state folder of a golden image\n"
        "  factory-reset --yes       leaves the relay, and forgets everything but the "
        "configuration\n"
        "  name KEYFILE ZONE         the name of a device with this ACME account key\n"
        "  publish KEYFILE ADDRESS... --relay URL [--ca-file FILE] [--name-server "
        "ADDRESS]\n"
        "                            makes the stable name of such a device lead to "
        "ADDRESS\n"
        "  --check [--config FILE]   checks the configuration, and ends\n"
        "  --help, --version\n"
        "\n"
        "All but verify, name and publish take:\n"
        "  --config FILE             default " DEVICE_CONFIG_PATH "\n"
        "  --state FOLDER            (not run) the agent's folder, instead of a "
        "configuration\n"
        "\n"
        "KEYFILE is a private key in PEM, or certbot's private_key.json.\n"
        "Exit status: 0 done, 1 it failed, 2 wrong arguments, 3 no agent runs.\n",
        out);
}

static int check(int argc, char **argv)
{
    struct command_options options;
    struct device_config config;
    if (!command_parse("--check", argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    int error = command_read_config(options.config, &config);
    if (error == 0 && !command_table_check(options.config, &config)) {
        error = ERROR_NOT_FOUND;
    }
    if (error == 0) {
        device_config_print_good(options.config, &config);
    }
    device_config_free(&config);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    print_help(stdout);
    return EXIT_SUCCESS;
}

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("latchkey " LATCHKEY_VERSION);
    return EXIT_SUCCESS;
}

static const struct command_table_row own_commands[] = {
    {"--check", check},     {"--help", help}, {"-h", help},
    {"--version", version}, {NULL, NULL},
};

static const struct command_table_row *find(const struct command_table_row *commands,
                                            const char *name)
{
    for (const struct command_table_row *at = commands; at->name != NULL; at++) {
        if (strcmp(name, at->name) == 0) {
            return at;
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return COMMAND_USAGE;
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(stdout);
            return EXIT_SUCCESS;
        }
    }
    const struct command_table_row *command = find(own_commands, argv[1]);
    if (command == NULL) {
        command = find(command_table, argv[1]);
    }
    if (command != NULL) {
        return command->run(argc - 2, argv + 2);
    }
    fprintf(stderr, "latchkey: '%s' is no command of this build; see 'latchkey --help'\n",
            argv[1]);
    return COMMAND_USAGE;
}

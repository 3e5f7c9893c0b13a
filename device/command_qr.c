/* `latchkey qr`: the fingerprint as read from the device itself. It needs the state
 * folder, not the agent. */
#include "base/core/text.h"
#include "device/bundle.h"
#include "device/command.h"
#include "device/control_client.h"
#include "device/identity_source.h"
#include "device/page_text.h"
#include "device/qr.h"
#include "base/net/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDER_CAPACITY = 4096, DRAWING_BYTES = 64 << 10, HTTPS_PORT = 443 };

/* Where the device is reached, as far as it can be known without the agent. */
static void find_place(const struct command_options *options,
                       struct own_addresses *ret_addresses, uint16_t *ret_port)
{
    static const struct own_addresses_rules by_default = {.addresses = NULL};
    struct device_config config;
    struct address listen;
    *ret_port = HTTPS_PORT;
    *ret_addresses = (struct own_addresses){.count = 0};
    if (options->state != NULL) {
        if (own_addresses_collect(&by_default, ret_addresses) < 0) {
            fputs("latchkey qr: the addresses can't be read; the code goes without\n",
                  stderr);
        }
        return;
    }
    if (command_read_config(options->config, &config) == 0) {
        struct own_addresses_rules rules = {.addresses = &config.addresses,
                                            .interfaces = &config.interfaces,
                                            .skipped = &config.skip_interfaces};
        if (own_addresses_collect(&rules, ret_addresses) < 0) {
            fputs("latchkey qr: the addresses can't be read; the code goes without\n",
                  stderr);
        }
        if (config.serve.count > 0 &&
            address_parse(config.serve.at[0], HTTPS_PORT, &listen) == 0) {
            *ret_port = address_port(&listen);
        }
    }
    device_config_free(&config);
}

static void print_grouped(const char *label, const char *text)
{
    printf("%s\n ", label);
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i > 0 && i % 32 == 0) {
            printf("\n ");
        }
        printf("%s%c", i % 4 == 0 ? " " : "", text[i]);
    }
    putchar('\n');
}

static void print_fingerprint(const char *folder)
{
    char path[FOLDER_CAPACITY + 16];
    struct bundle bundle = {.key = NULL};
    uint8_t hash[32];
    char text[65];
    if (!text_format(path, sizeof(path), "%s/fallback.pem", folder) ||
        bundle_load(path, &bundle) < 0) {
        return;
    }
    if (cert_fingerprint(bundle.cert, hash) == 0) {
        text_hex(hash, sizeof(hash), text);
        print_grouped(page_text(PAGE_TEXT_LEAF_FINGERPRINT), text);
    }
    bundle_free(&bundle);
}

/* Asks the agent for an invitation and adds it to PAYLOAD. */
static int add_invitation(const char *folder, char *payload)
{
    uint8_t secret[QR_INVITATION_SIZE];
    size_t size = 0;
    json_t *object = NULL;
    int error = control_client_call(folder, "POST", "/invite", &object);
    if (error < 0) {
        fprintf(stderr, "latchkey qr: --invite needs the running agent: %s\n",
                error_text(error));
        return error;
    }
    const char *invitation = json_get_text(object, "invitation");
    const char *detail = json_get_text(object, "detail");
    if (invitation == NULL ||
        text_base32_decode(invitation, strlen(invitation), secret, sizeof(secret),
                           &size) < 0 ||
        size != sizeof(secret)) {
        fprintf(stderr, "latchkey qr: the agent gave no invitation: %s\n",
                detail != NULL ? detail : "its answer is not understood");
        error = ERROR_DENIED;
    } else {
        error = qr_payload_invite(secret, payload);
    }
    explicit_bzero(secret, sizeof(secret));
    json_decref(object);
    return error;
}

static int draw(const struct command_options *options, const char *folder,
                const struct identity *identity)
{
    struct own_addresses addresses;
    uint16_t port = 0;
    char payload[QR_PAYLOAD_CAPACITY];
    struct buffer drawing = buffer_init_secret(DRAWING_BYTES);
    find_place(options, &addresses, &port);
    int error = qr_payload(identity->pin, &addresses, port, payload);
    if (error == 0 && options->invite) {
        error = add_invitation(folder, payload);
        if (error < 0) {
            buffer_free(&drawing);
            return error;
        }
    }
    if (error == 0) {
        error = options->svg ? qr_svg(payload, page_text(PAGE_TEXT_QR_LABEL), &drawing)
                             : qr_terminal(payload, isatty(STDOUT_FILENO) == 1, &drawing);
    }
    if (error < 0) {
        fprintf(stderr, "latchkey qr: the code can't be drawn: %s\n", error_text(error));
    } else {
        printf("%s", buffer_text(&drawing));
        if (!options->svg) {
            printf("%s\n\n", payload);
            if (options->invite) {
                puts("One app may enrol by this code within ten minutes: it is a secret.\n");
            }
            print_grouped(page_text(PAGE_TEXT_PIN), identity->pin);
            print_fingerprint(folder);
        } else {
            putchar('\n');
        }
    }
    buffer_free(&drawing);
    explicit_bzero(payload, sizeof(payload));
    return error;
}

/* The identity key of the configuration, or of the folder that was named instead. */
static int open_identity(const struct command_options *options,
                         struct identity_source *source, struct identity *ret_identity)
{
    char reason[512] = "";
    struct device_config config;
    if (options->state != NULL) {
        int error = identity_read(options->state, ret_identity);
        if (error < 0) {
            fprintf(stderr, "latchkey qr: '%s/identity.pem': %s%s\n", options->state,
                    error_text(error),
                    error == ERROR_NOT_FOUND ? "; the agent makes it when it first runs"
                                             : "");
        }
        return error;
    }
    int error = command_read_config(options->config, &config);
    if (error == 0) {
        error = identity_source_open(&config, source, ret_identity, NULL, reason,
                                     sizeof(reason));
        if (error < 0) {
            fprintf(stderr, "latchkey qr: %s\n", reason);
        }
    }
    device_config_free(&config);
    return error;
}

int command_qr(int argc, char **argv)
{
    struct command_options options;
    char folder[FOLDER_CAPACITY];
    struct identity identity = {.key = NULL};
    struct identity_source source = {.uri = NULL};
    if (!command_parse("qr", argc, argv, COMMAND_TAKES_SVG | COMMAND_TAKES_INVITE, &options)) {
        return COMMAND_USAGE;
    }
    if (command_find_folder(&options, folder, sizeof(folder)) < 0) {
        return EXIT_FAILURE;
    }
    int error = open_identity(&options, &source, &identity);
    if (error == 0) {
        error = draw(&options, folder, &identity);
    }
    identity_free(&identity);
    identity_source_close(&source);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

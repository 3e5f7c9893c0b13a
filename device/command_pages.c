/* `latchkey admin-secret` and `latchkey texts`: what owner and maker need for the pages.
 * Neither needs the agent. */
#include "device/admin_secret.h"
#include "device/brand.h"
#include "device/command.h"
#include "device/page_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLDER_CAPACITY = 4096,
    SECRET_BYTES = 256,
    TEMPLATE_BYTES = 128 << 10,
    REPORT_BYTES = 16 << 10
};

int command_admin_secret(int argc, char **argv)
{
    struct command_options options;
    char folder[FOLDER_CAPACITY];
    struct buffer text = buffer_init_secret(SECRET_BYTES);
    if (!command_parse("admin-secret", argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    if (command_find_folder(&options, folder, sizeof(folder)) < 0) {
        return EXIT_FAILURE;
    }
    int error = admin_secret_read(folder, &text);
    if (error == 0) {
        fputs(buffer_text(&text), stdout);
    } else {
        fprintf(stderr, "latchkey admin-secret: '%s/" ADMIN_SECRET_FILE "': %s\n", folder,
                error == ERROR_NOT_FOUND
                    ? "there is none yet; 'latchkey run' makes it at its first start"
                : error == ERROR_SYNTAX ? "must hold 10 to 64 letters and digits"
                : error == ERROR_DENIED ? "others can read it: chmod 600 it"
                : error == ERROR_IO     ? strerror(errno)
                                        : error_text(error));
    }
    buffer_free(&text);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

bool command_check_looks(const char *path, const struct device_config *config)
{
    struct buffer report = buffer_init(REPORT_BYTES);
    struct brand brand = brand_init();
    int error = brand_open(config, &brand, &report);
    if (report.size > 0) {
        fprintf(stderr, "%s: [device] the pages' looks:\n%s", path, buffer_text(&report));
    }
    brand_free(&brand);
    page_text_reset();
    buffer_free(&report);
    return error == 0;
}

int command_texts(int argc, char **argv)
{
    struct command_options options;
    struct buffer text = buffer_init(TEMPLATE_BYTES);
    if (!command_parse("texts", argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    int error = page_text_template(&text);
    if (error == 0) {
        fputs(buffer_text(&text), stdout);
    } else {
        fprintf(stderr, "latchkey texts: %s\n", error_text(error));
    }
    buffer_free(&text);
    return error == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* `latchkey name KEYFILE ZONE`: the name of a device that runs another ACME client. */
#include "base/core/text.h"
#include "base/lanname.h"
#include "device/command.h"
#include "device/key_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 253, ID_AND_DOTS = 32 + 1 + 63 + 1 };

static bool is_zone(const char *zone)
{
    size_t size = strlen(zone);
    if (size == 0 || size > LONGEST_NAME - ID_AND_DOTS || zone[0] == '.' ||
        strstr(zone, "..")) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        char c = zone[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.')) {
            return false;
        }
    }
    return true;
}

int command_name(int argc, char **argv)
{
    char zone[256];
    char id[KEY_ID_SIZE + 1];
    struct key *key = NULL;
    if (argc != 2) {
        fputs("latchkey name: needs a key file and a zone: latchkey name KEYFILE ZONE\n",
              stderr);
        return COMMAND_USAGE;
    }
    if (!text_copy(zone, sizeof(zone), argv[1])) {
        zone[0] = '\0';
    }
    text_lower(zone);
    if (zone[0] != '\0' && zone[strlen(zone) - 1] == '.') {
        zone[strlen(zone) - 1] = '\0';
    }
    if (!is_zone(zone)) {
        fprintf(stderr, "latchkey name: '%s' is no zone, such as lan.example.com\n",
                argv[1]);
        return COMMAND_USAGE;
    }
    int error = key_file_read(argv[0], &key);
    if (error == 0) {
        error = key_id(key, id);
    }
    key_free(key);
    if (error < 0) {
        fprintf(stderr,
                "latchkey name: '%s': %s; it must be a private key in PEM, or certbot's "
                "private_key.json\n",
                argv[0], error == ERROR_IO ? strerror(errno) : error_text(error));
        return EXIT_FAILURE;
    }
    printf("name         %s.%s\n", id, zone);
    printf("id           %s\n", id);
    printf("certificate  *.%s.%s\n", id, zone);
    printf("by address   192-168-1-51.%s.%s (the device's own address)\n", id, zone);
    printf("stable name  home.%s.%s (after 'latchkey publish')\n", id, zone);
    return EXIT_SUCCESS;
}

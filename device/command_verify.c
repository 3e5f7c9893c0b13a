/* `latchkey verify`: what a phone's app does with a device's QR code, for people at a
 * terminal and as the example for those who write such an app.
 *
 * A payload with an invitation is a secret for as long as that is open, and arguments can
 * be seen by others on the machine: `-` reads it from the standard input, and one that came
 * as an argument is overwritten at once. */
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "device/command.h"
#include "device/pinned_peer.h"
#include "device/app_list.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    char *payload;       /* or NULL */
    const char *pinned;  /* or NULL */
    const char *store;   /* or NULL */
    const char *address; /* or NULL */
    const char *name;
    bool forget;  /* the owner of FILE may be replaced */
    bool trusted; /* the trusted certificate is looked at, too */
};

static bool parse(int argc, char **argv, struct options *ret_options)
{
    struct options options = {.name = NULL};
    for (int i = 0; i < argc; i++) {
        const char **value = strcmp(argv[i], "--pinned") == 0    ? &options.pinned
                             : strcmp(argv[i], "--store") == 0   ? &options.store
                             : strcmp(argv[i], "--address") == 0 ? &options.address
                             : strcmp(argv[i], "--name") == 0    ? &options.name
                                                                 : NULL;
        if (value != NULL && i + 1 < argc) {
            *value = argv[++i];
        } else if (value != NULL) {
            fprintf(stderr, "latchkey verify: '%s' needs a value\n", argv[i]);
            return false;
        } else if (strcmp(argv[i], "--replace") == 0) {
            options.forget = true;
        } else if (strcmp(argv[i], "--trusted") == 0) {
            options.trusted = true;
        } else if ((argv[i][0] != '-' || argv[i][1] == '\0') && options.payload == NULL) {
            options.payload = argv[i];
        } else {
            fprintf(stderr,
                    "latchkey verify: '%s' is not understood; see 'latchkey --help'\n",
                    argv[i]);
            return false;
        }
    }
    if ((options.payload == NULL) == (options.pinned == NULL)) {
        fputs(
            "latchkey verify: needs either what the QR code says ('-': from the standard "
            "input) or --pinned FILE\n",
            stderr);
        return false;
    }
    if (options.trusted && options.pinned == NULL) {
        fputs("latchkey verify: --trusted goes with --pinned\n", stderr);
        return false;
    }
    if (options.name != NULL && !app_list_is_name(options.name)) {
        fputs("latchkey verify: --name must have 1 to 64 characters\n", stderr);
        return false;
    }
    *ret_options = options;
    return true;
}

static bool read_address(const char *text, struct address *place, bool *ret_given)
{
    *ret_given = text != NULL;
    if (text != NULL && pin_payload_place(text, place) < 0) {
        fprintf(stderr,
                "latchkey verify: '%s' is not a private address, such as 192.168.1.51 or "
                "[fd12::1]:8443\n",
                text);
        return false;
    }
    return true;
}

/* From the argument, or the first line of the standard input. */
static int read_payload(char *argument, struct pin_payload *ret_payload)
{
    char line[QR_PAYLOAD_CAPACITY + 2] = "";
    char reason[PIN_PAYLOAD_REASON_CAPACITY] = "";
    size_t size = 0;
    if (strcmp(argument, "-") != 0) {
        size = strlen(argument);
        if (size < sizeof(line)) {
            memcpy(line, argument, size);
        }
        explicit_bzero(argument, size);
    } else if (fgets(line, sizeof(line), stdin) != NULL) {
        size = strcspn(line, "\r\n");
    }
    int error = pin_payload_parse(line, size, ret_payload, reason);
    if (error < 0) {
        fprintf(stderr, "latchkey verify: %s\n", reason);
    }
    explicit_bzero(line, sizeof(line));
    return error;
}

static void fill_store(const struct pin_payload *payload, struct pin_store *store)
{
    char pin[TEXT_BASE32_SIZE(PIN_PAYLOAD_HASH_SIZE) + 1];
    *store = (struct pin_store){.pin_count = 1, .place_count = payload->place_count};
    memcpy(store->pins[0], payload->hash, sizeof(store->pins[0]));
    memcpy(store->places, payload->places, sizeof(store->places));
    text_base32(payload->hash, sizeof(payload->hash), pin);
    memcpy(store->id, pin, KEY_ID_SIZE);
}

static void default_name(char *ret_name, size_t capacity)
{
    char host[APP_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof(host) - 1) != 0 || !app_list_is_name(host)) {
        text_copy(host, sizeof(host), "latchkey verify");
    }
    text_copy(ret_name, capacity, host);
}

/* Where the device was found comes first in the file. */
static void note_place(struct pin_store *store, const struct address *place)
{
    if (store->place_count == 0 ||
        memcmp(&store->places[0].storage, &place->storage, sizeof(place->storage)) != 0) {
        store->places[1] = store->places[0];
        store->places[0] = *place;
        store->place_count = store->place_count == 0 ? 1 : QR_ADDRESSES_MAX;
    }
    store->verified_at = clock_wall_at();
}

static int save(const struct options *options, const char *path,
                const struct pin_store *store)
{
    int error = pin_store_save(path, store, options->forget || options->pinned != NULL);
    if (error == ERROR_EXISTS) {
        fprintf(stderr,
                "latchkey verify: '%s' exists, and may hold the key that a device knows; "
                "name another --store, or say --replace\n",
                path);
    } else if (error < 0) {
        fprintf(stderr, "latchkey verify: '%s' can't be written: %s\n", path,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

static void print_verified(const struct pin_store *store, const struct address *place)
{
    char where[ADDRESS_TEXT_CAPACITY];
    address_text(place, where);
    printf("verified     the device at %s is the one of this pin\n", where);
    printf("id           %s\n", store->id);
}

static void print_stored(const struct pin_store *store, const char *path)
{
    for (size_t i = 0; i < store->pin_count; i++) {
        char pin[TEXT_BASE64URL_SIZE(PIN_PAYLOAD_HASH_SIZE) + 1];
        text_base64url(store->pins[i], PIN_PAYLOAD_HASH_SIZE, pin);
        printf("pin          %s\n", pin);
    }
    if (store->zone[0] != '\0') {
        printf("name         %s.%s\n", store->id, store->zone);
    }
    printf("stored       %s (mode 600: pins, address%s)\n", path,
           store->key != NULL ? " and this app's own key" : "");
}

/* The file is made before the invitation is spent: one that can't be written must not cost
 * it. */
static int enrol(const struct options *options, const struct pin_payload *payload,
                 struct pin_store *store, struct pinned_peer_report *report)
{
    char path[256];
    char name[APP_NAME_MAX + 1];
    default_name(name, sizeof(name));
    if (!text_format(path, sizeof(path), "latchkey-%.8s.json", store->id)) {
        return ERROR_LIMIT;
    }
    const char *used = options->store != NULL ? options->store : path;
    int error = key_generate(KEY_P256, &store->key);
    if (error == 0) {
        error = save(options, used, store);
    }
    if (error < 0) {
        return error;
    }
    error = pinned_peer_enrol(store, payload->invitation,
                              options->name != NULL ? options->name : name, report);
    if (error < 0) {
        fprintf(stderr, "latchkey verify: %s\n", report->text);
        unlink(used);
        return error;
    }
    error = pin_store_save(used, store, true);
    if (error == 0) {
        printf("enrolled     as '%s'\n", options->name != NULL ? options->name : name);
        print_stored(store, used);
    }
    return error;
}

static int verify_payload(const struct options *options, const struct address *place)
{
    struct pin_payload payload = {.place_count = 0};
    struct pin_store store = {.pin_count = 0};
    struct pinned_peer_report report = {.text = ""};
    int error = read_payload(options->payload, &payload);
    if (error < 0) {
        return error;
    }
    fill_store(&payload, &store);
    error = pinned_peer_check(&store, place, &report);
    if (error < 0) {
        fprintf(stderr, "latchkey verify: %s\n", report.text);
        goto out;
    }
    print_verified(&store, &report.place);
    note_place(&store, &report.place);
    if (payload.has_invitation) {
        error = enrol(options, &payload, &store, &report);
    } else if (options->store != NULL) {
        error = save(options, options->store, &store);
        if (error == 0) {
            print_stored(&store, options->store);
        }
    }
out:
    explicit_bzero(&payload, sizeof(payload));
    pin_store_free(&store);
    return error;
}

/* By any name of the device's own: its certificate is for all of them. */
static int verify_trusted(struct pin_store *store, struct pinned_peer_report *report)
{
    char name[300];
    if (store->zone[0] == '\0' ||
        !text_format(name, sizeof(name), "home.%s.%s", store->id, store->zone)) {
        text_copy(report->text, sizeof(report->text),
                  "the device's zone is not known; it is told when an app enrols");
        return ERROR_NOT_FOUND;
    }
    int error = pinned_peer_check_trusted(store, name, report);
    if (error == 0) {
        printf("trusted      the certificate of %s is endorsed by the pin's key\n", name);
    }
    return error;
}

static int verify_pinned(const struct options *options, const struct address *place)
{
    struct pin_store store;
    struct pinned_peer_report report = {.text = ""};
    int error = pin_store_load(options->pinned, &store);
    if (error < 0) {
        fprintf(stderr, "latchkey verify: '%s' can't be read: %s\n", options->pinned,
                error == ERROR_IO ? strerror(errno) : error_text(error));
        return error;
    }
    error = pinned_peer_check(&store, place, &report);
    if (error == 0) {
        print_verified(&store, &report.place);
        if (store.key != NULL) {
            error = pinned_peer_ask(&store, &report);
        }
        if (error == 0 && options->trusted) {
            error = verify_trusted(&store, &report);
        }
    }
    if (error < 0) {
        fprintf(stderr, "latchkey verify: %s\n", report.text);
    } else {
        if (store.key != NULL) {
            puts("enrolled     the device knows this app's key");
        }
        note_place(&store, &report.place);
        error = save(options, options->pinned, &store);
    }
    pin_store_free(&store);
    return error;
}

int command_verify(int argc, char **argv)
{
    struct options options;
    struct address place;
    bool is_given = false;
    signal(SIGPIPE, SIG_IGN);
    if (!parse(argc, argv, &options) ||
        !read_address(options.address, &place, &is_given)) {
        return COMMAND_USAGE;
    }
    const struct address *given = is_given ? &place : NULL;
    int error = options.pinned != NULL ? verify_pinned(&options, given)
                                       : verify_payload(&options, given);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

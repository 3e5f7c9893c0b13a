/* The operator's command writes a wish to admin.db, and the issuer, which alone has the key,
 * signs it: a command run as root needs to read no key. */
#include "relay/admin/admin_move.h"

#include "acme/acme.h"
#include "base/core/clock.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "relay/admin/admin_stores.h"
#include "relay/store/admin_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/schema.h"
#include "relay/store/url.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The relay's own key, as the issuer announces it. */
static int read_key(struct database *issuer, const char *zone, struct key **ret_key)
{
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    json_t *jwk = NULL;
    int error = issuer_store_announcement(issuer, zone, "key", &text);

    if (error == 0) {
        error = json_parse(text.data, text.size, STATEMENT_BYTES_MAX, &jwk);
    }
    if (error == 0) {
        error = key_from_jwk(jwk, ret_key);
    }
    json_decref(jwk);
    buffer_free(&text);
    return error;
}

static int read_pin(const struct relay_config *config,
                    char ret_pin[static KEY_PIN_SIZE + 1])
{
    struct database *issuer = NULL;
    struct key *key = NULL;
    int error = database_open(config->store, "issuer.db", DATABASE_READER, schema_issuer,
                              &issuer);

    if (error == 0) {
        error = read_key(issuer, config->zone, &key);
    }
    if (error == 0) {
        error = statement_pin(key, ret_pin);
    }
    key_free(key);
    database_close(issuer);
    return error;
}

/* The serial of the move that is announced, 0: none. Devices remember it, and follow none that is
 * not above it. */
static int64_t last_announced(const struct relay_config *config)
{
    struct database *issuer = NULL;
    struct key *key = NULL;
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    struct statement_move move = {.serial = 0};
    char from[LIMIT_URL_BYTES];

    if (!url_directory(config->base_url, from) ||
        database_open(config->store, "issuer.db", DATABASE_READER, schema_issuer,
                      &issuer) != 0 ||
        read_key(issuer, config->zone, &key) != 0 ||
        issuer_store_announcement(issuer, config->zone, "move", &text) != 0 ||
        statement_read_move(text.data, text.size, key, from, &move) != 0) {
        move.serial = 0;
    }
    buffer_free(&text);
    key_free(key);
    database_close(issuer);
    return admin_stores_last(move.serial);
}

int admin_move_show_key(const struct relay_config *config, int argc, char **argv)
{
    char pin[KEY_PIN_SIZE + 1];
    char url[LIMIT_URL_BYTES];
    int error = 0;

    (void)argv;
    if (argc != 1) {
        return admin_stores_usage("key takes nothing");
    }
    error = url_directory(config->base_url, url) ? read_pin(config, pin) : ERROR_LIMIT;
    if (error == ERROR_NOT_FOUND) {
        fprintf(
            stderr,
            "latchkey-relay: the issuer has not announced a key yet: start it once\n");
        return EXIT_FAILURE;
    }
    if (error != 0) {
        return admin_stores_fail("the relay's own key can't be read", error, NULL);
    }
    printf("%s#%s\n", url, pin);
    return EXIT_SUCCESS;
}

/* The last wish, or nothing. */
static int show(const struct relay_config *config)
{
    struct database *admin = NULL;
    struct admin_store_move move = {.serial = 0};
    char issued[TEXT_TIME_CAPACITY];
    int error =
        database_open(config->store, "admin.db", DATABASE_READER, schema_admin, &admin);

    if (error == 0) {
        error = admin_store_last_move(admin, config->zone, &move);
    }
    database_close(admin);
    if (error == ERROR_NOT_FOUND) {
        printf("no move was ever announced\n");
        return EXIT_SUCCESS;
    }
    if (error != 0) {
        return admin_stores_fail("can't read the moves", error, NULL);
    }
    text_time(move.issued_at, issued);
    printf("%" PRId64 "  %s  %s%s%s\n", move.serial, issued, move.target,
           move.pin[0] != '\0' ? "#" : "", move.pin);
    return EXIT_SUCCESS;
}

static int write_move(const struct relay_config *config, struct admin_store_move *move)
{
    struct database *admin = NULL;
    int error = admin_stores_write(config, &admin);

    move->serial = last_announced(config);
    move->issued_at = clock_wall_at();
    if (error != 0) {
        return ADMIN_FAILED;
    }
    error = admin_store_put_move(admin, config->zone, move, admin_stores_who());
    if (error != 0) {
        error = admin_stores_fail("can't store the move", error, admin);
        database_close(admin);
        return error;
    }
    database_close(admin);
    printf("move %" PRId64 " to %s\n", move->serial, move->target);
    (void)fflush(stdout);
    error = admin_stores_wait_issuer(config, last_announced, move->serial);
    if (error == ADMIN_DONE) {
        printf("signed: the front announces it to each device that asks\n");
    }
    return error;
}

/* TARGET may carry its pin behind '#', as a device's configuration does. */
static bool take_target(const char *target, const char *pin,
                        struct admin_store_move *move)
{
    const char *hash = strchr(target, '#');
    size_t size = hash != NULL ? (size_t)(hash - target) : strlen(target);

    if (hash != NULL && pin == NULL) {
        pin = hash + 1;
    }
    if (!text_starts_with(target, "https://") || size <= strlen("https://") ||
        strpbrk(target, " \t\"<>") != NULL ||
        !text_format(move->target, sizeof(move->target), "%.*s", (int)size, target)) {
        fprintf(stderr,
                "latchkey-relay: move --to '%s': must be the https:// address of the new "
                "relay's directory, such as https://relay.new.example/acme/directory\n",
                target);
        return false;
    }
    if (pin != NULL &&
        (!statement_is_pin(pin) || !text_copy(move->pin, sizeof(move->pin), pin))) {
        fprintf(
            stderr,
            "latchkey-relay: move: '%s' is no pin: 'latchkey-relay key' on the new relay "
            "prints it behind '#'\n",
            pin);
        return false;
    }
    return true;
}

int admin_move_run(const struct relay_config *config, int argc, char **argv)
{
    static const struct option options[] = {{"to", required_argument, NULL, 't'},
                                            {"relay-key", required_argument, NULL, 'k'},
                                            {"stay", no_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    struct admin_store_move move = {.serial = 0};
    const char *target = NULL;
    const char *pin = NULL;
    bool stay = false;
    bool good = true;

    optind = 1;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
         c = getopt_long(argc, argv, "", options, NULL)) {
        target = c == 't' ? optarg : target;
        pin = c == 'k' ? optarg : pin;
        stay = stay || c == 's';
        good = good && c != '?';
    }
    if (good && argc == 1) {
        return show(config);
    }
    if (!good || optind != argc || stay == (target != NULL) || (stay && pin != NULL)) {
        fprintf(stderr,
                "latchkey-relay: move takes --to URL [--relay-key PIN], or --stay\n");
        return ADMIN_USAGE;
    }
    if (stay) {
        if (!url_directory(config->base_url, move.target)) {
            return admin_stores_fail("move", ERROR_LIMIT, NULL);
        }
        return write_move(config, &move);
    }
    return take_target(target, pin, &move) ? write_move(config, &move) : ADMIN_USAGE;
}

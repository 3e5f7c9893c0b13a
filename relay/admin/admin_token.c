#include "relay/admin/admin_token.h"

#include "base/core/clock.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"
#include "relay/admin/admin_output.h"
#include "relay/admin/admin_stores.h"
#include "relay/admin/admin_token_lines.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/token.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DAY_S = 86400,
    DAYS_MAX = 36500,
    DEVICES_MAX = 1000000000,
    BULK_MAX = 100000,
    LABEL_MAX = 64,
    KID_RANDOM_SIZE = 10,
    KEY_TEXT_CAPACITY = TEXT_BASE64URL_SIZE(TOKEN_KEY_SIZE) + 1,
};

#define ADD_USAGE                                                                        \
    "token add takes --label TEXT (64 characters at most), --days N, --devices N and "   \
    "--for "                                                                             \
    "CLIENT (agent, certbot, uacme, lego)"
#define BULK_USAGE                                                                       \
    "token bulk takes --count N (100000 at most), and as add --label, --days, --devices"

struct token_wish {
    const char *label;
    const char *client; /* NULL: none */
    uint64_t days;
    uint64_t devices;
    uint64_t count;
};

static bool parse_wish(int argc, char **argv, struct token_wish *wish)
{
    static const struct option options[] = {{"label", required_argument, NULL, 'l'},
                                            {"name", required_argument, NULL, 'l'},
                                            {"days", required_argument, NULL, 'd'},
                                            {"devices", required_argument, NULL, 'n'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"for", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    bool good = true;

    optind = 0; /* begins anew, and options may follow arguments again */
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1 && good;
         c = getopt_long(argc, argv, "", options, NULL)) {
        wish->label = c == 'l' ? optarg : wish->label;
        wish->client = c == 'f' ? optarg : wish->client;
        good = c != '?' && (c != 'l' || strlen(optarg) <= LABEL_MAX) &&
               (c != 'f' || admin_token_lines_knows(optarg)) &&
               (c != 'd' || text_u64(optarg, DAYS_MAX, &wish->days) == 0) &&
               (c != 'n' || text_u64(optarg, DEVICES_MAX, &wish->devices) == 0) &&
               (c != 'c' || text_u64(optarg, BULK_MAX, &wish->count) == 0);
    }
    if (good && optind != argc) {
        fprintf(stderr, "latchkey-relay: token: '%s' is not understood\n", argv[optind]);
    }
    return good && optind == argc;
}

static int make_kid(char ret_kid[static TOKEN_KID_SIZE + 1])
{
    uint8_t random[KID_RANDOM_SIZE];
    int error = random_bytes(random, sizeof(random));

    if (error == 0) {
        text_base32(random, sizeof(random), ret_kid);
    }
    return error;
}

static int read_secret(const struct relay_config *config,
                       uint8_t ret_secret[static TOKEN_SECRET_SIZE])
{
    int error = token_secret_read(config->secret_file, true, ret_secret);

    if (error != 0) {
        fprintf(stderr, "latchkey-relay: can't read the secret file '%s': %s\n",
                config->secret_file, error_text(error));
    }
    return error;
}

/* The key as text; the caller wipes. */
static int write_key(const uint8_t secret[static TOKEN_SECRET_SIZE],
                     const struct relay_config *config, const char *kid,
                     char ret_text[static KEY_TEXT_CAPACITY])
{
    uint8_t key[TOKEN_KEY_SIZE];
    int error = token_key(secret, config->zone, kid, key);

    if (error == 0) {
        text_base64url(key, sizeof(key), ret_text);
    }
    digest_wipe(key, sizeof(key));
    return error;
}

/* ---- add ---- */

static void print_token(const struct relay_config *config, const struct token_wish *wish,
                        const char *kid, const char *key)
{
    if (wish->client == NULL) {
        printf("%s:%s\n", kid, key);
    }
    if (wish->client == NULL && isatty(STDOUT_FILENO)) {
        printf("\nThis is shown once. On the device, one of:\n\n");
    }
    if (wish->client != NULL || isatty(STDOUT_FILENO)) {
        admin_token_lines_print(config, wish->client, kid, key);
    }
}

static int store_tokens(const struct relay_config *config, const struct token_wish *wish,
                        const char *kids, bool bulk)
{
    struct database *database = NULL;
    int64_t now_at = clock_wall_at();
    struct admin_store_token token = {
        .kid = kids,
        .label = wish->label,
        .created_at = now_at,
        .expires_at = wish->days == 0 ? 0 : now_at + (int64_t)wish->days * DAY_S,
        .max_devices = (int64_t)wish->devices,
    };
    int error = admin_stores_write(config, &database);

    if (error != 0) {
        return ADMIN_FAILED;
    }
    error =
        bulk ? admin_store_put_tokens(database, config->zone, &token, kids, wish->count,
                                      admin_stores_who())
             : admin_store_put_token(database, config->zone, &token, admin_stores_who());
    error = error == 0 ? ADMIN_DONE
                       : admin_stores_fail("can't store the token", error, database);
    database_close(database);
    return error;
}

/* Printed after it is stored: a token that was shown always works. */
static int add_token(const struct relay_config *config, int argc, char **argv)
{
    struct token_wish wish = {.label = ""};
    uint8_t secret[TOKEN_SECRET_SIZE];
    char kid[TOKEN_KID_SIZE + 1];
    char key[KEY_TEXT_CAPACITY];
    int status = ADMIN_FAILED;

    if (!parse_wish(argc, argv, &wish) || wish.count != 0) {
        return admin_stores_usage(ADD_USAGE);
    }
    if (read_secret(config, secret) != 0) {
        return ADMIN_FAILED;
    }
    if (make_kid(kid) == 0 && write_key(secret, config, kid, key) == 0) {
        status = store_tokens(config, &wish, kid, false);
    } else {
        status = admin_stores_fail("can't make a token", ERROR_CRYPTO, NULL);
    }
    digest_wipe(secret, sizeof(secret));
    if (status == ADMIN_DONE) {
        print_token(config, &wish, kid, key);
    }
    digest_wipe(key, sizeof(key));
    return status;
}

/* ---- bulk ---- */

/* What everybody can read would be a thousand keys for everybody. */
static bool is_open_to_all(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           (status.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

static int print_csv(const struct relay_config *config, const struct token_wish *wish,
                     const uint8_t secret[static TOKEN_SECRET_SIZE], const char *kids)
{
    char expires[TEXT_TIME_CAPACITY] = "";
    char key[KEY_TEXT_CAPACITY];
    int error = 0;

    if (wish->days != 0) {
        text_time(clock_wall_at() + (int64_t)wish->days * DAY_S, expires);
    }
    printf("kid,key,token,expires\n");
    for (size_t i = 0; error == 0 && i < wish->count; i++) {
        const char *kid = kids + i * (TOKEN_KID_SIZE + 1);

        error = write_key(secret, config, kid, key);
        if (error == 0) {
            printf("%s,%s,%s:%s,%s\n", kid, key, kid, key, expires);
        }
    }
    digest_wipe(key, sizeof(key));
    if (error == 0 && fflush(stdout) != 0) {
        error = ERROR_IO;
    }
    return error == 0
               ? ADMIN_DONE
               : admin_stores_fail(
                     "the tokens are stored, but not all could be printed: end them "
                     "(latchkey-relay token end) and make others",
                     error, NULL);
}

static int add_bulk(const struct relay_config *config, int argc, char **argv)
{
    struct token_wish wish = {.label = ""};
    uint8_t secret[TOKEN_SECRET_SIZE];
    char *kids = NULL;
    int error = 0;
    int status = ADMIN_FAILED;

    if (!parse_wish(argc, argv, &wish) || wish.count == 0 || wish.client != NULL) {
        return admin_stores_usage(BULK_USAGE);
    }
    if (is_open_to_all(STDOUT_FILENO)) {
        fprintf(
            stderr,
            "latchkey-relay: token bulk: everybody can read the file that this goes to; "
            "say 'umask 077' first, or chmod 600 a file that is there\n");
        return ADMIN_FAILED;
    }
    if (read_secret(config, secret) != 0) {
        return ADMIN_FAILED;
    }
    kids = calloc(wish.count, TOKEN_KID_SIZE + 1);
    error = kids == NULL ? ERROR_MEMORY : 0;
    for (size_t i = 0; error == 0 && i < wish.count; i++) {
        error = make_kid(kids + i * (TOKEN_KID_SIZE + 1));
    }
    status = error == 0 ? store_tokens(config, &wish, kids, true)
                        : admin_stores_fail("can't make tokens", error, NULL);
    if (status == ADMIN_DONE) {
        status = print_csv(config, &wish, secret, kids);
    }
    digest_wipe(secret, sizeof(secret));
    free(kids);
    return status;
}

/* ---- list and show ---- */

struct token_list {
    struct admin_stores stores;
    const char *kid; /* NULL: all */
    bool json;
    bool with_zone;
    bool has_header;
    size_t count;
};

static const char *state_of(const struct token_list *list,
                            const struct admin_store_token *token, int64_t used)
{
    return token->gone ? "ended"
           : token->expires_at != 0 && token->expires_at <= list->stores.now_at
               ? "expired"
           : token->max_devices != 0 && used >= token->max_devices ? "used up"
                                                                   : "open";
}

static int print_token_json(const struct token_list *list,
                            const struct admin_store_token *token, int64_t used)
{
    json_t *object = json_object();
    int error =
        object == NULL ? ERROR_MEMORY : json_set_text(object, "zone", list->stores.zone);

    if (error == 0) {
        error = json_set_text(object, "kid", token->kid);
    }
    if (error == 0) {
        error = json_set_text(object, "state", state_of(list, token, used));
    }
    if (error == 0) {
        error = json_set_text(object, "label", token->label);
    }
    if (error == 0) {
        error = admin_output_time(object, "createdAt", token->created_at);
    }
    if (error == 0) {
        error = admin_output_time(object, "expiresAt", token->expires_at);
    }
    if (error == 0) {
        error = json_set_i64(object, "devices", used);
    }
    if (error == 0 && token->max_devices != 0) {
        error = json_set_i64(object, "maxDevices", token->max_devices);
    }
    if (error == 0) {
        error = admin_output_line(json_incref(object));
    }
    json_decref(object);
    return error;
}

static int print_token_row(const struct admin_store_token *token, void *arg)
{
    struct token_list *list = arg;
    char expires[TEXT_TIME_CAPACITY] = "never";
    char devices[48];
    char label[LABEL_MAX + 1];
    int64_t used = 0;
    int error = list->stores.front == NULL
                    ? 0
                    : front_store_count_token(list->stores.front, list->stores.zone,
                                              token->kid, &used);

    list->count++;
    if (error != 0 || list->json) {
        return error != 0 ? error : print_token_json(list, token, used);
    }
    if (!list->has_header) {
        printf("%-16s  %-7s  %-11s  %-10s  %s\n", "KID", "STATE", "DEVICES", "EXPIRES",
               list->with_zone ? "LABEL, ZONE" : "LABEL");
        list->has_header = true;
    }
    if (token->expires_at != 0) {
        admin_output_date(token->expires_at, expires);
    }
    if (token->max_devices != 0) {
        snprintf(devices, sizeof(devices), "%" PRId64 " of %" PRId64, used,
                 token->max_devices);
    } else {
        snprintf(devices, sizeof(devices), "%" PRId64, used);
    }
    text_printable(label, sizeof(label), token->label, strlen(token->label));
    printf("%-16s  %-7s  %-11s  %-10s  %s%s%s\n", token->kid, state_of(list, token, used),
           devices, expires, label, list->with_zone ? "  " : "",
           list->with_zone ? list->stores.zone : "");
    return 0;
}

static int list_zone(struct token_list *list, const struct relay_config *config)
{
    int error = admin_stores_open(config, &list->stores);
    const struct admin_stores *stores = &list->stores;
    int status = error == 0 ? ADMIN_DONE : ADMIN_FAILED;

    if (error == 0 && stores->admin != NULL && list->kid != NULL) {
        error = admin_store_get_token(stores->admin, stores->zone, list->kid,
                                      print_token_row, list);
        error = error == ERROR_NOT_FOUND ? 0 : error;
    } else if (error == 0 && stores->admin != NULL) {
        error = admin_store_tokens(stores->admin, stores->zone, print_token_row, list);
    }
    if (status == ADMIN_DONE && error != 0) {
        status = admin_stores_fail("can't read the tokens", error, stores->admin);
    }
    admin_stores_close(&list->stores);
    return status;
}

static int list_tokens(const struct relay_config *config, bool all_zones,
                       struct token_list *list)
{
    int status = ADMIN_DONE;

    list->with_zone = all_zones && config->next != NULL;
    do {
        status = list_zone(list, config);
        config = config->next;
    } while (status == ADMIN_DONE && all_zones && config != NULL);
    if (status == ADMIN_DONE && list->kid != NULL && list->count == 0) {
        fprintf(stderr,
                "latchkey-relay: there is no token '%s' (latchkey-relay token list)\n",
                list->kid);
        return ADMIN_NOT_FOUND;
    }
    return status;
}

static int end_token(const struct relay_config *config, const char *kid)
{
    struct database *database = NULL;
    int status = ADMIN_DONE;
    int error = admin_stores_write(config, &database);

    if (error != 0) {
        return ADMIN_FAILED;
    }
    error = admin_store_end_token(database, config->zone, kid, admin_stores_who());
    if (error == ERROR_NOT_FOUND) {
        fprintf(
            stderr,
            "latchkey-relay: there is no open token '%s' (latchkey-relay token list)\n",
            kid);
        status = ADMIN_NOT_FOUND;
    } else if (error != 0) {
        status = admin_stores_fail("can't end the token", error, database);
    }
    database_close(database);
    return status;
}

int admin_token_run(const struct relay_config *config, bool all_zones, int argc,
                    char **argv)
{
    const char *verb = argc >= 2 ? argv[1] : "";
    bool json = argc > 2 && strcmp(argv[argc - 1], "--json") == 0;
    int count = json ? argc - 1 : argc;

    if (strcmp(verb, "add") == 0) {
        return add_token(config, argc - 1, argv + 1);
    }
    if (strcmp(verb, "bulk") == 0) {
        return add_bulk(config, argc - 1, argv + 1);
    }
    if ((strcmp(verb, "list") == 0 && count == 2) ||
        (strcmp(verb, "show") == 0 && count == 3)) {
        struct token_list list = {.json = json, .kid = count == 3 ? argv[2] : NULL};

        return list_tokens(config, all_zones, &list);
    }
    if (strcmp(verb, "end") == 0 && argc == 3) {
        return end_token(config, argv[2]);
    }
    return admin_stores_usage(
        "token takes: add, bulk, list [--json], show KID, or end KID");
}

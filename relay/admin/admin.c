#include "relay/admin/admin.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/random.h"
#include "base/lanname.h"
#include "relay/admin/admin_ca.h"
#include "relay/admin/admin_delegation.h"
#include "relay/admin/admin_list.h"
#include "relay/admin/admin_move.h"
#include "relay/admin/admin_plan.h"
#include "relay/admin/admin_queue.h"
#include "relay/store/admin_store.h"
#include "relay/store/place.h"
#include "relay/store/schema.h"
#include "relay/store/token.h"

#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char admin_usage[] =
    "  token add [--label TEXT] [--days N] [--devices N]\n"
    "                      make an enrolment token and print it, once\n"
    "  token list          the tokens; token end KID ends one\n"
    "  list                the devices, a line each\n"
    "  show ID             everything about one device\n"
    "  block ID [REASON]   no certificate and no published name for this device\n"
    "  unblock ID          lift a block\n"
    "  settle ID           one of two devices with this id was reset: forget the copies\n"
    "  check-delegation    ask the parent zone, every name server and public resolvers "
    "whether\n"
    "                      the zone is delegated and answers; says what to mend\n"
    "  queue               who waits for the CA's limits, and until when\n"
    "  ca                  the account at the CA, how it is, and what is left of the limits;\n"
    "                      ca rollover gives the account a new key\n"
    "  plan --devices-per-day N\n"
    "                      what that means for the CA's limits: which override, how many CAs\n"
    "  key                 what devices name this relay by, with the pin of its own key\n"
    "  move --to URL [--relay-key PIN] | --stay\n"
    "                      tell all devices, signed, to go to another relay; or take it "
    "back\n";

enum { DAY_S = 86400, DAYS_MAX = 36500, WHO_CAPACITY = 64 };

static char operator_name[WHO_CAPACITY];

/* Who gave the command, for the audit: the login behind sudo, if any. Before root becomes
 * another user. */
static void note_operator(void)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *user = getpwuid(getuid());
    const char *name = sudo != NULL ? sudo : user != NULL ? user->pw_name : "unknown";
    text_printable(operator_name, sizeof(operator_name), name, strlen(name));
}

static void name_operator(char ret_who[static WHO_CAPACITY])
{
    text_copy(ret_who, WHO_CAPACITY, operator_name);
}

static int complain(const char *what, int error, const struct database *database)
{
    const char *detail = database != NULL ? database_error(database) : "";
    fprintf(stderr, "latchkey-relay: %s: %s%s%s\n", what, error_text(error),
            detail[0] != '\0' ? ": " : "", detail);
    if (error == ERROR_BUSY) {
        fprintf(stderr, "latchkey-relay: another command is writing; try again\n");
    }
    return EXIT_FAILURE;
}

static int open_admin(const struct relay_config *config, enum database_mode mode,
                      struct database **ret_database)
{
    int result =
        database_open(config->store, "admin.db", mode, schema_admin, ret_database);
    if (result != 0) {
        char what[512];
        if (!text_format(what, sizeof(what), "can't open '%s/admin.db'", config->store)) {
            what[0] = '\0';
        }
        complain(what, result, NULL);
    }
    return result;
}

struct token_wish {
    const char *label;
    uint64_t days;
    uint64_t devices;
};

static int parse_token_wish(int argc, char **argv, struct token_wish *ret_wish)
{
    static const struct option options[] = {{"label", required_argument, NULL, 'l'},
                                            {"days", required_argument, NULL, 'd'},
                                            {"devices", required_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    struct token_wish wish = {.label = ""};
    optind = 1;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
         c = getopt_long(argc, argv, "", options, NULL)) {
        if (c == 'l' && strlen(optarg) <= 64) {
            wish.label = optarg;
        } else if (c == 'd' && text_u64(optarg, DAYS_MAX, &wish.days) == 0) {
            continue;
        } else if (c == 'n' && text_u64(optarg, 1000000000, &wish.devices) == 0) {
            continue;
        } else {
            fprintf(
                stderr,
                "latchkey-relay: token add takes --label TEXT (64 characters at most), "
                "--days N and --devices N\n");
            return ERROR_SYNTAX;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "latchkey-relay: token add: '%s' is not understood\n",
                argv[optind]);
        return ERROR_SYNTAX;
    }
    *ret_wish = wish;
    return 0;
}

/* Prints the token after it is stored: one that was shown always works. */
static int print_token(const struct relay_config *config, const char *kid)
{
    uint8_t secret[TOKEN_SECRET_SIZE];
    uint8_t key[TOKEN_KEY_SIZE];
    char text[TEXT_BASE64URL_SIZE(TOKEN_KEY_SIZE) + 1];
    int result = token_secret_read(config->secret_file, true, secret);
    if (result != 0) {
        fprintf(stderr, "latchkey-relay: can't read the secret file '%s': %s\n",
                config->secret_file, error_text(result));
        return EXIT_FAILURE;
    }
    result = token_key(secret, config->zone, kid, key);
    digest_wipe(secret, sizeof(secret));
    if (result != 0) {
        return complain("can't make the token's key", result, NULL);
    }
    text_base64url(key, sizeof(key), text);
    printf("%s:%s\n", kid, text);
    digest_wipe(key, sizeof(key));
    digest_wipe(text, sizeof(text));
    return EXIT_SUCCESS;
}

static int add_token(const struct relay_config *config, int argc, char **argv)
{
    struct token_wish wish;
    struct database *database = NULL;
    uint8_t random[10];
    char kid[TOKEN_KID_SIZE + 1];
    char who[WHO_CAPACITY];
    if (parse_token_wish(argc, argv, &wish) != 0) {
        return EXIT_FAILURE;
    }
    if (random_bytes(random, sizeof(random)) != 0) {
        return complain("can't make a token", ERROR_CRYPTO, NULL);
    }
    text_base32(random, sizeof(random), kid);
    name_operator(who);
    if (open_admin(config, DATABASE_WRITER, &database) != 0) {
        return EXIT_FAILURE;
    }
    int64_t now_at = clock_wall_at();
    struct admin_store_token token = {
        .kid = kid,
        .label = wish.label,
        .created_at = now_at,
        .expires_at = wish.days == 0 ? 0 : now_at + (int64_t)wish.days * DAY_S,
        .max_devices = (int64_t)wish.devices,
    };
    int result = admin_store_put_token(database, config->zone, &token, who);
    int status = result == 0 ? print_token(config, kid)
                             : complain("can't store the token", result, database);
    database_close(database);
    return status;
}

static int print_token_line(const struct admin_store_token *token, void *arg)
{
    char created[TEXT_TIME_CAPACITY];
    char expires[TEXT_TIME_CAPACITY] = "never";
    char devices[24] = "any";
    (void)arg;
    text_time(token->created_at, created);
    if (token->expires_at != 0) {
        text_time(token->expires_at, expires);
    }
    if (token->max_devices != 0) {
        snprintf(devices, sizeof(devices), "%" PRId64, token->max_devices);
    }
    printf("%s  %-5s  made %s  expires %-20s  devices %-8s  %s\n", token->kid,
           token->gone ? "ended" : "open", created, expires, devices, token->label);
    return 0;
}

static int list_tokens(const struct relay_config *config)
{
    struct database *database = NULL;
    int result = database_open(config->store, "admin.db", DATABASE_READER, schema_admin,
                               &database);
    if (result == ERROR_NOT_FOUND) {
        return EXIT_SUCCESS; /* no command has written yet: there are none */
    }
    if (result != 0) {
        return complain("can't read admin.db", result, NULL);
    }
    result = admin_store_tokens(database, config->zone, print_token_line, NULL);
    int status =
        result == 0 ? EXIT_SUCCESS : complain("can't read the tokens", result, database);
    database_close(database);
    return status;
}

static int end_token(const struct relay_config *config, const char *kid)
{
    struct database *database = NULL;
    char who[WHO_CAPACITY];
    name_operator(who);
    if (open_admin(config, DATABASE_WRITER, &database) != 0) {
        return EXIT_FAILURE;
    }
    int result = admin_store_end_token(database, config->zone, kid, who);
    int status = EXIT_SUCCESS;
    if (result == ERROR_NOT_FOUND) {
        fprintf(
            stderr,
            "latchkey-relay: there is no open token '%s' (latchkey-relay token list)\n",
            kid);
        status = EXIT_FAILURE;
    } else if (result != 0) {
        status = complain("can't end the token", result, database);
    }
    database_close(database);
    return status;
}

/* LIST for CONFIG's zone, or for all zones with a heading each. */
static int list_zones(const struct relay_config *config, bool all_zones,
                      int (*list)(const struct relay_config *config))
{
    int status = EXIT_SUCCESS;
    if (!all_zones || config->next == NULL) {
        return list(config);
    }
    for (; config != NULL && status == EXIT_SUCCESS; config = config->next) {
        printf("%s:\n", config->zone);
        status = list(config);
    }
    return status;
}

static int run_token(const struct relay_config *config, bool all_zones, int argc,
                     char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "add") == 0) {
        return add_token(config, argc - 1, argv + 1);
    }
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list_zones(config, all_zones, list_tokens);
    }
    if (argc == 3 && strcmp(argv[1], "end") == 0) {
        return end_token(config, argv[2]);
    }
    fprintf(stderr, "latchkey-relay: token takes: add, list, or end KID\n");
    return EXIT_FAILURE;
}

/* The id in lower case, or a complaint that names what was given. */
static bool take_id(const char *text, char ret_id[static LANNAME_ID_SIZE + 1])
{
    if (!lanname_is_id((const uint8_t *)text, strlen(text)) ||
        !text_copy(ret_id, LANNAME_ID_SIZE + 1, text)) {
        fprintf(
            stderr,
            "latchkey-relay: '%s' is no device id: it must be 32 characters a-z and 2-7 "
            "(latchkey-relay list)\n",
            text);
        return false;
    }
    text_lower(ret_id);
    return true;
}

static int run_block(const struct relay_config *config, int argc, char **argv)
{
    bool block = strcmp(argv[0], "block") == 0;
    struct database *database = NULL;
    char id[LANNAME_ID_SIZE + 1];
    char who[WHO_CAPACITY];
    if (argc < 2 || argc > (block ? 3 : 2)) {
        fprintf(stderr, "latchkey-relay: %s takes a device id%s\n", argv[0],
                block ? " and a reason in one word or quoted" : "");
        return EXIT_FAILURE;
    }
    if (!take_id(argv[1], id)) {
        return EXIT_FAILURE;
    }
    const char *reason = argc == 3 ? argv[2] : "";
    if (strlen(reason) > 256) {
        fprintf(stderr, "latchkey-relay: the reason must be at most 256 characters\n");
        return EXIT_FAILURE;
    }
    name_operator(who);
    if (open_admin(config, DATABASE_WRITER, &database) != 0) {
        return EXIT_FAILURE;
    }
    int result = block ? admin_store_block(database, config->zone, id, reason, who)
                       : admin_store_unblock(database, config->zone, id, who);
    int status = EXIT_SUCCESS;
    if (result == ERROR_NOT_FOUND) {
        fprintf(stderr, "latchkey-relay: '%s' is not blocked\n", id);
        status = EXIT_FAILURE;
    } else if (result != 0) {
        status = complain(argv[0], result, database);
    }
    database_close(database);
    return status;
}

static int run_settle(const struct relay_config *config, const char *id)
{
    struct database *database = NULL;
    char who[WHO_CAPACITY];
    name_operator(who);
    if (open_admin(config, DATABASE_WRITER, &database) != 0) {
        return EXIT_FAILURE;
    }
    int result =
        admin_store_settle_clone(database, config->zone, id, clock_wall_at(), who);
    int status = result == 0 ? EXIT_SUCCESS : complain("settle", result, database);
    database_close(database);
    return status;
}

/* A copy of everything needs what is each role's alone. */
static bool needs_root(const char *command)
{
    return strcmp(command, "backup") == 0 || strcmp(command, "restore") == 0;
}

int admin_run(const struct relay_config *config, bool all_zones, int argc, char **argv)
{
    note_operator();
    if (!needs_root(argv[0]) && place_become(config->store, "admin") != 0) {
        return complain("can't become the user of the store's folder 'admin'",
                        ERROR_DENIED, NULL);
    }
    if (strcmp(argv[0], "token") == 0) {
        return run_token(config, all_zones, argc, argv);
    }
    if (strcmp(argv[0], "block") == 0 || strcmp(argv[0], "unblock") == 0) {
        return run_block(config, argc, argv);
    }
    if (strcmp(argv[0], "settle") == 0 && argc == 2) {
        char id[LANNAME_ID_SIZE + 1];
        return take_id(argv[1], id) ? run_settle(config, id) : EXIT_FAILURE;
    }
    if (strcmp(argv[0], "key") == 0 && argc == 1) {
        return admin_move_show_key(config);
    }
    if (strcmp(argv[0], "move") == 0) {
        char who[WHO_CAPACITY];
        name_operator(who);
        return admin_move_run(config, who, argc, argv);
    }
    if (strcmp(argv[0], "check-delegation") == 0) {
        return admin_delegation_run(config, argc, argv);
    }
    if (strcmp(argv[0], "queue") == 0) {
        return admin_queue_run(config, argc, argv);
    }
    if (strcmp(argv[0], "ca") == 0) {
        char who[WHO_CAPACITY];
        name_operator(who);
        return admin_ca_run(config, who, argc, argv);
    }
    if (strcmp(argv[0], "plan") == 0) {
        return admin_plan_run(config, argc, argv);
    }
    if (strcmp(argv[0], "list") == 0 && argc == 1) {
        return list_zones(config, all_zones, admin_list_devices);
    }
    if (strcmp(argv[0], "show") == 0 && argc == 2) {
        char id[LANNAME_ID_SIZE + 1];
        return take_id(argv[1], id) ? admin_list_device(config, id) : EXIT_FAILURE;
    }
    fprintf(stderr, "latchkey-relay: '%s' is not understood; the commands are:\n%s",
            argv[0], admin_usage);
    return EXIT_FAILURE;
}

/* `latchkey publish KEYFILE ADDRESS... --relay URL`: for devices that run another ACME
 * client. This process holds the key and signs; a worker does the rest, as for the agent.
 */
#include "base/core/clock.h"
#include "base/core/log.h"
#include "base/core/text.h"
#include "device/command.h"
#include "device/key_file.h"
#include "device/own_addresses.h"
#include "device/page_text.h"
#include "device/worker_session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_S = 120, PATH_CAPACITY = 4096, NAME_SERVERS_MAX = 4 };

struct publication {
    const char *key_file;
    const char *relay;
    const char *ca_file;
    const char *worker;
    const char *name_servers[NAME_SERVERS_MAX];
    size_t name_server_count;
    struct own_addresses addresses;
    char directory[LIMIT_URL_BYTES];
    struct loop *loop;
    int status;
};

static bool parse_option(struct publication *wanted, int argc, char **argv, int *at)
{
    const char *option = argv[*at];
    if (*at + 1 == argc) {
        fprintf(stderr, "latchkey publish: '%s' needs a value\n", option);
        return false;
    }
    const char *value = argv[++*at];
    if (strcmp(option, "--relay") == 0) {
        wanted->relay = value;
    } else if (strcmp(option, "--ca-file") == 0) {
        wanted->ca_file = value;
    } else if (strcmp(option, "--worker") == 0) {
        wanted->worker = value;
    } else if (strcmp(option, "--name-server") == 0 &&
               wanted->name_server_count < NAME_SERVERS_MAX) {
        wanted->name_servers[wanted->name_server_count++] = value;
    } else {
        fprintf(stderr,
                "latchkey publish: '%s' is not understood; see 'latchkey --help'\n",
                option);
        return false;
    }
    return true;
}

static bool parse_address(struct publication *wanted, const char *text)
{
    static const struct lanname_policy policy = {.shared = true, .loopback = true};
    struct own_addresses *addresses = &wanted->addresses;
    struct lanname_address address;
    if (!lanname_address_parse(text, &address)) {
        fprintf(stderr, "latchkey publish: '%s' is no IPv4 or IPv6 address\n", text);
        return false;
    }
    if (!lanname_allowed(&address, &policy)) {
        fprintf(stderr,
                "latchkey publish: '%s' is no private address; a relay answers 10/8, "
                "172.16/12, "
                "192.168/16 and fd00::/8\n",
                text);
        return false;
    }
    if (addresses->count == LIMIT_DEVICE_ADDRESSES) {
        fprintf(stderr, "latchkey publish: at most %d addresses\n",
                LIMIT_DEVICE_ADDRESSES);
        return false;
    }
    addresses->at[addresses->count++] = address;
    return true;
}

static bool parse(struct publication *wanted, int argc, char **argv)
{
    char pin[64];
    for (int i = 0; i < argc; i++) {
        if (text_starts_with(argv[i], "--")) {
            if (!parse_option(wanted, argc, argv, &i)) {
                return false;
            }
        } else if (wanted->key_file == NULL) {
            wanted->key_file = argv[i];
        } else if (!parse_address(wanted, argv[i])) {
            return false;
        }
    }
    if (wanted->key_file == NULL || wanted->addresses.count == 0 ||
        wanted->relay == NULL) {
        fputs("latchkey publish: needs a key file, an address and the relay: latchkey "
              "publish "
              "KEYFILE ADDRESS... --relay URL\n",
              stderr);
        return false;
    }
    const char *wrong = device_config_split_relay(wanted->relay, wanted->directory, pin);
    if (wrong != NULL) {
        fprintf(stderr, "latchkey publish: --relay '%s' %s\n", wanted->relay, wrong);
        return false;
    }
    return true;
}

static int text_list(const char *const *texts, size_t count, json_t **ret_list)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, json_string(texts[i])) != 0) {
            json_decref(list);
            return ERROR_MEMORY;
        }
    }
    *ret_list = list;
    return list != NULL ? 0 : ERROR_MEMORY;
}

static int set_texts(json_t *object, const char *key, const char *const *texts,
                     size_t count)
{
    json_t *list = NULL;
    int error = text_list(texts, count, &list);
    return error == 0 ? json_set_take(object, key, list) : error;
}

static int describe(const struct publication *wanted, const struct key *key,
                    struct worker_message *task)
{
    char texts[LIMIT_DEVICE_ADDRESSES][46];
    const char *list[LIMIT_DEVICE_ADDRESSES];
    json_t *jwk = NULL;
    for (size_t i = 0; i < wanted->addresses.count; i++) {
        lanname_address_text(&wanted->addresses.at[i], texts[i]);
        list[i] = texts[i];
    }
    int error = worker_message_new(WORKER_TASK, task);
    if (error == 0) {
        error = key_to_jwk(key, &jwk);
    }
    if (error == 0) {
        error = json_set_take(task->body, "key", jwk);
    }
    if (error == 0) {
        error = json_set_text(task->body, "task", "addresses");
    }
    if (error == 0) {
        error = json_set_text(task->body, "directory", wanted->directory);
    }
    if (error == 0) {
        error = json_set_text(task->body, "ca_file", wanted->ca_file);
    }
    if (error == 0) {
        error = set_texts(task->body, "name_servers", wanted->name_servers,
                          wanted->name_server_count);
    }
    if (error == 0) {
        error = set_texts(task->body, "addresses", list, wanted->addresses.count);
    }
    /* The clock rises, and there is no place to keep a count. */
    return error == 0 ? json_set_i64(task->body, "counter", clock_wall_at()) : error;
}

static void on_end(const struct worker_result *result, void *arg)
{
    struct publication *wanted = arg;
    if (result->outcome == WORKER_OUTCOME_DONE) {
        wanted->status = EXIT_SUCCESS;
        puts("Published.");
    } else if (strcmp(result->code, "account") == 0) {
        fprintf(stderr,
                "latchkey publish: %s; the device's own ACME client must have made its "
                "account with "
                "this key first\n",
                result->text);
    } else {
        fprintf(stderr, "latchkey publish: %s\n%s\n", result->text,
                page_text_failure(result->code));
    }
    loop_stop(wanted->loop);
}

static const struct worker_session_handlers handlers = {.end = on_end};

static int publish(struct publication *wanted, struct key *key)
{
    char worker[PATH_CAPACITY];
    struct worker_message task = {.body = NULL};
    struct worker_session *session = NULL;
    int error = worker_session_find(wanted->worker, worker, sizeof(worker));
    if (error == 0) {
        error = loop_new(&wanted->loop);
    }
    if (error == 0) {
        error = describe(wanted, key, &task);
    }
    if (error == 0) {
        struct worker_session_options options = {
            .worker = worker,
            .key = key,
            .directory = wanted->directory,
            .timeout_s = TIMEOUT_S,
            .handlers = &handlers,
            .arg = wanted,
        };
        error = worker_session_start(wanted->loop, &options, &task, &session);
        if (error < 0) {
            fprintf(stderr, "latchkey publish: '%s' can't be started: %s\n", worker,
                    error == ERROR_IO ? strerror(errno) : error_text(error));
        }
    }
    if (error == 0) {
        error = loop_run(wanted->loop);
    }
    worker_message_free(&task);
    if (wanted->loop != NULL) {
        loop_free(wanted->loop);
    }
    return error;
}

int command_publish(int argc, char **argv)
{
    struct publication wanted = {.status = EXIT_FAILURE};
    struct key *key = NULL;
    if (!parse(&wanted, argc, argv)) {
        return COMMAND_USAGE;
    }
    log_open("latchkey", LOG_LEVEL_WARNING);
    signal(SIGPIPE, SIG_IGN);
    int error = key_file_read(wanted.key_file, &key);
    if (error < 0) {
        fprintf(
            stderr,
            "latchkey publish: '%s': %s; it must be a private key in PEM, or certbot's "
            "private_key.json\n",
            wanted.key_file, error == ERROR_IO ? strerror(errno) : error_text(error));
        return EXIT_FAILURE;
    }
    error = publish(&wanted, key);
    key_free(key);
    return error == 0 ? wanted.status : EXIT_FAILURE;
}

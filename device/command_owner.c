/* `latchkey csr` and `latchkey install`: a certificate of the owner's own CA. The agent holds the
 * keys and judges; here are files, words, and the connection that confirms. */
#include "base/core/file.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "base/crypto/digest.h"
#include "base/crypto/pem.h"
#include "base/net/tls_probe.h"
#include "device/command.h"
#include "device/control_client.h"
#include "device/owner_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLDER_CAPACITY = 4096,
    PATH_CAPACITY = 512,
    DER_BYTES = 4096,
    FILES_MAX = 16,
    LOOK_MS = 10 * 1000,
    HTTPS_PORT = 443,
};

/* What stands on the line beside --config and --state. */
struct owner_arguments {
    const char *words[FILES_MAX];
    size_t count;
    bool der;
    bool confirm;
    bool cancel;
    bool remove;
    char folder[FOLDER_CAPACITY];
};

static bool take_flag(const char *command, const char *word,
                      struct owner_arguments *arguments)
{
    const bool is_csr = strcmp(command, "csr") == 0;
    const struct {
        const char *word;
        bool *flag;
        bool is_of_csr;
    } flags[] = {{"--der", &arguments->der, true},
                 {"--confirm", &arguments->confirm, false},
                 {"--cancel", &arguments->cancel, false},
                 {"--remove", &arguments->remove, false}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].is_of_csr == is_csr && strcmp(flags[i].word, word) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

/* Sorts the arguments: an exit status, or 0. */
static int parse(const char *command, int argc, char **argv,
                 struct owner_arguments *arguments)
{
    struct command_options options;
    char *rest[8];
    int rest_count = 0;
    for (int i = 0; i < argc; i++) {
        bool has_value =
            strcmp(argv[i], "--config") == 0 || strcmp(argv[i], "--state") == 0;
        if (take_flag(command, argv[i], arguments)) {
            continue;
        }
        if (argv[i][0] != '-') {
            if (arguments->count == FILES_MAX) {
                fprintf(stderr, "latchkey %s: at most %d files\n", command, FILES_MAX);
                return COMMAND_USAGE;
            }
            arguments->words[arguments->count++] = argv[i];
            continue;
        }
        for (int j = 0; j <= (has_value && i + 1 < argc ? 1 : 0) && rest_count < 8; j++) {
            rest[rest_count++] = argv[i + j];
        }
        i += has_value ? 1 : 0;
    }
    if (!command_parse(command, rest_count, rest, 0, &options)) {
        return COMMAND_USAGE;
    }
    return command_find_folder(&options, arguments->folder, sizeof(arguments->folder)) < 0
               ? EXIT_FAILURE
               : 0;
}

static int complain(const char *command, const char *folder, int error)
{
    if (error == ERROR_NOT_FOUND) {
        fprintf(stderr, "latchkey %s: no agent runs with '%s'\n", command, folder);
        return COMMAND_NO_AGENT;
    }
    fprintf(stderr, "latchkey %s: %s\n", command, error_text(error));
    return EXIT_FAILURE;
}

/* Prints the agent's refusal; whether there is one. */
static bool print_refusal(const char *command, const json_t *object)
{
    const char *text = json_get_text(object, "error");
    if (text != NULL) {
        fprintf(stderr, "latchkey %s: %s\n", command, text);
    }
    return text != NULL;
}

/* --- csr --- */

static int write_request(const char *text, bool der)
{
    uint8_t data[DER_BYTES];
    size_t size = 0;
    struct buffer pem = buffer_init(2 * DER_BYTES);
    int error = text_base64url_decode(text, strlen(text), data, sizeof(data), &size);
    if (error == 0 && !der) {
        error = pem_write("CERTIFICATE REQUEST", (struct bytes){data, size}, &pem);
    }
    if (error == 0) {
        const void *out = der ? (const void *)data : (const void *)pem.data;
        size_t out_size = der ? size : pem.size;
        error = fwrite(out, 1, out_size, stdout) == out_size && fflush(stdout) == 0
                    ? 0
                    : ERROR_IO;
    }
    buffer_free(&pem);
    return error;
}

int command_csr(int argc, char **argv)
{
    struct owner_arguments arguments = {.count = 0};
    char host[OWNER_HOST_CAPACITY];
    char path[PATH_CAPACITY];
    json_t *object = NULL;
    int status = parse("csr", argc, argv, &arguments);
    if (status != 0) {
        return status;
    }
    if (arguments.count != 1) {
        fputs("latchkey csr: name one host, such as nas.example.com\n", stderr);
        return COMMAND_USAGE;
    }
    const char *wrong = owner_host_check(arguments.words[0], host);
    if (wrong != NULL) {
        fprintf(stderr, "latchkey csr: '%s' %s\n", arguments.words[0], wrong);
        return EXIT_FAILURE;
    }
    text_format(path, sizeof(path), "/own/request?%s", host);
    int error = control_client_call(arguments.folder, "POST", path, &object);
    if (error < 0) {
        return complain("csr", arguments.folder, error);
    }
    status = EXIT_FAILURE;
    if (!print_refusal("csr", object)) {
        const char *text = json_get_text(object, "csr");
        error = text != NULL ? write_request(text, arguments.der) : ERROR_SYNTAX;
        status = error == 0 ? EXIT_SUCCESS : complain("csr", arguments.folder, error);
    }
    json_decref(object);
    return status;
}

/* --- install --- */

/* Appends a file; among several, DER becomes PEM so that they can stand in one text. */
static int add_file(const char *path, bool is_alone, struct buffer *upload)
{
    static const char begin[] = "-----BEGIN ";
    struct buffer data = buffer_init(LIMIT_CHAIN_BYTES);
    int error = file_read(path, &data);
    if (error == ERROR_LIMIT) {
        fprintf(stderr, "latchkey install: '%s': it is larger than 64 KiB (too-large)\n",
                path);
    } else if (error < 0) {
        fprintf(stderr, "latchkey install: '%s': %s\n", path,
                error == ERROR_IO ? strerror(errno) : error_text(error));
    } else if (is_alone ||
               memmem(buffer_text(&data), data.size, begin, strlen(begin)) != NULL) {
        error = buffer_append(upload, data.data, data.size);
        if (error == 0 && !is_alone) {
            error = buffer_append_text(upload, "\n");
        }
    } else {
        error = pem_write("CERTIFICATE", buffer_bytes(&data), upload);
    }
    buffer_free(&data);
    return error;
}

/* Whether all is good. */
static bool print_verdicts(const json_t *object)
{
    const json_t *verdict = NULL;
    size_t index = 0;
    json_array_foreach(json_get_array(object, "checks"), index, verdict)
    {
        const char *check = json_get_text(verdict, "check");
        const char *code = json_get_text(verdict, "code");
        const char *sentence = json_get_text(verdict, "sentence");
        if (json_get_bool(verdict, "good", false)) {
            printf("good  %s\n", check != NULL ? check : "");
        } else {
            printf("BAD   %s: %s (%s)\n", check != NULL ? check : "",
                   sentence != NULL ? sentence : "", code != NULL ? code : "");
        }
    }
    return json_get_bool(object, "good", false);
}

static void print_trial(const char *folder)
{
    json_t *object = NULL;
    if (control_client_call(folder, "GET", "/own.json", &object) < 0) {
        return;
    }
    const char *host = json_get_text(object, "host");
    int64_t port = json_get_i64(object, "port", HTTPS_PORT);
    char number[16] = "";
    if (port != HTTPS_PORT) {
        text_format(number, sizeof(number), ":%lld", (long long)port);
    }
    printf("It is on trial for five minutes. See whether https://%s%s/ opens without a "
           "warning; "
           "then keep it:\n  latchkey install --confirm\n",
           host != NULL ? host : "", number);
    json_decref(object);
}

static int offer(const struct owner_arguments *arguments)
{
    struct buffer upload = buffer_init(2 * LIMIT_CHAIN_BYTES);
    json_t *object = NULL;
    int status = EXIT_FAILURE;
    int error = 0;
    for (size_t i = 0; i < arguments->count && error == 0; i++) {
        error = add_file(arguments->words[i], arguments->count == 1, &upload);
    }
    if (error < 0) {
        goto out;
    }
    if (upload.size > LIMIT_CHAIN_BYTES) {
        fputs("latchkey install: together they are larger than 64 KiB (too-large)\n",
              stderr);
        goto out;
    }
    error = control_client_send(arguments->folder, "/own/offer", buffer_bytes(&upload),
                                &object);
    if (error < 0) {
        status = complain("install", arguments->folder, error);
    } else if (!print_refusal("install", object) && print_verdicts(object)) {
        print_trial(arguments->folder);
        status = EXIT_SUCCESS;
    }
    json_decref(object);
out:
    buffer_free(&upload);
    return status;
}

/* What a look at the server brought. */
struct seen {
    struct loop *loop;
    int error;
    char reason[128];
    char leaf[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1];
};

static void on_probed(int error, const char *reason, struct bytes leaf, void *arg)
{
    struct seen *seen = arg;
    uint8_t hash[DIGEST_SHA256_SIZE];
    seen->error = error;
    text_copy(seen->reason, sizeof(seen->reason), reason);
    if (error == 0) {
        seen->error = digest_sha256(leaf.data, leaf.size, hash);
        text_hex(hash, sizeof(hash), seen->leaf);
    }
    loop_stop(seen->loop);
}

/* Connects by the name that is on trial, as a browser would. */
static int look(const json_t *own, struct seen *seen)
{
    struct tls_probe *probe = NULL;
    struct tls_probe_target target = {
        .name = json_get_text(own, "host"),
        .timeout_ms = LOOK_MS,
    };
    const char *connect = json_get_text(own, "connect");
    if (target.name == NULL || connect == NULL) {
        return ERROR_SYNTAX;
    }
    int error = address_parse(connect, HTTPS_PORT, &target.address);
    if (error == 0) {
        error = loop_new(&seen->loop);
    }
    if (error == 0) {
        error = tls_probe_start(seen->loop, &target, on_probed, seen, &probe);
        if (error == 0) {
            error = loop_run(seen->loop);
        }
        loop_free(seen->loop);
    }
    return error == 0 ? seen->error : error;
}

static int confirm_seen(const char *folder, const struct seen *seen)
{
    char path[PATH_CAPACITY];
    json_t *object = NULL;
    int status = EXIT_FAILURE;
    text_format(path, sizeof(path), "/own/confirm?%s", seen->leaf);
    int error = control_client_call(folder, "POST", path, &object);
    if (error < 0) {
        return complain("install", folder, error);
    }
    const char *host = json_get_text(object, "confirmed");
    if (!print_refusal("install", object) && host != NULL) {
        printf("The certificate for %s is in use from now on.\n", host);
        status = EXIT_SUCCESS;
    }
    json_decref(object);
    return status;
}

static int confirm(const char *folder)
{
    json_t *own = NULL;
    struct seen seen = {.loop = NULL};
    int error = control_client_call(folder, "GET", "/own.json", &own);
    if (error < 0) {
        return complain("install", folder, error);
    }
    const char *state = json_get_text(own, "state");
    int status = EXIT_FAILURE;
    if (state == NULL || strcmp(state, "trial") != 0) {
        fputs("latchkey install: nothing is on trial\n", stderr);
    } else {
        error = look(own, &seen);
        if (error < 0) {
            fprintf(stderr,
                    "latchkey install: the device can't be reached by the name: %s\n",
                    seen.reason[0] != '\0' ? seen.reason : error_text(error));
        } else {
            status = confirm_seen(folder, &seen);
        }
    }
    json_decref(own);
    return status;
}

static int tell(const char *folder, const char *path)
{
    json_t *object = NULL;
    int error = control_client_call(folder, "POST", path, &object);
    if (error < 0) {
        return complain("install", folder, error);
    }
    bool is_refused = print_refusal("install", object);
    json_decref(object);
    return is_refused ? EXIT_FAILURE : EXIT_SUCCESS;
}

int command_install(int argc, char **argv)
{
    struct owner_arguments arguments = {.count = 0};
    int status = parse("install", argc, argv, &arguments);
    if (status != 0) {
        return status;
    }
    int wishes =
        (arguments.count > 0) + (arguments.cancel ? 1 : 0) + (arguments.remove ? 1 : 0);
    if (wishes > 1 || (wishes == 0 && !arguments.confirm) ||
        (arguments.confirm && (arguments.cancel || arguments.remove))) {
        fputs(
            "latchkey install: name the files with the certificate, or one of --confirm, "
            "--cancel and --remove\n",
            stderr);
        return COMMAND_USAGE;
    }
    if (arguments.cancel || arguments.remove) {
        return tell(arguments.folder, arguments.cancel ? "/own/cancel" : "/own/remove");
    }
    status = arguments.count > 0 ? offer(&arguments) : EXIT_SUCCESS;
    return status == EXIT_SUCCESS && arguments.confirm ? confirm(arguments.folder)
                                                       : status;
}

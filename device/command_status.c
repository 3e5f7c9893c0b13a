/* `latchkey status` and `latchkey renew`: they ask the running agent. */
#include "base/core/text.h"
#include "device/command.h"
#include "device/control_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDER_CAPACITY = 4096, TEXT_BYTES = 64 << 10 };

static int complain(const char *command, const char *folder, int error)
{
    switch (error) {
    case ERROR_NOT_FOUND:
        fprintf(stderr,
                "latchkey %s: no agent answers in '%s'; start it with 'latchkey run', or "
                "name its "
                "folder with --state\n",
                command, folder);
        return COMMAND_NO_AGENT;
    case ERROR_DENIED:
        fprintf(
            stderr,
            "latchkey %s: the agent's socket in '%s' is its user's only; try as root\n",
            command, folder);
        return EXIT_FAILURE;
    default:
        fprintf(stderr,
                "latchkey %s: the agent in '%s' does not answer as it should: %s\n",
                command, folder, error_text(error));
        return EXIT_FAILURE;
    }
}

/* Text from the agent may quote the relay: only printable characters reach the terminal.
 */
static void print_row(const char *label, const char *value)
{
    char text[1024];
    if (value == NULL || value[0] == '\0') {
        return;
    }
    text_printable(text, sizeof(text), value, strlen(value));
    printf("%-13s %s\n", label, text);
}

static void print_list(const char *label, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        print_row(i == 0 ? label : "", json_string_value(json_array_get(list, i)));
    }
}

static void print_certificate(const char *label, const json_t *certificate)
{
    char text[512];
    if (certificate != NULL &&
        text_format(text, sizeof(text), "serial %s by %s, until %s",
                    json_get_text(certificate, "serial"),
                    json_get_text(certificate, "issuer"),
                    json_get_text(certificate, "notAfter"))) {
        print_row(label, text);
    }
}

static void print_failure(const json_t *object)
{
    const json_t *failure = json_get_object(object, "failure");
    if (failure == NULL) {
        return;
    }
    print_row("last failure", json_get_text(failure, "sentence"));
    print_row("", json_get_text(failure, "detail"));
    print_row("", json_get_text(failure, "at"));
}

static void print_disk(const char *disk)
{
    char text[128];
    if (disk != NULL &&
        text_format(text, sizeof(text), "the state folder can't be written (%s)%s", disk,
                    strcmp(disk, "error") == 0 ? ": the log says why" : "")) {
        print_row("attention", text);
    }
}

static void print_attention(const json_t *object)
{
    const json_t *list = json_get_array(object, "attention");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        if (word != NULL && strcmp(word, "clone") == 0) {
            print_row("attention",
                      "another device has this one's identity key, so nobody can tell "
                      "the two apart: factory-reset one of them");
        } else if (word != NULL && strcmp(word, "clock") == 0) {
            print_row("attention",
                      "the system's clock is wrong; the relay's time is used");
        } else if (word != NULL && strcmp(word, "disk") == 0) {
            print_disk(json_get_text(object, "disk"));
        }
    }
}

/* What live/ holds for other servers, and why they have not taken it. */
static void print_live(const json_t *live)
{
    char text[512];
    const char *code = json_get_text(live, "code");
    const char *holds = json_get_text(live, "holds");
    if (code != NULL && holds != NULL &&
        text_format(text, sizeof(text), "the %s certificate; %.400s (%s)", holds,
                    json_get_text(live, "detail"), code)) {
        print_row("live/", text);
    } else {
        print_row("live/", holds);
    }
}

static void print_own(const json_t *own)
{
    char text[512];
    const char *host = json_get_text(own, "host");
    const json_t *certificate = json_get_object(own, "certificate");
    int64_t days = json_get_i64(own, "endsWithinDays", 0);
    if (certificate != NULL && host != NULL &&
        text_format(text, sizeof(text), "%s for %s, until %s%s",
                    json_get_text(own, "state"), host,
                    json_get_text(certificate, "notAfter"), days > 0 ? ": soon" : "")) {
        print_row("own", text);
    }
    print_row("own request", json_get_text(own, "requestHost"));
    print_row("own failure", json_get_text(own, "failure"));
}

static void print_people(const json_t *object)
{
    print_row("id", json_get_text(object, "id"));
    print_row("state", json_get_text(object, "state"));
    print_row("serving", json_get_text(object, "serving"));
    print_row("stable name", json_get_text(object, "stableUrl"));
    print_list("by address", json_get_array(object, "urls"));
    print_row("local name", json_get_text(object, "localName"));
    print_certificate("trusted", json_get_object(object, "trusted"));
    print_row("renewal", json_get_text(object, "renewAt"));
    print_certificate("fallback", json_get_object(object, "fallback"));
    print_own(json_get_object(object, "own"));
    print_live(json_get_object(object, "live"));
    print_row("relay", json_get_text(object, "relay"));
    print_row("moved from", json_get_text(object, "movedFrom"));
    print_attention(object);
    print_failure(object);
    int64_t wait_s = json_get_i64(object, "nextTryInSeconds", 0);
    if (wait_s > 0) {
        printf("%-13s in %lld s\n", "next try", (long long)wait_s);
    }
}

static int print_json(const json_t *object)
{
    struct buffer text = buffer_init(TEXT_BYTES);
    int error = json_dump(object, &text);
    if (error == 0) {
        puts(buffer_text(&text));
    }
    buffer_free(&text);
    return error;
}

int command_status(int argc, char **argv)
{
    struct command_options options;
    char folder[FOLDER_CAPACITY];
    json_t *object = NULL;
    if (!command_parse("status", argc, argv, COMMAND_TAKES_JSON, &options)) {
        return COMMAND_USAGE;
    }
    if (command_find_folder(&options, folder, sizeof(folder)) < 0) {
        return EXIT_FAILURE;
    }
    int error = control_client_call(folder, "GET", "/status.json", &object);
    if (error < 0) {
        return complain("status", folder, error);
    }
    if (options.json) {
        error = print_json(object);
    } else {
        print_people(object);
    }
    json_decref(object);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_renew(int argc, char **argv)
{
    struct command_options options;
    char folder[FOLDER_CAPACITY];
    json_t *object = NULL;
    if (!command_parse("renew", argc, argv, 0, &options)) {
        return COMMAND_USAGE;
    }
    if (command_find_folder(&options, folder, sizeof(folder)) < 0) {
        return EXIT_FAILURE;
    }
    int error = control_client_call(folder, "POST", "/renew", &object);
    if (error < 0) {
        return complain("renew", folder, error);
    }
    puts("The agent is asking for a new certificate; 'latchkey status' shows what comes "
         "of it.");
    json_decref(object);
    return EXIT_SUCCESS;
}

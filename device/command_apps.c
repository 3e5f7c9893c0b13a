/* `latchkey apps`: the apps that have enrolled, as the running agent knows them. */
#include "base/core/text.h"
#include "device/app_list.h"
#include "device/command.h"
#include "device/control_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDER_CAPACITY = 4096 };

static int complain(int error, const char *folder)
{
    if (error == ERROR_NOT_FOUND) {
        fprintf(stderr, "latchkey apps: no agent runs with '%s'\n", folder);
        return COMMAND_NO_AGENT;
    }
    fprintf(stderr, "latchkey apps: %s\n", error_text(error));
    return EXIT_FAILURE;
}

static void print_app(const json_t *app)
{
    char time[TEXT_TIME_CAPACITY];
    char name[APP_NAME_MAX + 1] = "";
    const char *id = json_get_text(app, "id");
    const char *said = json_get_text(app, "name");
    text_time(json_get_i64(app, "enrolledAt", 0), time);
    if (said != NULL) { /* UTF-8 that the agent has checked for controls */
        text_copy(name, sizeof(name), said);
    }
    printf("%-16s  %s  %s\n", id != NULL ? id : "", time, name);
}

static int list(const char *folder, bool is_json)
{
    json_t *object = NULL;
    const json_t *app = NULL;
    size_t index = 0;
    struct buffer text = buffer_init(64 << 10);
    int error = control_client_call(folder, "GET", "/apps.json", &object);
    if (error < 0) {
        return complain(error, folder);
    }
    const json_t *apps = json_get_array(object, "apps");
    if (is_json) {
        error = json_dump(object, &text);
        puts(buffer_text(&text));
    } else if (json_array_size(apps) == 0) {
        puts(
            "No app has enrolled. `latchkey qr --invite` shows a code that lets one in.");
    } else {
        json_array_foreach(apps, index, app)
        {
            print_app(app);
        }
    }
    buffer_free(&text);
    json_decref(object);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int remove_app(const char *folder, const char *id)
{
    char path[64];
    json_t *object = NULL;
    if (strlen(id) != APP_ID_SIZE || strspn(id, "0123456789abcdef") != APP_ID_SIZE ||
        !text_format(path, sizeof(path), "/apps/remove?%s", id)) {
        fprintf(stderr,
                "latchkey apps: '%s' is no app's id: 16 hex digits, as 'latchkey apps' "
                "shows them\n",
                id);
        return COMMAND_USAGE;
    }
    int error = control_client_call(folder, "POST", path, &object);
    if (error < 0) {
        return complain(error, folder);
    }
    const char *detail = json_get_text(object, "detail");
    if (detail != NULL) {
        fprintf(stderr, "latchkey apps: '%s': %s\n", id, detail);
    } else {
        printf("removed      %s: it is not let in any more\n", id);
    }
    int status = detail == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
    json_decref(object);
    return status;
}

int command_apps(int argc, char **argv)
{
    struct command_options options;
    char folder[FOLDER_CAPACITY];
    const char *id = NULL;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "remove") == 0 && i + 1 < argc) {
            id = argv[i + 1];
            argc -= 2;
            for (int j = i; j < argc; j++) {
                argv[j] = argv[j + 2];
            }
        }
    }
    if (!command_parse("apps", argc, argv, id == NULL ? COMMAND_TAKES_JSON : 0,
                       &options)) {
        return COMMAND_USAGE;
    }
    if (command_find_folder(&options, folder, sizeof(folder)) < 0) {
        return EXIT_FAILURE;
    }
    return id != NULL ? remove_app(folder, id) : list(folder, options.json);
}

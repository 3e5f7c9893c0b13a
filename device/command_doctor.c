/* `latchkey doctor`: what is wrong, for people or for programs. */
#include "device/command.h"
#include "device/diagnosis_print.h"
#include "device/doctor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 64 << 10 };

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

int command_doctor(int argc, char **argv)
{
    struct command_options options;
    json_t *object = NULL;
    bool is_alone = false;
    if (!command_parse("doctor", argc, argv, COMMAND_TAKES_JSON, &options)) {
        return COMMAND_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    int error = doctor_diagnose(&options, &is_alone, &object);
    if (error < 0) {
        return EXIT_FAILURE;
    }
    const char *worst = json_get_text(object, "worst");
    bool is_failing = worst == NULL || strcmp(worst, "fail") == 0;
    if (options.json) {
        error = print_json(object);
    } else {
        diagnosis_print(object, stdout);
    }
    json_decref(object);
    if (error < 0) {
        return EXIT_FAILURE;
    }
    return is_alone ? COMMAND_NO_AGENT : is_failing ? EXIT_FAILURE : EXIT_SUCCESS;
}

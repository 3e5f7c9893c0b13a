#include "device/diagnosis_print.h"

#include "base/core/text.h"

#include <stdbool.h>
#include <string.h>

enum { COLUMNS = 80, INDENT = 9, TEXT_BYTES = 1024 };

/* Prints TEXT in words, INDENT columns from the left; the first line's margin is there. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    char words[TEXT_BYTES];
    int column = indent;
    text_printable(words, sizeof(words), text, strlen(text));
    for (const char *at = words; at[0] != '\0';) {
        int size = (int)strcspn(at, " ");
        if (column > indent && column + 1 + size > COLUMNS) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", size, at);
        column += size;
        at += size + (at[size] == ' ' ? 1 : 0);
    }
    fputc('\n', out);
}

static void print_line(FILE *out, const char *prefix, const char *text)
{
    fprintf(out, "%*s%s", INDENT, "", prefix);
    print_wrapped(out, text, INDENT + (int)strlen(prefix));
}

/* What is to be copied must not be broken. */
static void print_verbatim(FILE *out, const char *text)
{
    char line[TEXT_BYTES];
    text_printable(line, sizeof(line), text, strlen(text));
    fprintf(out, "%*s      %s\n", INDENT, "", line);
}

static void print_settings(FILE *out, const json_t *settings)
{
    for (size_t i = 0; i < json_array_size(settings); i++) {
        const json_t *setting = json_array_get(settings, i);
        const json_t *lines = json_get_array(setting, "lines");
        char head[TEXT_BYTES];
        const char *system = json_get_text(setting, "system");
        const char *where = json_get_text(setting, "where");
        if (system == NULL || where == NULL ||
            !text_format(head, sizeof(head), "%s: %s", system, where)) {
            continue;
        }
        print_line(out, "  - ", head);
        for (size_t j = 0; j < json_array_size(lines); j++) {
            const char *line = json_string_value(json_array_get(lines, j));
            print_verbatim(out, line != NULL ? line : "");
        }
    }
}

static void print_verdict(FILE *out, const json_t *verdict)
{
    const char *level = json_get_text(verdict, "level");
    const char *text = json_get_text(verdict, "text");
    const char *check = json_get_text(verdict, "check");
    const char *code = json_get_text(verdict, "code");
    const char *mend = json_get_text(verdict, "mend");
    const json_t *detail = json_get_array(verdict, "detail");
    char head[TEXT_BYTES];
    if (level == NULL || text == NULL || check == NULL || code == NULL) {
        return;
    }
    bool is_wrong = strcmp(level, "fail") == 0 || strcmp(level, "warn") == 0;
    text_printable(head, sizeof(head), level, strlen(level));
    fprintf(out, "%-*s", INDENT, head);
    bool fits = is_wrong
                    ? text_format(head, sizeof(head), "%s (%s): %s", check, code, text)
                    : text_format(head, sizeof(head), "%s: %s", check, text);
    print_wrapped(out, fits ? head : code, INDENT);
    for (size_t i = 0; i < json_array_size(detail); i++) {
        const char *line = json_string_value(json_array_get(detail, i));
        if (line != NULL && strcmp(level, "skipped") != 0) {
            print_line(out, "  ", line);
        }
    }
    if (mend != NULL) {
        print_line(out, "> ", mend);
    }
    print_settings(out, json_get_array(verdict, "settings"));
}

void diagnosis_print(const json_t *object, FILE *out)
{
    const json_t *verdicts = json_get_array(object, "verdicts");
    for (size_t i = 0; i < json_array_size(verdicts); i++) {
        print_verdict(out, json_array_get(verdicts, i));
    }
}

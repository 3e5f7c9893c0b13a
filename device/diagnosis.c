/* One table says of each code what it belongs to, how bad it is, what it means and what
 * helps: level and words can't drift apart, and a worker that was taken over can say nothing
 * but a code and some printable lines. The sentences are the English ones; a translation of
 * the pages is keyed by the codes. */
#include "device/diagnosis.h"

#include "base/core/text.h"
#include "device/diagnosis_texts.h"
#include "device/router_mends.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const level_words[] = {
    [DIAGNOSIS_OK] = "ok",           [DIAGNOSIS_SKIPPED] = "skipped",
    [DIAGNOSIS_UNKNOWN] = "unknown", [DIAGNOSIS_WARN] = "warn",
    [DIAGNOSIS_FAIL] = "fail",
};
_Static_assert(sizeof(level_words) / sizeof(level_words[0]) == DIAGNOSIS_LEVEL_COUNT,
               "one word per level");

static const char *const router_words[] = {
    [DIAGNOSIS_ROUTER_ANY] = "any",           [DIAGNOSIS_ROUTER_DNSMASQ] = "dnsmasq",
    [DIAGNOSIS_ROUTER_UNBOUND] = "unbound",   [DIAGNOSIS_ROUTER_KNOT] = "knot",
    [DIAGNOSIS_ROUTER_FRITZBOX] = "fritzbox", [DIAGNOSIS_ROUTER_GOOGLE] = "google",
};
_Static_assert(sizeof(router_words) / sizeof(router_words[0]) == DIAGNOSIS_ROUTER_COUNT,
               "one word per router");

static const struct diagnosis_texts_code *code_of(enum diagnosis_code code)
{
    return diagnosis_texts_code(code < DIAGNOSIS_CODE_COUNT ? code : DIAGNOSIS_NOT_KNOWN);
}

void diagnosis_init(struct diagnosis *diagnosis)
{
    *diagnosis = (struct diagnosis){.at = 0};
    for (size_t i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        diagnosis->verdicts[i].code = DIAGNOSIS_NOT_CHECKED;
    }
}

static bool belongs(enum diagnosis_code code, enum diagnosis_check check)
{
    enum diagnosis_check owner = diagnosis_code_check(code);
    return owner == check || owner == DIAGNOSIS_CHECK_COUNT;
}

void diagnosis_set(struct diagnosis *diagnosis, enum diagnosis_check check,
                   enum diagnosis_code code)
{
    diagnosis->verdicts[check] = (struct verdict){
        .code = belongs(code, check) ? code : DIAGNOSIS_NOT_KNOWN,
    };
}

static void add_line(struct verdict *verdict, const char *text, size_t size)
{
    size_t used = strlen(verdict->detail);
    char line[DIAGNOSIS_LINE_BYTES];
    text_printable(line, sizeof(line), text, size);
    if (line[0] != '\0' && used + strlen(line) + 1 < DIAGNOSIS_DETAIL_BYTES) {
        text_format(verdict->detail + used, DIAGNOSIS_DETAIL_BYTES - used, "%s\n", line);
    }
}

void diagnosis_add(struct diagnosis *diagnosis, enum diagnosis_check check,
                   const char *format, ...)
{
    char line[DIAGNOSIS_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (size > 0) {
        add_line(&diagnosis->verdicts[check], line, strlen(line));
    }
}

enum diagnosis_level diagnosis_worst(const struct diagnosis *diagnosis)
{
    enum diagnosis_level worst = DIAGNOSIS_OK;
    for (size_t i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        enum diagnosis_level level = diagnosis_code_level(diagnosis->verdicts[i].code);
        worst = level != DIAGNOSIS_SKIPPED && level > worst ? level : worst;
    }
    return worst;
}

bool diagnosis_line(const struct verdict *verdict, size_t index,
                    char ret_line[static DIAGNOSIS_LINE_BYTES])
{
    const char *at = verdict->detail;
    for (; index > 0 && at[0] != '\0'; index--) {
        const char *end = strchr(at, '\n');
        at = end != NULL ? end + 1 : "";
    }
    if (at[0] == '\0') {
        return false;
    }
    text_printable(ret_line, DIAGNOSIS_LINE_BYTES, at, strcspn(at, "\n"));
    return true;
}

const char *diagnosis_check_word(enum diagnosis_check check)
{
    return diagnosis_texts_check(check)->word;
}

const char *diagnosis_check_title(enum diagnosis_check check)
{
    return diagnosis_texts_check(check)->title;
}

const char *diagnosis_level_word(enum diagnosis_level level)
{
    return level_words[level];
}

const char *diagnosis_code_word(enum diagnosis_code code)
{
    return code_of(code)->word;
}

enum diagnosis_level diagnosis_code_level(enum diagnosis_code code)
{
    return code_of(code)->level;
}

enum diagnosis_check diagnosis_code_check(enum diagnosis_code code)
{
    return code_of(code)->check;
}

const char *diagnosis_code_text(enum diagnosis_code code)
{
    return code_of(code)->text;
}

const char *diagnosis_code_mend(enum diagnosis_code code)
{
    return code_of(code)->mend;
}

bool diagnosis_code_has_settings(enum diagnosis_code code)
{
    return code == DIAGNOSIS_REBINDING_FILTER ||
           code == DIAGNOSIS_REBINDING_FILTER_IPV4 ||
           code == DIAGNOSIS_REBINDING_FILTER_IPV6 ||
           code == DIAGNOSIS_REBINDING_FILTER_SOME;
}

bool diagnosis_code_of(const char *word, enum diagnosis_code *ret_code)
{
    for (int i = 0; i < DIAGNOSIS_CODE_COUNT; i++) {
        if (strcmp(word, diagnosis_code_word((enum diagnosis_code)i)) == 0) {
            *ret_code = (enum diagnosis_code)i;
            return true;
        }
    }
    return false;
}

bool diagnosis_check_of(const char *word, enum diagnosis_check *ret_check)
{
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        if (strcmp(word, diagnosis_check_word((enum diagnosis_check)i)) == 0) {
            *ret_check = (enum diagnosis_check)i;
            return true;
        }
    }
    return false;
}

/* --- between worker and agent --- */

int diagnosis_write_verdict(const struct diagnosis *diagnosis, enum diagnosis_check check,
                            struct buffer *text)
{
    const struct verdict *verdict = &diagnosis->verdicts[check];
    return buffer_printf(text, "%s %s %s\n%s", diagnosis_check_word(check),
                         diagnosis_code_word(verdict->code),
                         router_words[diagnosis->router], verdict->detail);
}

static bool router_of(const char *word, enum diagnosis_router *ret_router)
{
    for (int i = 0; i < DIAGNOSIS_ROUTER_COUNT; i++) {
        if (strcmp(word, router_words[i]) == 0) {
            *ret_router = (enum diagnosis_router)i;
            return true;
        }
    }
    return false;
}

/* Copies the word at *AT, which must end with END, and goes behind it. */
static bool take_word(const char **at, char end, char *ret_word, size_t capacity)
{
    const char *stop = strchr(*at, end);
    if (stop == NULL || (size_t)(stop - *at) >= capacity) {
        return false;
    }
    text_format(ret_word, capacity, "%.*s", (int)(stop - *at), *at);
    *at = stop + 1;
    return true;
}

int diagnosis_take_verdict(struct diagnosis *diagnosis, const char *text)
{
    char words[3][48];
    enum diagnosis_check check = DIAGNOSIS_CHECK_COUNT;
    enum diagnosis_code code = DIAGNOSIS_CODE_COUNT;
    enum diagnosis_router router = DIAGNOSIS_ROUTER_ANY;
    if (!take_word(&text, ' ', words[0], sizeof(words[0])) ||
        !take_word(&text, ' ', words[1], sizeof(words[1])) ||
        !take_word(&text, '\n', words[2], sizeof(words[2])) ||
        !diagnosis_check_of(words[0], &check) || !diagnosis_code_of(words[1], &code) ||
        !router_of(words[2], &router) || !belongs(code, check)) {
        return ERROR_SYNTAX;
    }
    diagnosis_set(diagnosis, check, code);
    if (diagnosis_code_has_settings(code)) {
        diagnosis->router = router;
    }
    while (text[0] != '\0') {
        size_t size = strcspn(text, "\n");
        add_line(&diagnosis->verdicts[check], text, size);
        text += size + (text[size] == '\n' ? 1 : 0);
    }
    return 0;
}

/* --- JSON --- */

static int append_text(json_t *list, const char *text)
{
    return json_array_append_new(list, json_string(text)) == 0 ? 0 : ERROR_MEMORY;
}

static int set_detail(json_t *object, const struct verdict *verdict)
{
    char line[DIAGNOSIS_LINE_BYTES];
    json_t *list = json_array();
    int error = 0;
    if (!diagnosis_line(verdict, 0, line)) {
        json_decref(list);
        return 0;
    }
    for (size_t i = 0; error == 0 && diagnosis_line(verdict, i, line); i++) {
        error = append_text(list, line);
    }
    int error_set = json_set_take(object, "detail", list);
    return error == 0 ? error_set : error;
}

static int setting_to_json(const struct router_mend *mend, const char *zone,
                           json_t **ret_object)
{
    char line[ROUTER_MENDS_LINE_BYTES];
    json_t *object = json_object();
    json_t *lines = json_array();
    int error = json_set_text(object, "system", mend->system);
    if (error == 0) {
        error = json_set_text(object, "where", mend->where);
    }
    for (size_t i = 0; error == 0 && router_mends_line(mend, i, zone, line); i++) {
        error = append_text(lines, line);
    }
    int error_set = json_set_take(object, "lines", lines);
    error = error == 0 ? error_set : error;
    if (error < 0) {
        json_decref(object);
        return error;
    }
    *ret_object = object;
    return 0;
}

static int set_settings(json_t *object, const struct diagnosis *diagnosis)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;
    for (size_t i = 0; error == 0 && i < router_mends_count(); i++) {
        const struct router_mend *mend = router_mends_at(i);
        json_t *setting = NULL;
        if (!router_mends_fits(mend, diagnosis->router)) {
            continue;
        }
        error = setting_to_json(mend, diagnosis->zone, &setting);
        if (error == 0 && json_array_append_new(list, setting) != 0) {
            error = ERROR_MEMORY;
        }
    }
    int error_set = json_set_take(object, "settings", list);
    return error == 0 ? error_set : error;
}

static int fill_verdict(json_t *object, const struct diagnosis *diagnosis,
                        enum diagnosis_check check)
{
    const struct verdict *verdict = &diagnosis->verdicts[check];
    const char *mend = diagnosis_code_mend(verdict->code);
    enum diagnosis_level level = diagnosis_code_level(verdict->code);
    const struct {
        const char *key;
        const char *value;
    } texts[] = {
        {"check", diagnosis_check_word(check)},
        {"title", diagnosis_check_title(check)},
        {"level", diagnosis_level_word(level)},
        {"code", diagnosis_code_word(verdict->code)},
        {"text", diagnosis_code_text(verdict->code)},
        {"mend", mend[0] != '\0' ? mend : NULL},
    };
    int error = object != NULL ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && error == 0; i++) {
        error = json_set_text(object, texts[i].key, texts[i].value);
    }
    if (error == 0) {
        error = set_detail(object, verdict);
    }
    if (error == 0 && diagnosis_code_has_settings(verdict->code) &&
        diagnosis->zone[0] != '\0') {
        error = set_settings(object, diagnosis);
    }
    return error;
}

static int fill(json_t *object, const struct diagnosis *diagnosis)
{
    char at[TEXT_TIME_CAPACITY];
    json_t *list = json_array();
    text_time(diagnosis->at, at);
    int error = json_set_text(object, "at", at);
    if (error == 0) {
        error = json_set_text(object, "worst",
                              diagnosis_level_word(diagnosis_worst(diagnosis)));
    }
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT && error == 0; i++) {
        json_t *verdict = json_object();
        error = fill_verdict(verdict, diagnosis, (enum diagnosis_check)i);
        if (json_array_append_new(list, verdict) != 0 && error == 0) {
            error = ERROR_MEMORY;
        }
    }
    int error_set = json_set_take(object, "verdicts", list);
    return error == 0 ? error_set : error;
}

int diagnosis_to_json(const struct diagnosis *diagnosis, json_t **ret_object)
{
    json_t *object = json_object();
    int error = object != NULL ? fill(object, diagnosis) : ERROR_MEMORY;
    if (error < 0) {
        json_decref(object);
        return error;
    }
    *ret_object = object;
    return 0;
}

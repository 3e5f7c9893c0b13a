/* The texts in use are one table of pointers: into the translation, which is kept whole as
 * it was read, or NULL for English. A process speaks one language, chosen at its start, so
 * the table is the file's own and no page has to carry it around.
 *
 * A translation is not trusted to be right: it is bounded, checked to be UTF-8 without
 * control characters, and its placeholders are filled in by page_text_fill(), never by
 * printf. The checks, verdicts and mends of the diagnosis follow our own texts, under
 * "check.", "verdict." and "mend." and their stable words. */
#include "device/page_text.h"

#include "base/core/file.h"
#include "base/core/limits.h"
#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHECKS_START = PAGE_TEXT_COUNT,
    VERDICTS_START = CHECKS_START + DIAGNOSIS_CHECK_COUNT,
    MENDS_START = VERDICTS_START + DIAGNOSIS_CODE_COUNT,
    TEXT_COUNT = MENDS_START + DIAGNOSIS_CODE_COUNT,
    KEY_CAPACITY = 64,
    MISSING_SHOWN = 5,
    PLACEHOLDERS = 2,
};

/* Key and English text of each, one behind the other: a table of pointers would cost as
 * much again, and a page that is dirty in every process. */
static const char texts[] =
#define PAGE_TEXT_ROW(symbol, name, text) name "\0" text "\0"
    PAGE_TEXT_LIST(PAGE_TEXT_ROW)
#undef PAGE_TEXT_ROW
    ;

static char *translation; /* the file, its lines cut into texts */
static const char *translated[TEXT_COUNT];

/* The key of the INDEXth text; the text itself is behind it. */
static const char *key_at(size_t index)
{
    const char *at = texts;
    for (size_t i = 0; i < 2 * index; i++) {
        at += strlen(at) + 1;
    }
    return at;
}

static const char *behind(const char *text)
{
    return text + strlen(text) + 1;
}

static const char *english_of(size_t index)
{
    if (index < CHECKS_START) {
        return behind(key_at(index));
    }
    if (index < VERDICTS_START) {
        return diagnosis_check_title((enum diagnosis_check)(index - CHECKS_START));
    }
    if (index < MENDS_START) {
        return diagnosis_code_text((enum diagnosis_code)(index - VERDICTS_START));
    }
    return diagnosis_code_mend((enum diagnosis_code)(index - MENDS_START));
}

static void key_of(size_t index, char ret_key[static KEY_CAPACITY])
{
    if (index < CHECKS_START) {
        text_copy(ret_key, KEY_CAPACITY, key_at(index));
    } else if (index < VERDICTS_START) {
        text_format(ret_key, KEY_CAPACITY, "check.%s",
                    diagnosis_check_word((enum diagnosis_check)(index - CHECKS_START)));
    } else if (index < MENDS_START) {
        text_format(ret_key, KEY_CAPACITY, "verdict.%s",
                    diagnosis_code_word((enum diagnosis_code)(index - VERDICTS_START)));
    } else {
        text_format(ret_key, KEY_CAPACITY, "mend.%s",
                    diagnosis_code_word((enum diagnosis_code)(index - MENDS_START)));
    }
}

static bool find_key(const char *key, size_t *ret_index)
{
    char name[KEY_CAPACITY];
    const char *name_at = texts;
    for (size_t i = 0; i < PAGE_TEXT_COUNT; i++) {
        if (strcmp(name_at, key) == 0) {
            *ret_index = i;
            return true;
        }
        name_at = behind(behind(name_at));
    }
    if (!text_starts_with(key, "check.") && !text_starts_with(key, "verdict.") &&
        !text_starts_with(key, "mend.")) {
        return false;
    }
    for (size_t i = CHECKS_START; i < TEXT_COUNT; i++) {
        key_of(i, name);
        if (strcmp(name, key) == 0 && english_of(i)[0] != '\0') {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static const char *text_at(size_t index)
{
    return translated[index] != NULL ? translated[index] : english_of(index);
}

const char *page_text(enum page_text text)
{
    return text_at(text);
}

const char *page_text_failure(const char *code)
{
    char key[KEY_CAPACITY];
    size_t index = PAGE_TEXT_FAILURE_OTHER;
    if (text_format(key, sizeof(key), "failure.%s", code)) {
        const char *name = key_at(PAGE_TEXT_FAILURE_NET);
        for (size_t i = PAGE_TEXT_FAILURE_NET; i < PAGE_TEXT_FAILURE_OTHER; i++) {
            if (strcmp(name, key) == 0) {
                index = i;
            }
            name = behind(behind(name));
        }
    }
    return text_at(index);
}

const char *page_text_check(enum diagnosis_check check)
{
    return text_at(CHECKS_START + (size_t)check);
}

const char *page_text_verdict(enum diagnosis_code code)
{
    return text_at(VERDICTS_START + (size_t)code);
}

const char *page_text_mend(enum diagnosis_code code)
{
    return text_at(MENDS_START + (size_t)code);
}

/* The number of the placeholder that starts at TEXT; 0 for none. */
static unsigned placeholder_at(const char *text)
{
    return text[0] == '{' && text[1] >= '1' && text[1] < '1' + PLACEHOLDERS &&
                   text[2] == '}'
               ? (unsigned)(text[1] - '0')
               : 0;
}

void page_text_fill(const char *text, const char *first, const char *second,
                    struct buffer *out)
{
    while (*text != '\0') {
        unsigned number = placeholder_at(text);
        const char *value = number == 1 ? first : second;
        if (number == 0) {
            buffer_append(out, text, 1);
            text++;
        } else {
            buffer_append_text(out, value != NULL ? value : "");
            text += strlen("{1}");
        }
    }
}

static unsigned placeholders_of(const char *text)
{
    unsigned found = 0;
    for (; *text != '\0'; text++) {
        unsigned number = placeholder_at(text);
        found |= number != 0 ? 1U << number : 0;
    }
    return found;
}

/* One well-formed UTF-8 character (RFC 3629 4), no control character but tab and line end;
 * its size, or 0. */
static size_t utf8_size(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80) {
        return at[0] >= ' ' || at[0] == '\t' || at[0] == '\n' || at[0] == '\r' ? 1 : 0;
    }
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    uint32_t value = at[0] & (0xffU >> (size + 1));
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0xc2 || at[0] > 0xf4 || size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3fU);
    }
    bool is_good = value >= least[size] && value >= 0xa0 && value <= 0x10ffff &&
                   (value < 0xd800 || value > 0xdfff);
    return is_good ? size : 0;
}

static bool is_clean(const unsigned char *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t one = data[at] == 0x7f ? 0 : utf8_size(data + at, size - at);
        if (one == 0) {
            return false;
        }
        at += one;
    }
    return true;
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL) {
        text[--size] = '\0';
    }
    return text;
}

/* One text of a translation; faults are reported and leave English. */
static void take_text(const char *where, const char *key, const char *text,
                      const char *table[static TEXT_COUNT], struct buffer *report)
{
    size_t index = 0;
    if (!find_key(key, &index)) {
        buffer_printf(report, "%s: unknown key '%.60s'; ignoring it\n", where, key);
    } else if (table[index] != NULL) {
        buffer_printf(report, "%s: '%s' is given twice; ignoring this one\n", where, key);
    } else if (text[0] == '\0' || strlen(text) > LIMIT_PAGE_TEXT_BYTES) {
        buffer_printf(report, "%s: '%s' must have 1 to %d bytes; English stays\n", where,
                      key, LIMIT_PAGE_TEXT_BYTES);
    } else if (placeholders_of(text) != placeholders_of(english_of(index))) {
        buffer_printf(report,
                      "%s: '%s' must have the placeholders of the English text '%s'; "
                      "English stays\n",
                      where, key, english_of(index));
    } else {
        table[index] = text;
    }
}

static void report_missing(const char *name, const char *table[static TEXT_COUNT],
                           struct buffer *report)
{
    char key[KEY_CAPACITY];
    size_t count = 0;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (table[i] == NULL && english_of(i)[0] != '\0') {
            key_of(i, key);
            if (count < MISSING_SHOWN) {
                buffer_printf(report, "%s: '%s' is missing; English stays\n", name, key);
            }
            count++;
        }
    }
    if (count > MISSING_SHOWN) {
        buffer_printf(report, "%s: and %zu more are missing\n", name,
                      count - MISSING_SHOWN);
    }
}

static int split(const char *name, char *rest, const char *table[static TEXT_COUNT],
                 struct buffer *report)
{
    char where[LIMIT_FILE_NAME_BYTES + 32];
    for (unsigned line = 1; rest != NULL; line++) {
        char *next = strchr(rest, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        char *text = trim(rest);
        char *equals = strchr(text, '=');
        if (!text_format(where, sizeof(where), "%s:%u", name, line)) {
            text_format(where, sizeof(where), "line %u", line);
        }
        if (text[0] != '\0' && text[0] != '#' && equals == NULL) {
            buffer_printf(report, "%s: must be 'key = text' or a '# comment'\n", where);
            return ERROR_SYNTAX;
        }
        if (text[0] != '\0' && text[0] != '#') {
            *equals = '\0';
            take_text(where, trim(text), trim(equals + 1), table, report);
        }
        rest = next;
    }
    return 0;
}

int page_text_parse(const char *name, const void *data, size_t size,
                    struct buffer *report)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors start a file with it */
    const char *table[TEXT_COUNT] = {NULL};
    if (size > LIMIT_TEXTS_FILE_BYTES || (size > 0 && !is_clean(data, size))) {
        buffer_printf(report, "%s: must be UTF-8 text of at most %d bytes\n", name,
                      LIMIT_TEXTS_FILE_BYTES);
        return ERROR_SYNTAX;
    }
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return ERROR_MEMORY;
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    copy[size] = '\0';
    int error = split(name, copy + (text_starts_with(copy, mark) ? strlen(mark) : 0),
                      table, report);
    if (error < 0) {
        free(copy);
        return error;
    }
    report_missing(name, table, report);
    page_text_reset();
    translation = copy;
    memcpy(translated, table, sizeof(translated));
    return 0;
}

int page_text_read(const char *path, struct buffer *report)
{
    struct buffer text = buffer_init(LIMIT_TEXTS_FILE_BYTES + 1);
    int error = file_read(path, &text);
    if (error == 0) {
        error = page_text_parse(path, text.data, text.size, report);
    }
    buffer_free(&text);
    return error;
}

void page_text_reset(void)
{
    free(translation);
    translation = NULL;
    memset(translated, 0, sizeof(translated));
}

int page_text_template(struct buffer *out)
{
    char key[KEY_CAPACITY];
    buffer_append_text(
        out,
        "# The texts of latchkey's pages. Copy this file, translate what stands behind "
        "the '=',\n# and name it as texts_file in the configuration. {1} and {2} stand "
        "for what the page\n# fills in. language is a language tag (de, pt-BR), "
        "direction is ltr or rtl. UTF-8.\n\n");
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (english_of(i)[0] != '\0') {
            key_of(i, key);
            buffer_printf(out, "%s = %s\n", key, english_of(i));
        }
    }
    return out->error;
}

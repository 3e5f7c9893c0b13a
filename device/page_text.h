/* Every sentence that people read on the pages and from `latchkey status`. They are
 * English, or come from a texts file (`texts_file`): lines "key = text" in UTF-8, '#'
 * starts a comment. What a translation lacks stays English. */
#ifndef DEVICE_PAGE_TEXT_H
#define DEVICE_PAGE_TEXT_H

#include "base/core/buffer.h"
#include "device/diagnosis.h"
#include "device/page_text_list.h"

enum page_text {
#define PAGE_TEXT_SYMBOL(symbol, key, english) PAGE_TEXT_##symbol,
    PAGE_TEXT_LIST(PAGE_TEXT_SYMBOL)
#undef PAGE_TEXT_SYMBOL
        PAGE_TEXT_COUNT,
};

/* Never NULL. No markup in it. */
const char *page_text(enum page_text text);
/* What a failure code means, and what helps; a general sentence for an unknown one. Never
 * NULL. */
const char *page_text_failure(const char *code);
/* A check, a verdict and its mend of the diagnosis (diagnosis_check_title() and so on), in
 * the language in use. Never NULL. */
const char *page_text_check(enum diagnosis_check check);
const char *page_text_verdict(enum diagnosis_code code);
const char *page_text_mend(enum diagnosis_code code);
/* Appends TEXT with {1} and {2} replaced by the values (NULL: ""), as plain text. */
void page_text_fill(const char *text, const char *first, const char *second,
                    struct buffer *out);

/* Reads a translation of SIZE bytes and makes it the language of this process; on failure
 * nothing changes. REPORT gets a line for each fault: NAME, line, key and what is wrong.
 * ERROR_SYNTAX for a file that is unusable (bad UTF-8, too long, a line without '=');
 * unknown keys, missing keys and wrong placeholders are reported, and English stays in
 * their place. */
int page_text_parse(const char *name, const void *data, size_t size,
                    struct buffer *report) MUST_CHECK;
/* The same for the file PATH; ERROR_NOT_FOUND, ERROR_IO (errno). Blocks on the disk. */
int page_text_read(const char *path, struct buffer *report) MUST_CHECK;
/* Back to English; frees the translation. */
void page_text_reset(void);
/* Appends every text in English as a texts file: what translators start from. */
int page_text_template(struct buffer *out) MUST_CHECK;

#endif

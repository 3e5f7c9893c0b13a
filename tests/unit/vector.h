/* Test vectors as data: a suite is a folder of tests/vectors, a case is a folder in it.
 */
#ifndef TESTS_UNIT_VECTOR_H
#define TESTS_UNIT_VECTOR_H

#include "base/core/buffer.h"
#include "base/core/file.h"
#include "base/core/text.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the standard headers it needs. */
#include <cmocka.h>

/* The content of a case's file; fails the test when it is missing. Free with buffer_free.
 */
static inline struct buffer vector_file(const char *suite, const char *name,
                                        const char *file)
{
    char path[512];
    struct buffer content = buffer_init(1 << 20);
    assert_true(text_format(path, sizeof(path), VECTORS "/%s/%s/%s", suite, name, file));
    int error = file_read(path, &content);
    if (error != 0) {
        fail_msg("'%s': %s", path, error_text(error));
    }
    return content;
}

/* Whether a case has this file. */
static inline bool vector_has(const char *suite, const char *name, const char *file)
{
    char path[512];
    struct buffer content = buffer_init(1 << 20);
    assert_true(text_format(path, sizeof(path), VECTORS "/%s/%s/%s", suite, name, file));
    int error = file_read(path, &content);
    buffer_free(&content);
    return error == 0;
}

/* Hex text -> octets. */
static inline size_t vector_hex(const char *suite, const char *name, const char *file,
                                uint8_t *ret_octets, size_t capacity)
{
    size_t size = 0;
    struct buffer text = vector_file(suite, name, file);
    assert_int_equal(
        text_hex_decode(buffer_text(&text), text.size, ret_octets, capacity, &size), 0);
    buffer_free(&text);
    return size;
}

/* Calls CHECK for each case in the order of names; fails when there are fewer than LEAST.
 */
static inline void vector_each(const char *suite, size_t least,
                               void (*check)(const char *suite, const char *name))
{
    char path[512];
    struct dirent **entries = NULL;
    size_t count = 0;
    assert_true(text_format(path, sizeof(path), VECTORS "/%s", suite));
    int found = scandir(path, &entries, NULL, alphasort);
    assert_true(found >= 0);
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.') {
            print_message("%s/%s\n", suite, entries[i]->d_name);
            check(suite, entries[i]->d_name);
            count++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_true(count >= least);
}

/* "SYNTAX" -> ERROR_SYNTAX. */
static inline int vector_error(const char *word)
{
    static const struct {
        const char *word;
        int error;
    } errors[] = {
        {"MEMORY", ERROR_MEMORY},       {"LIMIT", ERROR_LIMIT},
        {"SYNTAX", ERROR_SYNTAX},       {"RANGE", ERROR_RANGE},
        {"SIGNATURE", ERROR_SIGNATURE}, {"DENIED", ERROR_DENIED},
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(word, errors[i].word) == 0) {
            return errors[i].error;
        }
    }
    fail_msg("no error is called '%s'", word);
    return 0;
}

#endif

#include "tests/fault/allocation.h"

#include "base/core/error.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 20000 };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static bool is_armed;
static bool is_at_rest;
static bool is_reached;
static size_t left;

static bool is_failing(void)
{
    if (!is_armed || is_at_rest || is_reached) {
        return false;
    }
    if (left > 0) {
        left--;
        return false;
    }
    is_reached = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_failing() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_failing() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *data, size_t size)
{
    return is_failing() ? NULL : __real_realloc(data, size);
}

char *__wrap_strdup(const char *text)
{
    return is_failing() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return is_failing() ? NULL : __real_strndup(text, size);
}

static void *hook_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_malloc(size);
}

static void *hook_realloc(void *data, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_realloc(data, size);
}

static void hook_free(void *data, const char *file, int line)
{
    (void)file;
    (void)line;
    free(data);
}

void allocation_hook(void)
{
    if (CRYPTO_set_mem_functions(hook_malloc, hook_realloc, hook_free) != 1) {
        fputs("OpenSSL has allocated already\n", stderr);
        abort();
    }
    json_set_alloc_funcs(__wrap_malloc, free);
}

void allocation_fail_at(size_t index)
{
    left = index;
    is_reached = false;
    is_armed = true;
}

void allocation_pause(bool is_paused)
{
    is_at_rest = is_paused;
}

bool allocation_stop(void)
{
    is_armed = false;
    return is_reached;
}

size_t allocation_each(int (*operation)(void), bool is_strict)
{
    size_t failed_count = 0;
    if (operation() != 0) {
        fputs("the operation fails without a fault\n", stderr);
        abort();
    }
    for (size_t index = 0; index < RUNS_MAX; index++) {
        allocation_fail_at(index);
        int error = operation();
        bool was_reached = allocation_stop();
        ERR_clear_error();
        if (!was_reached) {
            if (error != 0) {
                fprintf(stderr, "error %d without a fault\n", error);
                abort();
            }
            return failed_count;
        }
        if (is_strict && error != ERROR_MEMORY) {
            fprintf(stderr, "allocation %zu: %d, not ERROR_MEMORY\n", index, error);
            abort();
        }
        failed_count += error != 0 ? 1 : 0;
    }
    fputs("the operation never ends\n", stderr);
    abort();
}

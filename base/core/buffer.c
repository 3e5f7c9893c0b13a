/* Growth doubles, so that appending n bytes costs O(n); the maximum counts content, not
 * the NUL. A failure is sticky: a later append, even a small one that would fit, must not
 * make a text with a hole look whole. Memory of a secret buffer is never handed to
 * realloc, which could leave a copy behind. */
#include "base/core/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 64 };

struct buffer buffer_init(size_t max_bytes)
{
    return (struct buffer){.max = max_bytes};
}

struct buffer buffer_init_secret(size_t max_bytes)
{
    return (struct buffer){.max = max_bytes, .secret = true};
}

/* Frees the memory only. */
static void release(struct buffer *buffer)
{
    if (buffer->data != NULL && buffer->secret) {
        explicit_bzero(buffer->data, buffer->capacity);
    }
    free(buffer->data);
    buffer->data = NULL;
    buffer->capacity = 0;
}

/* Makes room for MORE_BYTES and the NUL. */
static int reserve(struct buffer *buffer, size_t more_bytes)
{
    if (buffer->error != 0) {
        return buffer->error;
    }
    if (more_bytes > buffer->max - buffer->size) {
        return buffer->error = ERROR_LIMIT;
    }
    size_t needed = buffer->size + more_bytes + 1;
    if (needed == 0) {
        return buffer->error = ERROR_LIMIT;
    }
    if (needed <= buffer->capacity) {
        return 0;
    }
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : CAPACITY_FIRST;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    uint8_t *data = NULL;
    if (buffer->secret) {
        data = malloc(capacity);
        if (data != NULL && buffer->size > 0) {
            memcpy(data, buffer->data, buffer->size);
        }
        if (data != NULL) {
            release(buffer);
        }
    } else {
        data = realloc(buffer->data, capacity);
    }
    if (data == NULL) {
        return buffer->error = ERROR_MEMORY;
    }
    data[buffer->size] = '\0';
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t size_bytes)
{
    int error = reserve(buffer, size_bytes);
    if (error != 0 || size_bytes == 0) {
        return error;
    }
    memcpy(buffer->data + buffer->size, data, size_bytes);
    buffer->size += size_bytes;
    buffer->data[buffer->size] = '\0';
    return 0;
}

int buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

int buffer_append_u8(struct buffer *buffer, uint8_t value)
{
    return buffer_append(buffer, &value, 1);
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) {
        return buffer->error = buffer->error != 0 ? buffer->error : ERROR_INTERNAL;
    }
    int error = reserve(buffer, (size_t)size);
    if (error != 0) {
        return error;
    }
    va_start(arguments, format);
    vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)size;
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t size_bytes)
{
    if (size_bytes > buffer->size) {
        size_bytes = buffer->size;
    }
    if (size_bytes == 0) {
        return;
    }
    size_t left = buffer->size - size_bytes;
    memmove(buffer->data, buffer->data + size_bytes, left);
    if (buffer->secret) {
        explicit_bzero(buffer->data + left, size_bytes);
    }
    buffer->size = left;
    buffer->data[left] = '\0';
}

void buffer_reset(struct buffer *buffer)
{
    buffer->error = 0;
    buffer->size = 0;
    if (buffer->data == NULL) {
        return;
    }
    if (buffer->secret) {
        explicit_bzero(buffer->data, buffer->capacity);
    }
    buffer->data[0] = '\0';
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data != NULL ? (const char *)buffer->data : "";
}

struct bytes buffer_bytes(const struct buffer *buffer)
{
    return (struct bytes){buffer->data, buffer->size};
}

char *buffer_take(struct buffer *buffer)
{
    if (reserve(buffer, 0) != 0) {
        buffer_free(buffer);
        return NULL;
    }
    char *text = (char *)buffer->data;
    buffer->data = NULL;
    buffer_free(buffer);
    return text;
}

void buffer_free(struct buffer *buffer)
{
    release(buffer);
    buffer->size = 0;
    buffer->error = 0;
}

#include "relay/relay_config_value.h"

#include <stdlib.h>
#include <string.h>

static int copy_text(const char *from, char **ret_to)
{
    *ret_to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *ret_to != NULL ? 0 : ERROR_MEMORY;
}

static int copy_texts(const struct conf_texts *from, struct conf_texts *ret_to)
{
    ret_to->at = calloc(from->count + 1, sizeof(*ret_to->at));
    for (size_t i = 0; ret_to->at != NULL && i < from->count; i++) {
        ret_to->at[i] = strdup(from->at[i]);
        if (ret_to->at[i] == NULL) {
            return ERROR_MEMORY;
        }
        ret_to->count = i + 1;
    }
    return ret_to->at != NULL ? 0 : ERROR_MEMORY;
}

int relay_config_value_copy(const struct conf_row *row, const void *from, void *to)
{
    const char *source = (const char *)from + row->offset;
    char *target = (char *)to + row->offset;
    switch (row->type) {
    case CONF_TEXT:
        return copy_text(*(char *const *)source, (char **)target);
    case CONF_TEXTS:
        return copy_texts((const struct conf_texts *)source, (struct conf_texts *)target);
    case CONF_NUMBER:
    case CONF_DURATION:
        *(uint64_t *)target = *(const uint64_t *)source;
        break;
    case CONF_BOOL:
        *(bool *)target = *(const bool *)source;
        break;
    case CONF_CHOICE:
        *(int *)target = *(const int *)source;
        break;
    }
    return 0;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_texts(const struct conf_texts *a, const struct conf_texts *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (strcmp(a->at[i], b->at[i]) != 0) {
            return false;
        }
    }
    return a->count == b->count;
}

bool relay_config_value_equal(const struct conf_row *row, const void *a, const void *b)
{
    const char *x = (const char *)a + row->offset;
    const char *y = (const char *)b + row->offset;
    switch (row->type) {
    case CONF_TEXT:
        return is_same_text(*(char *const *)x, *(char *const *)y);
    case CONF_TEXTS:
        return is_same_texts((const struct conf_texts *)x, (const struct conf_texts *)y);
    case CONF_NUMBER:
    case CONF_DURATION:
        return *(const uint64_t *)x == *(const uint64_t *)y;
    case CONF_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case CONF_CHOICE:
        return *(const int *)x == *(const int *)y;
    }
    return false;
}

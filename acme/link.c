/* The Link header: <target>; name=value; name="quoted value", <target> ...
 *
 * A small scanner instead of a pattern: commas and semicolons may stand inside targets
 * and quoted values, and relation types are a list of words in any case. */
#include "acme/link.h"

#include "base/core/text.h"

#include <string.h>
#include <strings.h>

/* Whether the words of [start, end) hold REL. */
static bool has_word(const char *start, const char *end, const char *rel)
{
    size_t rel_size = strlen(rel);

    while (start < end) {
        const char *stop = start;

        while (stop < end && *stop != ' ' && *stop != '\t')
            stop++;
        if ((size_t)(stop - start) == rel_size && strncasecmp(start, rel, rel_size) == 0)
            return true;
        start = stop + 1;
    }
    return false;
}

/* Reads one parameter after ';' and returns what follows it. */
static const char *read_parameter(const char *at, const char *rel, bool *ret_match)
{
    const char *name = at + strspn(at, " \t");
    size_t name_size = strcspn(name, "=;, \t");
    const char *value;
    const char *end;

    at = name + name_size;
    at += strspn(at, " \t");
    if (*at != '=')
        return at;
    value = at + 1 + strspn(at + 1, " \t");
    if (*value == '"') {
        value++;
        end = value;
        while (*end != '\0' && *end != '"')
            end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
        at = *end == '"' ? end + 1 : end;
    } else {
        end = value + strcspn(value, ";, \t");
        at = end;
    }
    if (name_size == 3 && strncasecmp(name, "rel", 3) == 0 && has_word(value, end, rel))
        *ret_match = true;
    return at;
}

bool link_target(const char *value, const char *rel, size_t index, char *ret_url,
                 size_t capacity)
{
    const char *at = value;

    while ((at = strchr(at, '<')) != NULL) {
        const char *target = at + 1;
        const char *end = strchr(target, '>');
        bool match = false;

        if (end == NULL)
            return false;
        at = end + 1;
        for (;;) {
            at += strspn(at, " \t");
            if (*at != ';')
                break;
            at = read_parameter(at + 1, rel, &match);
        }
        if (match && index-- == 0) {
            size_t size = (size_t)(end - target);

            if (size == 0 || size >= capacity)
                return false;
            memcpy(ret_url, target, size);
            ret_url[size] = '\0';
            return true;
        }
    }
    return false;
}

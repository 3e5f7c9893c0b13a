/* Which of the machine's addresses people on the LAN can use. The order is stable: it goes
 * into names, certificates and publications, and must not change because the kernel told
 * the same things in another order. */
#include "device/own_addresses.h"

#include "base/core/text.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERN_CAPACITY = 32 };

static bool matches_name(const char *pattern, const char *name)
{
    for (; *pattern != '\0'; pattern++, name++) {
        if (*pattern == '*') {
            return true;
        }
        if (*name == '\0' || (*pattern != '?' && *pattern != *name)) {
            return false;
        }
    }
    return *name == '\0';
}

bool own_addresses_matches(const char *pattern, const struct interface *link)
{
    static const char *const kind = "kind:";
    if (!text_starts_with(pattern, kind)) {
        return matches_name(pattern, link->name);
    }
    pattern += strlen(kind);
    return strcmp(pattern, "ptp") == 0 ? link->is_point_to_point
                                       : matches_name(pattern, link->kind);
}

static bool is_in(const struct conf_texts *patterns, const struct interface *link)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (own_addresses_matches(patterns->at[i], link)) {
            return true;
        }
    }
    return false;
}

static bool is_skipped_by_default(const struct interface *link)
{
    const char *at = OWN_ADDRESSES_SKIPPED;
    while (*at != '\0') {
        char pattern[PATTERN_CAPACITY];
        size_t size = strcspn(at, " ");
        if (text_format(pattern, sizeof(pattern), "%.*s", (int)size, at) &&
            own_addresses_matches(pattern, link)) {
            return true;
        }
        at += size + strspn(at + size, " ");
    }
    return false;
}

static bool is_wanted(const struct own_addresses_rules *rules,
                      const struct interface *link)
{
    if (!link->is_up) {
        return false;
    }
    if (rules->interfaces != NULL && rules->interfaces->count > 0) {
        return is_in(rules->interfaces, link);
    }
    return !link->is_loopback && !(rules->skipped != NULL ? is_in(rules->skipped, link)
                                                          : is_skipped_by_default(link));
}

static size_t octet_count(const struct lanname_address *address)
{
    return address->family == 4 ? 4 : 16;
}

static bool is_equal(const struct lanname_address *a, const struct lanname_address *b)
{
    return a->family == b->family && memcmp(a->octets, b->octets, octet_count(a)) == 0;
}

bool own_addresses_has(const struct own_addresses *addresses,
                       const struct lanname_address *address)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (is_equal(&addresses->at[i], address)) {
            return true;
        }
    }
    return false;
}

static void add(struct own_addresses *addresses, const struct lanname_address *address)
{
    if (!own_addresses_has(addresses, address) &&
        addresses->count < LIMIT_DEVICE_ADDRESSES) {
        addresses->at[addresses->count++] = *address;
    }
}

static int compare_links(const void *a, const void *b)
{
    const struct interface *x = a;
    const struct interface *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int compare_addresses(const void *a, const void *b)
{
    const struct interface_address *x = a;
    const struct interface_address *y = b;
    if (x->address.family != y->address.family) {
        return x->address.family < y->address.family ? -1 : 1;
    }
    if (x->is_secondary != y->is_secondary) {
        return x->is_secondary ? 1 : -1;
    }
    return memcmp(x->address.octets, y->address.octets, octet_count(&x->address));
}

/* What the choice is made from, and what comes of it. */
struct choice {
    struct interfaces sorted;
    const struct own_addresses *held;
    struct own_addresses found;
    bool has_held;
};

static void add_link(struct choice *choice, const struct interface *link)
{
    for (size_t i = 0; i < choice->sorted.address_count; i++) {
        const struct interface_address *address = &choice->sorted.addresses[i];
        if (address->index != link->index) {
            continue;
        }
        if (link->has_carrier) {
            add(&choice->found, &address->address);
        } else if (choice->held != NULL &&
                   own_addresses_has(choice->held, &address->address)) {
            add(&choice->found, &address->address);
            choice->has_held = true;
        }
    }
}

static void add_links(struct choice *choice, const struct own_addresses_rules *rules)
{
    const struct interfaces *sorted = &choice->sorted;
    qsort(choice->sorted.at, sorted->count, sizeof(sorted->at[0]), compare_links);
    qsort(choice->sorted.addresses, sorted->address_count, sizeof(sorted->addresses[0]),
          compare_addresses);
    for (int is_default = 1; is_default >= 0; is_default--) {
        for (size_t i = 0; i < sorted->count; i++) {
            const struct interface *link = &sorted->at[i];
            if ((link->index == sorted->default_index) == (is_default != 0) &&
                is_wanted(rules, link)) {
                add_link(choice, link);
            }
        }
    }
}

int own_addresses_select(const struct own_addresses_rules *rules,
                         const struct interfaces *interfaces,
                         const struct own_addresses *held,
                         struct own_addresses *ret_addresses, bool *ret_held)
{
    struct choice choice = {.held = held};
    size_t given = rules->addresses != NULL ? rules->addresses->count : 0;
    for (size_t i = 0; i < given; i++) {
        struct lanname_address address;
        if (!lanname_address_parse(rules->addresses->at[i], &address)) {
            return ERROR_SYNTAX;
        }
        add(&choice.found, &address);
    }
    if (given == 0) {
        choice.sorted = *interfaces;
        add_links(&choice, rules);
    }
    *ret_addresses = choice.found;
    *ret_held = choice.has_held;
    return 0;
}

int own_addresses_collect(const struct own_addresses_rules *rules,
                          struct own_addresses *ret_addresses)
{
    struct interfaces interfaces = {.count = 0};
    bool held = false;
    if (rules->addresses == NULL || rules->addresses->count == 0) {
        int error = interfaces_read(&interfaces);
        if (error < 0) {
            return error;
        }
    }
    return own_addresses_select(rules, &interfaces, NULL, ret_addresses, &held);
}

bool own_addresses_equal(const struct own_addresses *a, const struct own_addresses *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!is_equal(&a->at[i], &b->at[i])) {
            return false;
        }
    }
    return true;
}

void own_addresses_text(const struct own_addresses *addresses, char *ret_text,
                        size_t capacity)
{
    struct buffer text = buffer_init(1024);
    for (size_t i = 0; i < addresses->count; i++) {
        char one[46];
        lanname_address_text(&addresses->at[i], one);
        buffer_printf(&text, "%s%s", i == 0 ? "" : ", ", one);
    }
    if (!text_copy(ret_text, capacity,
                   addresses->count > 0 ? buffer_text(&text) : "none")) {
        text_copy(ret_text, capacity, "many");
    }
    buffer_free(&text);
}

/* Devices are keyed by the 20 octets that their id stands for, challenges by the lower-case label behind
 * "_acme-challenge". A device's entry lives while it has published something or holds its bare name. */
#include "dns/view.h"

#include "base/core/text.h"
#include "base/core/writer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char challenge_prefix[] = "_acme-challenge";

int dns_view_new(const struct dns_zone *zone, const struct lanname_policy *policy,
                 const struct dns_view_maxima *maxima, struct dns_view **ret_view)
{
    struct dns_view *view = calloc(1, sizeof(*view));
    if (view == NULL) {
        return ERROR_MEMORY;
    }
    view->zone = zone;
    view->policy = *policy;
    int result = dns_table_init(&view->devices, sizeof(struct dns_view_device), DNS_VIEW_ID_OCTETS,
                                maxima->devices);
    if (result == ERROR_NONE) {
        result = dns_table_init(&view->blocks, DNS_VIEW_ID_OCTETS, DNS_VIEW_ID_OCTETS, maxima->blocks);
    }
    if (result == ERROR_NONE) {
        result = dns_table_init(&view->challenges, sizeof(struct dns_view_challenge),
                                DNS_VIEW_CHALLENGE_KEY, maxima->challenges);
    }
    if (result == ERROR_NONE) {
        result = dns_view_set_caa(view, NULL, 0);
    }
    if (result != ERROR_NONE) {
        dns_view_free(view);
        return result;
    }
    *ret_view = view;
    return ERROR_NONE;
}

void dns_view_free(struct dns_view *view)
{
    size_t at = 0;
    if (view == NULL) {
        return;
    }
    for (struct dns_view_device *device = dns_table_next(&view->devices, &at); device != NULL;
         device = dns_table_next(&view->devices, &at)) {
        free(device->addresses);
    }
    dns_table_free(&view->devices);
    dns_table_free(&view->blocks);
    dns_table_free(&view->challenges);
    free(view);
}

/* RFC 8659 4.1: flags, the tag with its length, the value up to the end. */
static uint16_t write_caa(const char *value, uint8_t *wire, size_t capacity)
{
    static const char tag[] = "issue";
    struct writer writer = writer_init(wire, capacity);
    size_t size = strlen(value);
    writer_u16(&writer, 0xc00c);
    writer_u16(&writer, DNS_TYPE_CAA);
    writer_u16(&writer, DNS_CLASS_IN);
    writer_u32(&writer, DNS_TTL_CAA);
    writer_u16(&writer, (uint16_t)(2 + sizeof(tag) - 1 + size));
    writer_u8(&writer, 0);
    writer_u8(&writer, sizeof(tag) - 1);
    writer_bytes(&writer, tag, sizeof(tag) - 1);
    writer_bytes(&writer, value, size);
    return writer.failed ? 0 : (uint16_t)writer_size(&writer);
}

int dns_view_set_caa(struct dns_view *view, const char *const *values, size_t count)
{
    static const char *const nobody[] = {";"};
    if (count == 0) {
        values = nobody;
        count = 1;
    }
    if (count > DNS_VIEW_CAA_MAX) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        for (const char *at = values[i]; *at != '\0'; at++) {
            if (*at < ' ' || *at > '~' || at - values[i] >= 400) {
                return ERROR_RANGE;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        view->caa[i].size = write_caa(values[i], view->caa[i].wire, sizeof(view->caa[i].wire));
    }
    view->caa_count = count;
    return ERROR_NONE;
}

/* NAME to the key of its challenge. */
static bool challenge_key(const struct dns_view *view, const char *name,
                          char ret_key[static DNS_VIEW_CHALLENGE_KEY])
{
    size_t prefix = sizeof(challenge_prefix) - 1;
    if (strncasecmp(name, challenge_prefix, prefix) != 0 || name[prefix] != '.') {
        return false;
    }
    const char *label = name + prefix + 1;
    const char *zone = label;
    size_t size = 0;
    if (strcasecmp(label, view->zone->text) != 0) {
        size = strcspn(label, ".");
        zone = label + size + (label[size] == '.');
    }
    if (size >= DNS_VIEW_CHALLENGE_KEY || strcasecmp(zone, view->zone->text) != 0) {
        return false;
    }
    memset(ret_key, 0, DNS_VIEW_CHALLENGE_KEY);
    memcpy(ret_key, label, size);
    text_lower(ret_key);
    return true;
}

static void drop_expired(struct dns_view_challenge *challenge, int64_t now_at)
{
    size_t kept = 0;
    for (size_t i = 0; i < challenge->count; i++) {
        if (challenge->values[i].expires_at > now_at) {
            challenge->values[kept++] = challenge->values[i];
        }
    }
    challenge->count = kept;
}

static struct dns_view_value *find_value(struct dns_view_challenge *challenge, const char *value)
{
    size_t size = strlen(value);
    for (size_t i = 0; i < challenge->count; i++) {
        if (challenge->values[i].size == size && memcmp(challenge->values[i].text, value, size) == 0) {
            return &challenge->values[i];
        }
    }
    return NULL;
}

int dns_view_put_challenge(struct dns_view *view, const char *name, const char *value,
                           int64_t expires_at, int64_t now_at)
{
    char key[DNS_VIEW_CHALLENGE_KEY];
    void *entry = NULL;
    size_t size = strlen(value);
    if (!challenge_key(view, name, key) || size == 0 || size > DNS_VIEW_CHALLENGE_MAX) {
        return ERROR_RANGE;
    }
    int result = dns_table_insert(&view->challenges, key, &entry);
    if (result == ERROR_LIMIT) {
        dns_view_sweep(view, now_at);
        result = dns_table_insert(&view->challenges, key, &entry);
    }
    if (result != ERROR_NONE) {
        return result;
    }
    struct dns_view_challenge *challenge = entry;
    drop_expired(challenge, now_at);
    struct dns_view_value *found = find_value(challenge, value);
    if (found != NULL) {
        found->expires_at = expires_at;
        return ERROR_NONE;
    }
    if (challenge->count == LIMIT_CHALLENGE_VALUES) {
        return ERROR_LIMIT;
    }
    struct dns_view_value *fresh = &challenge->values[challenge->count++];
    fresh->expires_at = expires_at;
    fresh->size = (uint8_t)size;
    memcpy(fresh->text, value, size);
    return ERROR_NONE;
}

void dns_view_remove_challenge(struct dns_view *view, const char *name, const char *value)
{
    char key[DNS_VIEW_CHALLENGE_KEY];
    if (!challenge_key(view, name, key)) {
        return;
    }
    struct dns_view_challenge *challenge = dns_table_find(&view->challenges, key);
    struct dns_view_value *found = challenge != NULL ? find_value(challenge, value) : NULL;
    if (found != NULL) {
        *found = challenge->values[--challenge->count];
        if (challenge->count == 0) {
            dns_table_remove(&view->challenges, key);
        }
    }
}

void dns_view_sweep(struct dns_view *view, int64_t now_at)
{
    size_t at = 0;
    for (;;) {
        size_t slot = at;
        struct dns_view_challenge *challenge = dns_table_next(&view->challenges, &at);
        if (challenge == NULL) {
            return;
        }
        drop_expired(challenge, now_at);
        if (challenge->count == 0) {
            char key[DNS_VIEW_CHALLENGE_KEY];
            memcpy(key, challenge->key, sizeof(key));
            dns_table_remove(&view->challenges, key);
            at = slot; /* removal may have moved another entry into this slot */
        }
    }
}

static bool id_octets(const char *id, size_t size, uint8_t ret_octets[static DNS_VIEW_ID_OCTETS])
{
    size_t got = 0;
    return lanname_is_id((const uint8_t *)id, size) &&
           text_base32_decode(id, size, ret_octets, DNS_VIEW_ID_OCTETS, &got) == ERROR_NONE &&
           got == DNS_VIEW_ID_OCTETS;
}

/* Removes the entry when it says nothing any more. */
static void drop_if_empty(struct dns_view *view, struct dns_view_device *device)
{
    if (device->address_count == 0 && device->bare_until_at == 0) {
        uint8_t id[DNS_VIEW_ID_OCTETS];
        memcpy(id, device->id, sizeof(id));
        dns_table_remove(&view->devices, id);
    }
}

int dns_view_publish(struct dns_view *view, const char *id, const struct lanname_address *addresses,
                     size_t count)
{
    uint8_t octets[DNS_VIEW_ID_OCTETS];
    struct lanname_address allowed[LIMIT_PUBLISHED_ADDRESSES];
    struct lanname_address *copy = NULL;
    void *entry = NULL;
    size_t kept = 0;
    if (!id_octets(id, strlen(id), octets) || count > LIMIT_PUBLISHED_ADDRESSES) {
        return ERROR_RANGE;
    }
    for (size_t i = 0; i < count; i++) {
        if (lanname_allowed(&addresses[i], &view->policy)) {
            allowed[kept++] = addresses[i];
        }
    }
    if (kept == 0 && dns_table_find(&view->devices, octets) == NULL) {
        return ERROR_NONE;
    }
    if (kept > 0) {
        copy = malloc(kept * sizeof(*copy));
        if (copy == NULL) {
            return ERROR_MEMORY;
        }
        memcpy(copy, allowed, kept * sizeof(*copy));
    }
    int result = dns_table_insert(&view->devices, octets, &entry);
    if (result != ERROR_NONE) {
        free(copy);
        return result;
    }
    struct dns_view_device *device = entry;
    free(device->addresses);
    device->addresses = copy;
    device->address_count = (uint8_t)kept;
    drop_if_empty(view, device);
    return ERROR_NONE;
}

int dns_view_set_bare(struct dns_view *view, const char *id, int64_t until_at)
{
    uint8_t octets[DNS_VIEW_ID_OCTETS];
    void *entry = NULL;
    if (!id_octets(id, strlen(id), octets)) {
        return ERROR_RANGE;
    }
    if (until_at == 0 && dns_table_find(&view->devices, octets) == NULL) {
        return ERROR_NONE;
    }
    int result = dns_table_insert(&view->devices, octets, &entry);
    if (result == ERROR_NONE) {
        struct dns_view_device *device = entry;
        device->bare_until_at = until_at;
        drop_if_empty(view, device);
    }
    return result;
}

int dns_view_block(struct dns_view *view, const char *id, bool blocked)
{
    uint8_t octets[DNS_VIEW_ID_OCTETS];
    void *entry = NULL;
    if (!id_octets(id, strlen(id), octets)) {
        return ERROR_RANGE;
    }
    if (blocked) {
        return dns_table_insert(&view->blocks, octets, &entry);
    }
    dns_table_remove(&view->blocks, octets);
    return ERROR_NONE;
}

const struct dns_view_device *dns_view_device(const struct dns_view *view, const uint8_t *id_label)
{
    uint8_t octets[DNS_VIEW_ID_OCTETS];
    if (!id_octets((const char *)id_label, LANNAME_ID_SIZE, octets) ||
        dns_table_find(&view->blocks, octets) != NULL) {
        return NULL;
    }
    return dns_table_find(&view->devices, octets);
}

const struct dns_view_challenge *dns_view_challenge(const struct dns_view *view, const uint8_t *label,
                                                    size_t size)
{
    char key[DNS_VIEW_CHALLENGE_KEY] = {0};
    if (size >= DNS_VIEW_CHALLENGE_KEY) {
        return NULL;
    }
    memcpy(key, label, size);
    for (size_t i = 0; i < size; i++) {
        key[i] = key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] | 0x20) : key[i];
    }
    return dns_table_find(&view->challenges, key);
}

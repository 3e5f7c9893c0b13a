#include "dns/view.h"

#include "base/core/text.h"

#include <string.h>

enum { KEY_SIZE = 64 };

static const char challenge_label[] = "_acme-challenge.";

/* An RRset holds a record once (RFC 2181 5). */
static bool is_repeated_ca(const struct dns_view *view, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(view->cas[i].value, view->cas[index].value) == 0) {
            return true;
        }
    }
    return false;
}

/* The apex CAA RRset (RFC 8659), from the question's name pointer on. When memory runs
 * out the old one stays whole. */
static int build_caa(struct dns_view *view)
{
    static const char nobody[] = ";";
    struct buffer caa = buffer_init((DNS_VIEW_CAA_BYTES + 32) * DNS_VIEW_CAA_MAX);
    uint16_t count = 0;
    for (size_t i = 0; i < view->ca_count || (i == 0 && view->ca_count == 0); i++) {
        const char *value = view->ca_count > 0 ? view->cas[i].value : nobody;
        size_t data_size = 2 + 5 + strlen(value);
        if (is_repeated_ca(view, i)) {
            continue;
        }
        const uint8_t head[] = {0xc0,
                                DNS_HEADER_SIZE,
                                DNS_TYPE_CAA >> 8,
                                DNS_TYPE_CAA & 0xff,
                                0,
                                DNS_CLASS_IN,
                                0,
                                0,
                                DNS_TTL_CAA_S >> 8,
                                DNS_TTL_CAA_S & 0xff,
                                (uint8_t)(data_size >> 8),
                                (uint8_t)data_size,
                                0 /* flags */,
                                5 /* tag length */};
        buffer_append(&caa, head, sizeof(head));
        buffer_append_text(&caa, "issue");
        buffer_append_text(&caa, value);
        count++;
    }
    if (caa.error != 0) {
        int result = caa.error;
        buffer_free(&caa);
        return result;
    }
    buffer_free(&view->caa);
    view->caa = caa;
    view->caa_record_count = count;
    return 0;
}

int dns_view_init(struct dns_view *view, const struct dns_template *template,
                  const struct lanname_policy *policy, size_t max_devices,
                  size_t max_challenges)
{
    *view = (struct dns_view){.template = template, .policy = *policy};
    int result = dns_table_init(&view->challenges, sizeof(struct dns_challenge), KEY_SIZE,
                                max_challenges);
    if (result == 0) {
        result = dns_table_init(&view->devices, sizeof(struct dns_device),
                                LANNAME_ID_SIZE, max_devices);
    }
    return result == 0 ? build_caa(view) : result;
}

void dns_view_free(struct dns_view *view)
{
    dns_table_free(&view->challenges);
    dns_table_free(&view->devices);
    buffer_free(&view->caa);
}

/* "<label>.<label>" to lower-case wire labels, zeros behind. */
static int make_key(const char *labels, size_t size, uint8_t ret_key[static KEY_SIZE])
{
    uint8_t key[KEY_SIZE] = {0};
    size_t at = 0;
    size_t start = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && labels[i] != '.') {
            continue;
        }
        size_t length = i - start;
        if (length == 0 || length > LANNAME_LABEL_MAX || at + length + 1 >= KEY_SIZE) {
            return ERROR_RANGE;
        }
        key[at++] = (uint8_t)length;
        for (size_t k = 0; k < length; k++) {
            char c = labels[start + k];
            key[at++] = (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
        start = i + 1;
    }
    memcpy(ret_key, key, sizeof(key));
    return 0;
}

/* The zone as text is not at hand: its labels are compared with the wire form. */
static int key_of_name(const struct dns_view *view, const char *name,
                       uint8_t ret_key[static KEY_SIZE])
{
    struct bytes zone = dns_template_zone(view->template);
    size_t zone_text = zone.size - 2; /* dots instead of length octets, no root */
    size_t size = strlen(name);
    size_t prefix = sizeof(challenge_label) - 1;
    if (size < prefix + 2 + zone_text || !text_starts_with(name, challenge_label) ||
        name[size - zone_text - 1] != '.') {
        return ERROR_RANGE;
    }
    const char *tail = name + size - zone_text;
    for (size_t at = 0; zone.data[at] != 0; at += zone.data[at] + 1u) {
        if (strncmp(tail + at, (const char *)zone.data + at + 1, zone.data[at]) != 0 ||
            (tail[at + zone.data[at]] != '.' && tail[at + zone.data[at]] != '\0')) {
            return ERROR_RANGE;
        }
    }
    return make_key(name + prefix, size - prefix - zone_text - 1, ret_key);
}

static void drop_value(struct dns_challenge *challenge, size_t index)
{
    challenge->count--;
    challenge->values[index] = challenge->values[challenge->count];
}

/* The end of the shard that *AT is in. */
static size_t shard_end(size_t at)
{
    return at - at % DNS_TABLE_SHARD_SLOTS_MAX + DNS_TABLE_SHARD_SLOTS_MAX;
}

/* Ends the values that expired until NOW, from *AT until BEFORE; false when all were seen. */
static bool sweep_some(struct dns_view *view, int64_t now_at, size_t *at, size_t before)
{
    while (*at < before) {
        struct dns_challenge *entry = dns_table_next(&view->challenges, at);
        if (entry == NULL) {
            return false;
        }
        for (size_t i = 0; i < entry->count;) {
            if (entry->values[i].expires_at <= now_at) {
                drop_value(entry, i);
            } else {
                i++;
            }
        }
        if (entry->count == 0) {
            uint8_t key[KEY_SIZE];
            memcpy(key, entry->key, sizeof(key));
            dns_table_remove(&view->challenges, key);
            (*at)--; /* another entry may have moved into the slot */
        }
    }
    return true;
}

/* A writer that removes rows while we are not running leaves values that nobody ends. */
static void sweep_challenges(struct dns_view *view, int64_t now_at)
{
    size_t at = 0;
    (void)sweep_some(view, now_at, &at, SIZE_MAX);
}

int dns_view_put_challenge(struct dns_view *view, const char *name, const char *value,
                           int64_t expires_at, int64_t now_at)
{
    uint8_t key[KEY_SIZE];
    void *entry = NULL;
    size_t size = strlen(value);
    int result = key_of_name(view, name, key);
    if (result != 0 || size == 0 || size > DNS_VIEW_VALUE_MAX) {
        return ERROR_RANGE;
    }
    result = dns_table_insert(&view->challenges, key, &entry);
    if (result == ERROR_LIMIT) {
        sweep_challenges(view, now_at);
        result = dns_table_insert(&view->challenges, key, &entry);
    }
    if (result != 0) {
        return result;
    }
    struct dns_challenge *challenge = entry;
    for (size_t i = 0; i < challenge->count;) {
        bool same = challenge->values[i].size == size &&
                    memcmp(challenge->values[i].text, value, size) == 0;
        if (same || challenge->values[i].expires_at <= now_at) {
            drop_value(challenge, i);
        } else {
            i++;
        }
    }
    if (challenge->count == LIMIT_CHALLENGE_VALUES) {
        return ERROR_LIMIT;
    }
    challenge->values[challenge->count].expires_at = expires_at;
    challenge->values[challenge->count].size = (uint8_t)size;
    memcpy(challenge->values[challenge->count].text, value, size);
    challenge->count++;
    return 0;
}

int dns_view_end_challenge(struct dns_view *view, const char *name, const char *value)
{
    uint8_t key[KEY_SIZE];
    size_t size = strlen(value);
    int result = key_of_name(view, name, key);
    if (result != 0) {
        return result;
    }
    struct dns_challenge *challenge = dns_table_find(&view->challenges, key);
    for (size_t i = 0; challenge != NULL && i < challenge->count; i++) {
        if (challenge->values[i].size == size &&
            memcmp(challenge->values[i].text, value, size) == 0) {
            drop_value(challenge, i);
            break;
        }
    }
    if (challenge != NULL && challenge->count == 0) {
        dns_table_remove(&view->challenges, key);
    }
    return 0;
}

/* The device with ID; made when MAKE. *RET_DEVICE may stay NULL when not. */
static int find_device(struct dns_view *view, const char *id, bool make,
                       struct dns_device **ret_device)
{
    uint8_t key[LANNAME_ID_SIZE];
    void *entry = NULL;
    if (!lanname_is_id((const uint8_t *)id, strlen(id))) {
        return ERROR_RANGE;
    }
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(id[i] >= 'A' && id[i] <= 'Z' ? id[i] - 'A' + 'a' : id[i]);
    }
    if (!make) {
        *ret_device = dns_table_find(&view->devices, key);
        return 0;
    }
    int result = dns_table_insert(&view->devices, key, &entry);
    if (result == 0) {
        *ret_device = entry;
    }
    return result;
}

/* An entry that says nothing is not kept; whether it was one. */
static bool forget_empty(struct dns_view *view, const struct dns_device *device)
{
    uint8_t key[LANNAME_ID_SIZE];
    if (device->address_count > 0 || device->holds_id_until_at != 0 || device->blocked) {
        return false;
    }
    memcpy(key, device->id, sizeof(key));
    dns_table_remove(&view->devices, key);
    return true;
}

static void add_address(struct dns_device *device, const struct lanname_address *address)
{
    size_t size = address->family == 4 ? 4 : 16;
    for (size_t i = 0; i < device->address_count; i++) {
        if (device->addresses[i].family == address->family &&
            memcmp(device->addresses[i].octets, address->octets, size) == 0) {
            return;
        }
    }
    if (device->address_count < LIMIT_PUBLISHED_ADDRESSES) {
        device->addresses[device->address_count++] = *address;
    }
}

int dns_view_put_addresses(struct dns_view *view, const char *id, const char *addresses)
{
    struct dns_device *device = NULL;
    int result = find_device(view, id, addresses[0] != '\0', &device);
    if (result != 0 || device == NULL) {
        return result;
    }
    device->address_count = 0;
    for (const char *at = addresses; *at != '\0';) {
        char text[64];
        struct lanname_address address;
        size_t size = strcspn(at, " ");
        if (text_format(text, sizeof(text), "%.*s", (int)size, at) &&
            lanname_address_parse(text, &address) &&
            lanname_allowed(&address, &view->policy)) {
            add_address(device, &address);
        }
        at += size;
        at += *at == ' ' ? 1 : 0;
    }
    (void)forget_empty(view, device);
    return 0;
}

int dns_view_put_certificate(struct dns_view *view, const char *id,
                             int64_t holds_id_until_at)
{
    struct dns_device *device = NULL;
    int result = find_device(view, id, holds_id_until_at != 0, &device);
    if (result == 0 && device != NULL) {
        device->holds_id_until_at = holds_id_until_at;
        (void)forget_empty(view, device);
    }
    return result;
}

int dns_view_put_block(struct dns_view *view, const char *id, bool blocked)
{
    struct dns_device *device = NULL;
    int result = find_device(view, id, blocked, &device);
    if (result == 0 && device != NULL) {
        device->blocked = blocked;
        (void)forget_empty(view, device);
    }
    return result;
}

int dns_view_put_caa(struct dns_view *view, const char *ca, const char *value)
{
    size_t at = 0;
    while (at < view->ca_count && strcmp(view->cas[at].ca, ca) != 0) {
        at++;
    }
    if (value[0] == '\0') {
        if (at < view->ca_count) {
            view->cas[at] = view->cas[--view->ca_count];
        }
        return build_caa(view);
    }
    if (at == DNS_VIEW_CAA_MAX || strlen(ca) >= sizeof(view->cas[at].ca) ||
        strlen(value) >= sizeof(view->cas[at].value)) {
        return ERROR_LIMIT;
    }
    memcpy(view->cas[at].ca, ca, strlen(ca) + 1);
    memcpy(view->cas[at].value, value, strlen(value) + 1);
    view->ca_count += at == view->ca_count ? 1 : 0;
    return build_caa(view);
}

/* A shard's devices at most; false when all were seen. */
static bool forget_devices(struct dns_view *view, struct dns_view_forget *forget)
{
    size_t end = shard_end(forget->device_at);
    while (forget->device_at < end) {
        struct dns_device *device = dns_table_next(&view->devices, &forget->device_at);
        if (device == NULL) {
            return false;
        }
        device->address_count = forget->front ? 0 : device->address_count;
        device->holds_id_until_at = forget->issuer ? 0 : device->holds_id_until_at;
        device->blocked = !forget->admin && device->blocked;
        forget->device_at -= forget_empty(view, device) ? 1 : 0;
    }
    return true;
}

bool dns_view_forget(struct dns_view *view, struct dns_view_forget *forget)
{
    if (forget_devices(view, forget)) {
        return true;
    }
    if (!forget->issuer) {
        return false;
    }
    if (sweep_some(view, INT64_MAX, &forget->challenge_at,
                   shard_end(forget->challenge_at))) {
        return true;
    }
    view->ca_count = 0;
    (void)!build_caa(view);
    return false;
}

const struct dns_challenge *dns_view_challenge(const struct dns_view *view,
                                               const uint8_t *key, size_t key_size)
{
    uint8_t padded[KEY_SIZE] = {0};
    if (key_size >= KEY_SIZE) {
        return NULL;
    }
    memcpy(padded, key, key_size);
    return dns_table_find(&view->challenges, padded);
}

const struct dns_device *dns_view_device(const struct dns_view *view, const uint8_t *id)
{
    return dns_table_find(&view->devices, id);
}

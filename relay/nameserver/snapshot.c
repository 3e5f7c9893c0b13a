/* The file: magic and version, the zone, the three revisions, then counted entries, then
 * SHA-256 of it all. Integers are big-endian. Everything read is bounded by the view's
 * own limits; the hash is checked before anything is believed, so a torn or altered file
 * is no snapshot. */
#include "relay/nameserver/snapshot.h"

#include "base/core/file.h"
#include "base/core/writer.h"
#include "base/crypto/digest.h"

#include <string.h>

enum { SNAPSHOT_MAX = 1 << 30, VERSION = 1 };

static const char magic[8] = "lkdnssn";

static void put_u8(struct buffer *out, uint8_t value)
{
    buffer_append_u8(out, value);
}

static void put_u64(struct buffer *out, uint64_t value)
{
    uint8_t octets[8];
    struct writer writer = writer_init(octets, sizeof(octets));
    writer_u64(&writer, value);
    buffer_append(out, octets, sizeof(octets));
}

static void put_text(struct buffer *out, const char *text)
{
    put_u64(out, strlen(text));
    buffer_append_text(out, text);
}

static void put_challenges(struct buffer *out, const struct dns_table *table)
{
    size_t at = 0;
    put_u64(out, table->count);
    for (const struct dns_challenge *entry = dns_table_next(table, &at); entry != NULL;
         entry = dns_table_next(table, &at)) {
        buffer_append(out, entry->key, sizeof(entry->key));
        put_u8(out, (uint8_t)entry->count);
        for (size_t i = 0; i < entry->count; i++) {
            put_u64(out, (uint64_t)entry->values[i].expires_at);
            put_u8(out, entry->values[i].size);
            buffer_append(out, entry->values[i].text, entry->values[i].size);
        }
    }
}

static void put_devices(struct buffer *out, const struct dns_table *table)
{
    size_t at = 0;
    put_u64(out, table->count);
    for (const struct dns_device *device = dns_table_next(table, &at); device != NULL;
         device = dns_table_next(table, &at)) {
        buffer_append(out, device->id, sizeof(device->id));
        put_u64(out, (uint64_t)device->holds_id_until_at);
        put_u8(out, device->blocked ? 1 : 0);
        put_u8(out, device->address_count);
        for (size_t i = 0; i < device->address_count; i++) {
            put_u8(out, device->addresses[i].family);
            buffer_append(out, device->addresses[i].octets,
                          device->addresses[i].family == 4 ? 4 : 16);
        }
    }
}

int snapshot_write(const char *path, const struct dns_view *view,
                   const struct follower_seen *seen)
{
    struct buffer out = buffer_init(SNAPSHOT_MAX);
    struct bytes zone = dns_template_zone(view->template);
    uint8_t hash[DIGEST_SHA256_SIZE];
    buffer_append(&out, magic, sizeof(magic));
    put_u8(&out, VERSION);
    put_u8(&out, (uint8_t)zone.size);
    buffer_append(&out, zone.data, zone.size);
    for (size_t i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        put_u64(&out, (uint64_t)seen->revs[i]);
    }
    put_u8(&out, (uint8_t)view->ca_count);
    for (size_t i = 0; i < view->ca_count; i++) {
        put_text(&out, view->cas[i].ca);
        put_text(&out, view->cas[i].value);
    }
    put_challenges(&out, &view->challenges);
    put_devices(&out, &view->devices);
    int result = out.error;
    if (result == 0) {
        result = digest_sha256(out.data, out.size, hash);
    }
    if (result == 0) {
        result = buffer_append(&out, hash, sizeof(hash));
    }
    if (result == 0) {
        result = file_write_atomic(path, out.data, out.size, 0640);
    }
    buffer_free(&out);
    return result;
}

/* A counted text of less than CAPACITY octets. */
static bool take_text(struct reader *in, char *ret_text, size_t capacity)
{
    uint64_t size = reader_u64(in);
    if (size >= capacity) {
        return false;
    }
    struct bytes text = reader_bytes(in, (size_t)size);
    if (in->failed) {
        return false;
    }
    memcpy(ret_text, text.data, text.size);
    ret_text[text.size] = '\0';
    return true;
}

static int take_cas(struct reader *in, struct dns_view *view)
{
    uint8_t count = reader_u8(in);
    int result = 0;
    for (uint8_t i = 0; i < count && result == 0; i++) {
        char ca[LIMIT_URL_BYTES];
        char value[DNS_VIEW_CAA_BYTES];
        result = take_text(in, ca, sizeof(ca)) && take_text(in, value, sizeof(value))
                     ? dns_view_put_caa(view, ca, value)
                     : ERROR_SYNTAX;
    }
    return result;
}

/* An RRset holds a record once (RFC 2181 5): the writer has seen to that. */
static bool has_value(const struct dns_challenge *challenge, struct bytes text)
{
    for (size_t i = 0; i < challenge->count; i++) {
        if (challenge->values[i].size == text.size &&
            memcmp(challenge->values[i].text, text.data, text.size) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_address(const struct dns_device *device, uint8_t family,
                        struct bytes octets)
{
    for (size_t i = 0; i < device->address_count; i++) {
        if (device->addresses[i].family == family &&
            memcmp(device->addresses[i].octets, octets.data, octets.size) == 0) {
            return true;
        }
    }
    return false;
}

static int take_challenge(struct reader *in, struct dns_view *view)
{
    void *entry = NULL;
    struct bytes key = reader_bytes(in, sizeof(((struct dns_challenge *)NULL)->key));
    uint8_t count = reader_u8(in);
    if (in->failed || count > LIMIT_CHALLENGE_VALUES) {
        return ERROR_SYNTAX;
    }
    int result = dns_table_insert(&view->challenges, key.data, &entry);
    if (result != 0) {
        return result;
    }
    struct dns_challenge *challenge = entry;
    for (uint8_t i = 0; i < count; i++) {
        int64_t expires_at = (int64_t)reader_u64(in);
        uint8_t size = reader_u8(in);
        struct bytes text = reader_bytes(in, size);
        if (in->failed || size == 0 || size > DNS_VIEW_VALUE_MAX ||
            has_value(challenge, text)) {
            return ERROR_SYNTAX;
        }
        challenge->values[i].expires_at = expires_at;
        challenge->values[i].size = size;
        memcpy(challenge->values[i].text, text.data, size);
        challenge->count = i + 1u;
    }
    return 0;
}

static int take_device(struct reader *in, struct dns_view *view)
{
    void *entry = NULL;
    struct bytes id = reader_bytes(in, LANNAME_ID_SIZE);
    int64_t holds_id_until_at = (int64_t)reader_u64(in);
    uint8_t blocked = reader_u8(in);
    uint8_t count = reader_u8(in);
    if (in->failed || count > LIMIT_PUBLISHED_ADDRESSES ||
        !lanname_is_id(id.data, id.size)) {
        return ERROR_SYNTAX;
    }
    int result = dns_table_insert(&view->devices, id.data, &entry);
    if (result != 0) {
        return result;
    }
    struct dns_device *device = entry;
    device->holds_id_until_at = holds_id_until_at;
    device->blocked = blocked != 0;
    for (uint8_t i = 0; i < count; i++) {
        uint8_t family = reader_u8(in);
        struct bytes octets = reader_bytes(in, family == 4 ? 4 : 16);
        if (in->failed || (family != 4 && family != 6) ||
            has_address(device, family, octets)) {
            return ERROR_SYNTAX;
        }
        device->addresses[i].family = family;
        memcpy(device->addresses[i].octets, octets.data, octets.size);
        device->address_count = i + 1u;
    }
    return 0;
}

static int take_all(struct reader *in, struct dns_view *view,
                    struct follower_seen *ret_seen)
{
    struct bytes zone = dns_template_zone(view->template);
    struct bytes start = reader_bytes(in, sizeof(magic));
    uint8_t version = reader_u8(in);
    struct bytes name = reader_bytes(in, reader_u8(in));
    if (in->failed || memcmp(start.data, magic, sizeof(magic)) != 0 ||
        version != VERSION || name.size != zone.size ||
        memcmp(name.data, zone.data, zone.size) != 0) {
        return ERROR_SYNTAX;
    }
    for (size_t i = 0; i < FOLLOWER_SOURCE_COUNT; i++) {
        ret_seen->revs[i] = (int64_t)reader_u64(in);
    }
    int result = take_cas(in, view);
    uint64_t challenges = reader_u64(in);
    for (uint64_t i = 0; result == 0 && !in->failed && i < challenges; i++) {
        result = take_challenge(in, view);
    }
    uint64_t devices = reader_u64(in);
    for (uint64_t i = 0; result == 0 && !in->failed && i < devices; i++) {
        result = take_device(in, view);
    }
    return result == 0 && (in->failed || reader_left(in) > 0) ? ERROR_SYNTAX : result;
}

int snapshot_decode(struct bytes content, struct dns_view *view,
                    struct follower_seen *ret_seen)
{
    struct follower_seen seen = {{0}};
    uint8_t hash[DIGEST_SHA256_SIZE];
    if (content.size < sizeof(hash)) {
        return ERROR_SYNTAX;
    }
    size_t size = content.size - sizeof(hash);
    int result = digest_sha256(content.data, size, hash);
    if (result == 0 && memcmp(hash, content.data + size, sizeof(hash)) != 0) {
        result = ERROR_SYNTAX;
    }
    if (result == 0) {
        struct reader in = reader_init(content.data, size);
        result = take_all(&in, view, &seen);
    }
    if (result == 0) {
        *ret_seen = seen;
    }
    return result;
}

int snapshot_read(const char *path, struct dns_view *view, struct follower_seen *ret_seen)
{
    struct buffer text = buffer_init(SNAPSHOT_MAX);
    int result = file_read(path, &text);
    if (result == 0) {
        result = snapshot_decode(buffer_bytes(&text), view, ret_seen);
    }
    buffer_free(&text);
    return result;
}

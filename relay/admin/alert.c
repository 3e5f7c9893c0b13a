#include "relay/admin/alert.h"

#include "base/core/file.h"
#include "base/core/json.h"
#include "base/core/limits.h"
#include "base/core/text.h"

#include <string.h>

enum { HOLD_S = 60, RETRY_S = 300, TRIES_MAX = 3 };

const char *const alert_names[] = {
    [ALERT_NOTHING_ISSUED] = "nothing-issued",
    [ALERT_ACCOUNT] = "ca-account-refused",
    [ALERT_DELEGATION] = "delegation-broken",
    [ALERT_DISK] = "disk-nearly-full",
    [ALERT_BACKUP] = "backup-old",
    [ALERT_EXPIRED] = "expired-while-awake",
    [ALERT_RELAY_CERTIFICATE] = "relay-certificate-ends",
    [ALERT_FRONT_DOWN] = "front-down",
    [ALERT_ISSUER_DOWN] = "issuer-down",
    [ALERT_DNS_DOWN] = "dns-down",
    [ALERT_CT] = "unknown-certificate",
    [ALERT_COUNT] = NULL,
};

static int read_one(const json_t *object, struct alert *alert)
{
    const char *text = json_get_text(object, "text");
    alert->is_active = json_get_bool(object, "active", false);
    alert->since_at = json_get_i64(object, "since", 0);
    alert->told_at = json_get_i64(object, "told", 0);
    return text != NULL && text_copy(alert->text, sizeof(alert->text), text)
               ? 0
               : ERROR_SYNTAX;
}

bool alert_is_of_relay(enum alert_kind kind)
{
    switch (kind) {
    case ALERT_NOTHING_ISSUED:
    case ALERT_ACCOUNT:
    case ALERT_DELEGATION:
    case ALERT_EXPIRED:
    case ALERT_RELAY_CERTIFICATE:
        return false;
    case ALERT_DISK:
    case ALERT_BACKUP:
    case ALERT_FRONT_DOWN:
    case ALERT_ISSUER_DOWN:
    case ALERT_DNS_DOWN:
    case ALERT_CT:
    case ALERT_COUNT:
        break;
    }
    return true;
}

static int read_set(const json_t *root, bool is_main, struct alert_set *ret_set)
{
    struct alert_set set = {0};
    int error = 0;
    for (unsigned i = 0; error == 0 && i < ALERT_COUNT; i++) {
        const json_t *object = json_get_object(root, alert_names[i]);
        if (object != NULL && (is_main || !alert_is_of_relay((enum alert_kind)i))) {
            error = read_one(object, &set.at[i]);
        }
    }
    if (error == 0) {
        *ret_set = set;
    }
    return error;
}

/* A zone has a dot in its name, and no kind has one. */
int alert_load(const char *path, struct alert_zone *zones, size_t count)
{
    struct buffer text = buffer_init(LIMIT_FILE_BYTES);
    json_t *root = NULL;
    int error = file_read(path, &text);
    if (error == ERROR_NOT_FOUND) {
        return 0;
    }
    if (error == 0) {
        error = json_parse(text.data, text.size, LIMIT_FILE_BYTES, &root);
    }
    for (size_t i = 0; error == 0 && i < count; i++) {
        const json_t *object = json_get_object(root, zones[i].zone);
        if (object != NULL || i == 0) {
            error = read_set(object != NULL ? object : root, i == 0, &zones[i].alerts);
        }
    }
    json_decref(root);
    buffer_free(&text);
    return error;
}

static int write_one(json_t *root, const char *name, const struct alert *alert)
{
    json_t *object = json_object();
    int error =
        object == NULL ? ERROR_MEMORY : json_set_bool(object, "active", alert->is_active);
    if (error == 0) {
        error = json_set_i64(object, "since", alert->since_at);
    }
    if (error == 0) {
        error = json_set_i64(object, "told", alert->told_at);
    }
    if (error == 0) {
        error = json_set_text(object, "text", alert->text);
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    return json_set_take(root, name, object);
}

static int write_set(json_t *root, const struct alert_zone *zone)
{
    const struct alert_set *set = &zone->alerts;
    json_t *object = json_object();
    int error = object == NULL ? ERROR_MEMORY : 0;
    for (size_t i = 0; error == 0 && i < ALERT_COUNT; i++) {
        if (set->at[i].since_at != 0) {
            error = write_one(object, alert_names[i], &set->at[i]);
        }
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    return json_set_take(root, zone->zone, object);
}

int alert_save(const struct alert_zone *zones, size_t count, const char *path)
{
    struct buffer text = buffer_init(LIMIT_FILE_BYTES);
    json_t *root = json_object();
    int error = root == NULL ? ERROR_MEMORY : 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = write_set(root, &zones[i]);
    }
    if (error == 0) {
        error = json_dump(root, &text);
    }
    if (error == 0) {
        error = file_write_atomic(path, buffer_text(&text), text.size, 0640);
    }
    json_decref(root);
    buffer_free(&text);
    return error;
}

static int64_t hold_s(enum alert_kind kind)
{
    return kind == ALERT_FRONT_DOWN || kind == ALERT_ISSUER_DOWN || kind == ALERT_DNS_DOWN
               ? HOLD_S
               : 0;
}

bool alert_update(struct alert_set *set, enum alert_kind kind, bool holds,
                  const char *text, int64_t now_at)
{
    struct alert *alert = &set->at[kind];
    if (holds && alert->seen_at == 0) {
        alert->seen_at = now_at;
    }
    if (holds) {
        text_printable(alert->text, sizeof(alert->text), text, strlen(text));
    } else {
        alert->seen_at = 0;
    }
    bool active = holds && (alert->is_active || now_at - alert->seen_at >= hold_s(kind));
    if (active == alert->is_active) {
        return false;
    }
    alert->is_active = active;
    alert->since_at = now_at;
    alert->tries = 0;
    alert->retry_at = 0;
    return true;
}

/* An end is told only of what was told to have begun. */
static bool is_due(const struct alert *alert, int64_t now_at)
{
    if (now_at < alert->retry_at) {
        return false;
    }
    return alert->is_active
               ? alert->told_at == 0 || now_at - alert->told_at >= ALERT_AGAIN_S
               : alert->told_at != 0;
}

enum alert_kind alert_next(const struct alert_set *set, int64_t now_at)
{
    unsigned kind = 0;
    while (kind < ALERT_COUNT && !is_due(&set->at[kind], now_at)) {
        kind++;
    }
    return (enum alert_kind)kind;
}

void alert_told(struct alert_set *set, enum alert_kind kind, bool good, int64_t now_at)
{
    struct alert *alert = &set->at[kind];
    if (!good && ++alert->tries < TRIES_MAX) {
        alert->retry_at = now_at + RETRY_S;
        return;
    }
    alert->told_at = alert->is_active ? now_at : 0;
    alert->tries = 0;
    alert->retry_at = 0;
}

int alert_message(const struct alert_set *set, enum alert_kind kind, const char *zone,
                  const char *relay, struct buffer *json)
{
    const struct alert *alert = &set->at[kind];
    const char *state = !alert->is_active     ? "end"
                        : alert->told_at != 0 ? "again"
                                              : "begin";
    char since[TEXT_TIME_CAPACITY];
    json_t *object = json_object();
    int error =
        object == NULL ? ERROR_MEMORY : json_set_text(object, "alert", alert_names[kind]);
    text_time(alert->since_at, since);
    if (error == 0) {
        error = json_set_text(object, "state", state);
    }
    if (error == 0) {
        error = json_set_text(object, "since", since);
    }
    if (error == 0) {
        error = json_set_text(object, "text", alert->text);
    }
    if (error == 0) {
        error = json_set_text(object, "zone", zone);
    }
    if (error == 0) {
        error = json_set_text(object, "relay", relay);
    }
    if (error == 0) {
        error = json_dump(object, json);
    }
    json_decref(object);
    return error == 0 ? buffer_append_u8(json, '\n') : error;
}

#include "device/device_status.h"

#include "base/core/text.h"
#include "device/page_text.h"

#include <string.h>

enum { HTTPS_PORT = 443 };

bool device_status_host_url(const struct device_status *status, const char *host,
                            char ret_url[static STATUS_NAME_CAPACITY])
{
    if (status->port == HTTPS_PORT) {
        return text_format(ret_url, STATUS_NAME_CAPACITY, "https://%s/", host);
    }
    return text_format(ret_url, STATUS_NAME_CAPACITY, "https://%s:%u/", host,
                       (unsigned)status->port);
}

static bool named_url(const struct device_status *status, const char *label,
                      char ret_url[static STATUS_NAME_CAPACITY])
{
    char host[256];
    return status->zone[0] != '\0' &&
           text_format(host, sizeof(host), "%s.%s.%s", label, status->id, status->zone) &&
           device_status_host_url(status, host, ret_url);
}

bool device_status_address_url(const struct device_status *status,
                               const struct lanname_address *address,
                               char ret_url[static STATUS_NAME_CAPACITY])
{
    char label[LANNAME_ADDRESS_LABEL_MAX + 1];
    lanname_write_label(address, label);
    return named_url(status, label, ret_url);
}

bool device_status_stable_url(const struct device_status *status,
                              char ret_url[static STATUS_NAME_CAPACITY])
{
    return named_url(status, status->label, ret_url);
}

bool device_status_plain_url(const struct device_status *status,
                             const struct lanname_address *address,
                             char ret_url[static STATUS_NAME_CAPACITY])
{
    char text[46];
    char host[64];
    lanname_address_text(address, text);
    return text_format(host, sizeof(host), address->family == 4 ? "%s" : "[%s]", text) &&
           device_status_host_url(status, host, ret_url);
}

const char *device_status_reason(const struct device_status *status)
{
    if (status->is_trusted) {
        return "trusted";
    }
    return status->state == LIFE_EXPIRED || status->state == LIFE_RECOVERING
               ? "expired"
               : "no-certificate-yet";
}

bool device_status_is_disk_failing(const struct device_status *status)
{
    return status->storage != NULL && strcmp(status->storage, "good") != 0;
}

bool device_status_has_reload_failed(const struct device_status *status)
{
    return status->live.failure_code != NULL && status->live.failure_code[0] != '\0';
}

static int set_time(json_t *object, const char *key, int64_t at)
{
    char text[TEXT_TIME_CAPACITY];
    if (at == 0) {
        return 0;
    }
    text_time(at, text);
    return json_set_text(object, key, text);
}

static int set_certificate(json_t *object, const char *key,
                           const struct status_certificate *certificate)
{
    if (!certificate->is_present) {
        return 0;
    }
    json_t *member = json_object();
    int error = json_set_text(member, "serial", certificate->serial);
    if (error == 0) {
        error = json_set_text(member, "issuer", certificate->issuer);
    }
    if (error == 0) {
        error = json_set_text(member, "sha256", certificate->fingerprint);
    }
    if (error == 0) {
        error = set_time(member, "notBefore", certificate->not_before_at);
    }
    if (error == 0) {
        error = set_time(member, "notAfter", certificate->not_after_at);
    }
    if (error < 0) {
        json_decref(member);
        return error;
    }
    return json_set_take(object, key, member);
}

static int append_text(json_t *list, const char *text)
{
    return json_array_append_new(list, json_string(text)) == 0 ? 0 : ERROR_MEMORY;
}

static int set_urls(json_t *object, const struct device_status *status)
{
    char url[STATUS_NAME_CAPACITY];
    json_t *addresses = json_array();
    json_t *named = json_array();
    int error = 0;
    for (size_t i = 0; i < status->addresses->count && error == 0; i++) {
        char text[46];
        lanname_address_text(&status->addresses->at[i], text);
        error = append_text(addresses, text);
        if (error == 0 &&
            device_status_address_url(status, &status->addresses->at[i], url)) {
            error = append_text(named, url);
        }
    }
    if (error < 0) {
        json_decref(addresses);
        json_decref(named);
        return error;
    }
    error = json_set_take(object, "addresses", addresses);
    int error_named = json_set_take(object, "urls", named);
    if (error == 0) {
        error = error_named;
    }
    if (error == 0 && device_status_stable_url(status, url)) {
        error = json_set_text(object, "stableUrl", url);
    }
    return error;
}

static int set_failure(json_t *object, const struct device_status *status)
{
    if (status->failure_code[0] == '\0') {
        return 0;
    }
    json_t *failure = json_object();
    int error = json_set_text(failure, "code", status->failure_code);
    if (error == 0) {
        error =
            json_set_text(failure, "sentence", page_text_failure(status->failure_code));
    }
    if (error == 0) {
        error = json_set_text(failure, "detail", status->failure_text);
    }
    if (error == 0) {
        error = set_time(failure, "at", status->failure_at);
    }
    if (error < 0) {
        json_decref(failure);
        return error;
    }
    return json_set_take(object, "failure", failure);
}

static int set_diagnosis(json_t *object, const struct device_status *status)
{
    json_t *diagnosis = NULL;
    if (status->diagnosis == NULL) {
        return 0;
    }
    int error = diagnosis_to_json(status->diagnosis, &diagnosis);
    return error == 0 ? json_set_take(object, "diagnosis", diagnosis) : error;
}

static int set_live(json_t *object, const struct status_live *live)
{
    if (live->holds == NULL || live->holds[0] == '\0') {
        return 0;
    }
    json_t *member = json_object();
    int error = json_set_text(member, "holds", live->holds);
    if (error == 0) {
        error = json_set_text(member, "sha256", live->fingerprint);
    }
    if (error == 0) {
        error = json_set_bool(member, "working", live->is_working);
    }
    if (error == 0 && live->failure_code[0] != '\0') {
        error = json_set_text(member, "code", live->failure_code);
        if (error == 0) {
            error = json_set_text(member, "detail", live->failure_text);
        }
        if (error == 0) {
            error = set_time(member, "at", live->failure_at);
        }
    }
    if (error < 0) {
        json_decref(member);
        return error;
    }
    return json_set_take(object, "live", member);
}

static int set_owner(json_t *object, const struct status_owner *owner)
{
    if (owner->state == NULL || strcmp(owner->state, "none") == 0) {
        return 0;
    }
    json_t *member = json_object();
    int error = json_set_text(member, "state", owner->state);
    if (error == 0 && owner->host[0] != '\0') {
        error = json_set_text(member, "host", owner->host);
    }
    if (error == 0 && owner->request_host[0] != '\0') {
        error = json_set_text(member, "requestHost", owner->request_host);
    }
    if (error == 0) {
        error = set_certificate(member, "certificate", owner->certificate);
    }
    if (error == 0 && owner->trial_s > 0) {
        error = json_set_i64(member, "trialSeconds", owner->trial_s);
    }
    if (error == 0 && owner->warn_days > 0) {
        error = json_set_i64(member, "endsWithinDays", owner->warn_days);
    }
    if (error == 0 && owner->failure[0] != '\0') {
        error = json_set_text(member, "failure", owner->failure);
    }
    if (error < 0) {
        json_decref(member);
        return error;
    }
    return json_set_take(object, "own", member);
}

/* What needs the owner, as stable words. */
static int set_attention(json_t *object, const struct device_status *status)
{
    const struct {
        bool is_so;
        const char *word;
    } words[] = {
        {device_status_is_disk_failing(status), "disk"},
        {status->is_cloned, "clone"},
        {status->is_clock_signed, "clock"},
        {device_status_has_reload_failed(status), "reload"},
    };
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && error == 0; i++) {
        if (words[i].is_so) {
            error = append_text(list, words[i].word);
        }
    }
    if (error < 0) {
        json_decref(list);
        return error;
    }
    return json_set_take(object, "attention", list);
}

static int set_condition(json_t *object, const struct device_status *status)
{
    int error = set_attention(object, status);
    if (error == 0) {
        error = set_time(object, "obtainedAt", status->obtained_at);
    }
    if (error == 0) {
        error = json_set_bool(object, "ordering", status->is_ordering);
    }
    if (error == 0 && status->mdns_name != NULL && status->mdns_name[0] != '\0') {
        error = json_set_text(object, "mdnsName", status->mdns_name);
    }
    if (error == 0 && status->moved_from != NULL && status->moved_from[0] != '\0') {
        error = json_set_text(object, "movedFrom", status->moved_from);
    }
    if (error == 0 && status->owner_host != NULL && status->owner_host[0] != '\0') {
        error = json_set_text(object, "ownerHost", status->owner_host);
    }
    if (error == 0 && status->diagnosis != NULL && status->diagnosis->at != 0) {
        error = json_set_text(object, "worst",
                              diagnosis_level_word(diagnosis_worst(status->diagnosis)));
    }
    return error;
}

static int set_texts(json_t *object, const struct device_status *status)
{
    struct {
        const char *key;
        const char *value;
    } texts[] = {
        {"version", LATCHKEY_VERSION},
        {"id", status->id},
        {"pin", status->pin},
        {"zone", status->zone},
        {"localName", status->local_name},
        {"relay", status->directory},
        {"account", status->account_url},
        {"state", life_state_text(status->state)},
        {"serving", status->is_trusted ? "trusted" : "fallback"},
        {"reason", device_status_reason(status)},
        {"disk", status->storage},
    };
    int error = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && error == 0; i++) {
        error = json_set_text(object, texts[i].key, texts[i].value);
    }
    return error;
}

static int fill(json_t *object, const struct device_status *status)
{
    int error = set_texts(object, status);
    if (error == 0) {
        error = set_time(object, "now", status->now_at);
    }
    if (error == 0) {
        error = set_urls(object, status);
    }
    if (error == 0) {
        error = set_certificate(object, "trusted", &status->trusted);
    }
    if (error == 0) {
        error = set_certificate(object, "fallback", &status->fallback);
    }
    if (error == 0) {
        error = set_time(object, "renewAt", status->renew_at);
    }
    if (error == 0 && status->renew_at != 0) {
        error = json_set_bool(object, "renewAdvised", status->renew_advised);
    }
    if (error == 0 && status->next_try_s > 0) {
        error = json_set_i64(object, "nextTryInSeconds", status->next_try_s);
    }
    if (error == 0) {
        error = set_time(object, "publishedAt", status->published_at);
    }
    if (error == 0) {
        error = set_live(object, &status->live);
    }
    if (error == 0) {
        error = set_owner(object, &status->owner);
    }
    if (error == 0) {
        error = set_condition(object, status);
    }
    if (error == 0) {
        error = set_failure(object, status);
    }
    return error == 0 ? set_diagnosis(object, status) : error;
}

int device_status_to_json(const struct device_status *status, json_t **ret_object)
{
    json_t *object = json_object();
    if (object == NULL) {
        return ERROR_MEMORY;
    }
    int error = fill(object, status);
    if (error < 0) {
        json_decref(object);
        return error;
    }
    *ret_object = object;
    return 0;
}

/* Only what is named here goes out: a new member is private until someone decides. */
int device_status_to_public_json(const struct device_status *status, json_t **ret_object)
{
    static const char *const members[] = {
        "id",      "pin",        "zone",  "localName", "mdnsName", "state",
        "serving", "reason",     "now",   "addresses", "urls",     "stableUrl",
        "trusted", "renewAt",    "nextTryInSeconds",   "ordering",  "obtainedAt",
        "worst",   "attention",
    };
    json_t *whole = NULL;
    json_t *part = NULL;
    int error = device_status_to_json(status, &whole);
    if (error < 0) {
        return error;
    }
    part = json_object();
    error = part != NULL ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]) && error == 0; i++) {
        json_t *member = json_object_get(whole, members[i]);
        if (member != NULL) {
            error = json_object_set(part, members[i], member) == 0 ? 0 : ERROR_MEMORY;
        }
    }
    if (error == 0 && status->failure_code[0] != '\0') {
        json_t *failure = json_object();
        error = json_set_text(failure, "code", status->failure_code);
        if (error == 0) {
            error = json_set_text(failure, "sentence",
                                  page_text_failure(status->failure_code));
        }
        if (error < 0) {
            json_decref(failure);
        } else {
            error = json_set_take(part, "failure", failure);
        }
    }
    json_decref(whole);
    if (error < 0) {
        json_decref(part);
        return error;
    }
    *ret_object = part;
    return 0;
}

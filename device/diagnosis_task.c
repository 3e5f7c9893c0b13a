#include "device/diagnosis_task.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "device/page_text.h"

#include <string.h>

enum { LATE_DIVISOR = 4 }; /* of the time between the planned renewal and the end */

static int set_list(json_t *object, const char *key, const struct conf_texts *texts)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;
    if (texts->count == 0) {
        json_decref(list);
        return error;
    }
    for (size_t i = 0; i < texts->count && error == 0; i++) {
        error = json_array_append_new(list, json_string(texts->at[i])) == 0
                    ? 0
                    : ERROR_MEMORY;
    }
    int error_set = json_set_take(object, key, list);
    return error == 0 ? error_set : error;
}

static int set_addresses(json_t *object, const struct own_addresses *addresses)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < addresses->count && error == 0; i++) {
        char text[46];
        lanname_address_text(&addresses->at[i], text);
        error = json_array_append_new(list, json_string(text)) == 0 ? 0 : ERROR_MEMORY;
    }
    int error_set = json_set_take(object, "addresses", list);
    return error == 0 ? error_set : error;
}

static int set_key(json_t *object, const struct key *key)
{
    json_t *jwk = NULL;
    int error = key_to_jwk(key, &jwk);
    return error == 0 ? json_set_take(object, "key", jwk) : error;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static int set_facts(json_t *object, const struct diagnosis_task *task)
{
    json_t *facts = json_object();
    const struct {
        const char *key;
        const char *value;
    } texts[] = {
        {"zone", or_null(task->zone)},
        {"label", task->config->name},
        {"fingerprint", or_null(task->fingerprint)},
        {"relay_pin", or_null(task->relay->pin)},
        {"relay_remembered", or_null(task->remembered_pin)},
        {"relay_zone", or_null(task->relay_zone)},
    };
    int error = facts != NULL ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && error == 0; i++) {
        error = json_set_text(facts, texts[i].key, texts[i].value);
    }
    if (error == 0) {
        error = json_set_i64(facts, "port", task->port);
    }
    if (error == 0) {
        error = set_list(facts, "doh", &task->config->doh);
    }
    int error_set = json_set_take(object, "facts", facts);
    return error == 0 ? error_set : error;
}

int diagnosis_task_describe(const struct diagnosis_task *task,
                            struct worker_message *ret_message)
{
    struct worker_message message = {.body = NULL};
    int error = worker_message_new(WORKER_TASK, &message);
    if (error < 0) {
        return error;
    }
    const struct {
        const char *key;
        const char *value;
    } texts[] = {
        {"task", "diagnose"},
        {"directory", task->relay->directory},
        {"proxy", or_null(task->config->proxy)},
        {"ca_file", or_null(task->config->ca_file)},
        {"account_url", or_null(task->account_url)},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && error == 0; i++) {
        error = json_set_text(message.body, texts[i].key, texts[i].value);
    }
    if (error == 0) {
        error = json_set_i64(message.body, "now_at", clock_wall_at());
    }
    if (error == 0) {
        error = set_key(message.body, task->key);
    }
    if (error == 0) {
        error = set_list(message.body, "name_servers", &task->config->name_servers);
    }
    if (error == 0) {
        error = set_addresses(message.body, task->addresses);
    }
    if (error == 0) {
        error = set_facts(message.body, task);
    }
    if (error < 0) {
        worker_message_free(&message);
        return error;
    }
    *ret_message = message;
    return 0;
}

/* The zone goes into commands that people paste into a router: letters, digits, hyphens and
 * dots, whatever the relay calls it. */
static bool is_plain_zone(const char *zone)
{
    return strspn(zone,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
           strlen(zone);
}

int diagnosis_task_read(const json_t *body, int64_t now_at,
                        struct diagnosis *ret_diagnosis)
{
    const json_t *list = json_get_array(body, "verdicts");
    const char *zone = json_get_text(body, "zone");
    struct diagnosis diagnosis;
    diagnosis_init(&diagnosis);
    diagnosis.at = now_at;
    if (list == NULL || zone == NULL || !is_plain_zone(zone) ||
        !text_copy(diagnosis.zone, sizeof(diagnosis.zone), zone)) {
        return ERROR_SYNTAX;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        int error =
            text != NULL ? diagnosis_take_verdict(&diagnosis, text) : ERROR_SYNTAX;
        if (error < 0) {
            return error;
        }
    }
    *ret_diagnosis = diagnosis;
    return 0;
}

/* --- what the device knows by itself --- */

static bool is_one_of(const char *code, const char *const *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum diagnosis_code order_code(const struct diagnosis_own *own)
{
    static const char *const waiting[] = {"rate-limit", "wait"};
    static const char *const refused[] = {"account",     "eab",    "rejected",
                                          "user-action", "paused", "no-relay"};
    if (own->failure_code[0] == '\0') {
        return DIAGNOSIS_ORDER_NONE;
    }
    if (is_one_of(own->failure_code, waiting, sizeof(waiting) / sizeof(waiting[0]))) {
        return DIAGNOSIS_ORDER_WAITING;
    }
    return is_one_of(own->failure_code, refused, sizeof(refused) / sizeof(refused[0]))
               ? DIAGNOSIS_ORDER_REFUSED
               : DIAGNOSIS_ORDER_FAILED;
}

static void add_order(const struct diagnosis_own *own, struct diagnosis *diagnosis)
{
    enum diagnosis_code code = order_code(own);
    char at[TEXT_TIME_CAPACITY];
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_ORDER, code);
    if (code == DIAGNOSIS_ORDER_NONE) {
        return;
    }
    diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ORDER, "%s",
                  page_text_failure(own->failure_code));
    if (own->failure_text[0] != '\0') {
        text_time(own->failure_at, at);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ORDER, "%s: %.200s", at,
                      own->failure_text);
    }
    if (own->next_try_at > own->now_at) {
        text_time(own->next_try_at, at);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_ORDER, "the device orders again at %s",
                      at);
    }
}

static enum diagnosis_code certificate_code(const struct diagnosis_own *own)
{
    if (!own->has_trusted) {
        return DIAGNOSIS_CERTIFICATE_NONE;
    }
    if (own->now_at >= own->not_after_at) {
        return DIAGNOSIS_CERTIFICATE_EXPIRED;
    }
    if (own->now_at < own->not_before_at) {
        return DIAGNOSIS_CERTIFICATE_FUTURE;
    }
    int64_t late_at = own->renew_at + (own->not_after_at - own->renew_at) / LATE_DIVISOR;
    return own->renew_at != 0 && own->now_at > late_at ? DIAGNOSIS_CERTIFICATE_LATE
                                                       : DIAGNOSIS_CERTIFICATE_GOOD;
}

static void add_state(const struct diagnosis_own *own, struct diagnosis *diagnosis)
{
    static const struct {
        const char *word;
        enum diagnosis_code code;
    } storages[] = {{"good", DIAGNOSIS_STORAGE_GOOD},
                    {"full", DIAGNOSIS_STORAGE_FULL},
                    {"read-only", DIAGNOSIS_STORAGE_READ_ONLY}};
    enum diagnosis_code code = DIAGNOSIS_STORAGE_FAILING;
    if (!own->is_running) {
        return;
    }
    for (size_t i = 0; i < sizeof(storages) / sizeof(storages[0]); i++) {
        code = strcmp(storages[i].word, own->storage) == 0 ? storages[i].code : code;
    }
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_STORAGE, code);
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_IDENTITY,
                  own->is_cloned ? DIAGNOSIS_IDENTITY_CLONED : DIAGNOSIS_IDENTITY_SINGLE);
}

void diagnosis_task_add_own(const struct diagnosis_own *own, struct diagnosis *diagnosis)
{
    enum diagnosis_code code = certificate_code(own);
    char at[TEXT_TIME_CAPACITY];
    add_order(own, diagnosis);
    add_state(own, diagnosis);
    diagnosis_set(diagnosis, DIAGNOSIS_CHECK_CERTIFICATE, code);
    if (code == DIAGNOSIS_CERTIFICATE_FUTURE) {
        text_time(own->not_before_at, at);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_CERTIFICATE, "it begins at %s", at);
    } else if (own->has_trusted) {
        text_time(own->not_after_at, at);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_CERTIFICATE, "it ends at %s", at);
    }
    if (own->has_trusted && own->renew_at != 0) {
        text_time(own->renew_at, at);
        diagnosis_add(diagnosis, DIAGNOSIS_CHECK_CERTIFICATE,
                      "its renewal is planned at %s", at);
    }
}

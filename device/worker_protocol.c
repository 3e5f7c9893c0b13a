/* One table says which members each message has. It is held on both ends: by the agent
 * because the worker parses what comes from outside and may be captured; by the worker
 * because it costs nothing and finds our own slips. A message with an unknown member is
 * refused, so that an old half and a new half of a bad update fail loudly at the first
 * message. */
#include "device/worker_protocol.h"

#include "acme/acme.h"
#include "base/core/reader.h"
#include "base/core/writer.h"

#include <string.h>

enum { FRAME_HEAD_BYTES = 4, TEXTS_MAX = 16 };

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_BOOL, FIELD_TEXTS, FIELD_OBJECT };

struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    size_t max_bytes; /* of a text, and of each of several */
};

struct rule {
    const char *type;
    const struct field *fields; /* ended by one without a name */
};

#define FIELDS(...) (const struct field[]){__VA_ARGS__, {NULL, FIELD_TEXT, false, 0}}
#define NO_FIELDS (const struct field[]){{NULL, FIELD_TEXT, false, 0}}

static const struct rule rules[] = {
    [WORKER_TASK] = {"task",
                     FIELDS({"task", FIELD_TEXT, true, 32},
                      {"directory", FIELD_TEXT, true, LIMIT_URL_BYTES},
                      {"key", FIELD_OBJECT, true, 0},
                      {"ca_file", FIELD_TEXT, false, 4096},
                      {"name_servers", FIELD_TEXTS, false, 128},
                      {"account_url", FIELD_TEXT, false, LIMIT_URL_BYTES},
                      {"may_create_account", FIELD_BOOL, false, 0},
                      {"eab_kid", FIELD_TEXT, false, LIMIT_TOKEN_BYTES},
                      {"eab_key", FIELD_TEXT, false, LIMIT_TOKEN_BYTES},
                      {"profile", FIELD_TEXT, false, 64},
                      {"cert_id", FIELD_TEXT, false, 128},
                      {"order", FIELD_TEXT, false, LIMIT_WORKER_ORDER_BYTES},
                      {"addresses", FIELD_TEXTS, false, 64},
                      {"counter", FIELD_NUMBER, false, 0},
                      {"receipt", FIELD_TEXT, false, STATEMENT_NONCE_SIZE},
                      {"nonce", FIELD_TEXT, false, STATEMENT_NONCE_SIZE},
                      {"now_at", FIELD_NUMBER, false, 0},
                      {"proxy", FIELD_TEXT, false, LIMIT_URL_BYTES},
                      {"facts", FIELD_OBJECT, false, 0})},
    [WORKER_SIGNATURE] = {"signature", FIELDS({"signature", FIELD_TEXT, true, 1024})},
    [WORKER_CSR] = {"csr", FIELDS({"csr", FIELD_TEXT, true, LIMIT_CSR_BYTES * 2})},
    [WORKER_SAVED] = {"saved", NO_FIELDS},
    [WORKER_INSTALLED] = {"installed", NO_FIELDS},
    [WORKER_REFUSED] = {"refused", FIELDS({"reason", FIELD_TEXT, true, LIMIT_DETAIL_BYTES})},
    [WORKER_SIGN_JWS] = {"sign_jws", FIELDS({"input", FIELD_TEXT, true, LIMIT_JWS_BYTES})},
    [WORKER_SIGN_CSR] = {"sign_csr", FIELDS({"zone", FIELD_TEXT, true, 253})},
    [WORKER_SAVE] = {"save",
                     FIELDS({"account_url", FIELD_TEXT, false, LIMIT_URL_BYTES},
                      {"order", FIELD_TEXT, false, LIMIT_WORKER_ORDER_BYTES})},
    [WORKER_CERTIFICATE] = {"certificate",
                            FIELDS({"chain", FIELD_TEXT, true, LIMIT_CHAIN_BYTES})},
    [WORKER_RELAY] = {"relay",
                      FIELDS({"zone", FIELD_TEXT, true, 253},
                       {"relay_key", FIELD_OBJECT, false, 0},
                       {"time_url", FIELD_TEXT, false, LIMIT_URL_BYTES},
                       {"moved_to", FIELD_TEXT, false, STATEMENT_BYTES_MAX})},
    [WORKER_TIME] = {"time", FIELDS({"statement", FIELD_TEXT, true, STATEMENT_BYTES_MAX})},
    [WORKER_PUBLISHED] = {"published",
                          FIELDS({"receipt", FIELD_TEXT, true, STATEMENT_NONCE_SIZE},
                           {"matched", FIELD_BOOL, true, 0},
                           {"cloned", FIELD_BOOL, true, 0})},
    [WORKER_WINDOW] = {"window",
                       FIELDS({"start_at", FIELD_NUMBER, false, 0},
                        {"end_at", FIELD_NUMBER, false, 0},
                        {"retry_after_s", FIELD_NUMBER, true, 0})},
    [WORKER_DIAGNOSIS] = {"diagnosis",
                          FIELDS({"verdicts", FIELD_TEXTS, true, 1024},
                           {"zone", FIELD_TEXT, true, 253})},
    [WORKER_DONE] = {"done", FIELDS({"text", FIELD_TEXT, false, LIMIT_DETAIL_BYTES})},
    [WORKER_FAILED] = {"failed",
                       FIELDS({"code", FIELD_TEXT, true, 32},
                        {"text", FIELD_TEXT, true, LIMIT_DETAIL_BYTES},
                        {"detail", FIELD_TEXT, false, LIMIT_DETAIL_BYTES},
                        {"retry_after_s", FIELD_NUMBER, false, 0},
                        {"permanent", FIELD_BOOL, false, 0},
                        {"keep_order", FIELD_BOOL, false, 0})},
};
_Static_assert(sizeof(rules) / sizeof(rules[0]) == WORKER_MESSAGE_COUNT,
               "one rule per message");

static bool is_text(const json_t *value, size_t max_bytes)
{
    return json_is_string(value) && json_string_length(value) <= max_bytes;
}

static bool is_texts(const json_t *value, size_t max_bytes)
{
    if (!json_is_array(value) || json_array_size(value) > TEXTS_MAX) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!is_text(json_array_get(value, i), max_bytes)) {
            return false;
        }
    }
    return true;
}

static bool is_of_kind(const json_t *value, const struct field *field)
{
    switch (field->kind) {
    case FIELD_TEXT:
        return is_text(value, field->max_bytes);
    case FIELD_NUMBER:
        return json_is_integer(value);
    case FIELD_BOOL:
        return json_is_boolean(value);
    case FIELD_TEXTS:
        return is_texts(value, field->max_bytes);
    case FIELD_OBJECT:
        return json_is_object(value);
    }
    return false;
}

/* Counting what the table knows finds what it does not know. */
static int check_members(const struct rule *rule, const json_t *body)
{
    size_t known = 1; /* "type" */
    for (size_t i = 0; rule->fields[i].name != NULL; i++) {
        const struct field *field = &rule->fields[i];
        const json_t *value = json_object_get(body, field->name);
        if (value == NULL) {
            if (field->required) {
                return ERROR_RANGE;
            }
            continue;
        }
        if (!is_of_kind(value, field)) {
            return ERROR_RANGE;
        }
        known++;
    }
    return json_object_size(body) == known ? 0 : ERROR_RANGE;
}

static int find_type(const json_t *body, enum worker_message_type *ret_type)
{
    const char *text = json_get_text(body, "type");
    if (text == NULL) {
        return ERROR_RANGE;
    }
    for (int i = 0; i < WORKER_MESSAGE_COUNT; i++) {
        if (strcmp(rules[i].type, text) == 0) {
            *ret_type = (enum worker_message_type)i;
            return 0;
        }
    }
    return ERROR_RANGE;
}

int worker_message_new(enum worker_message_type type, struct worker_message *ret_message)
{
    json_t *body = json_object();
    if (body == NULL) {
        return ERROR_MEMORY;
    }
    int error = json_set_text(body, "type", rules[type].type);
    if (error < 0) {
        json_decref(body);
        return error;
    }
    *ret_message = (struct worker_message){.type = type, .body = body};
    return 0;
}

void worker_message_free(struct worker_message *message)
{
    json_decref(message->body);
    message->body = NULL;
}

int worker_message_write(const struct worker_message *message, struct buffer *frames)
{
    int error = check_members(&rules[message->type], message->body);
    if (error < 0) {
        return error;
    }
    struct buffer text = buffer_init_secret(LIMIT_WORKER_MESSAGE_BYTES);
    error = json_dump(message->body, &text);
    if (error == 0) {
        uint8_t head[FRAME_HEAD_BYTES];
        struct writer writer = writer_init(head, sizeof(head));
        writer_u32(&writer, (uint32_t)text.size);
        buffer_append(frames, head, sizeof(head));
        error = buffer_append(frames, text.data, text.size);
    }
    buffer_free(&text);
    return error;
}

int worker_message_take(struct buffer *input, struct worker_message *ret_message)
{
    struct bytes bytes = buffer_bytes(input);
    struct reader reader = reader_init(bytes.data, bytes.size);
    uint32_t size = reader_u32(&reader);
    if (reader.failed) {
        return ERROR_BUSY;
    }
    if (size > LIMIT_WORKER_MESSAGE_BYTES) {
        return ERROR_LIMIT;
    }
    if (reader_left(&reader) < size) {
        return ERROR_BUSY;
    }
    struct bytes text = reader_bytes(&reader, size);
    json_t *body = NULL;
    enum worker_message_type type = WORKER_TASK;
    int error = json_parse(text.data, text.size, LIMIT_WORKER_MESSAGE_BYTES, &body);
    if (error < 0) {
        return error;
    }
    error = find_type(body, &type);
    if (error == 0) {
        error = check_members(&rules[type], body);
    }
    if (error < 0) {
        json_decref(body);
        return error;
    }
    buffer_consume(input, FRAME_HEAD_BYTES + (size_t)size);
    *ret_message = (struct worker_message){.type = type, .body = body};
    return 0;
}

const char *worker_message_type_text(enum worker_message_type type)
{
    return rules[type].type;
}

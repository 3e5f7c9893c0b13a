/* A device believes these without anything else that it trusts in that moment: without a
 * clock, so without TLS's dates, or against the address in its own configuration. So they are
 * read by the strictest rules there are: three header members and no other, no member that is
 * not known, and the signature is judged before any member of the payload is looked at. */
#include "acme/statement.h"

#include "acme/acme_problem.h"
#include "acme/jws.h"
#include "acme/jws_flat.h"
#include "base/core/json.h"
#include "base/core/text.h"
#include "base/crypto/random.h"

#include <string.h>

enum statement_kind { STATEMENT_TIME, STATEMENT_MOVE };

static const char *const types[] = {
    [STATEMENT_TIME] = "latchkey-time+jws",
    [STATEMENT_MOVE] = "latchkey-move+jws",
};

static const int64_t latest_at = INT64_C(253402300799); /* the end of year 9999 */

static bool is_base64url(const char *text, size_t size, size_t bytes)
{
    uint8_t data[64];
    size_t decoded = 0;

    return text != NULL && strlen(text) == size &&
           text_base64url_decode(text, size, data, sizeof(data), &decoded) == 0 &&
           decoded == bytes;
}

bool statement_is_nonce(const char *text)
{
    return is_base64url(text, STATEMENT_NONCE_SIZE, STATEMENT_NONCE_BYTES);
}

bool statement_is_pin(const char *text)
{
    return is_base64url(text, KEY_PIN_SIZE, 32);
}

int statement_make_nonce(char ret_nonce[static STATEMENT_NONCE_SIZE + 1])
{
    uint8_t nonce[STATEMENT_NONCE_BYTES];
    int error = random_bytes(nonce, sizeof(nonce));

    if (error == 0)
        text_base64url(nonce, sizeof(nonce), ret_nonce);
    return error;
}

int statement_pin(const struct key *key, char ret_pin[static KEY_PIN_SIZE + 1])
{
    uint8_t hash[32];
    int error = key_spki_sha256(key, hash);

    if (error == 0)
        text_base64url(hash, sizeof(hash), ret_pin);
    return error;
}

/* Takes PAYLOAD. */
static int sign(const struct key *key, enum statement_kind kind, const char *url,
                json_t *payload, struct buffer *text)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    struct buffer body = buffer_init(STATEMENT_BYTES_MAX);
    struct buffer input = buffer_init(STATEMENT_BYTES_MAX);
    json_t *object = NULL;
    json_t *header = json_pack("{s:s,s:s,s:s}", "alg", jws_alg_text(jws_alg_of_key(key)),
                               "typ", types[kind], "url", url);
    int error = header != NULL && payload != NULL ? 0 : ERROR_MEMORY;

    if (error == 0)
        error = json_dump(payload, &body);
    if (error == 0)
        error = jws_flat_input(header, body.data, body.size, &input);
    if (error == 0)
        error = key_sign(key, buffer_text(&input), input.size, signature, &size);
    if (error == 0)
        error = jws_flat_write(&input, signature, size, &object);
    if (error == 0)
        error = json_dump(object, text);
    json_decref(object);
    json_decref(header);
    json_decref(payload);
    buffer_free(&body);
    buffer_free(&input);
    return error;
}

static int check_header(const json_t *header, const struct key *key,
                        enum statement_kind kind, const char *url)
{
    const char *alg = json_get_text(header, "alg");
    const char *typ = json_get_text(header, "typ");
    const char *for_url = json_get_text(header, "url");

    if (alg == NULL || typ == NULL || for_url == NULL || json_object_size(header) != 3)
        return ERROR_SYNTAX;
    if (strcmp(alg, jws_alg_text(jws_alg_of_key(key))) != 0)
        return ERROR_SIGNATURE;
    return strcmp(typ, types[kind]) == 0 && strcmp(for_url, url) == 0 ? 0 : ERROR_DENIED;
}

/* The payload of a statement of KIND that KEY signed for URL. */
static int open(const void *data, size_t size, const struct key *key,
                enum statement_kind kind, const char *url, json_t **ret_payload)
{
    struct jws_flat flat = {.header = NULL};
    struct acme_problem problem;
    json_t *object = NULL;
    json_t *payload = NULL;
    int error = json_parse(data, size, STATEMENT_BYTES_MAX, &object);

    if (error == 0)
        error = jws_flat_read(object, &flat, &problem);
    json_decref(object);
    if (error != 0)
        return error;
    error = check_header(flat.header, key, kind, url);
    if (error == 0)
        error = key_verify(key, flat.input.data, flat.input.size, flat.signature,
                           flat.signature_size);
    if (error == 0)
        error = json_parse(flat.payload.data, flat.payload.size, STATEMENT_BYTES_MAX,
                           &payload);
    jws_flat_free(&flat);
    if (error == 0 && !json_is_object(payload)) {
        json_decref(payload);
        error = ERROR_SYNTAX;
    }
    if (error == 0)
        *ret_payload = payload;
    return error;
}

static bool is_moment(int64_t at)
{
    return at > 0 && at <= latest_at;
}

/* Whether NONCES are nonces; *RET_NAMED whether NONCE (or NULL) is among them. */
static int check_nonces(const json_t *nonces, const char *nonce, bool *ret_named)
{
    size_t count = json_array_size(nonces);
    bool named = false;

    if (count == 0 || count > STATEMENT_NONCES_MAX)
        return ERROR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(nonces, i));

        if (!statement_is_nonce(text))
            return ERROR_SYNTAX;
        named = named || (nonce != NULL && strcmp(text, nonce) == 0);
    }
    *ret_named = named;
    return 0;
}

int statement_make_time(const struct key *key, const char *url,
                        const struct statement_time *time, const json_t *nonces,
                        struct buffer *text)
{
    bool named = false;
    int error = check_nonces(nonces, NULL, &named);

    if (error != 0)
        return error;
    return sign(key, STATEMENT_TIME, url,
                json_pack("{s:I,s:s,s:O}", "time", (json_int_t)time->at, "zone",
                          time->zone, "nonces", nonces),
                text);
}

int statement_read_time(const void *data, size_t size, const struct key *key,
                        const char *url, const char *nonce,
                        struct statement_time *ret_time)
{
    struct statement_time time = {.at = 0};
    json_t *payload = NULL;
    const char *zone = NULL;
    bool named = false;
    int error = open(data, size, key, STATEMENT_TIME, url, &payload);

    if (error != 0)
        return error;
    zone = json_get_text(payload, "zone");
    time.at = json_get_i64(payload, "time", 0);
    if (json_object_size(payload) != 3 || zone == NULL ||
        !text_copy(time.zone, sizeof(time.zone), zone))
        error = ERROR_SYNTAX;
    else if (!is_moment(time.at))
        error = ERROR_RANGE;
    else
        error = check_nonces(json_get_array(payload, "nonces"), nonce, &named);
    json_decref(payload);
    if (error == 0 && !named)
        error = ERROR_DENIED;
    if (error == 0)
        *ret_time = time;
    return error;
}

int statement_make_move(const struct key *key, const struct statement_move *move,
                        struct buffer *text)
{
    json_t *payload =
        json_pack("{s:s,s:s,s:I,s:I}", "movedTo", move->to, "from", move->from, "serial",
                  (json_int_t)move->serial, "issued", (json_int_t)move->issued_at);

    if (payload != NULL && move->pin[0] != '\0' &&
        json_set_text(payload, "relayKey", move->pin) != 0) {
        json_decref(payload);
        payload = NULL;
    }
    return sign(key, STATEMENT_MOVE, move->from, payload, text);
}

static int read_move(const json_t *payload, const char *from,
                     struct statement_move *ret_move)
{
    const char *to = json_get_text(payload, "movedTo");
    const char *about = json_get_text(payload, "from");
    const json_t *pin = json_object_get(payload, "relayKey");
    struct statement_move move = {
        .serial = json_get_i64(payload, "serial", 0),
        .issued_at = json_get_i64(payload, "issued", 0),
    };

    if (to == NULL || about == NULL ||
        json_object_size(payload) != (pin != NULL ? 5 : 4) ||
        (pin != NULL && !statement_is_pin(json_string_value(pin))))
        return ERROR_SYNTAX;
    if (!text_starts_with(to, "https://") || strpbrk(to, " #") != NULL ||
        !text_copy(move.to, sizeof(move.to), to) || move.serial <= 0 ||
        !is_moment(move.issued_at))
        return ERROR_RANGE;
    if (strcmp(about, from) != 0)
        return ERROR_DENIED;
    (void)text_copy(move.from, sizeof(move.from), from);
    (void)text_copy(move.pin, sizeof(move.pin),
                    pin != NULL ? json_string_value(pin) : "");
    *ret_move = move;
    return 0;
}

int statement_read_move(const void *data, size_t size, const struct key *key,
                        const char *from, struct statement_move *ret_move)
{
    json_t *payload = NULL;
    int error = open(data, size, key, STATEMENT_MOVE, from, &payload);

    if (error == 0)
        error = read_move(payload, from, ret_move);
    json_decref(payload);
    return error;
}

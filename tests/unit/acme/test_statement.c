/* What a relay signs with its own key: each kind as made and read, and every way in which one
 * must not be believed. */
#include "acme/statement.h"

#include "base/core/json.h"
#include "base/core/text.h"
#include "tests/unit/vector.h"

#define URL "https://relay.test/acme/time"
#define FROM "https://relay.test/acme/directory"

static struct key *key;
static struct key *other;

static int make_keys(void **state)
{
    (void)state;
    return key_generate(KEY_P256, &key) == 0 && key_generate(KEY_P256, &other) == 0 ? 0
                                                                                    : -1;
}

static int free_keys(void **state)
{
    (void)state;
    key_free(key);
    key_free(other);
    return 0;
}

static void make_time(int64_t at, const char *const *nonces, size_t count,
                      struct buffer *text)
{
    struct statement_time time = {.zone = "lan.test", .at = at};
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(nonces[i]));
    assert_int_equal(statement_make_time(key, URL, &time, list, text), 0);
    json_decref(list);
}

static void test_time_names_its_nonces(void **state)
{
    char nonces[3][STATEMENT_NONCE_SIZE + 1];
    const char *list[3];
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    struct statement_time time = {.at = -1};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(statement_make_nonce(nonces[i]), 0);
        assert_true(statement_is_nonce(nonces[i]));
        list[i] = nonces[i];
    }
    make_time(1800000000, list, 2, &text);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            statement_read_time(text.data, text.size, key, URL, nonces[i], &time), 0);
        assert_int_equal(time.at, 1800000000);
        assert_string_equal(time.zone, "lan.test");
    }
    /* An answer to others is none to us: that is what a replay is. */
    assert_int_equal(
        statement_read_time(text.data, text.size, key, URL, nonces[2], &time),
        ERROR_DENIED);
    assert_int_equal(
        statement_read_time(text.data, text.size, other, URL, nonces[0], &time),
        ERROR_SIGNATURE);
    assert_int_equal(statement_read_time(text.data, text.size, key,
                                         "https://other.test/acme/time", nonces[0],
                                         &time),
                     ERROR_DENIED);
    buffer_free(&text);
}

static void test_as_many_nonces_as_allowed(void **state)
{
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    struct statement_time time = {.zone = "lan.test", .at = 1800000000};
    json_t *list = json_array();
    char nonce[STATEMENT_NONCE_SIZE + 1];

    (void)state;
    assert_int_equal(statement_make_time(key, URL, &time, list, &text), ERROR_LIMIT);
    for (int i = 0; i < STATEMENT_NONCES_MAX; i++) {
        assert_int_equal(statement_make_nonce(nonce), 0);
        json_array_append_new(list, json_string(nonce));
    }
    assert_int_equal(statement_make_time(key, URL, &time, list, &text), 0);
    assert_int_equal(statement_read_time(text.data, text.size, key, URL, nonce, &time),
                     0);
    json_array_append_new(list, json_string(nonce));
    assert_int_equal(statement_make_time(key, URL, &time, list, &text), ERROR_LIMIT);
    json_decref(list);
    list = json_pack("[s]", "too short");
    assert_int_equal(statement_make_time(key, URL, &time, list, &text), ERROR_SYNTAX);
    json_decref(list);
    buffer_free(&text);
}

/* Signs PAYLOAD under HEADER as they are. */
static void forge(const char *header, const char *payload, struct buffer *text)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    size_t size = 0;
    char parts[3][2048];
    char input[4200];

    text_base64url(header, strlen(header), parts[0]);
    text_base64url(payload, strlen(payload), parts[1]);
    assert_true(text_format(input, sizeof(input), "%s.%s", parts[0], parts[1]));
    assert_int_equal(key_sign(key, input, strlen(input), signature, &size), 0);
    text_base64url(signature, size, parts[2]);
    buffer_reset(text);
    assert_int_equal(buffer_printf(text,
                                   "{\"protected\":\"%s\",\"payload\":\"%s\","
                                   "\"signature\":\"%s\"}",
                                   parts[0], parts[1], parts[2]),
                     0);
}

#define NONCE "AAAAAAAAAAAAAAAAAAAAAA"
#define HEADER(typ, url) "{\"alg\":\"ES256\",\"typ\":\"" typ "\",\"url\":\"" url "\"}"
#define TIME HEADER("latchkey-time+jws", URL)
#define MOVE HEADER("latchkey-move+jws", FROM)

static void test_what_is_no_time(void **state)
{
    static const struct {
        const char *header;
        const char *payload;
        int error;
    } rows[] = {
        {TIME, "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", 0},
        {MOVE, "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", ERROR_DENIED},
        {HEADER("latchkey-move+jws", URL),
         "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", ERROR_DENIED},
        {"{\"alg\":\"ES256\",\"url\":\"" URL "\"}",
         "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", ERROR_SYNTAX},
        {"{\"alg\":\"ES256\",\"url\":\"" URL
         "\",\"typ\":\"latchkey-time+jws\",\"nonce\":\"x\"}",
         "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", ERROR_SYNTAX},
        {"{\"alg\":\"none\",\"url\":\"" URL "\",\"typ\":\"latchkey-time+jws\"}",
         "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", ERROR_SIGNATURE},
        {TIME, "{\"time\":0,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", ERROR_RANGE},
        {TIME, "{\"time\":-5,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}", ERROR_RANGE},
        {TIME, "{\"time\":253402300800,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}",
         ERROR_RANGE},
        {TIME, "{\"time\":\"1\",\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}",
         ERROR_RANGE},
        {TIME, "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[]}", ERROR_LIMIT},
        {TIME, "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[7]}", ERROR_SYNTAX},
        {TIME, "{\"time\":1,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"],\"x\":1}",
         ERROR_SYNTAX},
        {TIME, "{\"time\":1,\"time\":2,\"zone\":\"a.b\",\"nonces\":[\"" NONCE "\"]}",
         ERROR_SYNTAX},
        {TIME, "[]", ERROR_SYNTAX},
    };
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct statement_time time = {.at = -1};

        forge(rows[i].header, rows[i].payload, &text);
        int error = statement_read_time(text.data, text.size, key, URL, NONCE, &time);
        if (error != rows[i].error)
            fail_msg("%s %s: %d", rows[i].header, rows[i].payload, error);
        assert_true(error == 0 || time.at == -1);
    }
    buffer_free(&text);
}

static void test_every_bit_counts(void **state)
{
    const char *list[] = {NONCE};
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    struct statement_time time;

    (void)state;
    make_time(1800000000, list, 1, &text);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= 1;
        if (statement_read_time(text.data, text.size, key, URL, NONCE, &time) == 0)
            fail_msg("octet %zu may be changed", i);
        text.data[i] ^= 1;
    }
    buffer_free(&text);
}

static struct statement_move a_move(void)
{
    struct statement_move move = {.serial = 3, .issued_at = 1800000000};

    text_copy(move.from, sizeof(move.from), FROM);
    text_copy(move.to, sizeof(move.to), "https://new.test/acme/directory");
    return move;
}

static void test_move(void **state)
{
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);
    struct statement_move move = a_move();
    struct statement_move read = {.serial = -1};

    (void)state;
    for (int with_pin = 0; with_pin < 2; with_pin++) {
        if (with_pin)
            assert_int_equal(statement_pin(other, move.pin), 0);
        buffer_reset(&text);
        assert_int_equal(statement_make_move(key, &move, &text), 0);
        assert_int_equal(statement_read_move(text.data, text.size, key, FROM, &read), 0);
        assert_memory_equal(&read, &move, sizeof(move));
    }
    assert_int_equal(statement_read_move(text.data, text.size, other, FROM, &read),
                     ERROR_SIGNATURE);
    assert_int_equal(statement_read_move(text.data, text.size, key,
                                         "https://else.test/acme/directory", &read),
                     ERROR_DENIED);
    /* Nor is it a time. */
    struct statement_time time;
    assert_int_equal(statement_read_time(text.data, text.size, key, FROM, NONCE, &time),
                     ERROR_DENIED);
    buffer_free(&text);
}

static void test_what_is_no_move(void **state)
{
    static const struct {
        const char *payload;
        int error;
    } rows[] = {
        {"{\"movedTo\":\"https://n/d\",\"from\":\"" FROM "\",\"serial\":1,\"issued\":1}",
         0},
        {"{\"movedTo\":\"http://n/d\",\"from\":\"" FROM "\",\"serial\":1,\"issued\":1}",
         ERROR_RANGE},
        {"{\"movedTo\":\"https://n/d#p\",\"from\":\"" FROM
         "\",\"serial\":1,\"issued\":1}",
         ERROR_RANGE},
        {"{\"movedTo\":\"https://n/d\",\"from\":\"" FROM "\",\"serial\":0,\"issued\":1}",
         ERROR_RANGE},
        {"{\"movedTo\":\"https://n/d\",\"from\":\"" FROM "\",\"serial\":1}",
         ERROR_SYNTAX},
        {"{\"movedTo\":\"https://n/d\",\"from\":\"https://x/"
         "d\",\"serial\":1,\"issued\":1}",
         ERROR_DENIED},
        {"{\"movedTo\":\"https://n/d\",\"from\":\"" FROM
         "\",\"serial\":1,\"issued\":1,\"relayKey\":\"short\"}",
         ERROR_SYNTAX},
        {"{\"movedTo\":\"https://n/d\",\"from\":\"" FROM
         "\",\"serial\":1,\"issued\":1,\"more\":1}",
         ERROR_SYNTAX},
    };
    struct buffer text = buffer_init(STATEMENT_BYTES_MAX);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct statement_move move = {.serial = -1};

        forge(MOVE, rows[i].payload, &text);
        int error = statement_read_move(text.data, text.size, key, FROM, &move);
        if (error != rows[i].error)
            fail_msg("%s: %d", rows[i].payload, error);
        assert_true(error == 0 || move.serial == -1);
    }
    buffer_free(&text);
}

/* The worked example of docs/PROTOCOL.md. */
static void test_vectors(void **state)
{
    struct buffer jwk = vector_file("statement", "time", "key.json");
    struct buffer said = vector_file("statement", "time", "statement.json");
    struct buffer moved = vector_file("statement", "move", "statement.json");
    struct statement_time time = {.at = 0};
    struct statement_move move = {.serial = 0};
    struct key *relay = NULL;
    char pin[KEY_PIN_SIZE + 1];
    json_t *value = NULL;

    (void)state;
    assert_int_equal(json_parse(jwk.data, jwk.size, 4096, &value), 0);
    assert_int_equal(key_from_jwk(value, &relay), 0);
    json_decref(value);
    assert_int_equal(statement_pin(relay, pin), 0);
    assert_string_equal(pin, "K9G7DESol8MKeqCZHN442AYv5EHeUNoPRoJTRPYC6Cc");
    assert_int_equal(statement_read_time(said.data, said.size, relay,
                                         "https://relay.lan.example.com/acme/time",
                                         "9mDFxkOX-cHa2GZ1fRIk5A", &time),
                     0);
    assert_int_equal(time.at, 1795258275);
    assert_string_equal(time.zone, "lan.example.com");
    assert_int_equal(statement_read_move(moved.data, moved.size, relay,
                                         "https://relay.lan.example.com/acme/directory",
                                         &move),
                     0);
    assert_int_equal(move.serial, 3);
    assert_string_equal(move.to, "https://relay.new.example/acme/directory");
    assert_string_equal(move.pin, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    key_free(relay);
    buffer_free(&jwk);
    buffer_free(&said);
    buffer_free(&moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_names_its_nonces),
        cmocka_unit_test(test_as_many_nonces_as_allowed),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_what_is_no_move),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

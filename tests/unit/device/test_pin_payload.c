#include "device/pin_payload.h"

#include "base/core/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define PIN "5TBI3YGZMVHTPK2SZBGLBZXMAPXK5ENBBXXN65A5BMVGSWA236QA"
#define K "LATCHKEY:1/K" PIN
#define T "/T5TBI3YGZMVHTPK2SZBGLBZXMAM"
#define ADDRESS "/A192.168.1.51"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *places[2];
        bool invited;
    } rows[] = {
        {K, {NULL, NULL}, false},
        {K ADDRESS, {"192.168.1.51:443", NULL}, false},
        {K ADDRESS ":8443", {"192.168.1.51:8443", NULL}, false},
        {K ADDRESS ":1/AFD12-3456-0-0-0-0-0-1:65535",
         {"192.168.1.51:1", "[fd12:3456::1]:65535"},
         false},
        {K "/AFD12-3456-0-0-0-0-0-1" T, {"[fd12:3456::1]:443", NULL}, true},
        {K "/A127.0.0.1" T, {"127.0.0.1:443", NULL}, true},
        {K T, {NULL, NULL}, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pin_payload payload;
        char reason[PIN_PAYLOAD_REASON_CAPACITY] = "";
        char text[ADDRESS_TEXT_CAPACITY];
        char pin[64];
        size_t count = 0;
        print_message("%s\n", rows[i].text);
        assert_int_equal(
            pin_payload_parse(rows[i].text, strlen(rows[i].text), &payload, reason), 0);
        text_base32(payload.hash, sizeof(payload.hash), pin);
        assert_true(text_equal_nocase(pin, PIN));
        assert_int_equal(payload.has_invitation, rows[i].invited);
        while (count < 2 && rows[i].places[count] != NULL) {
            address_text(&payload.places[count], text);
            assert_string_equal(text, rows[i].places[count]);
            count++;
        }
        assert_int_equal(payload.place_count, count);
    }
}

static const struct {
    const char *text;
    const char *reason;
} bad_rows[] = {
    {"", "begin"},
    {"LATCHKEY:1", "begin"},
    {"LATCHKEY:2/K" PIN, "begin"},
    {"latchkey:1/k" PIN, "begin"},
    {" " K, "begin"},
    {"LATCHKEY:1/K", "its pin"},
    {"LATCHKEY:1/K5TBI", "its pin"},
    /* lower case, foreign characters, unused bits, a pin that is too long or short */
    {"LATCHKEY:1/K5tbi3ygzmvhtpk2szbglbzxmapxk5enbbxxn65a5bmvgswa236qa", "its pin"},
    {"LATCHKEY:1/K1TBI3YGZMVHTPK2SZBGLBZXMAPXK5ENBBXXN65A5BMVGSWA236QA", "its pin"},
    {"LATCHKEY:1/K5TBI3YGZMVHTPK2SZBGLBZXMAPXK5ENBBXXN65A5BMVGSWA236QB", "its pin"},
    {"LATCHKEY:1/K5TBI3YGZMVHTPK2SZBGLBZXMAPXK5ENBBXXN65A5BMVGSWA236Q", "its pin"},
    {K "A", "empty field"},
    {K "=", "empty field"},
    /* fields that are empty, foreign, twice, out of order */
    {K "/", "empty field"},
    {K "//A192.168.1.51", "empty field"},
    {K ADDRESS "/", "empty field"},
    {K "/X1", "not known"},
    {K "/a192.168.1.51", "not known"},
    {K "/K" PIN, "two pins"},
    {K ADDRESS "/K" PIN, "two pins"},
    {K T ADDRESS, "after the invitation"},
    {K T T, "after the invitation"},
    {K ADDRESS ADDRESS, "twice"},
    {K ADDRESS ADDRESS ":443", "twice"},
    {K ADDRESS "/A10.0.0.1/A10.0.0.2", "too many"},
    /* ports */
    {K ADDRESS ":", "port"},
    {K ADDRESS ":0", "port"},
    {K ADDRESS ":65536", "port"},
    {K ADDRESS ":08443", "port"},
    {K ADDRESS ":+80", "port"},
    {K ADDRESS ":80:80", "port"},
    {K ADDRESS ":999999", "port"},
    /* addresses */
    {K "/A", "neither"},
    {K "/A192.168.1", "neither"},
    {K "/A192.168.1.051", "neither"},
    {K "/A192.168.1.256", "neither"},
    {K "/A192-168-1-51", "neither"},
    {K "/ACAMERA.LOCAL", "neither"},
    {K "/A[FD12::1]", "port"},
    {K "/AFD12::1", "port"},
    {K "/Afd12-3456-0-0-0-0-0-1", "neither"},
    {K "/AFD12-3456-0-0-0-0-0-01", "neither"},
    {K "/AFD12-3456-0-0-0-0-0-1%ETH0", "neither"},
    {K "/AFE80-0-0-0-0-0-0-1%25", "neither"},
    {K "/A8.8.8.8", "private"},
    {K "/A2001-DB8-0-0-0-0-0-1", "private"},
    {K "/AFD00-EC2-0-0-0-0-0-254", "private"},
    {K "/A0.0.0.0", "private"},
    /* invitations */
    {K "/T", "invitation"},
    {K "/T5TBI3YGZMVHTPK2SZBGLBZXMA", "invitation"},
    {K "/T5TBI3YGZMVHTPK2SZBGLBZXMAMA", "invitation"},
    {K "/T5TBI3YGZMVHTPK2SZBGLBZXMAN", "invitation"},
    {K "/T5tbi3ygzmvhtpk2szbglbzxmam", "invitation"},
    {K ADDRESS T "\n", "invitation"},
    {K ADDRESS " ", "neither"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
        struct pin_payload payload;
        char reason[PIN_PAYLOAD_REASON_CAPACITY] = "";
        print_message("%s\n", bad_rows[i].text);
        memset(&payload, 0x5a, sizeof(payload));
        assert_int_equal(pin_payload_parse(bad_rows[i].text, strlen(bad_rows[i].text),
                                           &payload, reason),
                         ERROR_SYNTAX);
        assert_int_equal(payload.hash[0], 0x5a);
        if (strstr(reason, bad_rows[i].reason) == NULL) {
            fail_msg("'%s' is not in '%s'", bad_rows[i].reason, reason);
        }
    }
    char large[QR_PAYLOAD_CAPACITY + 1];
    char reason[PIN_PAYLOAD_REASON_CAPACITY] = "";
    struct pin_payload payload;
    memset(large, 'A', sizeof(large));
    memcpy(large, K, strlen(K));
    assert_int_equal(pin_payload_parse(large, QR_PAYLOAD_CAPACITY, &payload, reason),
                     ERROR_SYNTAX);
    assert_non_null(strstr(reason, "too long"));
    /* A NUL inside is no end, nor one of a number (found by the fuzzer). */
    static const char number[] = K ADDRESS ":4\00043";
    assert_int_equal(pin_payload_parse(number, sizeof(number) - 1, &payload, reason),
                     ERROR_SYNTAX);
    assert_int_equal(
        pin_payload_parse(K ADDRESS "\0" T, strlen(K ADDRESS) + 1, &payload, reason),
        ERROR_SYNTAX);
}

/* What is drawn is what is read. */
static void test_round_trip(void **state)
{
    (void)state;
    static const uint8_t invitation[QR_INVITATION_SIZE] = {0xff, 1, 2, [15] = 0xff};
    struct own_addresses addresses = {.count = 2};
    struct pin_payload payload;
    char pin[64];
    char text[QR_PAYLOAD_CAPACITY];
    char reason[PIN_PAYLOAD_REASON_CAPACITY] = "";
    assert_true(text_copy(pin, sizeof(pin), PIN));
    text_lower(pin);
    assert_true(lanname_address_parse("192.168.100.151", &addresses.at[0]));
    assert_true(lanname_address_parse("fd12:3456:789a:bcde:f012:3456:789a:bcde",
                                      &addresses.at[1]));
    assert_int_equal(qr_payload(pin, &addresses, 65535, text), 0);
    assert_int_equal(qr_payload_invite(invitation, text), 0);
    assert_int_equal(strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"),
                     strlen(text));
    assert_int_equal(pin_payload_parse(text, strlen(text), &payload, reason), 0);
    assert_true(payload.has_invitation);
    assert_memory_equal(payload.invitation, invitation, sizeof(invitation));
    assert_int_equal(payload.place_count, 2);
    char longest[QR_PAYLOAD_CAPACITY];
    memset(longest, 'A', sizeof(longest));
    longest[sizeof(longest) - 10] = '\0';
    assert_int_equal(qr_payload_invite(invitation, longest), ERROR_LIMIT);
}

static void test_place(void **state)
{
    (void)state;
    struct address place;
    assert_int_equal(pin_payload_place("192.168.1.51", &place), 0);
    assert_int_equal(address_port(&place), 443);
    assert_int_equal(pin_payload_place("[fd12::1]:8443", &place), 0);
    assert_int_equal(pin_payload_place("8.8.8.8", &place), ERROR_RANGE);
    assert_int_equal(pin_payload_place("/run/x.sock", &place), ERROR_RANGE);
    assert_true(pin_payload_place("camera.local", &place) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

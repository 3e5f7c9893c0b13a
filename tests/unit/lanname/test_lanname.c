/* The name grammar: rows of tests/vectors/lanname/labels, and the label codec held
 * against inet_pton and inet_ntop, which know nothing of ours, over a few hundred
 * thousand generated labels. */
#include "base/lanname.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct lanname_policy strict_policy = {0};

/* The classes of allowance that the vectors name. */
static const char *allowance(const struct lanname_address *address)
{
    const struct lanname_policy shared = {.shared = true};
    const struct lanname_policy loopback = {.loopback = true};
    if (lanname_allowed(address, &strict_policy)) {
        assert_true(lanname_allowed(address, &shared));
        assert_true(lanname_allowed(address, &loopback));
        return "yes";
    }
    if (lanname_allowed(address, &shared)) {
        assert_false(lanname_allowed(address, &loopback));
        return "shared";
    }
    return lanname_allowed(address, &loopback) ? "loopback" : "no";
}

static void describe(const char *label, char *ret_text, size_t capacity)
{
    struct lanname_address address = {.family = 99};
    const uint8_t *octets = (const uint8_t *)label;
    size_t size = strlen(label);
    char text[46];
    switch (lanname_parse_label(octets, size, &address)) {
    case LANNAME_NOT_ADDRESS:
        assert_int_equal(address.family, 99);
        snprintf(ret_text, capacity, "%s",
                 lanname_is_host_label(octets, size) ? "host" : "other");
        return;
    case LANNAME_ADDRESS_INVALID:
        assert_int_equal(address.family, 99);
        assert_false(lanname_is_host_label(octets, size));
        snprintf(ret_text, capacity, "invalid");
        return;
    case LANNAME_ADDRESS:
        assert_false(lanname_is_host_label(octets, size));
        lanname_address_text(&address, text);
        snprintf(ret_text, capacity, "%s %s", text, allowance(&address));
        return;
    }
    fail();
}

static void test_vectors(void **state)
{
    (void)state;
    FILE *file = fopen(VECTORS "/lanname/labels", "r");
    char line[256];
    size_t count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        char *bar = strstr(line, " | ");
        char got[128] = "";
        if (line[0] == '#' || bar == NULL) {
            continue;
        }
        *bar = '\0';
        char *expected = bar + 3;
        expected[strcspn(expected, "\n")] = '\0';
        describe(line, got, sizeof(got));
        if (strcmp(got, expected) != 0) {
            fail_msg("'%s' is '%s', not '%s'", line, got, expected);
        }
        count++;
    }
    fclose(file);
    assert_true(count > 90);
}

/* xorshift: a fixed seed makes a failure repeatable. */
static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* An independent reading of a label: hyphens become dots or colons and inet_pton decides;
 * canonical means that printing the octets by printf gives the label again. */
static int judge(const char *label, uint8_t octets[static 16])
{
    char text[128];
    char again[128];
    bool shaped = label[0] != '\0' && strspn(label, "0123456789abcdef-") == strlen(label);
    size_t hyphens = 0;
    for (const char *at = label; *at != '\0'; at++) {
        hyphens += *at == '-';
    }
    if (!shaped || (hyphens < 2 && strpbrk(label, "abcdef") != NULL)) {
        return LANNAME_NOT_ADDRESS;
    }
    for (int family = AF_INET; family != 0; family = family == AF_INET ? AF_INET6 : 0) {
        snprintf(text, sizeof(text), "%s", label);
        for (char *at = text; *at != '\0'; at++) {
            *at = *at == '-' ? (family == AF_INET ? '.' : ':') : *at;
        }
        if (inet_pton(family, text, octets) != 1) {
            continue;
        }
        if (family == AF_INET) {
            snprintf(again, sizeof(again), "%d-%d-%d-%d", octets[0], octets[1], octets[2],
                     octets[3]);
        } else {
            size_t used = 0;
            for (size_t i = 0; i < 16; i += 2) {
                used +=
                    (size_t)snprintf(again + used, sizeof(again) - used, "%s%x",
                                     i > 0 ? "-" : "", octets[i] << 8 | octets[i + 1]);
            }
        }
        if (strcmp(again, label) == 0) {
            return family;
        }
    }
    return -1;
}

static void compare(const char *label)
{
    struct lanname_address address = {0};
    uint8_t octets[16] = {0};
    char written[LANNAME_ADDRESS_LABEL_MAX + 1];
    int expected = judge(label, octets);
    enum lanname_label got =
        lanname_parse_label((const uint8_t *)label, strlen(label), &address);
    if (expected == LANNAME_NOT_ADDRESS || expected == -1) {
        if (got != (expected == -1 ? LANNAME_ADDRESS_INVALID : LANNAME_NOT_ADDRESS)) {
            fail_msg("'%s': inet_pton says no address, we say %d", label, got);
        }
        return;
    }
    if (got != LANNAME_ADDRESS || address.family != (expected == AF_INET ? 4 : 6) ||
        memcmp(octets, address.octets, expected == AF_INET ? 4 : 16) != 0) {
        fail_msg("'%s': inet_pton says an address, we say %d", label, got);
    }
    lanname_write_label(&address, written);
    assert_string_equal(written, label);
}

static void test_differential_random_labels(void **state)
{
    (void)state;
    static const char alphabet[] = "0011223456789abcdef----fd";
    uint32_t seed = 20261121;
    for (int i = 0; i < 200000; i++) {
        char label[64];
        size_t size = next_random(&seed) % 20;
        for (size_t j = 0; j < size; j++) {
            label[j] = alphabet[next_random(&seed) % (sizeof(alphabet) - 1)];
        }
        label[size] = '\0';
        compare(label);
    }
}

/* Groups near every border, and then one octet of a good label damaged. */
static void test_differential_near_misses(void **state)
{
    (void)state;
    static const char *const groups[] = {
        "0",    "1",     "9", "10", "99",  "255", "256", "00", "01",  "ffff",
        "fd00", "10000", "a", "",   "192", "168", "1e1", "8",  "fd12"};
    static const char damage[] = "0123456789abcdefgz-";
    uint32_t seed = 7;
    for (int i = 0; i < 200000; i++) {
        char label[128] = "";
        size_t used = 0;
        size_t count = next_random(&seed) % 2 == 0 ? 4 : 8;
        count += next_random(&seed) % 8 == 0;
        for (size_t j = 0; j < count; j++) {
            size_t kind = next_random(&seed) % (sizeof(groups) / sizeof(groups[0]));
            used += (size_t)snprintf(label + used, sizeof(label) - used, "%s%s",
                                     j > 0 ? "-" : "", groups[kind]);
        }
        if (used > LANNAME_LABEL_MAX) {
            continue;
        }
        compare(label);
        label[next_random(&seed) % used] =
            damage[next_random(&seed) % (sizeof(damage) - 1)];
        compare(label);
    }
}

/* Every canonical label survives a round trip, whatever the octets. */
static void test_round_trip(void **state)
{
    (void)state;
    uint32_t seed = 99;
    for (int i = 0; i < 100000; i++) {
        struct lanname_address address = {.family = i % 2 == 0 ? 4 : 6};
        struct lanname_address parsed;
        struct lanname_address again;
        char label[LANNAME_ADDRESS_LABEL_MAX + 1];
        char text[46];
        for (size_t j = 0; j < (address.family == 4 ? 4 : 16); j++) {
            uint32_t value = next_random(&seed);
            address.octets[j] = value % 3 == 0 ? 0 : (uint8_t)(value >> 8);
        }
        lanname_write_label(&address, label);
        assert_int_equal(lanname_parse_label((uint8_t *)label, strlen(label), &parsed),
                         LANNAME_ADDRESS);
        assert_memory_equal(&parsed, &address, sizeof(address));
        lanname_address_text(&address, text);
        assert_true(lanname_address_parse(text, &again));
        assert_memory_equal(&again, &address, sizeof(address));
    }
}

static void test_address_text(void **state)
{
    (void)state;
    struct lanname_address address = {0};
    assert_false(lanname_address_parse("", &address));
    assert_false(lanname_address_parse("192.168.1", &address));
    assert_false(lanname_address_parse("192.168.1.1 ", &address));
    assert_false(lanname_address_parse("fe80::1%eth0", &address));
    assert_int_equal(address.family, 0);
    assert_true(lanname_address_parse("fd12:0:0::1", &address));
    assert_int_equal(address.family, 6);
}

static void test_id(void **state)
{
    (void)state;
    static const char good[] = "abcdefghijklmnopqrstuvwxyz234567";
    assert_true(lanname_is_id((const uint8_t *)good, 32));
    assert_true(lanname_is_id((const uint8_t *)"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32));
    assert_false(lanname_is_id((const uint8_t *)good, 31));
    assert_false(lanname_is_id((const uint8_t *)"abcdefghijklmnopqrstuvwxyz2345677", 33));
    for (unsigned c = 0; c < 256; c++) {
        uint8_t label[32];
        memcpy(label, good, 32);
        label[c % 32] = (uint8_t)c;
        bool base32 =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
        assert_int_equal(lanname_is_id(label, 32), base32);
    }
}

static void test_identifier(void **state)
{
    (void)state;
#define ID "abcdefghijklmnopqrstuvwxyz234567"
    static const struct {
        const char *name;
        bool good;
        bool wildcard;
    } cases[] = {
        {ID ".lan.example.com", true, false},
        {"*." ID ".lan.example.com", true, true},
        {"*.*." ID ".lan.example.com", false, false},
        {"a." ID ".lan.example.com", false, false},
        {ID ".lan.example.com.", false, false},
        {ID ".lan.example.org", false, false},
        {ID "lan.example.com", false, false},
        {ID, false, false},
        {"lan.example.com", false, false},
        {"*.lan.example.com", false, false},
        {"", false, false},
        {"*.", false, false},
        {"Abcdefghijklmnopqrstuvwxyz234567.lan.example.com", false, false},
        {"1bcdefghijklmnopqrstuvwxyz234567.lan.example.com", false, false},
        {"bcdefghijklmnopqrstuvwxyz234567.lan.example.com", false, false},
        {ID ".LAN.example.com", false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char id[LANNAME_ID_SIZE + 1] = "unset";
        bool wildcard = false;
        bool good =
            lanname_parse_identifier(cases[i].name, "lan.example.com", id, &wildcard);
        if (good != cases[i].good || wildcard != cases[i].wildcard) {
            fail_msg("'%s'", cases[i].name);
        }
        assert_string_equal(id, good ? ID : "unset");
    }
}

static void test_device_name(void **state)
{
    (void)state;
    char name[300] = "";
    char zone[260];
    assert_true(lanname_device_name(ID, "lan.example.com", name, sizeof(name)));
    assert_string_equal(name, ID ".lan.example.com");
    assert_false(lanname_device_name(ID, "lan.example.com", name, strlen(name)));
    assert_true(lanname_device_name(ID, "lan.example.com", name, strlen(name) + 1));
    memset(zone, 'z', sizeof(zone));
    zone[253 - 33] = '\0';
    assert_true(lanname_device_name(ID, zone, name, sizeof(name)));
    assert_int_equal(strlen(name), 253);
    zone[253 - 33] = 'z';
    zone[254 - 33] = '\0';
    assert_false(lanname_device_name(ID, zone, name, sizeof(name)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_differential_random_labels),
        cmocka_unit_test(test_differential_near_misses),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_address_text),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_identifier),
        cmocka_unit_test(test_device_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

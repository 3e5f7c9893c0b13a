/* The examples of RFC 9018, appendix A, and what makes a cookie no longer ours. */
#include "dns/cookie.h"

#include "base/net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct example {
    const char *client; /* address */
    uint8_t secret[16];
    int64_t now_at;
    uint8_t cookie[DNS_COOKIE_SIZE];
};

static const struct example examples[] = {
    {"198.51.100.100",
     {0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37,
      0xbf, 0xcf},
     0x5cf79f11,
     {0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57, 0x01, 0x00, 0x00, 0x00,
      0x5c, 0xf7, 0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80}},
    {"198.51.100.100",
     {0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37,
      0xbf, 0xcf},
     0x5cf7a871,
     {0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57, 0x01, 0x00, 0x00, 0x00,
      0x5c, 0xf7, 0xa8, 0x71, 0xd4, 0xa5, 0x64, 0xa1, 0x44, 0x2a, 0xca, 0x77}},
    {"2001:db8:220:1:59de:d0f4:8769:82b8",
     {0xdd, 0x3b, 0xdf, 0x93, 0x44, 0xb6, 0x78, 0xb1, 0x85, 0xa6, 0xf5, 0xcb, 0x60, 0xfc,
      0xa7, 0x15},
     0x5cf7c579,
     {0x22, 0x68, 0x1a, 0xb9, 0x7d, 0x52, 0xc2, 0x98, 0x01, 0x00, 0x00, 0x00,
      0x5c, 0xf7, 0xc5, 0x79, 0x26, 0x55, 0x6b, 0xd0, 0x93, 0x4c, 0x72, 0xf8}},
    {"2001:db8:220:1:59de:d0f4:8769:82b8",
     {0x44, 0x55, 0x36, 0xbc, 0xd2, 0x51, 0x32, 0x98, 0x07, 0x5a, 0x5d, 0x37, 0x96, 0x63,
      0xc9, 0x62},
     0x5cf7c609,
     {0x22, 0x68, 0x1a, 0xb9, 0x7d, 0x52, 0xc2, 0x98, 0x01, 0x00, 0x00, 0x00,
      0x5c, 0xf7, 0xc6, 0x09, 0xa6, 0xbb, 0x79, 0xd1, 0x66, 0x25, 0x50, 0x7a}},
};

enum { EXAMPLES = sizeof(examples) / sizeof(examples[0]) };

static struct sockaddr_storage at(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, 1, &address), 0);
    return address.storage;
}

/* SipHash takes its key as two little-endian words. */
static void take_secret(const uint8_t secret[static 16], uint64_t ret_key[static 2])
{
    ret_key[0] = ret_key[1] = 0;
    for (unsigned i = 0; i < 16; i++) {
        ret_key[i / 8] |= (uint64_t)secret[i] << (8 * (i % 8));
    }
}

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *example = &examples[i];
        struct dns_cookie_keys keys = {.made_at = example->now_at};
        struct sockaddr_storage client = at(example->client);
        uint8_t cookie[DNS_COOKIE_SIZE];
        take_secret(example->secret, keys.current);
        dns_cookie_make(&keys, example->cookie, &client, example->now_at, cookie);
        assert_memory_equal(cookie, example->cookie, sizeof(cookie));
    }
}

static bool is_ours(const struct dns_cookie_keys *keys, const uint8_t *cookie,
                    size_t size, const char *client_text, int64_t now_at)
{
    struct sockaddr_storage client = at(client_text);
    return dns_cookie_is_ours(keys, (struct bytes){cookie, size}, &client, now_at);
}

/* A.3: whoever made it may have put something into the reserved octets. */
static void test_reserved_octets(void **state)
{
    static const uint8_t cookie[DNS_COOKIE_SIZE] = {
        0xfc, 0x93, 0xfc, 0x62, 0x80, 0x7d, 0xdb, 0x86, 0x01, 0xab, 0xcd, 0xef,
        0x5c, 0xf7, 0x8f, 0x71, 0xa3, 0x14, 0x22, 0x7b, 0x66, 0x79, 0xeb, 0xf5};
    struct dns_cookie_keys keys = {.made_at = 0};
    (void)state;
    take_secret(examples[0].secret, keys.current);
    assert_true(is_ours(&keys, cookie, sizeof(cookie), "203.0.113.203", 0x5cf78f71));
}

static void test_what_is_ours(void **state)
{
    const struct example *example = &examples[0];
    struct dns_cookie_keys keys = {.made_at = 0};
    int64_t at_s = example->now_at;
    uint8_t cookie[DNS_COOKIE_SIZE + 1] = {0};
    (void)state;
    memcpy(cookie, example->cookie, DNS_COOKIE_SIZE);
    take_secret(example->secret, keys.current);
    assert_true(is_ours(&keys, cookie, 24, example->client, at_s));
    assert_true(is_ours(&keys, cookie, 24, "::ffff:198.51.100.100", at_s));
    assert_true(is_ours(&keys, cookie, 24, example->client, at_s + 3600));
    assert_true(is_ours(&keys, cookie, 24, example->client, at_s - 300));
    assert_false(is_ours(&keys, cookie, 24, example->client, at_s + 3601));
    assert_false(is_ours(&keys, cookie, 24, example->client, at_s - 301));
    assert_false(is_ours(&keys, cookie, 24, "198.51.100.101", at_s));
    assert_false(is_ours(&keys, cookie, 8, example->client, at_s));
    assert_false(is_ours(&keys, cookie, 25, example->client, at_s));
    assert_false(is_ours(&keys, cookie, 0, example->client, at_s));
    for (unsigned bit = 0; bit < 8 * DNS_COOKIE_SIZE; bit++) {
        cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(is_ours(&keys, cookie, 24, example->client, at_s));
        cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* A cookie outlives one turn of the keys, and not two. */
static void test_turn(void **state)
{
    struct dns_cookie_keys keys;
    struct sockaddr_storage client = at("192.0.2.1");
    uint8_t cookie[DNS_COOKIE_SIZE];
    const int64_t start_at = 1000000;
    const int64_t day_s = 86400;
    (void)state;
    assert_int_equal(dns_cookie_keys_init(&keys, start_at), 0);
    const struct dns_cookie_keys first = keys;
    dns_cookie_keys_turn(&keys, start_at + day_s - 1);
    assert_memory_equal(&keys, &first, sizeof(keys));
    dns_cookie_make(&keys, (const uint8_t *)"12345678", &client, start_at + day_s - 1,
                    cookie);
    dns_cookie_keys_turn(&keys, start_at + day_s);
    assert_memory_not_equal(keys.current, first.current, sizeof(keys.current));
    assert_memory_equal(keys.former, first.current, sizeof(keys.former));
    assert_true(is_ours(&keys, cookie, 24, "192.0.2.1", start_at + day_s));
    dns_cookie_keys_turn(&keys, start_at + 2 * day_s);
    assert_false(is_ours(&keys, cookie, 24, "192.0.2.1", start_at + day_s));
    /* A clock that was set back does not keep a key for years. */
    dns_cookie_keys_turn(&keys, 1000);
    assert_int_equal(keys.made_at, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_reserved_octets),
        cmocka_unit_test(test_what_is_ours),
        cmocka_unit_test(test_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

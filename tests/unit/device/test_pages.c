#include "device/page_status.h"

#include "base/core/text.h"
#include "device/page_guard.h"
#include "device/page_text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#define ID "abcdefghijklmnopqrstuvwxyz234567"

static struct own_addresses addresses;

static struct device_status sample(void)
{
    addresses.count = 2;
    assert_true(lanname_address_parse("192.168.1.51", &addresses.at[0]));
    assert_true(lanname_address_parse("fd12:3456::1", &addresses.at[1]));
    return (struct device_status){
        .now_at = 1800000000,
        .id = ID,
        .pin = ID "abcdefghijklmnopqrsa",
        .zone = "lan.example.com",
        .label = "home",
        .local_name = "camera.local",
        .directory = "https://relay.lan.example.com/acme/directory",
        .account_url = "",
        .addresses = &addresses,
        .port = 443,
        .state = LIFE_TRUSTED,
        .is_trusted = true,
        .trusted = {.is_present = true,
                    .serial = "0badcafe",
                    .issuer = "CN=Some CA",
                    .fingerprint = "1111",
                    .not_before_at = 1799990000,
                    .not_after_at = 1803888000},
        .fallback = {.is_present = true,
                     .serial = "5eed",
                     .issuer = "CN=" ID,
                     .fingerprint = "2222333344445555",
                     .not_after_at = 1830000000},
        .renew_at = 1802592000,
        .renew_advised = true,
        .failure_code = "",
        .failure_text = "",
    };
}

static struct buffer render(const struct device_status *status, bool by_name)
{
    struct buffer html = buffer_init(64 << 10);
    struct brand brand = brand_init();
    struct page_html_frame frame = {.brand = &brand, .csrf = by_name ? "" : "x"};
    struct page_status_visit visit = {.by_name = by_name, .is_trusted = by_name};
    assert_int_equal(page_status_render(status, &visit, &frame, &html), 0);
    return html;
}

static void has(const struct buffer *html, const char *text)
{
    if (strstr(buffer_text(html), text) == NULL) {
        fail_msg("'%s' is missing in %s", text, buffer_text(html));
    }
}

static void lacks(const struct buffer *html, const char *text)
{
    if (strstr(buffer_text(html), text) != NULL) {
        fail_msg("'%s' should not be there", text);
    }
}

static void test_trusted(void **state)
{
    (void)state;
    struct device_status status = sample();
    struct buffer html = render(&status, true);
    has(&html, page_text(PAGE_TEXT_TRUSTED_HEAD));
    has(&html, "https://home." ID ".lan.example.com/");
    has(&html, "https://192-168-1-51." ID ".lan.example.com/");
    has(&html, "https://fd12-3456-0-0-0-0-0-1." ID ".lan.example.com/");
    has(&html, "https://[fd12:3456::1]/");
    has(&html, "0badcafe");
    has(&html, "2027-03-01"); /* its end */
    has(&html, page_text(PAGE_TEXT_RENEWAL_ADVISED));
    has(&html, "2222 3333 4444 5555");
    has(&html, "<svg");
    lacks(&html, page_text(PAGE_TEXT_VISIT_NAME));
    lacks(&html, page_text(PAGE_TEXT_FAILURE_HEAD));
    lacks(&html, "<script");
    lacks(&html, "style=");
    buffer_free(&html);
    html = render(&status, false);
    has(&html, page_text(PAGE_TEXT_VISIT_NAME));
    buffer_free(&html);
}

static void test_fallback_says_why(void **state)
{
    (void)state;
    struct device_status status = sample();
    status.is_trusted = false;
    status.state = LIFE_FIRST;
    status.failure_code = "eab";
    status.failure_text = "the relay said \"<b>no</b>\" & more";
    status.next_try_s = 90;
    struct buffer html = render(&status, false);
    has(&html, page_text(PAGE_TEXT_NEW_HEAD));
    has(&html, "enrolment token");
    has(&html, "&quot;&lt;b&gt;no&lt;/b&gt;&quot; &amp; more");
    has(&html, "90 seconds");
    has(&html, "5eed");
    buffer_free(&html);
    status.state = LIFE_EXPIRED;
    html = render(&status, false);
    has(&html, page_text(PAGE_TEXT_EXPIRED_HEAD));
    buffer_free(&html);
}

static void test_before_the_zone_is_known(void **state)
{
    (void)state;
    struct device_status status = sample();
    status.zone = "";
    status.is_trusted = false;
    status.state = LIFE_FIRST;
    addresses.count = 0;
    status.port = 8443;
    struct buffer html = render(&status, false);
    lacks(&html, "https://home.");
    has(&html, "camera.local");
    has(&html, page_text(PAGE_TEXT_NO_ADDRESSES));
    buffer_free(&html);
}

static void test_every_failure_has_a_sentence(void **state)
{
    (void)state;
    static const char *const codes[] = {
        "net",    "server",      "protocol", "rate-limit", "paused",     "account",
        "eab",    "user-action", "rejected", "csr",        "dns",        "caa",
        "order",  "chain",       "no-relay", "wait",       "not-served", "reload-failed",
        "device", "disk",        "worker",
    };
    const char *general = page_text_failure("something new");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_not_equal(page_text_failure(codes[i]), general);
    }
}

#define NASTY "<x>&\"'"

/* Whatever text comes from outside is text on the page. */
static void test_every_text_is_escaped(void **state)
{
    (void)state;
    static struct diagnosis diagnosis;
    struct device_status status = sample();
    struct brand brand = brand_init();
    char nasty[] = NASTY;
    brand.name = nasty;
    diagnosis_init(&diagnosis);
    diagnosis.at = 1799999000;
    for (int i = 0; i < DIAGNOSIS_CODE_COUNT; i++) {
        enum diagnosis_check check = diagnosis_code_check((enum diagnosis_code)i);
        if (check != DIAGNOSIS_CHECK_COUNT) {
            diagnosis_set(&diagnosis, check, (enum diagnosis_code)i);
        }
    }
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_PRIVATE, DIAGNOSIS_REBINDING_FILTER);
    diagnosis_add(&diagnosis, DIAGNOSIS_CHECK_PRIVATE, "%s", NASTY);
    assert_true(text_copy(diagnosis.zone, sizeof(diagnosis.zone), NASTY));
    status.diagnosis = &diagnosis;
    status.id = status.pin = status.zone = status.label = status.local_name = NASTY;
    status.directory = status.failure_code = status.failure_text = NASTY;
    status.mdns_name = NASTY "2";
    status.live.failure_code = NASTY;
    status.storage = "full";
    status.is_cloned = true;
    struct status_certificate *const certificates[] = {&status.trusted, &status.fallback};
    for (size_t i = 0; i < 2; i++) {
        assert_true(text_copy(certificates[i]->issuer, 256, NASTY));
        assert_true(text_copy(certificates[i]->serial, 48, NASTY));
        assert_true(text_copy(certificates[i]->fingerprint, 65, NASTY));
    }
    for (int i = 0; i < 4; i++) {
        struct buffer html = buffer_init(PAGE_HTML_BYTES);
        struct page_html_frame frame = {
            .brand = &brand, .has_login = true, .csrf = i % 2 == 0 ? NASTY : ""};
        struct page_status_visit visit = {.is_trusted = false};
        status.is_trusted = i < 2;
        assert_int_equal(page_status_render(&status, &visit, &frame, &html), 0);
        has(&html, "&lt;x&gt;&amp;&quot;&#39;");
        lacks(&html, "<x>");
        lacks(&html, "&\"");
        lacks(&html, "=\"<");
        lacks(&html, "<script");
        lacks(&html, "style=");
        lacks(&html, "onclick");
        buffer_reset(&html);
        assert_int_equal(page_status_fragment(&status, &html), 0);
        lacks(&html, "<x>");
        buffer_free(&html);
    }
}

/* The fingerprints prove nothing on a page that the browser could not check. */
static void test_fingerprints_need_a_checked_page(void **state)
{
    (void)state;
    struct device_status status = sample();
    status.is_trusted = false;
    struct buffer html = render(&status, false);
    lacks(&html, "2222 3333");
    lacks(&html, "LATCHKEY:1/");
    lacks(&html, page_text(PAGE_TEXT_QR_LABEL));
    has(&html, "does not show the fingerprint");
    buffer_free(&html);
}

static void test_whats_wrong_is_shown(void **state)
{
    (void)state;
    static struct diagnosis diagnosis;
    struct device_status status = sample();
    diagnosis_init(&diagnosis);
    diagnosis.at = status.now_at - 120;
    assert_true(text_copy(diagnosis.zone, sizeof(diagnosis.zone), "lan.example.com"));
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_CLOCK, DIAGNOSIS_CLOCK_RIGHT);
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_PRIVATE, DIAGNOSIS_REBINDING_FILTER);
    diagnosis_add(&diagnosis, DIAGNOSIS_CHECK_PRIVATE, "resolver 192.168.1.1");
    status.diagnosis = &diagnosis;
    status.storage = "read-only";
    status.is_cloned = status.is_clock_signed = true;
    status.live.failure_code = "reload-failed";
    struct buffer html = render(&status, true); /* a stranger */
    has(&html, "drops answers with private addresses");
    has(&html, "Make an exception for the zone");
    has(&html, "OpenWrt");
    has(&html, "2 minutes ago");
    has(&html, page_text(PAGE_TEXT_ATTENTION_CLONE));
    has(&html, "it is full or read-only");
    has(&html, "did not take it over");
    has(&html, "time that the relay has signed");
    lacks(&html, "resolver 192.168.1.1");
    buffer_free(&html);
    /* What the diagnosis says too is said once. */
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_IDENTITY, DIAGNOSIS_IDENTITY_CLONED);
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_STORAGE, DIAGNOSIS_STORAGE_READ_ONLY);
    diagnosis_set(&diagnosis, DIAGNOSIS_CHECK_CLOCK, DIAGNOSIS_CLOCK_WRONG);
    html = render(&status, true);
    has(&html, page_text_mend(DIAGNOSIS_CLOCK_WRONG));
    lacks(&html, page_text(PAGE_TEXT_ATTENTION_CLONE));
    lacks(&html, "it is full or read-only");
    lacks(&html, "time that the relay has signed");
    has(&html, page_text(PAGE_TEXT_ATTENTION_RELOAD));
    buffer_free(&html);
    html = render(&status, false); /* the owner */
    has(&html, "resolver 192.168.1.1");
    buffer_free(&html);
}

static void expect_prose(const char *text, const char *expected)
{
    struct buffer html = buffer_init(1024);
    html_prose(&html, "p class=\"x\"", text);
    assert_string_equal(buffer_text(&html), expected);
    buffer_free(&html);
}

static void test_words_to_type(void **state)
{
    (void)state;
    expect_prose("Check `relay` and `a < \"b\"`.",
                 "<p class=\"x\">Check <code>relay</code> and <code>a &lt; "
                 "&quot;b&quot;</code>.</p>");
    expect_prose("`relay`", "<p class=\"x\"><code>relay</code></p>");
    expect_prose("<no> word", "<p class=\"x\">&lt;no&gt; word</p>");
    expect_prose("one `a` and <half` of", "<p class=\"x\">one <code>a</code> and "
                                          "&lt;half` of</p>");
    expect_prose("", "<p class=\"x\"></p>");
    struct device_status status = sample();
    status.failure_code = "no-relay";
    struct buffer html = render(&status, true);
    has(&html, "Check <code>relay</code> in the");
    lacks(&html, "`");
    buffer_free(&html);
}

static void test_public_json(void **state)
{
    (void)state;
    struct device_status status = sample();
    json_t *object = NULL;
    status.failure_code = "net";
    status.failure_text = "no route to 10.0.0.1";
    status.live.holds = "trusted";
    status.live.fingerprint = status.live.failure_text = "";
    status.live.failure_code = "reload-failed";
    assert_int_equal(device_status_to_public_json(&status, &object), 0);
    assert_string_equal(json_get_text(object, "serving"), "trusted");
    assert_string_equal(json_get_text(json_get_object(object, "failure"), "code"), "net");
    static const char *const private_ones[] = {
        "relay", "account", "version", "live", "diagnosis", "ownerHost", "fallback"};
    for (size_t i = 0; i < sizeof(private_ones) / sizeof(private_ones[0]); i++) {
        assert_null(json_object_get(object, private_ones[i]));
    }
    assert_null(json_object_get(json_get_object(object, "failure"), "detail"));
    assert_int_equal(json_array_size(json_get_array(object, "attention")), 1);
    json_decref(object);
}

static void test_hosts_by_kind(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum page_guard_host kind;
        const char *host;
    } cases[] = {
        {"HOME." ID ".LAN.example.com:8443", PAGE_GUARD_NAMED,
         "home." ID ".lan.example.com"},
        {ID ".lan.example.com.", PAGE_GUARD_NAMED, ID ".lan.example.com"},
        {"192.168.1.51:80", PAGE_GUARD_ADDRESS, "192.168.1.51"},
        {"[FD12:3456::1]:443", PAGE_GUARD_ADDRESS, "fd12:3456::1"},
        {"camera.local", PAGE_GUARD_LOCAL, "camera.local"},
        {"latchkey-abcdefgh.local", PAGE_GUARD_LOCAL, "latchkey-abcdefgh.local"},
        {"nas.example.net", PAGE_GUARD_OWNER, "nas.example.net"},
        {"nas.example.net.evil.example", PAGE_GUARD_FOREIGN, ""},
        {"fd12:3456::1", PAGE_GUARD_FOREIGN, ""},
        {"[192.168.1.51]", PAGE_GUARD_FOREIGN, ""},
        {"[camera.local]", PAGE_GUARD_FOREIGN, ""},
        {"127.0.0.1:81@x", PAGE_GUARD_FOREIGN, ""},
        {"x@192.168.1.51", PAGE_GUARD_FOREIGN, ""},
        {"192.168.1.51:999999", PAGE_GUARD_FOREIGN, ""},
        {"192.168.1.51:80 ", PAGE_GUARD_FOREIGN, ""},
        {"192.168.1.51/", PAGE_GUARD_FOREIGN, ""},
        {"192.168.1.051", PAGE_GUARD_FOREIGN, ""},
        {"0xc0.168.1.51", PAGE_GUARD_FOREIGN, ""},
        {"3232235827", PAGE_GUARD_FOREIGN, ""},
        {"a b." ID ".lan.example.com", PAGE_GUARD_FOREIGN, ""},
        {"<script>." ID ".lan.example.com", PAGE_GUARD_FOREIGN, ""},
        {"." ID ".lan.example.com", PAGE_GUARD_FOREIGN, ""},
        {"a.b." ID ".lan.example.com", PAGE_GUARD_FOREIGN, ""},
        {"[::1", PAGE_GUARD_FOREIGN, ""},
        {".", PAGE_GUARD_FOREIGN, ""},
        {"", PAGE_GUARD_FOREIGN, ""},
    };
    struct device_status status = sample();
    status.mdns_name = "latchkey-abcdefgh.local";
    status.owner_host = "nas.example.net";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char host[PAGE_GUARD_HOST_CAPACITY] = "?";
        enum page_guard_host kind = page_guard_host(cases[i].header, &status, host);
        if (kind != cases[i].kind || strcmp(host, cases[i].host) != 0) {
            fail_msg("'%s' is %d '%s'", cases[i].header, (int)kind, host);
        }
    }
}

static bool is_own_host(const char *header, const struct device_status *status)
{
    char name[PAGE_GUARD_HOST_CAPACITY];
    return page_guard_host(header, status, name) != PAGE_GUARD_FOREIGN;
}

static void test_own_hosts(void **state)
{
    (void)state;
    static const char *const own[] = {
        "192.168.1.51",
        "192.168.1.51:8443",
        "[fd12:3456::1]",
        "[fd12:3456::1]:443",
        "10.9.9.9",
        "camera.local",
        "CAMERA.local:443",
        "camera.local.",
        "localhost:18443",
        ID ".lan.example.com",
        "home." ID ".lan.example.com:443",
        "192-168-1-51." ID ".LAN.example.com",
    };
    static const char *const foreign[] = {
        "",
        "evil.example",
        "evil.example:443",
        "lan.example.com",
        "x.y." ID ".lan.example.com",
        ID ".lan.example.com.evil.example",
        "evil" ID ".lan.example.com",
        "camera.local.evil",
        "[fd12::1",
        "192.168.1.51.evil.example",
        "192.168.1.51@evil",
        ":443",
        "[fd12::1]evil.example",
        "localhost:443:evil",
        "localhost:evil",
    };
    struct device_status status = sample();
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (!is_own_host(own[i], &status)) {
            fail_msg("'%s' is refused", own[i]);
        }
    }
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (is_own_host(foreign[i], &status)) {
            fail_msg("'%s' is taken", foreign[i]);
        }
    }
    assert_false(is_own_host(NULL, &status));
    status.zone = "";
    assert_false(is_own_host("home." ID ".", &status));
}

static void test_status_json(void **state)
{
    (void)state;
    struct device_status status = sample();
    json_t *object = NULL;
    assert_int_equal(device_status_to_json(&status, &object), 0);
    assert_string_equal(json_get_text(object, "serving"), "trusted");
    assert_string_equal(json_get_text(object, "reason"), "trusted");
    assert_string_equal(json_get_text(object, "stableUrl"),
                        "https://home." ID ".lan.example.com/");
    assert_string_equal(json_get_text(json_get_object(object, "trusted"), "serial"),
                        "0badcafe");
    assert_int_equal(json_array_size(json_get_array(object, "urls")), 2);
    assert_null(json_get_object(object, "failure"));
    json_decref(object);
    status.is_trusted = false;
    status.state = LIFE_RECOVERING;
    status.failure_code = "net";
    status.failure_at = 1800000000;
    assert_int_equal(device_status_to_json(&status, &object), 0);
    assert_string_equal(json_get_text(object, "reason"), "expired");
    assert_string_equal(json_get_text(json_get_object(object, "failure"), "code"), "net");
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_fallback_says_why),
        cmocka_unit_test(test_before_the_zone_is_known),
        cmocka_unit_test(test_every_failure_has_a_sentence),
        cmocka_unit_test(test_own_hosts),
        cmocka_unit_test(test_status_json),
        cmocka_unit_test(test_every_text_is_escaped),
        cmocka_unit_test(test_fingerprints_need_a_checked_page),
        cmocka_unit_test(test_whats_wrong_is_shown),
        cmocka_unit_test(test_words_to_type),
        cmocka_unit_test(test_public_json),
        cmocka_unit_test(test_hosts_by_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

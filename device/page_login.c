/* The secret has 100 bits, so guessing it is hopeless; the limit is for secrets that a
 * maker has made shorter. A try is counted before it is looked at, and a right one is
 * refused as well while the limit holds, else the limit would tell nothing.
 *
 * SameSite=Strict keeps the cookie out of requests from elsewhere, but names under one id
 * are of one site, and other programs of this device may have their own: so a write is also
 * looked at for its origin and its token. */
#include "device/page_login.h"

#include "base/core/clock.h"
#include "base/core/log.h"
#include "device/page_form.h"
#include "device/page_guard.h"

#include <string.h>

#define COOKIE "__Host-latchkey"

enum { SECRET_BYTES = 128, COOKIE_BYTES = 256 };

/* The cookie's value, when it looks like a token of ours. */
static bool cookie_token(const struct http_exchange *exchange,
                         char ret_token[static ADMIN_SESSIONS_TOKEN_SIZE + 1])
{
    const char *at = http_exchange_header(exchange, "Cookie");
    while (at != NULL && *at != '\0') {
        at += strspn(at, " ;");
        size_t size = strcspn(at, ";");
        if (text_starts_with(at, COOKIE "=")) {
            const char *value = at + strlen(COOKIE "=");
            return text_format(ret_token, ADMIN_SESSIONS_TOKEN_SIZE + 1, "%.*s",
                               (int)(size - strlen(COOKIE "=")), value);
        }
        at += size;
    }
    return false;
}

struct admin_session *page_login_session(struct page_login *login,
                                         const struct http_exchange *exchange)
{
    char token[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    if (!cookie_token(exchange, token)) {
        return NULL;
    }
    struct admin_session *session =
        admin_sessions_find(&login->sessions, token, clock_mono_ms());
    digest_wipe(token, sizeof(token));
    return session;
}

/* Browsers say where a request comes from; what says nothing is no browser. */
static bool is_from_here(const struct http_exchange *exchange)
{
    const char *site = http_exchange_header(exchange, "Sec-Fetch-Site");
    const char *origin = http_exchange_header(exchange, "Origin");
    const char *host = http_exchange_header(exchange, "Host");
    if (site != NULL && strcmp(site, "same-origin") != 0) {
        return false;
    }
    return origin == NULL || (text_starts_with(origin, "https://") && host != NULL &&
                              text_equal_nocase(origin + strlen("https://"), host));
}

bool page_login_is_own(const struct admin_session *session,
                       const struct http_exchange *exchange)
{
    struct buffer csrf = buffer_init(SECRET_BYTES);
    int error = page_form_value(http_exchange_header(exchange, "Content-Type"),
                                http_exchange_body(exchange), "csrf", &csrf);
    bool is_own = error == 0 && is_from_here(exchange) &&
                  admin_sessions_is_csrf(session, buffer_text(&csrf));
    buffer_free(&csrf);
    return is_own;
}

static void go_to(struct http_exchange *exchange, const char *path)
{
    http_exchange_add_header(exchange, "Location", path);
    http_exchange_respond(exchange, 303, "text/plain", "", 0);
}

void page_login_demand(struct http_exchange *exchange)
{
    go_to(exchange, "/login?ended");
}

static void respond_form(const struct page_login *login, struct http_exchange *exchange,
                         const struct brand *brand, int code, enum page_text message)
{
    struct buffer html = buffer_init(PAGE_HTML_BYTES);
    struct page_html_frame frame = {
        .brand = brand, .title = PAGE_TEXT_LOGIN_HEAD, .has_login = true, .csrf = ""};
    page_html_start(&frame, PAGE_HTML_OWNER, &html);
    if (!http_exchange_is_trusted(exchange)) {
        buffer_append_text(&html, "<section class=\"warn\">");
        html_element(&html, "p", page_text(PAGE_TEXT_LOGIN_UNTRUSTED));
        buffer_append_text(&html, "</section>\n");
    }
    buffer_append_text(&html, "<section>");
    html_element(&html, "h1", page_text(PAGE_TEXT_LOGIN_HEAD));
    if (!login->secret.is_set) {
        html_element(&html, "p", page_text(PAGE_TEXT_LOGIN_NONE));
    } else {
        html_element(&html, "p", page_text(PAGE_TEXT_LOGIN_BODY));
        buffer_append_text(&html, "<form method=\"post\" action=\"/login\">");
        if (message != PAGE_TEXT_COUNT) {
            html_element(&html, "p class=\"error\" role=\"alert\" id=\"message\"",
                         page_text(message));
        }
        html_element(&html, "label for=\"secret\"", page_text(PAGE_TEXT_LOGIN_SECRET));
        buffer_printf(&html,
                      "<input id=\"secret\" name=\"secret\" type=\"password\" "
                      "autocomplete=\"current-password\" spellcheck=\"false\" "
                      "maxlength=\"100\" required autofocus%s><div>",
                      message != PAGE_TEXT_COUNT ? " aria-describedby=\"message\"" : "");
        html_element(&html, "button class=\"main\"", page_text(PAGE_TEXT_LOGIN_BUTTON));
        buffer_append_text(&html, "</div></form>");
    }
    buffer_append_text(&html, "</section>\n");
    page_html_end(&html);
    if (html.error == 0) {
        http_exchange_respond(exchange, code, "text/html; charset=utf-8", html.data,
                              html.size);
    } else {
        page_guard_refuse(exchange, 500, page_text(PAGE_TEXT_BROKEN));
    }
    buffer_free(&html);
}

static void open_session(struct page_login *login, struct http_exchange *exchange)
{
    char token[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    char cookie[COOKIE_BYTES];
    if (admin_sessions_open(&login->sessions, clock_mono_ms(), token) < 0 ||
        !text_format(cookie, sizeof(cookie),
                     COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict", token)) {
        page_guard_refuse(exchange, 500, page_text(PAGE_TEXT_BROKEN));
        return;
    }
    http_exchange_add_header(exchange, "Set-Cookie", cookie);
    digest_wipe(token, sizeof(token));
    digest_wipe(cookie, sizeof(cookie));
    go_to(exchange, "/");
}

static void take_login(struct page_login *login, struct http_exchange *exchange,
                       const struct brand *brand)
{
    struct address peer;
    char peer_text[ADDRESS_TEXT_CAPACITY];
    struct buffer given = buffer_init_secret(SECRET_BYTES);
    http_exchange_peer(exchange, &peer);
    address_host_text(&peer, peer_text);
    int error = page_form_value(http_exchange_header(exchange, "Content-Type"),
                                http_exchange_body(exchange), "secret", &given);
    if (!is_from_here(exchange) || error == ERROR_SYNTAX || error == ERROR_NOT_FOUND) {
        respond_form(login, exchange, brand, 400, PAGE_TEXT_COUNT);
    } else if (!admin_sessions_may_try(&login->sessions, &peer, clock_mono_ms())) {
        http_exchange_add_header(exchange, "Retry-After", "60");
        respond_form(login, exchange, brand, 429, PAGE_TEXT_LOGIN_MANY);
    } else if (error == 0 &&
               admin_secret_matches(&login->secret, buffer_text(&given), given.size)) {
        log_info("login: %s has logged in with the admin secret", peer_text);
        admin_sessions_note_right(&login->sessions, &peer);
        open_session(login, exchange);
    } else {
        admin_sessions_note_wrong(&login->sessions, &peer, clock_mono_ms());
        log_warning("login: %s has tried a wrong admin secret", peer_text);
        respond_form(login, exchange, brand, 403, PAGE_TEXT_LOGIN_WRONG);
    }
    buffer_free(&given);
}

static void take_logout(struct page_login *login, struct http_exchange *exchange)
{
    struct admin_session *session = page_login_session(login, exchange);
    if (session != NULL && !page_login_is_own(session, exchange)) {
        page_guard_refuse(exchange, 403, page_text(PAGE_TEXT_LOGIN_ENDED));
        return;
    }
    if (session != NULL) {
        admin_sessions_close(session);
    }
    http_exchange_add_header(exchange, "Set-Cookie",
                             COOKIE "=; Path=/; Secure; HttpOnly; SameSite=Strict; "
                                    "Max-Age=0");
    go_to(exchange, "/");
}

bool page_login_respond(struct page_login *login, struct http_exchange *exchange,
                        const struct brand *brand)
{
    const char *path = http_exchange_path(exchange);
    bool is_post = strcmp(http_exchange_method(exchange), "POST") == 0;
    if (strcmp(path, "/login") != 0 && strcmp(path, "/logout") != 0) {
        return false;
    }
    if (is_post && strcmp(path, "/logout") == 0) {
        take_logout(login, exchange);
    } else if (is_post && login->secret.is_set) {
        take_login(login, exchange, brand);
    } else if (strcmp(path, "/logout") == 0) {
        go_to(exchange, "/");
    } else if (page_guard_is_read(exchange)) {
        bool ended = strcmp(http_exchange_query(exchange), "ended") == 0;
        respond_form(login, exchange, brand, 200,
                     ended ? PAGE_TEXT_LOGIN_ENDED : PAGE_TEXT_COUNT);
    } else {
        page_guard_refuse_write(exchange);
    }
    return true;
}

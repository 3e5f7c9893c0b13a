/* A session's cookie belongs to the name at which the owner logged in, and a trial is to be
 * confirmed at another: the link there carries a ticket, random and good for this trial
 * alone. It proves that who confirms is who began; that the certificate works is proved by
 * the connection, which must have been shown it. */
#include "device/page_owner.h"

#include "base/core/clock.h"
#include "base/crypto/random.h"
#include "device/agent_owner.h"
#include "device/page_form.h"

#include <stdlib.h>
#include <string.h>

enum { HOST_BYTES = 512, UPLOAD_BYTES = 64 << 10, PEM_COLUMNS = 64, REASON_BYTES = 512 };

#define FOLDER "/certificate"
#define HTML_TYPE "text/html; charset=utf-8"

/* What a page of this request is made from. */
struct view {
    struct page_owner *owner;
    struct agent *agent;
    const struct admin_session *session; /* NULL on the page of a ticket */
    const struct brand *brand;
    struct http_exchange *exchange;
    struct status_owner status;
    const struct upload_verdicts *verdicts; /* of a refused upload, or NULL */
    enum page_text message;                 /* PAGE_TEXT_COUNT: none */
    const char *reason;                     /* {1} of the message */
};

static void open_form(struct buffer *html, const struct view *view, const char *path,
                      bool has_file)
{
    buffer_printf(html, "<form method=\"post\" action=\"" FOLDER "/%s\"%s>", path,
                  has_file ? " enctype=\"multipart/form-data\"" : "");
    buffer_append_text(html, "<input type=\"hidden\" name=\"csrf\" value=\"");
    html_escape(html, view->session != NULL ? view->session->csrf : view->owner->ticket);
    buffer_append_text(html, "\">");
}

static void draw_button(struct buffer *html, bool is_main, enum page_text text)
{
    html_element(html, is_main ? "button class=\"main\"" : "button class=\"main second\"",
                 page_text(text));
}

static void draw_act(struct buffer *html, const struct view *view, const char *path,
                     enum page_text text, bool is_main)
{
    open_form(html, view, path, false);
    draw_button(html, is_main, text);
    buffer_append_text(html, "</form>");
}

static enum page_text check_label(enum upload_check check)
{
    switch (check) {
    case UPLOAD_READ:
        return PAGE_TEXT_OWNER_CHECK_READ;
    case UPLOAD_SECRET:
        return PAGE_TEXT_OWNER_CHECK_SECRET;
    case UPLOAD_KEY:
        return PAGE_TEXT_OWNER_CHECK_KEY;
    case UPLOAD_LINKS:
        return PAGE_TEXT_OWNER_CHECK_LINKS;
    case UPLOAD_NAME:
        return PAGE_TEXT_OWNER_CHECK_NAME;
    case UPLOAD_DATES:
        return PAGE_TEXT_OWNER_CHECK_DATES;
    case UPLOAD_PURPOSE:
        return PAGE_TEXT_OWNER_CHECK_PURPOSE;
    case UPLOAD_STRENGTH:
    case UPLOAD_CHECK_COUNT:
        break;
    }
    return PAGE_TEXT_OWNER_CHECK_STRENGTH;
}

static void draw_verdicts(struct buffer *html, const struct upload_verdicts *verdicts)
{
    buffer_append_text(html, "<section class=\"bad\" role=\"alert\">");
    html_element(html, "h2", page_text(PAGE_TEXT_OWNER_NOT_TAKEN));
    buffer_append_text(html, "</section>\n<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_OWNER_VERDICTS));
    buffer_append_text(html, "<ul class=\"list\">");
    for (size_t i = 0; i < verdicts->count; i++) {
        const struct upload_verdict *one = &verdicts->at[i];
        buffer_append_text(html, "<li>");
        html_element(
            html, one->is_good ? "span class=\"level ok\"" : "span class=\"level fail\"",
            page_text(one->is_good ? PAGE_TEXT_OWNER_PASSED : PAGE_TEXT_OWNER_REFUSED));
        html_element(html, "h3", page_text(check_label(one->check)));
        if (!one->is_good) {
            html_element(html, "p", one->sentence);
        }
        buffer_append_text(html, "</li>");
    }
    buffer_append_text(html, "</ul></section>\n");
}

static void draw_message(struct buffer *html, const struct view *view)
{
    if (view->message != PAGE_TEXT_COUNT) {
        buffer_append_text(html, "<section class=\"bad\" role=\"alert\">");
        page_html_fill(html, "p", view->message, view->reason, NULL);
        buffer_append_text(html, "</section>\n");
    }
}

/* The page of the trial at the name on trial, by the port that the owner came by. */
static void draw_trial_link(struct buffer *html, const struct view *view)
{
    const char *host = http_exchange_header(view->exchange, "Host");
    const char *bracket = host != NULL ? strrchr(host, ']') : NULL;
    const char *port =
        host != NULL ? strchr(bracket != NULL ? bracket : host, ':') : NULL;
    buffer_append_text(html, "<p><a class=\"button\" href=\"https://");
    html_escape(html, view->status.host);
    html_escape(html, port != NULL ? port : "");
    buffer_append_text(html, FOLDER "/trial?");
    html_escape(html, view->owner->ticket);
    buffer_append_text(html, "\">");
    html_escape(html, page_text(PAGE_TEXT_OWNER_TRIAL_LINK));
    buffer_append_text(html, "</a></p>");
}

/* Whether this connection was shown the certificate on trial. */
static bool is_by_trial(const struct view *view)
{
    uint8_t leaf[DIGEST_SHA256_SIZE];
    char text[TEXT_HEX_SIZE(DIGEST_SHA256_SIZE) + 1];
    if (http_exchange_leaf(view->exchange, leaf) < 0) {
        return false;
    }
    text_hex(leaf, sizeof(leaf), text);
    return text_equal_nocase(text, view->status.certificate->fingerprint);
}

static void draw_trial(struct buffer *html, const struct view *view)
{
    struct buffer left = buffer_init(HOST_BYTES);
    page_html_relative_text(view->status.trial_s, 0, &left);
    buffer_append_text(html, "<section class=\"warn\">");
    html_element(html, "h2", page_text(PAGE_TEXT_OWNER_TRIAL_HEAD));
    bool is_here = is_by_trial(view);
    page_html_fill(html, "p",
                   is_here ? PAGE_TEXT_OWNER_TRIAL_HERE : PAGE_TEXT_OWNER_TRIAL_BODY,
                   view->status.host, buffer_text(&left));
    if (is_here) {
        html_element(html, "p", page_text(PAGE_TEXT_OWNER_CONFIRM_NOTE));
        draw_act(html, view, "confirm", PAGE_TEXT_OWNER_CONFIRM, true);
    } else {
        html_element(html, "p", page_text(PAGE_TEXT_OWNER_CONFIRM_NOT));
        draw_trial_link(html, view);
    }
    draw_act(html, view, "cancel", PAGE_TEXT_OWNER_RETURN, false);
    buffer_append_text(html, "</section>\n");
    buffer_free(&left);
}

static void draw_active(struct buffer *html, const struct view *view, int64_t now_at)
{
    buffer_printf(html, "<section class=\"%s\">",
                  view->status.warn_days > 0 ? "warn" : "good");
    page_html_fill(html, "p", PAGE_TEXT_OWNER_ACTIVE, view->status.host, NULL);
    buffer_append_text(html, "<dl>");
    page_html_row(html, PAGE_TEXT_ISSUER, view->status.certificate->issuer);
    page_html_time_row(html, PAGE_TEXT_VALID_UNTIL,
                       view->status.certificate->not_after_at, now_at, NULL);
    buffer_append_text(html, "</dl>");
    draw_act(html, view, "remove", PAGE_TEXT_OWNER_REMOVE, false);
    buffer_append_text(html, "</section>\n");
}

static void draw_steps(struct buffer *html, const struct view *view)
{
    const struct status_owner *status = &view->status;
    const char *host =
        status->request_host[0] != '\0' ? status->request_host : status->host;
    buffer_append_text(html, "<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_OWNER_STEP_NAME));
    open_form(html, view, "request", false);
    html_element(html, "label for=\"host\"", page_text(PAGE_TEXT_OWNER_HOST));
    buffer_append_text(html,
                       "<input id=\"host\" name=\"host\" required maxlength=\"253\" "
                       "autocapitalize=\"none\" spellcheck=\"false\" "
                       "aria-describedby=\"host-note\" value=\"");
    html_escape(html, host);
    buffer_append_text(html, "\">");
    html_element(html, "p class=\"note\" id=\"host-note\"",
                 page_text(PAGE_TEXT_OWNER_HOST_NOTE));
    draw_button(html, host[0] == '\0', PAGE_TEXT_OWNER_HOST_BUTTON);
    buffer_append_text(html, "</form></section>\n");
    if (host[0] == '\0') {
        return;
    }
    buffer_append_text(html, "<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_OWNER_STEP_SIGN));
    html_element(html, "p", page_text(PAGE_TEXT_OWNER_CSR_NOTE));
    draw_act(html, view, "csr", PAGE_TEXT_OWNER_CSR, true);
    buffer_append_text(html, "</section>\n<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_OWNER_STEP_TRY));
    open_form(html, view, "upload", true);
    html_element(html, "label for=\"file\"", page_text(PAGE_TEXT_OWNER_UPLOAD));
    buffer_append_text(html, "<input id=\"file\" name=\"file\" type=\"file\" required "
                             "accept=\".pem,.crt,.cer,.der,.p7b\" "
                             "aria-describedby=\"file-note\">");
    html_element(html, "p class=\"note\" id=\"file-note\"",
                 page_text(PAGE_TEXT_OWNER_UPLOAD_NOTE));
    draw_button(html, true, PAGE_TEXT_OWNER_UPLOAD_BUTTON);
    buffer_append_text(html, "</form></section>\n");
}

static void respond_html(const struct view *view, int code, struct buffer *html)
{
    page_html_end(html);
    if (html->error == 0) {
        http_exchange_respond(view->exchange, code, HTML_TYPE, html->data, html->size);
    } else {
        page_guard_refuse(view->exchange, 500, page_text(PAGE_TEXT_BROKEN));
    }
}

static void respond_view(struct view *view, int code)
{
    struct buffer html = buffer_init(PAGE_HTML_BYTES);
    struct page_html_frame frame = {.brand = view->brand,
                                    .title = PAGE_TEXT_OWNER_HEAD,
                                    .has_login = true,
                                    .csrf = view->session->csrf};
    agent_owner_fill_status(view->agent, &view->status);
    const char *state = view->status.state;
    page_html_start(&frame, PAGE_HTML_OWNER, &html);
    html_element(&html, "h1", page_text(PAGE_TEXT_OWNER_HEAD));
    html_element(&html, "p class=\"lead\"", page_text(PAGE_TEXT_OWNER_BODY));
    draw_message(&html, view);
    if (view->verdicts != NULL) {
        draw_verdicts(&html, view->verdicts);
    }
    if (view->status.failure[0] != '\0') {
        html_element(&html, "p class=\"error\"", view->status.failure);
    }
    if (strcmp(state, "trial") == 0) {
        draw_trial(&html, view);
    } else {
        if (strcmp(state, "active") == 0 || strcmp(state, "expired") == 0) {
            draw_active(&html, view, clock_wall_at());
        }
        draw_steps(&html, view);
    }
    respond_html(view, code, &html);
    buffer_free(&html);
}

/* At the name on trial, where the owner is not logged in. */
static void respond_trial(struct view *view, int code)
{
    struct buffer html = buffer_init(PAGE_HTML_BYTES);
    struct page_html_frame frame = {.brand = view->brand,
                                    .title = PAGE_TEXT_OWNER_TRIAL_HEAD,
                                    .has_login = true,
                                    .csrf = ""};
    page_html_start(&frame, PAGE_HTML_ELSEWHERE, &html);
    draw_message(&html, view);
    if (strcmp(view->status.state, "trial") == 0) {
        draw_trial(&html, view);
    } else {
        buffer_append_text(&html, "<section class=\"good\" role=\"status\">");
        html_element(&html, "h1", page_text(PAGE_TEXT_OWNER_DONE));
        if (view->status.host[0] != '\0') {
            page_html_fill(&html, "p", PAGE_TEXT_OWNER_ACTIVE, view->status.host, NULL);
        }
        buffer_append_text(&html, "</section>\n");
    }
    respond_html(view, code, &html);
    buffer_free(&html);
}

static void go_to(const struct view *view)
{
    http_exchange_add_header(view->exchange, "Location", FOLDER);
    http_exchange_respond(view->exchange, 303, "text/plain", "", 0);
}

static void fail(struct view *view, enum page_text message, const char *reason)
{
    view->message = message;
    view->reason = reason;
    respond_view(view, 400);
}

static int form_value(const struct view *view, const char *name, struct buffer *value)
{
    return page_form_value(http_exchange_header(view->exchange, "Content-Type"),
                           http_exchange_body(view->exchange), name, value);
}

/* "-----BEGIN ...": what most authorities take. */
static int write_pem(const struct buffer *der, struct buffer *pem)
{
    char *text = malloc(TEXT_BASE64URL_SIZE(der->size) + 4);
    if (text == NULL) {
        return ERROR_MEMORY;
    }
    text_base64url(der->data, der->size, text);
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        text[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }
    while (size % 4 != 0) {
        text[size++] = '=';
    }
    buffer_append_text(pem, "-----BEGIN CERTIFICATE REQUEST-----\n");
    for (size_t at = 0; at < size; at += PEM_COLUMNS) {
        buffer_append(pem, text + at, size - at < PEM_COLUMNS ? size - at : PEM_COLUMNS);
        buffer_append_text(pem, "\n");
    }
    buffer_append_text(pem, "-----END CERTIFICATE REQUEST-----\n");
    free(text);
    return pem->error;
}

static void take_request(struct view *view)
{
    struct buffer host = buffer_init(HOST_BYTES);
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    char reason[REASON_BYTES] = "";
    int error = form_value(view, "host", &host);
    if (error == 0) {
        error = agent_owner_request(view->agent, buffer_text(&host), &der, reason,
                                    sizeof(reason));
    }
    if (error == ERROR_RANGE) {
        fail(view, PAGE_TEXT_OWNER_HOST_BAD, reason);
    } else if (error < 0) {
        fail(view, PAGE_TEXT_OWNER_FAILED,
             reason[0] != '\0' ? reason : error_text(error));
    } else {
        go_to(view);
    }
    buffer_free(&host);
    buffer_free(&der);
}

static void give_csr(struct view *view)
{
    struct buffer der = buffer_init(LIMIT_CSR_BYTES);
    struct buffer pem = buffer_init(LIMIT_CSR_BYTES * 2);
    char reason[REASON_BYTES] = "";
    char disposition[HOST_BYTES];
    const char *host = view->status.request_host[0] != '\0' ? view->status.request_host
                                                            : view->status.host;
    int error = agent_owner_request(view->agent, host, &der, reason, sizeof(reason));
    if (error == 0) {
        error = write_pem(&der, &pem);
    }
    /* The name was checked: letters, digits, hyphens and dots. */
    if (error == 0 && !text_format(disposition, sizeof(disposition),
                                   "attachment; filename=\"%s.csr\"", host)) {
        error = ERROR_LIMIT;
    }
    if (error < 0) {
        fail(view, PAGE_TEXT_OWNER_FAILED,
             reason[0] != '\0' ? reason : error_text(error));
    } else {
        http_exchange_add_header(view->exchange, "Content-Disposition", disposition);
        http_exchange_respond(view->exchange, 200, "application/pkcs10", pem.data,
                              pem.size);
    }
    buffer_free(&der);
    buffer_free(&pem);
}

static int new_ticket(char ret_ticket[static ADMIN_SESSIONS_TOKEN_SIZE + 1])
{
    uint8_t bytes[32];
    int error = random_bytes(bytes, sizeof(bytes));
    if (error == 0) {
        text_base64url(bytes, sizeof(bytes), ret_ticket);
    }
    return error;
}

static void take_upload(struct view *view)
{
    struct buffer file = buffer_init_secret(UPLOAD_BYTES + 1);
    struct upload_verdicts verdicts = {.count = 0};
    char ticket[ADMIN_SESSIONS_TOKEN_SIZE + 1];
    int error = form_value(view, "file", &file);
    if (error == 0) {
        error = new_ticket(ticket);
    }
    if (error == 0) {
        error = agent_owner_offer(view->agent, buffer_bytes(&file), &verdicts);
    }
    if (error == 0) {
        memcpy(view->owner->ticket, ticket, sizeof(ticket));
        go_to(view);
    } else if (error == ERROR_RANGE) {
        view->verdicts = &verdicts;
        respond_view(view, 400);
    } else {
        fail(view, PAGE_TEXT_OWNER_FAILED, error_text(error));
    }
    buffer_free(&file);
}

static void take_confirm(struct view *view)
{
    uint8_t leaf[DIGEST_SHA256_SIZE];
    int error = http_exchange_leaf(view->exchange, leaf);
    if (error == 0) {
        error = agent_owner_confirm(view->agent, leaf);
    }
    if (error == ERROR_DENIED) {
        view->message = PAGE_TEXT_OWNER_CONFIRM_NOT;
    } else if (error < 0) {
        view->message = PAGE_TEXT_OWNER_FAILED;
        view->reason = error_text(error);
    } else {
        view->owner->ticket[0] = '\0';
    }
    agent_owner_fill_status(view->agent, &view->status);
    if (view->session != NULL) {
        respond_view(view, error == 0 ? 200 : 400);
    } else {
        respond_trial(view, error == 0 ? 200 : 400);
    }
}

static void take_cancel(struct view *view)
{
    agent_owner_cancel(view->agent);
    view->owner->ticket[0] = '\0';
    if (view->session != NULL) {
        go_to(view);
        return;
    }
    agent_owner_fill_status(view->agent, &view->status);
    respond_trial(view, 200);
}

static void take_remove(struct view *view)
{
    int error = agent_owner_remove(view->agent);
    if (error < 0) {
        fail(view, PAGE_TEXT_OWNER_FAILED, error_text(error));
    } else {
        go_to(view);
    }
}

static bool is_ticket(const struct page_owner *owner, const char *text)
{
    return owner->ticket[0] != '\0' && strlen(text) == ADMIN_SESSIONS_TOKEN_SIZE &&
           digest_equal(text, owner->ticket, ADMIN_SESSIONS_TOKEN_SIZE);
}

/* The holder of a ticket may see the trial, confirm it and end it. False: it is none. */
static bool respond_by_ticket(struct view *view, const char *name, bool is_post)
{
    struct buffer ticket = buffer_init(HOST_BYTES);
    if (is_post && form_value(view, "csrf", &ticket) < 0) {
        buffer_reset(&ticket);
    }
    bool is_good = is_ticket(view->owner, is_post ? buffer_text(&ticket)
                                                  : http_exchange_query(view->exchange));
    buffer_free(&ticket);
    if (is_good && !is_post && strcmp(name, "/trial") == 0) {
        respond_trial(view, 200);
    } else if (is_good && is_post && strcmp(name, "/confirm") == 0) {
        take_confirm(view);
    } else if (is_good && is_post && strcmp(name, "/cancel") == 0) {
        take_cancel(view);
    } else {
        return false;
    }
    return true;
}

static void respond_write(struct view *view, const char *name)
{
    static const struct {
        const char *name;
        void (*take)(struct view *view);
    } writes[] = {
        {"/request", take_request}, {"/csr", give_csr},       {"/upload", take_upload},
        {"/confirm", take_confirm}, {"/cancel", take_cancel}, {"/remove", take_remove},
    };
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        if (strcmp(name, writes[i].name) == 0) {
            writes[i].take(view);
            return;
        }
    }
    page_guard_refuse(view->exchange, 404, page_text(PAGE_TEXT_NOT_FOUND));
}

bool page_owner_respond(struct page_owner *owner, struct agent *agent,
                        struct page_login *login, const struct brand *brand,
                        struct http_exchange *exchange)
{
    const char *path = http_exchange_path(exchange);
    const char *name = path + strlen(FOLDER);
    if (!text_starts_with(path, FOLDER) || (*name != '\0' && *name != '/')) {
        return false;
    }
    bool is_post = strcmp(http_exchange_method(exchange), "POST") == 0;
    struct view view = {.owner = owner,
                        .agent = agent,
                        .session = page_login_session(login, exchange),
                        .brand = brand,
                        .exchange = exchange,
                        .message = PAGE_TEXT_COUNT};
    agent_owner_fill_status(agent, &view.status);
    if (view.session == NULL && respond_by_ticket(&view, name, is_post)) {
        return true;
    }
    if (view.session == NULL) {
        page_login_demand(exchange);
    } else if (is_post && !page_login_is_own(view.session, exchange)) {
        page_guard_refuse(exchange, 403, page_text(PAGE_TEXT_LOGIN_ENDED));
    } else if (is_post) {
        respond_write(&view, name);
    } else if (!page_guard_is_read(exchange)) {
        page_guard_refuse_write(exchange);
    } else if (*name == '\0' || strcmp(name, "/trial") == 0) {
        respond_view(&view, 200);
    } else {
        page_guard_refuse(exchange, 404, page_text(PAGE_TEXT_NOT_FOUND));
    }
    return true;
}

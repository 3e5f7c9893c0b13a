/* The page is a list of cards, each drawn by one function from the snapshot: what people
 * look for first stands first, and what only experts want is folded away. A state is never
 * told by colour alone: each has its sign and its words. */
#include "device/page_status.h"

#include "device/qr.h"
#include "device/router_mends.h"

#include <string.h>

enum { TEXT_BYTES = 4 << 10 };

#define SIGN_LOCK                                                                        \
    "<rect x=\"4\" y=\"10\" width=\"16\" height=\"11\" rx=\"2\"/>"                       \
    "<path d=\"M8 10V7a4 4 0 0 1 8 0v3M9 15.5l2 2 4-4\"/>"
#define SIGN_WARN "<path d=\"M12 3 2.5 20h19zM12 10v4M12 17v.1\"/>"

static void open_card(struct buffer *html, const char *class, const char *sign)
{
    buffer_printf(html,
                  "<section class=\"state %s\"><svg viewBox=\"0 0 24 24\" "
                  "aria-hidden=\"true\" fill=\"none\" stroke=\"currentColor\" "
                  "stroke-width=\"2\" stroke-linecap=\"round\">%s</svg><div>",
                  class, sign);
}

static void draw_state(const struct device_status *status,
                       const struct page_status_visit *visit, struct buffer *html)
{
    enum page_text head = PAGE_TEXT_TRUSTED_HEAD;
    enum page_text body = PAGE_TEXT_TRUSTED_BODY;
    if (!status->is_trusted) {
        bool expired = strcmp(device_status_reason(status), "expired") == 0;
        head = expired ? PAGE_TEXT_EXPIRED_HEAD : PAGE_TEXT_NEW_HEAD;
        body = expired ? PAGE_TEXT_EXPIRED_BODY : PAGE_TEXT_NEW_BODY;
    }
    open_card(html, status->is_trusted ? "good" : "warn",
              status->is_trusted ? SIGN_LOCK : SIGN_WARN);
    html_element(html, "h1", page_text(head));
    html_element(html, "p", page_text(body));
    if (status->is_trusted && !visit->by_name) {
        html_element(html, "p", page_text(PAGE_TEXT_VISIT_NAME));
    }
    buffer_append_text(html, "</div></section>\n");
}

/* Whether the diagnosis, which draw_diagnosis shows, has something to say on CHECK. */
static bool is_diagnosed(const struct device_status *status, enum diagnosis_check check)
{
    const struct diagnosis *diagnosis = status->diagnosis;
    return diagnosis != NULL && diagnosis->at != 0 &&
           diagnosis_code_level(diagnosis->verdicts[check].code) >= DIAGNOSIS_WARN;
}

/* What a diagnosis says too is said there, with its mend. */
static void draw_attention(const struct device_status *status, struct buffer *html)
{
    const struct {
        bool is_so;
        enum page_text text;
    } notes[] = {
        {status->is_cloned && !is_diagnosed(status, DIAGNOSIS_CHECK_IDENTITY),
         PAGE_TEXT_ATTENTION_CLONE},
        {device_status_is_disk_failing(status) &&
             !is_diagnosed(status, DIAGNOSIS_CHECK_STORAGE),
         PAGE_TEXT_ATTENTION_DISK},
        {status->is_clock_signed && !is_diagnosed(status, DIAGNOSIS_CHECK_CLOCK),
         PAGE_TEXT_ATTENTION_CLOCK},
        {device_status_has_reload_failed(status), PAGE_TEXT_ATTENTION_RELOAD},
    };
    bool owner = status->owner.certificate != NULL && status->owner.warn_days > 0;
    bool is_any = owner;
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        is_any = is_any || notes[i].is_so;
    }
    if (!is_any) {
        return;
    }
    open_card(html, "bad", SIGN_WARN);
    html_element(html, "h2", page_text(PAGE_TEXT_ATTENTION_HEAD));
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        if (notes[i].is_so) {
            html_element(html, "p", page_text(notes[i].text));
        }
    }
    if (owner) {
        struct buffer when = buffer_init(TEXT_BYTES);
        page_html_relative_text(status->owner.certificate->not_after_at, status->now_at,
                                &when);
        page_html_fill(html, "p", PAGE_TEXT_ATTENTION_OWNER, buffer_text(&when), NULL);
        buffer_free(&when);
    }
    buffer_append_text(html, "</div></section>\n");
}

/* The relay's own sentence may name addresses and paths: for the owner only. */
static void draw_failure(const struct device_status *status, bool is_owner,
                         struct buffer *html)
{
    if (status->failure_code[0] == '\0') {
        return;
    }
    struct buffer when = buffer_init(TEXT_BYTES);
    buffer_append_text(html, "<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_FAILURE_HEAD));
    html_prose(html, "p", page_text_failure(status->failure_code));
    buffer_append_text(html, "<p class=\"note\">");
    if (status->failure_at != 0) {
        char human[TEXT_TIME_CAPACITY + 8];
        page_html_time_text(status->failure_at, human);
        buffer_printf(html, "%s. ", human);
    }
    if (status->next_try_s > 0) {
        struct buffer next = buffer_init(TEXT_BYTES);
        page_html_span_text(status->next_try_s, &when);
        page_text_fill(page_text(PAGE_TEXT_NEXT_TRY), buffer_text(&when), NULL, &next);
        html_escape(html, buffer_text(&next));
        buffer_free(&next);
    }
    buffer_append_text(html, "</p>");
    if (is_owner && status->failure_text[0] != '\0') {
        html_element(html, "pre", status->failure_text);
    }
    buffer_append_text(html, "</section>\n");
    buffer_free(&when);
}

static void draw_url(struct buffer *html, const char *url)
{
    buffer_append_text(html, "<dd>");
    page_html_link(html, url);
    buffer_append_text(html, "</dd>");
}

static void draw_public_names(const struct device_status *status, struct buffer *html)
{
    char url[STATUS_NAME_CAPACITY];
    if (!device_status_stable_url(status, url)) {
        return;
    }
    html_element(html, "dt", page_text(PAGE_TEXT_STABLE_NAME));
    buffer_append_text(html, "<dd>");
    page_html_link(html, url);
    buffer_append_text(html, "<br>");
    html_element(html, "small", page_text(PAGE_TEXT_STABLE_NOTE));
    buffer_append_text(html, "</dd>");
    html_element(html, "dt", page_text(PAGE_TEXT_ADDRESS_NAME));
    for (size_t i = 0; i < status->addresses->count; i++) {
        if (device_status_address_url(status, &status->addresses->at[i], url)) {
            draw_url(html, url);
        }
    }
    if (status->addresses->count == 0) {
        html_element(html, "dd", page_text(PAGE_TEXT_NO_ADDRESSES));
    }
}

static void draw_names(const struct device_status *status, struct buffer *html)
{
    char url[STATUS_NAME_CAPACITY];
    buffer_append_text(html, "<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_NAMES_HEAD));
    buffer_append_text(html, "<dl>");
    draw_public_names(status, html);
    html_element(html, "dt", page_text(PAGE_TEXT_LOCAL_NAME));
    const char *const locals[] = {status->local_name, status->mdns_name};
    for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
        bool is_new = locals[i] != NULL && locals[i][0] != '\0' &&
                      (i == 0 || strcmp(locals[0], locals[i]) != 0);
        if (is_new && device_status_host_url(status, locals[i], url)) {
            draw_url(html, url);
        }
    }
    for (size_t i = 0; i < status->addresses->count; i++) {
        if (device_status_plain_url(status, &status->addresses->at[i], url)) {
            draw_url(html, url);
        }
    }
    buffer_append_text(html, "<dd>");
    html_element(html, "small", page_text(PAGE_TEXT_LOCAL_NOTE));
    buffer_append_text(html, "</dd></dl></section>\n");
}

static void draw_order(const struct device_status *status, struct buffer *html)
{
    if (status->is_ordering) {
        page_html_row(html, PAGE_TEXT_ORDER, page_text(PAGE_TEXT_ORDER_AT_WORK));
    } else if (status->next_try_s > 0) {
        struct buffer when = buffer_init(TEXT_BYTES);
        page_html_relative_text(status->now_at + status->next_try_s, status->now_at,
                                &when);
        html_element(html, "dt", page_text(PAGE_TEXT_ORDER));
        page_html_fill(html, "dd", PAGE_TEXT_ORDER_WAITS, buffer_text(&when), NULL);
        buffer_free(&when);
    }
}

static void draw_certificate(const struct device_status *status, struct buffer *html)
{
    const struct status_certificate *used =
        status->is_trusted ? &status->trusted : &status->fallback;
    buffer_append_text(html, "<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_CERTIFICATE_HEAD));
    buffer_append_text(html, "<dl>");
    page_html_row(html, PAGE_TEXT_IN_USE,
                  page_text(status->is_trusted ? PAGE_TEXT_IN_USE_TRUSTED
                                               : PAGE_TEXT_IN_USE_FALLBACK));
    page_html_time_row(html, PAGE_TEXT_VALID_UNTIL, used->not_after_at, status->now_at,
                       NULL);
    if (status->obtained_at != 0) {
        page_html_time_row(html, PAGE_TEXT_OBTAINED, status->obtained_at, status->now_at,
                           NULL);
    }
    if (status->is_trusted && status->renew_at != 0) {
        page_html_time_row(html, PAGE_TEXT_RENEWAL, status->renew_at, status->now_at,
                           status->renew_advised ? page_text(PAGE_TEXT_RENEWAL_ADVISED)
                                                 : NULL);
    }
    draw_order(status, html);
    page_html_row(html, PAGE_TEXT_ISSUER, used->issuer);
    page_html_row(html, PAGE_TEXT_SERIAL, used->serial);
    buffer_append_text(html, "</dl></section>\n");
}

static enum page_text level_text(enum diagnosis_level level)
{
    switch (level) {
    case DIAGNOSIS_OK:
        return PAGE_TEXT_LEVEL_OK;
    case DIAGNOSIS_SKIPPED:
        return PAGE_TEXT_LEVEL_SKIPPED;
    case DIAGNOSIS_UNKNOWN:
        return PAGE_TEXT_LEVEL_UNKNOWN;
    case DIAGNOSIS_WARN:
        return PAGE_TEXT_LEVEL_WARN;
    case DIAGNOSIS_FAIL:
    case DIAGNOSIS_LEVEL_COUNT:
        break;
    }
    return PAGE_TEXT_LEVEL_FAIL;
}

/* Every system whose setting may be the one, folded: people know what router they have. */
void page_status_settings(const struct diagnosis *diagnosis, struct buffer *html)
{
    char line[ROUTER_MENDS_LINE_BYTES];
    html_element(html, "h3", page_text(PAGE_TEXT_DIAGNOSIS_SETTINGS));
    for (size_t i = 0; i < router_mends_count(); i++) {
        const struct router_mend *mend = router_mends_at(i);
        if (!router_mends_fits(mend, diagnosis->router)) {
            continue;
        }
        buffer_append_text(html, "<details>");
        html_element(html, "summary", mend->system);
        html_prose(html, "p", mend->where);
        for (size_t j = 0; router_mends_line(mend, j, diagnosis->zone, line); j++) {
            html_element(html, "pre", line);
        }
        buffer_append_text(html, "</details>");
    }
}

static void draw_verdict(const struct diagnosis *diagnosis, enum diagnosis_check check,
                         bool in_full, struct buffer *html)
{
    const struct verdict *verdict = &diagnosis->verdicts[check];
    enum diagnosis_level level = diagnosis_code_level(verdict->code);
    buffer_printf(html, "<li><span class=\"level %s\">", diagnosis_level_word(level));
    html_escape(html, page_text(level_text(level)));
    buffer_append_text(html, "</span>");
    html_element(html, "h3", page_text_check(check));
    html_prose(html, "p", page_text_verdict(verdict->code));
    if (in_full && page_text_mend(verdict->code)[0] != '\0') {
        html_prose(html, "p class=\"mend\"", page_text_mend(verdict->code));
    }
    if (in_full && diagnosis_code_has_settings(verdict->code)) {
        page_status_settings(diagnosis, html);
    }
}

/* The facts of this network behind a verdict: for the owner only. */
static void draw_detail(const struct verdict *verdict, struct buffer *html)
{
    char line[DIAGNOSIS_LINE_BYTES];
    for (size_t i = 0; diagnosis_line(verdict, i, line); i++) {
        html_element(html, "pre", line);
    }
}

static void draw_diagnosis(const struct device_status *status, bool is_owner,
                           struct buffer *html)
{
    const struct diagnosis *diagnosis = status->diagnosis;
    struct buffer when = buffer_init(TEXT_BYTES);
    if (diagnosis == NULL || diagnosis->at == 0) {
        return;
    }
    page_html_relative_text(diagnosis->at, status->now_at, &when);
    if (diagnosis_worst(diagnosis) >= DIAGNOSIS_WARN) {
        buffer_append_text(html, "<section>");
        html_element(html, "h2", page_text(PAGE_TEXT_DIAGNOSIS_HEAD));
        buffer_append_text(html, "<ul class=\"list\">");
        for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
            if (diagnosis_code_level(diagnosis->verdicts[i].code) >= DIAGNOSIS_WARN) {
                draw_verdict(diagnosis, (enum diagnosis_check)i, true, html);
                if (is_owner) {
                    draw_detail(&diagnosis->verdicts[i], html);
                }
                buffer_append_text(html, "</li>");
            }
        }
        buffer_append_text(html, "</ul></section>\n");
    }
    buffer_append_text(html, "<details class=\"card\">");
    html_element(html, "summary", page_text(PAGE_TEXT_DIAGNOSIS_ALL));
    page_html_fill(html, "p class=\"note\"", PAGE_TEXT_DIAGNOSIS_AT, buffer_text(&when),
                   NULL);
    buffer_append_text(html, "<ul class=\"list\">");
    for (int i = 0; i < DIAGNOSIS_CHECK_COUNT; i++) {
        draw_verdict(diagnosis, (enum diagnosis_check)i, false, html);
        if (is_owner) {
            draw_detail(&diagnosis->verdicts[i], html);
        }
        buffer_append_text(html, "</li>");
    }
    buffer_append_text(html, "</ul></details>\n");
    buffer_free(&when);
}

/* The QR code and the fingerprints, on a page that the browser has checked. */
static int draw_fingerprints(const struct device_status *status, struct buffer *html)
{
    char payload[QR_PAYLOAD_CAPACITY];
    struct buffer label = buffer_init(TEXT_BYTES);
    int error = qr_payload(status->pin, status->addresses, status->port, payload);
    if (error < 0) {
        return error;
    }
    html_escape(&label, page_text(PAGE_TEXT_QR_LABEL));
    html_element(html, "p", page_text(PAGE_TEXT_VERIFY_HERE));
    buffer_append_text(html, "<div class=\"verify\"><div class=\"qr\">");
    error = qr_svg(payload, buffer_text(&label), html);
    buffer_append_text(html, "</div><div>");
    html_element(html, "h3", page_text(PAGE_TEXT_LEAF_FINGERPRINT));
    page_html_grouped(html, status->fallback.fingerprint);
    html_element(html, "small", page_text(PAGE_TEXT_LEAF_NOTE));
    html_element(html, "h3", page_text(PAGE_TEXT_PIN));
    page_html_grouped(html, status->pin);
    html_element(html, "small", page_text(PAGE_TEXT_PIN_NOTE));
    buffer_append_text(html, "</div></div>");
    buffer_free(&label);
    return error;
}

static int draw_verification(const struct device_status *status,
                             const struct page_status_visit *visit, struct buffer *html)
{
    int error = 0;
    if (visit->is_trusted) {
        buffer_append_text(html, "<details class=\"card\">");
        html_element(html, "summary", page_text(PAGE_TEXT_VERIFY_HEAD));
        html_element(html, "p", page_text(PAGE_TEXT_VERIFY_BODY));
        error = draw_fingerprints(status, html);
        buffer_append_text(html, "</details>\n");
        return error;
    }
    buffer_append_text(html, "<section>");
    html_element(html, "h2", page_text(PAGE_TEXT_VERIFY_HEAD));
    html_element(html, "p", page_text(PAGE_TEXT_VERIFY_BODY));
    html_element(html, "p class=\"honest\"", page_text(PAGE_TEXT_VERIFY_NOT_HERE));
    buffer_append_text(html, "</section>\n");
    return 0;
}

static void draw_device(const struct device_status *status, bool is_owner,
                        struct buffer *html)
{
    char addresses[512];
    own_addresses_text(status->addresses, addresses, sizeof(addresses));
    buffer_append_text(html, "<details class=\"card\">");
    html_element(html, "summary", page_text(PAGE_TEXT_DEVICE_HEAD));
    buffer_append_text(html, "<dl>");
    page_html_row(html, PAGE_TEXT_ID, status->id);
    page_html_row(html, PAGE_TEXT_ADDRESSES,
                  status->addresses->count > 0 ? addresses
                                               : page_text(PAGE_TEXT_NO_ADDRESSES));
    page_html_time_row(html, PAGE_TEXT_TIME, status->now_at, status->now_at, NULL);
    if (is_owner) {
        page_html_row(html, PAGE_TEXT_RELAY, status->directory);
        page_html_row(html, PAGE_TEXT_VERSION, LATCHKEY_VERSION);
    }
    buffer_append_text(html, "</dl></details>\n");
}

int page_status_render(const struct device_status *status,
                       const struct page_status_visit *visit,
                       const struct page_html_frame *frame, struct buffer *html)
{
    bool is_owner = frame->csrf[0] != '\0';
    page_html_start(frame, PAGE_HTML_STATUS, html);
    draw_state(status, visit, html);
    draw_attention(status, html);
    draw_diagnosis(status, is_owner, html);
    draw_failure(status, is_owner, html);
    draw_names(status, html);
    draw_certificate(status, html);
    int error = draw_verification(status, visit, html);
    draw_device(status, is_owner, html);
    page_html_end(html);
    return error < 0 ? error : html->error;
}

int page_status_fragment(const struct device_status *status, struct buffer *html)
{
    char url[STATUS_NAME_CAPACITY];
    char until[TEXT_TIME_CAPACITY + 8];
    buffer_printf(html, "<section class=\"latchkey latchkey-%s\" lang=\"",
                  status->is_trusted ? "trusted" : "fallback");
    html_escape(html, page_text(PAGE_TEXT_LANGUAGE));
    buffer_append_text(html, "\" dir=\"");
    html_escape(html, page_text(PAGE_TEXT_DIRECTION));
    buffer_append_text(html, "\">");
    html_element(html, "h2",
                 page_text(status->is_trusted ? PAGE_TEXT_EMBED_TRUSTED
                                              : PAGE_TEXT_EMBED_UNTRUSTED));
    if (status->is_trusted) {
        if (device_status_stable_url(status, url)) {
            buffer_append_text(html, "<p>");
            page_html_link(html, url);
            buffer_append_text(html, "</p>");
        }
        page_html_time_text(status->trusted.not_after_at, until);
        page_html_fill(html, "p", PAGE_TEXT_EMBED_UNTIL, until, NULL);
    } else {
        bool expired = strcmp(device_status_reason(status), "expired") == 0;
        html_element(html, "p",
                     page_text(expired ? PAGE_TEXT_EXPIRED_BODY : PAGE_TEXT_NEW_BODY));
        if (status->failure_code[0] != '\0') {
            html_prose(html, "p", page_text_failure(status->failure_code));
        }
    }
    buffer_append_text(html, "</section>\n");
    return html->error;
}

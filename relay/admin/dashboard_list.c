/* The list of devices, and one device. */
#include "relay/admin/dashboard_page.h"

#include "base/core/html.h"
#include "base/core/limits.h"
#include "base/core/text.h"
#include "relay/admin/dashboard_parts.h"
#include "relay/store/admin_store.h"
#include "relay/store/front_store.h"
#include "relay/store/issuer_store.h"
#include "relay/store/overview.h"

#include <string.h>

enum { HISTORY_ROWS = 10, ID_CAPACITY = 64 };

struct list {
    const struct dashboard_view *view;
    struct buffer *html;
    int64_t now_at;
    unsigned count;
    char last[ID_CAPACITY];
};

static int take_expiry(const struct issuer_store_certificate *certificate, void *arg)
{
    *(int64_t *)arg = certificate->not_after_at;
    return 0;
}

/* The current certificate's end, as a badge. */
static void draw_expiry(const struct list *list, const char *id)
{
    struct database *issuer = observer_issuer(list->view->observer);
    int64_t end_at = 0;
    int error = issuer == NULL
                    ? ERROR_NOT_FOUND
                    : issuer_store_current_certificate(issuer, list->view->zone->zone, id,
                                                       take_expiry, &end_at);
    struct buffer text = buffer_init(64);
    if (error == ERROR_NOT_FOUND) {
        dashboard_parts_badge(list->html, "", "no certificate");
    } else if (error != 0) {
        dashboard_parts_badge(list->html, "bad", error_text(error));
    } else {
        int64_t left_s = end_at - list->now_at;
        dashboard_parts_span(&text, left_s < 0 ? -left_s : left_s);
        (void)buffer_append_text(&text, left_s < 0 ? " expired" : " left");
        dashboard_parts_badge(list->html,
                              left_s < 0           ? "bad"
                              : left_s < 7 * 86400 ? "warn"
                                                   : "good",
                              buffer_text(&text));
    }
    buffer_free(&text);
}

static bool is_blocked(const struct list *list, const char *id)
{
    struct database *admin = observer_admin(list->view->observer);
    bool blocked = false;
    return admin != NULL &&
           admin_store_is_blocked(admin, list->view->zone->zone, id, &blocked) == 0 &&
           blocked;
}

static int draw_device(const struct overview_device *device, void *arg)
{
    struct list *list = arg;
    struct buffer *html = list->html;
    buffer_append_text(html, list->count++ == 0 ? "<ul class=\"list\">" : "");
    buffer_append_text(html, "<li>");
    dashboard_parts_device(list->view, html, device->id);
    buffer_append_text(html, " ");
    draw_expiry(list, device->id);
    if (is_blocked(list, device->id)) {
        dashboard_parts_badge(html, "bad", "blocked");
    }
    if (strcmp(device->status, "valid") != 0) {
        dashboard_parts_badge(html, "", device->status);
    }
    buffer_append_text(html, "<span>enrolled ");
    dashboard_parts_time(html, device->created_at, list->now_at);
    buffer_append_text(html, "</span></li>");
    return text_copy(list->last, sizeof(list->last), device->id) ? 0 : ERROR_LIMIT;
}

static void draw_zones(const struct dashboard_view *view, struct buffer *html)
{
    if (view->config->next == NULL) {
        return;
    }
    buffer_append_text(html, "<nav class=\"zones\" aria-label=\"Zones\">");
    for (const struct relay_config *at = view->config; at != NULL; at = at->next) {
        buffer_append_text(html, "<a href=\"/devices?zone=");
        html_escape(html, at->zone);
        buffer_append_text(html, at == view->zone ? "\" aria-current=\"page\">" : "\">");
        html_escape(html, at->zone);
        buffer_append_text(html, "</a>");
    }
    buffer_append_text(html, "</nav>");
}

static void draw_search(const struct dashboard_view *view, const char *prefix,
                        struct buffer *html)
{
    buffer_append_text(html,
                       "<form action=\"/devices\"><label for=\"q\">Names that begin "
                       "with</label><input id=\"q\" name=\"q\" maxlength=\"32\" "
                       "autocapitalize=\"none\" spellcheck=\"false\" value=\"");
    html_escape(html, prefix);
    buffer_append_text(html, "\"><input type=\"hidden\" name=\"zone\" value=\"");
    html_escape(html, view->zone->zone);
    buffer_append_text(html, "\"><button>Search</button></form>");
}

void dashboard_page_devices(const struct dashboard_view *view, const char *prefix,
                            const char *after, struct buffer *html)
{
    struct database *front = observer_front(view->observer);
    struct list list = {view, html, observer_facts(view->observer)->now_at, 0, ""};
    dashboard_parts_start(view, "Devices", html);
    draw_zones(view, html);
    draw_search(view, prefix, html);
    buffer_append_text(html, "<section>");
    int error = front == NULL ? 0
                              : overview_devices(front, view->zone->zone, prefix, after,
                                                 DASHBOARD_PAGE_ROWS, draw_device, &list);
    buffer_append_text(html, list.count > 0 ? "</ul>" : "");
    if (error != 0) {
        html_element(html, "p", "front.db can't be read");
    } else if (list.count == 0) {
        html_element(html, "p class=\"note\"", "There are no such devices.");
    } else if (list.count == DASHBOARD_PAGE_ROWS) {
        buffer_append_text(html, "<p><a class=\"more\" href=\"/devices?q=");
        html_escape(html, prefix);
        buffer_append_text(html, "&amp;after=");
        html_escape(html, list.last);
        buffer_append_text(html, "&amp;zone=");
        html_escape(html, view->zone->zone);
        buffer_append_text(html, "\">More</a></p>");
    }
    buffer_append_text(html, "</section>");
    dashboard_parts_end(html);
}

/* ---- one device ---- */

static int draw_account(const struct front_store_account *account, void *arg)
{
    const struct list *list = arg;
    struct buffer *html = list->html;
    buffer_append_text(html, "<section><h2 class=\"id\">");
    html_escape(html, account->id);
    buffer_append_text(html, "</h2><dl>");
    dashboard_parts_row(html, "Account", "", account->status);
    dashboard_parts_row(html, "Enrolled with", "",
                        account->token[0] != '\0' ? account->token : "no token");
    html_element(html, "dt", "Since");
    buffer_append_text(html, "<dd>");
    dashboard_parts_time(html, account->created_at, list->now_at);
    buffer_append_text(html, "</dd><dt>Certificate</dt><dd>");
    draw_expiry(list, account->id);
    buffer_append_text(html, "</dd>");
    if (is_blocked(list, account->id)) {
        dashboard_parts_row(html, "Blocked", "bad", "yes");
    }
    return 0;
}

static int draw_addresses(const struct front_store_addresses *addresses, void *arg)
{
    const struct list *list = arg;
    bool none = addresses->gone || addresses->addresses[0] == '\0';
    dashboard_parts_row(list->html, "Addresses", "",
                        none ? "none" : addresses->addresses);
    html_element(list->html, "dt", "Published");
    buffer_append_text(list->html, "<dd>");
    dashboard_parts_time(list->html, addresses->published_at, list->now_at);
    buffer_append_text(list->html, "</dd>");
    return 0;
}

static int draw_certificate(const struct issuer_store_certificate *certificate, void *arg)
{
    const struct list *list = arg;
    struct buffer *html = list->html;
    buffer_append_text(html, "<li><b class=\"id\">");
    html_escape(html, certificate->serial);
    buffer_append_text(html, "</b> ");
    if (certificate->revoked_at != 0) {
        dashboard_parts_badge(html, "bad", "revoked");
    } else if (certificate->replaced) {
        dashboard_parts_badge(html, "", "replaced");
    }
    buffer_append_text(html, "<span>");
    html_escape(html, certificate->names);
    buffer_append_text(html, "</span><span>ends ");
    dashboard_parts_time(html, certificate->not_after_at, list->now_at);
    buffer_append_text(html, "</span></li>");
    return 0;
}

static int draw_order(const struct issuer_store_order *order, void *arg)
{
    const struct list *list = arg;
    struct buffer *html = list->html;
    char problem[LIMIT_DETAIL_BYTES];
    text_printable(problem, sizeof(problem), order->problem, strlen(order->problem));
    buffer_append_text(html, "<li>");
    dashboard_parts_badge(html,
                          order->state == ISSUER_STORE_VALID ? "good"
                          : order->state == ISSUER_STORE_REFUSED ||
                                  order->state == ISSUER_STORE_INVALID
                              ? "bad"
                              : "",
                          issuer_store_state_text(order->state));
    buffer_append_text(html, " ");
    dashboard_parts_time(html, order->created_at, list->now_at);
    if (problem[0] != '\0') {
        html_element(html, "span", problem);
    }
    buffer_append_text(html, "</li>");
    return 0;
}

static int draw_history(const struct list *list, const char *id)
{
    struct database *issuer = observer_issuer(list->view->observer);
    const char *zone = list->view->zone->zone;
    struct list copy = *list;
    if (issuer == NULL) {
        return 0;
    }
    buffer_append_text(list->html, "<section><h2>Certificates</h2><ul class=\"list\">");
    int error = issuer_store_certificates_of(issuer, zone, id, HISTORY_ROWS,
                                             draw_certificate, &copy);
    buffer_append_text(list->html,
                       "</ul></section><section><h2>Orders</h2><ul class=\"list\">");
    if (error == 0) {
        error = issuer_store_orders_of(issuer, zone, id, HISTORY_ROWS, draw_order, &copy);
    }
    buffer_append_text(list->html, "</ul></section>");
    return error;
}

int dashboard_page_device(const struct dashboard_view *view, const char *id,
                          struct buffer *html)
{
    struct database *front = observer_front(view->observer);
    struct list list = {view, html, observer_facts(view->observer)->now_at, 0, ""};
    dashboard_parts_start(view, "Device", html);
    int error = front == NULL ? ERROR_NOT_FOUND
                              : front_store_get_account(front, view->zone->zone, id,
                                                        draw_account, &list);
    if (error != 0) {
        buffer_reset(html);
        return error;
    }
    error = front_store_get_addresses(front, view->zone->zone, id, draw_addresses, &list);
    error = error == ERROR_NOT_FOUND ? 0 : error;
    buffer_append_text(html, "</dl></section>\n");
    if (error == 0) {
        error = draw_history(&list, id);
    }
    dashboard_parts_end(html);
    return error;
}

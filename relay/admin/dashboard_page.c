/* The overview: what is wrong first, then what there is. */
#include "relay/admin/dashboard_page.h"

#include "base/core/html.h"
#include "base/core/text.h"
#include "relay/admin/chart.h"
#include "relay/admin/dashboard_parts.h"
#include "relay/admin/exposition.h"
#include "relay/store/overview.h"
#include "relay/store/queue_store.h"

#include <stdio.h>
#include <string.h>

enum { WAITING_ROWS = 8, CHANGE_ROWS = 10, DAY_S = 86400, MIB = 1 << 20, GIB = 1 << 30 };

static bool ask(const struct observer_facts *facts, enum observer_role_index role,
                const char *series, double *ret_value)
{
    return exposition_value(buffer_bytes(&facts->roles[role].metrics), series, ret_value);
}

/* ---- what is wrong ---- */

static void draw_state(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    bool any = false;
    for (size_t i = 0; i < ALERT_COUNT; i++) {
        const struct alert *alert = &view->alerts->at[i];
        if (!alert->is_active) {
            continue;
        }
        buffer_append_text(html, any ? "<li>"
                                     : "<section class=\"state bad\"><h2>To be mended"
                                       "</h2><ul><li>");
        html_element(html, "b", alert->text);
        buffer_append_text(html, " since ");
        dashboard_parts_time(html, alert->since_at, facts->now_at);
        buffer_append_text(html, "</li>");
        any = true;
    }
    buffer_append_text(html,
                       any ? "</ul></section>\n"
                           : "<section class=\"state good\"><h2>All is well</h2><p>No "
                             "condition holds that needs you.</p></section>\n");
}

static void draw_tile(struct buffer *html, const char *label, const char *mood,
                      const char *value)
{
    buffer_printf(html, "<li class=\"%s\"><b>", mood);
    html_escape(html, value);
    buffer_append_text(html, "</b><span>");
    html_escape(html, label);
    buffer_append_text(html, "</span></li>");
}

static void draw_count(struct buffer *html, const char *label, const char *mood,
                       int64_t count)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)count);
    draw_tile(html, label, mood, text);
}

static void draw_tiles(const struct observer_facts *facts, struct buffer *html)
{
    double rate = facts->dns_rate[OBSERVER_SAMPLES - 1];
    int64_t soon = facts->lives[CENSUS_DAY_1] + facts->lives[CENSUS_DAY_3];
    char text[32] = "–";
    if (rate >= 0) {
        snprintf(text, sizeof(text), rate < 10 ? "%.1f" : "%.0f", rate);
    }
    buffer_append_text(html, "<ul class=\"tiles\">");
    draw_count(html, "devices", "", facts->devices);
    draw_count(html, "certificates in 24 h", "", facts->issued_day);
    draw_count(html, "wait for the CA", facts->waiting > 0 ? "warn" : "", facts->waiting);
    draw_count(html, "end within 3 days", soon > 0 ? "warn" : "", soon);
    draw_count(html, "expired", facts->lives[CENSUS_EXPIRED] > 0 ? "bad" : "",
               facts->lives[CENSUS_EXPIRED]);
    draw_count(html, "seem cloned", facts->clones > 0 ? "warn" : "", facts->clones);
    draw_tile(html, "DNS answers a second", "", text);
    buffer_append_text(html, "</ul>\n");
}

/* ---- charts ---- */

static void draw_lives(const struct observer_facts *facts, struct buffer *html)
{
    static const struct {
        const char *label;
        const char *mood;
    } looks[CENSUS_LIFE_COUNT] = {
        [CENSUS_EXPIRED] = {"ended", "bad"}, [CENSUS_DAY_1] = {"<1", "bad"},
        [CENSUS_DAY_3] = {"<3", "warn"},     [CENSUS_DAY_7] = {"<7", "warn"},
        [CENSUS_DAY_14] = {"<14", ""},       [CENSUS_DAY_30] = {"<30", ""},
        [CENSUS_LONGER] = {"more", ""},
    };
    struct chart_bar bars[CENSUS_LIFE_COUNT];
    for (size_t i = 0; i < CENSUS_LIFE_COUNT; i++) {
        bars[i] =
            (struct chart_bar){.value = (double)facts->lives[i], .mood = looks[i].mood};
        text_copy(bars[i].label, sizeof(bars[i].label), looks[i].label);
    }
    buffer_append_text(html, "<section><h2>Certificates by days left</h2>");
    chart_bars(html, "How many devices' certificates end within how many days", bars,
               CENSUS_LIFE_COUNT);
    buffer_append_text(html, "</section>\n");
}

static void draw_days(const struct observer_facts *facts, struct buffer *html)
{
    struct chart_bar bars[OBSERVER_DAYS];
    for (int i = 0; i < OBSERVER_DAYS; i++) {
        char day[TEXT_TIME_CAPACITY];
        text_time(facts->now_at - (OBSERVER_DAYS - 1 - i) * (int64_t)DAY_S, day);
        bars[i] = (struct chart_bar){.value = (double)facts->issued[i], .mood = ""};
        snprintf(bars[i].label, sizeof(bars[i].label), "%.2s", day + strlen("2027-01-"));
    }
    buffer_append_text(html, "<section><h2>Certificates a day</h2>");
    chart_bars(html, "Certificates issued on each of the last 14 days, UTC", bars,
               OBSERVER_DAYS);
    buffer_append_text(html,
                       "<p class=\"note\">Day of the month, UTC. A CA dates certificates "
                       "back by up to an hour.</p></section>\n");
}

struct series {
    struct buffer *html;
    unsigned count;
};

static void draw_series(const char *first, const char *second, double value, void *arg)
{
    struct series *series = arg;
    if (value <= 0) {
        return;
    }
    buffer_append_text(series->html,
                       series->count++ == 0 ? "<table class=\"series\">" : "");
    buffer_append_text(series->html, "<tr><td>");
    html_escape(series->html, first);
    buffer_append_text(series->html, second[0] != '\0' ? " " : "");
    html_escape(series->html, second);
    buffer_printf(series->html, "</td><td class=\"number\">%.0f</td></tr>", value);
}

static void draw_table(const struct observer_facts *facts, enum observer_role_index role,
                       const char *family, const char *none, struct buffer *html)
{
    struct series series = {.html = html};
    exposition_each(buffer_bytes(&facts->roles[role].metrics), family, draw_series,
                    &series);
    if (series.count > 0) {
        buffer_append_text(html, "</table>");
    } else {
        html_element(html, "p class=\"note\"", none);
    }
}

static void draw_dns(const struct observer_facts *facts, struct buffer *html)
{
    double limited = 0;
    char text[64];
    buffer_append_text(html, "<section><h2>DNS</h2>");
    chart_line(html, "DNS answers a second over the last half hour", facts->dns_rate,
               OBSERVER_SAMPLES);
    buffer_append_text(html,
                       "<p class=\"note\">Answers a second over half an hour, as far as "
                       "this page's server has run. Since the dns role started:</p>");
    draw_table(facts, OBSERVER_DNS, "latchkey_dns_queries_total",
               "Nothing was asked yet.", html);
    if (ask(facts, OBSERVER_DNS, "latchkey_dns_limited_total", &limited) && limited > 0) {
        snprintf(text, sizeof(text), "%.0f queries were held back as too many.", limited);
        html_element(html, "p", text);
    }
    buffer_append_text(html, "</section>\n");
}

/* ---- the CA ---- */

static void draw_budget(const struct observer_facts *facts, const char *budget,
                        const char *label, struct buffer *html)
{
    char series[80];
    char text[96];
    double left = 0;
    double size = 0;
    snprintf(series, sizeof(series), "latchkey_ca_budget_left{budget=\"%s\"}", budget);
    bool has = ask(facts, OBSERVER_ISSUER, series, &left);
    snprintf(series, sizeof(series), "latchkey_ca_budget_size{budget=\"%s\"}", budget);
    if (has && ask(facts, OBSERVER_ISSUER, series, &size)) {
        snprintf(text, sizeof(text), "%.0f of %.0f left", left, size);
        dashboard_parts_row(html, label, "", text);
        buffer_append_text(html, "<dd>");
        chart_gauge(html, text, left, size);
        buffer_append_text(html, "</dd>");
    }
}

static void draw_ca(const struct observer_facts *facts, struct buffer *html)
{
    double ready = 0;
    double refused = 0;
    double paused_s = 0;
    bool known = ask(facts, OBSERVER_ISSUER, "latchkey_ca_ready", &ready);
    (void)ask(facts, OBSERVER_ISSUER, "latchkey_ca_account_refused", &refused);
    (void)ask(facts, OBSERVER_ISSUER, "latchkey_ca_paused_seconds", &paused_s);
    buffer_append_text(html, "<section><h2>The CA</h2><dl>");
    dashboard_parts_row(html, "Orders",
                        !known        ? ""
                        : refused > 0 ? "bad"
                        : ready > 0   ? "good"
                                      : "warn",
                        !known        ? "unknown: the issuer does not answer"
                        : refused > 0 ? "the account is refused"
                        : ready > 0   ? "are taken"
                                      : "no new names are taken now");
    if (paused_s > 0) {
        html_element(html, "dt", "Goes on in");
        buffer_append_text(html, "<dd>");
        dashboard_parts_span(html, (int64_t)paused_s);
        buffer_append_text(html, "</dd>");
    }
    draw_budget(facts, "certificates", "Certificates for new names", html);
    draw_budget(facts, "orders", "Orders", html);
    html_element(html, "dt", "Last certificate");
    buffer_append_text(html, "<dd>");
    if (facts->last_issued_at != 0) {
        dashboard_parts_time(html, facts->last_issued_at, facts->now_at);
    } else {
        buffer_append_text(html, "none yet");
    }
    buffer_append_text(html, "</dd></dl><h3>Its problems since the issuer started</h3>");
    draw_table(facts, OBSERVER_ISSUER, "latchkey_ca_problems_total", "None.", html);
    buffer_append_text(html, "</section>\n");
}

struct waiting {
    const struct dashboard_view *view;
    struct buffer *html;
    int64_t now_at;
    unsigned count;
};

static int draw_place(const struct queue_store_place *place, void *arg)
{
    struct waiting *waiting = arg;
    struct buffer *html = waiting->html;
    buffer_append_text(html, waiting->count++ == 0 ? "<ul class=\"list\">" : "");
    buffer_append_text(html, "<li>");
    dashboard_parts_device(waiting->view, html, place->id);
    buffer_append_text(html, "<span>");
    html_escape(html, place->reason);
    buffer_append_text(html, "</span><span>asked ");
    dashboard_parts_time(html, place->asked_at, waiting->now_at);
    buffer_append_text(html, "; its turn: ");
    dashboard_parts_time(html, place->turn_at, waiting->now_at);
    buffer_append_text(html, "</span></li>");
    return 0;
}

static void draw_waiting(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    struct database *issuer = observer_issuer(view->observer);
    struct waiting waiting = {view, html, facts->now_at, 0};
    buffer_append_text(html, "<section><h2>What waits</h2>");
    int error = issuer != NULL ? queue_store_places(issuer, view->zone->zone,
                                                    WAITING_ROWS, draw_place, &waiting)
                               : 0;
    if (waiting.count > 0) {
        buffer_append_text(html, "</ul>");
    }
    if (error != 0) {
        html_element(html, "p", error_text(error));
    } else if (waiting.count == 0) {
        html_element(html, "p class=\"note\"", "Nothing waits for the CA's limits.");
    } else if (facts->waiting > waiting.count) {
        buffer_printf(html, "<p class=\"note\">%lld wait in all.</p>",
                      (long long)facts->waiting);
    }
    buffer_append_text(html, "</section>\n");
}

/* ---- the relay itself ---- */

static void draw_role(const struct observer_role *role, int64_t now_at,
                      struct buffer *html)
{
    bool down = role->is_known && !role->is_up;
    buffer_append_text(html, "<li><b>");
    html_escape(html, role->name);
    buffer_append_text(html, "</b> ");
    dashboard_parts_badge(html,
                          !role->is_asked || !role->is_known ? ""
                          : down                             ? "bad"
                          : role->is_well                    ? "good"
                                                             : "warn",
                          !role->is_asked   ? "not watched"
                          : !role->is_known ? "not asked yet"
                          : down            ? "down"
                          : role->is_well   ? "well"
                                            : "ill");
    if (!role->is_asked) {
        html_element(html, "span", "its status_listen is none");
    } else if (role->reason[0] != '\0' && !role->is_well) {
        html_element(html, "span", role->reason);
    }
    if (role->is_up) {
        buffer_printf(html, "<span>%.0f MiB, started ", role->memory_bytes / MIB);
        dashboard_parts_time(html, role->started_at, now_at);
        buffer_append_text(html, "</span>");
    }
    buffer_append_text(html, "</li>");
}

static void draw_check(struct buffer *html, const char *label,
                       const struct dashboard_check *check, int64_t now_at)
{
    html_element(html, "dt", label);
    if (!check->is_on) {
        buffer_append_text(html, "<dd>is not looked at</dd>");
    } else if (check->at == 0) {
        buffer_append_text(html, "<dd>was not looked at yet</dd>");
    } else {
        buffer_printf(html, "<dd class=\"%s\">", check->is_good ? "good" : "bad");
        html_escape(html, check->text);
        buffer_append_text(html, " <small>as of ");
        dashboard_parts_time(html, check->at, now_at);
        buffer_append_text(html, "</small></dd>");
    }
}

static void draw_moment(struct buffer *html, const char *label, const char *mood,
                        int64_t at, int64_t now_at)
{
    html_element(html, "dt", label);
    buffer_printf(html, "<dd class=\"%s\">", mood);
    if (at != 0) {
        dashboard_parts_time(html, at, now_at);
    } else {
        buffer_append_text(html, "none yet");
    }
    buffer_append_text(html, "</dd>");
}

static void draw_relay(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    char disk[64];
    snprintf(disk, sizeof(disk), "%.1f GiB free, %.0f %%", facts->disk_free_bytes / GIB,
             facts->disk_free * 100);
    buffer_append_text(html, "<section><h2>The relay</h2><ul class=\"list\">");
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        draw_role(&facts->roles[i], facts->now_at, html);
    }
    buffer_append_text(html, "</ul><dl>");
    draw_moment(html, "Last backup",
                view->alerts->at[ALERT_BACKUP].is_active ? "bad" : "", facts->backup_at,
                facts->now_at);
    draw_moment(html, "Its certificate ends",
                facts->relay_not_after_at != 0 &&
                        facts->relay_not_after_at - facts->now_at < 10 * (int64_t)DAY_S
                    ? "bad"
                    : "",
                facts->relay_not_after_at, facts->now_at);
    dashboard_parts_row(html, "Disk", facts->disk_free < 0.1 ? "bad" : "", disk);
    draw_check(html, "Delegation", view->delegation, facts->now_at);
    draw_check(html, "Certificates that the CA logged", view->ct, facts->now_at);
    buffer_append_text(html, "</dl></section>\n");
}

static int draw_change(const struct overview_change *change, void *arg)
{
    struct waiting *changes = arg;
    struct buffer *html = changes->html;
    buffer_append_text(html, changes->count++ == 0 ? "<ul class=\"list\">" : "");
    buffer_append_text(html, "<li><b>");
    html_escape(html, change->action);
    buffer_append_text(html, "</b> ");
    html_escape(html, change->detail);
    buffer_append_text(html, "<span>");
    html_escape(html, change->who);
    buffer_append_text(html, ", ");
    dashboard_parts_time(html, change->at, changes->now_at);
    buffer_append_text(html, "</span></li>");
    return 0;
}

static void draw_changes(const struct dashboard_view *view, struct buffer *html)
{
    struct database *admin = observer_admin(view->observer);
    struct waiting changes = {view, html, observer_facts(view->observer)->now_at, 0};
    buffer_append_text(html, "<section><h2>Last changes</h2>");
    if (admin != NULL && overview_changes(admin, view->zone->zone, CHANGE_ROWS,
                                          draw_change, &changes) != 0) {
        html_element(html, "p", "admin.db can't be read");
    }
    buffer_append_text(
        html, changes.count > 0 ? "</ul></section>\n"
                                : "<p class=\"note\">No command has changed anything.</p>"
                                  "</section>\n");
}

void dashboard_page_home(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    dashboard_parts_start(view, "Overview", html);
    draw_state(view, html);
    if (!facts->has_store) {
        html_element(
            html, "p class=\"note\"",
            "The store is not there yet or can't be read: counts are of before.");
    }
    draw_tiles(facts, html);
    buffer_append_text(html, "<div class=\"cards\">");
    draw_lives(facts, html);
    draw_days(facts, html);
    draw_ca(facts, html);
    draw_relay(view, html);
    draw_waiting(view, html);
    draw_changes(view, html);
    buffer_append_text(html, "</div>");
    draw_dns(facts, html);
    dashboard_parts_end(html);
}

void dashboard_page_sorry(const struct dashboard_view *view, const char *text,
                          struct buffer *html)
{
    dashboard_parts_start(view, "Not here", html);
    html_element(html, "p", text);
    dashboard_parts_end(html);
}

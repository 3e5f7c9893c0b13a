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

enum { SERIES_CAPACITY = 320 };

enum { WAITING_ROWS = 8, CHANGE_ROWS = 10, DAY_S = 86400, MIB = 1 << 20, GIB = 1 << 30 };

static bool ask(const struct observer_facts *facts, enum observer_role_index role,
                const char *series, double *ret_value)
{
    return exposition_value(buffer_bytes(&facts->roles[role].metrics), series, ret_value);
}

/* ---- what is wrong ---- */

/* One alert; *ANY: it is not the first. */
static void draw_alert(const struct alert *alert, const char *zone, int64_t now_at,
                       bool *any, struct buffer *html)
{
    buffer_append_text(html, *any ? "<li>"
                                  : "<section class=\"state bad\"><h2>To be mended"
                                    "</h2><ul><li>");
    if (zone != NULL) {
        html_escape(html, zone);
        buffer_append_text(html, ": ");
    }
    html_element(html, "b", alert->text);
    buffer_append_text(html, " since ");
    dashboard_parts_time(html, alert->since_at, now_at);
    buffer_append_text(html, "</li>");
    *any = true;
}

static void draw_state(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    bool any = false;
    for (size_t i = 0; i < view->zone_count; i++) {
        for (unsigned kind = 0; kind < ALERT_COUNT; kind++) {
            const struct alert *alert = &view->alerts[i].alerts.at[kind];
            bool is_zones =
                view->zone_count > 1 && !alert_is_of_relay((enum alert_kind)kind);
            if (alert->is_active) {
                draw_alert(alert, is_zones ? view->alerts[i].zone : NULL, facts->now_at,
                           &any, html);
            }
        }
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
    int64_t soon = facts->all.lives[CENSUS_DAY_1] + facts->all.lives[CENSUS_DAY_3];
    char text[32] = "–";
    if (rate >= 0) {
        snprintf(text, sizeof(text), rate < 10 ? "%.1f" : "%.0f", rate);
    }
    buffer_append_text(html, "<ul class=\"tiles\">");
    draw_count(html, "devices", "", facts->all.devices);
    draw_count(html, "certificates in 24 h", "", facts->all.issued_day);
    draw_count(html, "wait for the CA", facts->all.waiting > 0 ? "warn" : "",
               facts->all.waiting);
    draw_count(html, "end within 3 days", soon > 0 ? "warn" : "", soon);
    draw_count(html, "expired", facts->all.lives[CENSUS_EXPIRED] > 0 ? "bad" : "",
               facts->all.lives[CENSUS_EXPIRED]);
    draw_count(html, "seem cloned", facts->all.clones > 0 ? "warn" : "",
               facts->all.clones);
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
        bars[i] = (struct chart_bar){.value = (double)facts->all.lives[i],
                                     .mood = looks[i].mood};
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
        bars[i] = (struct chart_bar){.value = (double)facts->all.issued[i], .mood = ""};
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

/* Of the zone that is shown. */
static const struct observer_counts *counts_of(const struct dashboard_view *view)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    size_t i = 0;
    for (const struct relay_config *at = view->config;
         at != view->zone && at->next != NULL && i + 1 < RELAY_CONFIG_ZONES_MAX;
         at = at->next) {
        i++;
    }
    return &facts->zones[i];
}

/* A series of the zone's that has perhaps a label LABEL of its own before. */
static bool ask_zone(const struct dashboard_view *view, const char *name,
                     const char *label, double *ret_value)
{
    char series[SERIES_CAPACITY];
    snprintf(series, sizeof(series), "%s{%s%szone=\"%s\"}", name, label,
             label[0] != '\0' ? "," : "", view->zone->zone);
    return ask(observer_facts(view->observer), OBSERVER_ISSUER, series, ret_value);
}

static void draw_budget(const struct dashboard_view *view, const char *budget,
                        const char *label, struct buffer *html)
{
    char own[64];
    char text[96];
    double left = 0;
    double size = 0;
    snprintf(own, sizeof(own), "budget=\"%s\"", budget);
    if (ask_zone(view, "latchkey_ca_budget_left", own, &left) &&
        ask_zone(view, "latchkey_ca_budget_size", own, &size)) {
        snprintf(text, sizeof(text), "%.0f of %.0f left", left, size);
        dashboard_parts_row(html, label, "", text);
        buffer_append_text(html, "<dd>");
        chart_gauge(html, text, left, size);
        buffer_append_text(html, "</dd>");
    }
}

static void draw_shared(const struct dashboard_view *view, struct buffer *html)
{
    struct relay_config_share share = relay_config_zones_share(view->zone);
    if (share.other_count == 0) {
        return;
    }
    buffer_append_text(html,
                       "<p class=\"note\">The CA counts certificates for new names for "
                       "all of <b>");
    html_escape(html, view->zone->registered_domain);
    buffer_append_text(html, "</b>: the limit is shared with ");
    for (size_t i = 0; i < share.other_count; i++) {
        buffer_append_text(html, i == 0 ? "" : ", ");
        html_escape(html, share.others[i]);
    }
    buffer_append_text(html, ".</p>");
}

/* What is known of the zone's CA, in a word or two. */
struct ca_word {
    const char *mood;
    const char *text;
};

static struct ca_word judge_ca(const struct dashboard_view *view)
{
    double ready = 0;
    double refused = 0;
    if (!ask_zone(view, "latchkey_ca_ready", "", &ready)) {
        return (struct ca_word){"", "unknown: the issuer does not answer"};
    }
    (void)ask_zone(view, "latchkey_ca_account_refused", "", &refused);
    return refused > 0 ? (struct ca_word){"bad", "the account can't be used"}
           : ready > 0 ? (struct ca_word){"good", "are taken"}
                       : (struct ca_word){"warn", "no new names are taken now"};
}

static void draw_ca(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    const struct observer_counts *counts = counts_of(view);
    struct ca_word word = judge_ca(view);
    double paused_s = 0;
    (void)ask_zone(view, "latchkey_ca_paused_seconds", "", &paused_s);
    buffer_append_text(html, "<section>");
    dashboard_parts_heading(view, "The CA", html);
    buffer_append_text(html, "<dl>");
    dashboard_parts_row(html, "Orders", word.mood, word.text);
    if (counts->ca_reason[0] != '\0') {
        dashboard_parts_row(html, "Because", "", counts->ca_reason);
    }
    if (paused_s > 0) {
        html_element(html, "dt", "Goes on in");
        buffer_append_text(html, "<dd>");
        dashboard_parts_span(html, (int64_t)paused_s);
        buffer_append_text(html, "</dd>");
    }
    draw_budget(view, "certificates", "Certificates for new names", html);
    draw_budget(view, "orders", "Orders", html);
    draw_moment(html, "Last certificate", "", counts->last_issued_at, facts->now_at);
    buffer_append_text(html, "</dl>");
    draw_shared(view, html);
    buffer_append_text(html, "<h3>Its problems since the issuer started</h3>");
    draw_table(facts, OBSERVER_ISSUER, "latchkey_ca_problems_total", "None.", html);
    buffer_append_text(html, "</section>\n");
}

/* ---- the zones, when there are several ---- */

static void draw_zone(const struct dashboard_view *view,
                      const struct observer_counts *counts, struct buffer *html)
{
    struct ca_word word = judge_ca(view);
    int64_t soon = counts->lives[CENSUS_DAY_1] + counts->lives[CENSUS_DAY_3];
    buffer_append_text(html, "<li><a href=\"/?zone=");
    html_escape(html, view->zone->zone);
    buffer_append_text(html, "\"><b>");
    html_escape(html, view->zone->zone);
    buffer_append_text(html, "</b></a> ");
    dashboard_parts_badge(html, word.mood,
                          word.mood[0] == 'g'   ? "well"
                          : word.mood[0] == 'b' ? "refused"
                          : word.mood[0] == 'w' ? "waits"
                                                : "unknown");
    buffer_append_text(html, "<ul class=\"counts\">");
    draw_count(html, "devices", "", counts->devices);
    draw_count(html, "in 24 h", "", counts->issued_day);
    draw_count(html, "wait", counts->waiting > 0 ? "warn" : "", counts->waiting);
    draw_count(html, "end within 3 days", soon > 0 ? "warn" : "", soon);
    draw_count(html, "expired", counts->lives[CENSUS_EXPIRED] > 0 ? "bad" : "",
               counts->lives[CENSUS_EXPIRED]);
    buffer_append_text(html, "</ul></li>");
}

static void draw_zones(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    struct dashboard_view of_zone = *view;
    size_t i = 0;
    if (view->zone_count < 2) {
        return;
    }
    buffer_append_text(
        html, "<section><h2>Zones</h2><p class=\"note\">The CA, what waits and the "
              "last changes are shown of <b>");
    html_escape(html, view->zone->zone);
    buffer_append_text(html, "</b>.</p><ul class=\"list\">");
    for (of_zone.zone = view->config; of_zone.zone != NULL && i < facts->zone_count;
         of_zone.zone = of_zone.zone->next) {
        draw_zone(&of_zone, &facts->zones[i++], html);
    }
    buffer_append_text(html, "</ul></section>\n");
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
    const struct observer_counts *counts = counts_of(view);
    struct database *issuer = observer_issuer(view->observer);
    struct waiting waiting = {view, html, facts->now_at, 0};
    buffer_append_text(html, "<section>");
    dashboard_parts_heading(view, "What waits", html);
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
    } else if (counts->waiting > waiting.count) {
        buffer_printf(html, "<p class=\"note\">%lld wait in all.</p>",
                      (long long)counts->waiting);
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

static void draw_relay(const struct dashboard_view *view, struct buffer *html)
{
    const struct observer_facts *facts = observer_facts(view->observer);
    char disk[64];
    char delegation[256] = "Delegation";
    if (view->zone_count > 1) {
        snprintf(delegation, sizeof(delegation), "Delegation of %s", view->zone->zone);
    }
    snprintf(disk, sizeof(disk), "%.1f GiB free, %.0f %%", facts->disk_free_bytes / GIB,
             facts->disk_free * 100);
    buffer_append_text(html, "<section><h2>The relay</h2><ul class=\"list\">");
    for (size_t i = 0; i < OBSERVER_ROLES; i++) {
        draw_role(&facts->roles[i], facts->now_at, html);
    }
    buffer_append_text(html, "</ul><dl>");
    if (facts->hides_backups) {
        dashboard_parts_row(html, "Last backup", "bad",
                            "is not known: the folder can't be listed (see the log)");
    } else {
        draw_moment(html, "Last backup",
                    view->alerts[0].alerts.at[ALERT_BACKUP].is_active ? "bad" : "",
                    facts->backup_at, facts->now_at);
    }
    draw_moment(html, "Its certificate ends",
                facts->all.relay_not_after_at != 0 &&
                        facts->all.relay_not_after_at - facts->now_at <
                            10 * (int64_t)DAY_S
                    ? "bad"
                    : "",
                facts->all.relay_not_after_at, facts->now_at);
    dashboard_parts_row(html, "Disk", facts->disk_free < 0.1 ? "bad" : "", disk);
    draw_check(html, delegation, view->delegation, facts->now_at);
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
    buffer_append_text(html, "<section>");
    dashboard_parts_heading(view, "Last changes", html);
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
    draw_zones(view, html);
    draw_lives(facts, html);
    draw_days(facts, html);
    draw_ca(view, html);
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

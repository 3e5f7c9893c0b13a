/* The dashboard's pages, as HTML. Everything of the store and of the roles goes through
 * html_escape(). */
#ifndef RELAY_ADMIN_DASHBOARD_PAGE_H
#define RELAY_ADMIN_DASHBOARD_PAGE_H

#include "relay/admin/alert.h"
#include "relay/admin/observer.h"

enum { DASHBOARD_PAGE_BYTES = 512 << 10, DASHBOARD_PAGE_ROWS = 50 };

/* A look at the world that the role takes now and then. */
struct dashboard_check {
    bool is_on;
    int64_t at; /* 0: not yet */
    bool is_good;
    char text[ALERT_TEXT_CAPACITY];
};

/* What pages are made from; all borrowed. */
struct dashboard_view {
    const struct relay_config *config; /* the main zone's, with the further ones */
    const struct relay_config *zone;   /* that lists are of */
    struct observer *observer;
    const struct alert_zone *alerts; /* zone_count, in the configuration's order */
    size_t zone_count;
    const struct dashboard_check *delegation; /* of the zone's */
    const struct dashboard_check *ct;
};

/* What needs the operator first, then what there is. */
void dashboard_page_home(const struct dashboard_view *view, struct buffer *html);
/* Devices whose id begins with PREFIX, after the id AFTER. */
void dashboard_page_devices(const struct dashboard_view *view, const char *prefix,
                            const char *after, struct buffer *html);
/* ERROR_NOT_FOUND when ID has no account. */
int dashboard_page_device(const struct dashboard_view *view, const char *id,
                          struct buffer *html) MUST_CHECK;
/* A page of one sentence, for what is not there. */
void dashboard_page_sorry(const struct dashboard_view *view, const char *text,
                          struct buffer *html);

#endif

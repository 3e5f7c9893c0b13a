/* The dashboard's style sheet, script and icon: files of their own, so that the pages' policy
 * allows nothing inline. */
#ifndef RELAY_ADMIN_DASHBOARD_STYLE_H
#define RELAY_ADMIN_DASHBOARD_STYLE_H

extern const char dashboard_style_css[];
/* Fetches the page again every few seconds and puts its content in place; without it people
 * reload. */
extern const char dashboard_style_script[];
extern const char dashboard_style_icon[];

#endif

/* Small charts as inline SVG: no script, no style attribute, so that the strictest policy shows
 * them; colours come from classes. Each has a text for those who do not see it. */
#ifndef RELAY_ADMIN_CHART_H
#define RELAY_ADMIN_CHART_H

#include "base/core/buffer.h"

struct chart_bar {
    char label[16];   /* below the bar */
    double value;     /* from 0 */
    const char *mood; /* a class: "", "warn", "bad" */
};

/* A bar a value, the value above it. TITLE says what is shown. */
void chart_bars(struct buffer *html, const char *title, const struct chart_bar *bars,
                size_t count);
/* A line from the oldest value to the newest; a value below 0 is a gap. */
void chart_line(struct buffer *html, const char *title, const double *values,
                size_t count);
/* How much of SIZE is left. */
void chart_gauge(struct buffer *html, const char *title, double left, double size);

#endif

/* Coordinates are whole numbers of a view box, so that no locale and no rounding shows. */
#include "relay/admin/chart.h"

#include "base/core/html.h"

#include <stdio.h>

enum {
    BARS_WIDTH = 616,
    BAR_MAX = 46,
    BARS_TOP = 22,
    BARS_BASE = 122,
    BARS_HEIGHT = 144,
    LINE_WIDTH = 720,
    LINE_HEIGHT = 120,
    LINE_TOP = 8,
    LINE_BASE = 112,
    GAUGE_WIDTH = 300,
    GAUGE_HEIGHT = 10,
};

static void open_svg(struct buffer *html, const char *title, int width, int height)
{
    buffer_printf(html, "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 %d %d\"><title>",
                  width, height);
    html_escape(html, title);
    buffer_append_text(html, "</title>");
}

static double highest(const struct chart_bar *bars, size_t count)
{
    double top = 1;
    for (size_t i = 0; i < count; i++) {
        top = bars[i].value > top ? bars[i].value : top;
    }
    return top;
}

void chart_bars(struct buffer *html, const char *title, const struct chart_bar *bars,
                size_t count)
{
    double top = highest(bars, count);
    int step = BARS_WIDTH / (int)(count > 0 ? count : 1);
    int width = step * 2 / 3 < BAR_MAX ? step * 2 / 3 : BAR_MAX;
    open_svg(html, title, BARS_WIDTH, BARS_HEIGHT);
    for (size_t i = 0; i < count; i++) {
        int height = (int)(bars[i].value * (BARS_BASE - BARS_TOP) / top + 0.5);
        int x = (int)i * step + (step - width) / 2;
        int middle = (int)i * step + step / 2;
        height = bars[i].value > 0 && height < 2 ? 2 : height;
        buffer_printf(
            html,
            "<rect class=\"bar %s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
            "rx=\"3\"/><text class=\"value\" x=\"%d\" y=\"%d\">%.0f</text>"
            "<text class=\"label\" x=\"%d\" y=\"%d\">",
            bars[i].mood, x, BARS_BASE - height, width, height, middle,
            BARS_BASE - height - 6, bars[i].value, middle, BARS_HEIGHT - 6);
        html_escape(html, bars[i].label);
        buffer_append_text(html, "</text>");
    }
    buffer_printf(html,
                  "<line class=\"axis\" x1=\"0\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/></svg>",
                  BARS_BASE, BARS_WIDTH, BARS_BASE);
}

void chart_line(struct buffer *html, const char *title, const double *values,
                size_t count)
{
    double top = 1;
    bool pen_is_down = false;
    for (size_t i = 0; i < count; i++) {
        top = values[i] > top ? values[i] : top;
    }
    open_svg(html, title, LINE_WIDTH, LINE_HEIGHT);
    buffer_append_text(html, "<path class=\"line\" d=\"");
    for (size_t i = 0; i < count; i++) {
        if (values[i] < 0) {
            pen_is_down = false;
            continue;
        }
        int x = (int)(i * (LINE_WIDTH - 1) / (count > 1 ? count - 1 : 1));
        int y = LINE_BASE - (int)(values[i] * (LINE_BASE - LINE_TOP) / top + 0.5);
        /* A value that stands alone is a dot. */
        buffer_printf(html, pen_is_down ? "L%d %d" : "M%d %dh1", x, y);
        pen_is_down = true;
    }
    buffer_printf(
        html, "\"/><line class=\"axis\" x1=\"0\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/></svg>",
        LINE_BASE, LINE_WIDTH, LINE_BASE);
}

void chart_gauge(struct buffer *html, const char *title, double left, double size)
{
    double share = size > 0 ? left / size : 0;
    const char *mood = share < 0.1 ? "bad" : share < 0.3 ? "warn" : "";
    share = share > 1 ? 1 : share < 0 ? 0 : share;
    open_svg(html, title, GAUGE_WIDTH, GAUGE_HEIGHT);
    buffer_printf(
        html,
        "<rect class=\"track\" width=\"%d\" height=\"%d\" rx=\"5\"/><rect class=\"bar "
        "%s\" width=\"%d\" height=\"%d\" rx=\"5\"/></svg>",
        GAUGE_WIDTH, GAUGE_HEIGHT, mood, (int)(share * GAUGE_WIDTH + 0.5), GAUGE_HEIGHT);
}

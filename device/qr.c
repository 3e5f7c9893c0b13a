#include "device/qr.h"

#include "base/core/text.h"

#include <qrencode.h>
#include <string.h>

enum { QUIET = 4 };

/* A module of the code or of the quiet zone around it. */
static bool is_dark(const QRcode *code, int x, int y)
{
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & 1) != 0;
}

static QRcode *encode(const char *text)
{
    /* Level M: a phone reads it from a screen with reflections. Case 1 keeps the
     * alphanumeric mode. */
    return QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
}

int qr_svg(const char *text, const char *label, struct buffer *svg)
{
    QRcode *code = encode(text);
    if (code == NULL) {
        return ERROR_MEMORY;
    }
    int side = code->width + 2 * QUIET;
    buffer_printf(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
        "aria-label=\"%s\" shape-rendering=\"crispEdges\">"
        "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/><path fill=\"#000\" d=\"",
        side, side, label, side, side);
    for (int y = 0; y < code->width; y++) {
        for (int x = 0; x < code->width; x++) {
            int run = 0;
            while (is_dark(code, x + run, y)) {
                run++;
            }
            if (run > 0) {
                buffer_printf(svg, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, run, run);
                x += run;
            }
        }
    }
    buffer_append_text(svg, "\"/></svg>");
    QRcode_free(code);
    return svg->error;
}

int qr_terminal(const char *text, bool colour, struct buffer *lines)
{
    /* Light modules are drawn: "upper half", "lower half", "full" where light, blank
     * where dark. */
    static const char *const blocks[] = {" ", "\xe2\x96\x84", "\xe2\x96\x80",
                                         "\xe2\x96\x88"};
    QRcode *code = encode(text);
    if (code == NULL) {
        return ERROR_MEMORY;
    }
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        if (colour) {
            buffer_append_text(lines, "\x1b[40;97m");
        }
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            unsigned upper_light = is_dark(code, x, y) ? 0 : 2;
            unsigned lower_light = is_dark(code, x, y + 1) ? 0 : 1;
            buffer_append_text(lines, blocks[upper_light | lower_light]);
        }
        buffer_append_text(lines, colour ? "\x1b[0m\n" : "\n");
    }
    QRcode_free(code);
    return lines->error;
}

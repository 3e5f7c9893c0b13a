/* A logo is served as it was read, so it is looked at once: only what browsers take as an
 * image gets a type, and an SVG travels with a policy that runs nothing (see
 * page_assets.c), as somebody may open it by itself. */
#include "device/brand.h"

#include "base/core/file.h"
#include "base/core/text.h"
#include "device/page_style.h"
#include "device/page_text.h"
#include "device/palette.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct brand brand_init(void)
{
    return (struct brand){.logo = buffer_init(LIMIT_BRAND_LOGO_BYTES)};
}

/* PNG by its signature; SVG by "<svg" near its start, behind a prologue and comments. */
static const char *type_of(const struct buffer *logo)
{
    static const char png[] = "\x89PNG\r\n\x1a\n";
    if (logo->size > 8 && memcmp(logo->data, png, 8) == 0) {
        return "image/png";
    }
    const char *text = buffer_text(logo);
    if (strlen(text) != logo->size) {
        return NULL;
    }
    text += text_starts_with(text, "\xef\xbb\xbf") ? 3 : 0;
    text += strspn(text, " \t\r\n");
    return text[0] == '<' && strstr(text, "<svg") != NULL ? "image/svg+xml" : NULL;
}

static int read_logo(const char *path, struct brand *brand, struct buffer *report)
{
    int error = file_read(path, &brand->logo);
    if (error < 0) {
        buffer_printf(report, "brand_logo = '%s': %s\n", path,
                      error == ERROR_IO      ? strerror(errno)
                      : error == ERROR_LIMIT ? "must have at most 64 KiB"
                                             : error_text(error));
    } else {
        brand->logo_type = type_of(&brand->logo);
        if (brand->logo_type == NULL) {
            error = ERROR_SYNTAX;
            buffer_printf(report, "brand_logo = '%s': must be an SVG or PNG image\n",
                          path);
        }
    }
    if (error < 0) {
        buffer_free(&brand->logo);
        brand->logo = buffer_init(LIMIT_BRAND_LOGO_BYTES);
    }
    return error;
}

static int read_texts(const char *path, struct buffer *report)
{
    size_t before = report->size;
    int error = page_text_read(path, report);
    if (error < 0 && report->size == before) {
        buffer_printf(report, "texts_file = '%s': %s\n", path,
                      error == ERROR_IO ? strerror(errno) : error_text(error));
    }
    return error;
}

int brand_open(const struct device_config *config, struct brand *ret_brand,
               struct buffer *report)
{
    struct brand brand = brand_init();
    int error = 0;
    if (config->brand_name[0] != '\0') {
        brand.name = strdup(config->brand_name);
        error = brand.name != NULL ? 0 : ERROR_MEMORY;
    }
    brand.has_color = palette_parse(config->brand_color, &brand.color);
    if (config->brand_logo[0] != '\0') {
        int error_logo = read_logo(config->brand_logo, &brand, report);
        error = error < 0 ? error : error_logo;
    }
    if (config->texts_file[0] != '\0') {
        int error_texts = read_texts(config->texts_file, report);
        error = error < 0 ? error : error_texts;
    }
    *ret_brand = brand;
    return error;
}

void brand_free(struct brand *brand)
{
    free(brand->name);
    buffer_free(&brand->logo);
    *brand = brand_init();
}

const char *brand_name(const struct brand *brand)
{
    return brand->name != NULL ? brand->name : page_text(PAGE_TEXT_TITLE);
}

int brand_style(const struct brand *brand, struct buffer *css)
{
    buffer_append_text(css, page_style_css);
    if (brand->has_color) {
        buffer_printf(css, ":root{--brand:#%06x;--on-brand:%s}\n", (unsigned)brand->color,
                      palette_on(brand->color));
    }
    return css->error;
}

struct bytes brand_logo(const struct brand *brand, const char **ret_type)
{
    if (brand->logo.size > 0) {
        *ret_type = brand->logo_type;
        return buffer_bytes(&brand->logo);
    }
    *ret_type = "image/svg+xml";
    return (struct bytes){(const uint8_t *)page_style_icon, strlen(page_style_icon)};
}

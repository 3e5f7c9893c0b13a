/* The maker's looks: name, logo and colour of the pages, and the files behind them. */
#ifndef DEVICE_BRAND_H
#define DEVICE_BRAND_H

#include "base/core/buffer.h"
#include "device/device_config.h"

#define BRAND_LOGO_PATH "/.well-known/latchkey/logo"
#define BRAND_STYLE_PATH "/.well-known/latchkey/style.css"

struct brand {
    char *name;         /* NULL: the texts' own title */
    struct buffer logo; /* empty: ours */
    const char *logo_type;
    bool has_color;
    uint32_t color;
};

/* latchkey's own looks. No allocation. */
struct brand brand_init(void);
/* Reads what CONFIG names: the logo, and the texts file, which becomes the language of this
 * process. What can't be used is left out and gets a line in REPORT, so that a device with
 * a wrong logo still has pages; ERROR_SYNTAX (or the file's error) then. Blocks on the
 * disk. Free with brand_free in any case. */
int brand_open(const struct device_config *config, struct brand *ret_brand,
               struct buffer *report) MUST_CHECK;
void brand_free(struct brand *brand);
/* For people; never NULL. */
const char *brand_name(const struct brand *brand);
/* The whole style sheet, with the maker's colour. */
int brand_style(const struct brand *brand, struct buffer *css) MUST_CHECK;
/* The image and its type; borrowed. */
struct bytes brand_logo(const struct brand *brand, const char **ret_type);

#endif

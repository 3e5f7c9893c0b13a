/* Colours and whether they can be read: contrast as WCAG 2.1 defines it. */
#ifndef DEVICE_PALETTE_H
#define DEVICE_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

/* 0xRRGGBB of "#rrggbb"; false for anything else. */
bool palette_parse(const char *text, uint32_t *ret_color);
/* 1.0 to 21.0, the order does not matter; exact to 1 %. */
double palette_contrast(uint32_t first, uint32_t second);
/* "#000" or "#fff", whatever reads better on COLOR: 4.5 at least, as one of both always
 * does. */
const char *palette_on(uint32_t color);

#endif

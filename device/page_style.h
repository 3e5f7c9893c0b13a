/* The style sheet and the icon of the agent's pages. */
#ifndef DEVICE_PAGE_STYLE_H
#define DEVICE_PAGE_STYLE_H

extern const char page_style_css[];
extern const char page_style_icon[];

#endif

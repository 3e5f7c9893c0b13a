/* The status page: what the device is, whether browsers trust it, what is wrong and what
 * helps. */
#ifndef DEVICE_PAGE_STATUS_H
#define DEVICE_PAGE_STATUS_H

#include "device/device_status.h"
#include "device/page_html.h"

/* How this visitor came. */
struct page_status_visit {
    bool by_name;    /* by a name that the trusted certificate covers */
    bool is_trusted; /* over a connection that showed the trusted certificate: only then
                        may fingerprints be on the page */
};

/* Appends the page. */
int page_status_render(const struct device_status *status,
                       const struct page_status_visit *visit,
                       const struct page_html_frame *frame,
                       struct buffer *html) MUST_CHECK;
/* Appends the settings of routers that let the names through. */
void page_status_settings(const struct diagnosis *diagnosis, struct buffer *html);
/* Appends what a maker's own page embeds: one <section> without style or script. */
int page_status_fragment(const struct device_status *status,
                         struct buffer *html) MUST_CHECK;

#endif

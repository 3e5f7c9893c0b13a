#include "relay/front/page_robots.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "relay/front/page.h"
#include "relay/front/response.h"

static const char plain[] = "text/plain; charset=utf-8";

enum { HOUR_S = 3600, DAY_S = 86400, SECURITY_DAYS = 90 };

void page_robots_respond(struct request *request)
{
    struct buffer text = buffer_init(2 * LIMIT_URL_BYTES);

    buffer_printf(&text, "User-agent: *\nDisallow: %s/acme/\nDisallow: %s/name\n",
                  request->service->prefix, request->service->prefix);
    page_respond_file(request, plain, buffer_text(&text), DAY_S);
    buffer_free(&text);
}

/* It is made when it is asked for, so that its end never passes unnoticed; whole days keep
 * it the same for a day. */
void page_robots_respond_security(struct request *request)
{
    struct buffer text = buffer_init(4 * LIMIT_URL_BYTES);
    char expires[TEXT_TIME_CAPACITY];

    text_time((clock_wall_at() / DAY_S + SECURITY_DAYS) * DAY_S, expires);
    buffer_append_text(&text, "Contact: ");
    page_contact(request->service, &text);
    buffer_printf(&text,
                  "\nExpires: %s\nPreferred-Languages: en\nCanonical: "
                  "%s/.well-known/security.txt\nPolicy: %s/terms\n",
                  expires, request->service->base, request->service->base);
    page_respond_file(request, plain, buffer_text(&text), HOUR_S);
    buffer_free(&text);
}

void page_robots_respond_favicon(struct request *request)
{
    response_bytes(request, 204, NULL, "", 0);
}

#include "relay/front/page_terms.h"

#include "base/core/text.h"
#include "relay/front/page.h"
#include "relay/front/response.h"
#include "relay/front/terms.h"
#include "relay/store/front_store.h"

#include <string.h>

enum { VERSIONS_SHOWN = 50, DATE_SIZE = 10 };

struct writing {
    const struct service *service;
    const char *version; /* that is shown */
    struct buffer *html;
};

static void write_date(int64_t at, struct buffer *html)
{
    char text[TEXT_TIME_CAPACITY];

    text_time(at, text);
    buffer_printf(html, "%.*s", DATE_SIZE, text);
}

static int write_text(const struct front_store_terms *terms, void *arg)
{
    struct writing *writing = arg;
    struct buffer *html = writing->html;
    bool in_force = strcmp(terms->version, writing->service->terms_version) == 0;

    html_element(html, "h1", "Terms");
    buffer_append_text(html, "<p class=\"lead\">Version <code>");
    html_escape(html, terms->version);
    buffer_append_text(html, "</code>, published here on ");
    write_date(terms->since_at, html);
    buffer_append_text(html, in_force ? "." : ". Another version is in force now.");
    buffer_append_text(html, "</p>\n<section>");
    terms_write(html, terms->text);
    buffer_append_text(html, "</section>\n");
    return 0;
}

static int write_other(const struct front_store_terms *terms, void *arg)
{
    struct writing *writing = arg;
    struct buffer *html = writing->html;

    if (strcmp(terms->version, writing->version) == 0) {
        return 0;
    }
    buffer_append_text(html, "<li><a href=\"");
    html_escape(html, writing->service->prefix);
    buffer_append_text(html, "/terms/");
    html_escape(html, terms->version);
    buffer_append_text(html, "\">Version ");
    html_escape(html, terms->version);
    buffer_append_text(html, "</a>, of ");
    write_date(terms->since_at, html);
    buffer_append_text(html, "</li>");
    return 0;
}

static void respond(struct request *request, const char *version)
{
    const struct service *service = request->service;
    struct buffer html = buffer_init(PAGE_BYTES_MAX);
    struct writing writing = {service, version, &html};
    int error = 0;

    page_start(service, "Terms", &html);
    error = front_store_get_terms(service->front, service->zone, version, write_text,
                                  &writing);
    if (error == 0) {
        buffer_append_text(&html, "<ul>");
        error = front_store_all_terms(service->front, service->zone, VERSIONS_SHOWN,
                                      write_other, &writing);
        buffer_append_text(&html, "</ul>\n");
    }
    if (error == ERROR_NOT_FOUND) {
        html_element(&html, "h1", "No such version");
        html_element(&html, "p", "The terms never had a version of that name.");
    } else if (error != 0) {
        buffer_free(&html);
        response_internal(request, error, "reading the terms");
        return;
    }
    page_end(service, &html);
    page_respond(request, error == 0 ? 200 : 404, &html);
}

void page_terms_respond(struct request *request)
{
    respond(request, request->service->terms_version);
}

void page_terms_respond_version(struct request *request)
{
    respond(request, request->arguments[0]);
}

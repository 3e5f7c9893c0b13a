/* The page is made from the id, the address and the configuration alone. It asks no store, so
 * that it can't tell anybody whether an id exists, is blocked or what it publishes: whoever
 * guesses or collects ids learns nothing here that the shape of the id does not say. */
#include "relay/front/page_name.h"

#include "base/core/text.h"
#include "base/lanname.h"

#include <string.h>

enum { TYPED_MAX = 255 };

/* TEXT without the blanks around it, and cut to what can be shown. */
static void trim(const char *text, char ret_text[static TYPED_MAX + 1])
{
    size_t size = 0;

    text += strspn(text, " \t\r\n");
    size = strlen(text);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL) {
        size--;
    }
    size = size < TYPED_MAX ? size : TYPED_MAX;
    memcpy(ret_text, text, size);
    ret_text[size] = '\0';
}

static int write_bad_id(const struct service *service, const char *id,
                        struct buffer *html)
{
    page_start(service, "No id", html);
    html_element(html, "h1", "That is no id");
    buffer_append_text(html, "<section><p>What was given: <code>");
    html_escape(html, id);
    buffer_append_text(html, "</code></p>");
    html_element(
        html, "p",
        "An id has 32 characters, of the letters a to z and the digits 2 to 7. It "
        "stands in the device's address before the zone, and on the device's own "
        "page.");
    buffer_append_text(html, "</section>\n");
    page_end(service, html);
    return 404;
}

/* What to open for ADDRESS as typed, or why there is nothing. */
static void write_answer(const struct service *service, const char *name,
                         const char *typed, struct buffer *html)
{
    struct lanname_policy policy = {.shared = service->config->dns_shared,
                                    .loopback = service->config->dns_loopback};
    char label[LANNAME_ADDRESS_LABEL_MAX + 1];
    struct lanname_address address;

    if (!lanname_address_parse(typed, &address)) {
        buffer_append_text(html, "<p class=\"bad\" role=\"alert\"><code>");
        html_escape(html, typed);
        buffer_append_text(html,
                           "</code> is no IP address: write it as the device or the "
                           "router shows it, such as 192.168.1.51.</p>");
        return;
    }
    if (!lanname_allowed(&address, &policy)) {
        buffer_append_text(html, "<p class=\"bad\" role=\"alert\"><code>");
        html_escape(html, typed);
        buffer_append_text(
            html,
            "</code> is not an address that names here lead to: those are the private "
            "ones, such as 192.168.1.51, 10.0.0.7, 172.16.0.9 or fd12::1.</p>");
        return;
    }
    lanname_write_label(&address, label);
    buffer_append_text(html, "<p>Open <a href=\"https://");
    html_escape(html, label);
    buffer_append_text(html, ".");
    html_escape(html, name);
    buffer_append_text(html, "/\">https://");
    html_escape(html, label);
    buffer_append_text(html, ".<wbr>");
    html_escape(html, name);
    buffer_append_text(html, "/</a></p>");
}

static void write_form(const struct service *service, const char *id, const char *name,
                       const char *address, struct buffer *html)
{
    buffer_append_text(html, "<section><h2>Its address in your network</h2>"
                             "<form method=\"get\" action=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html, "/name/");
    html_escape(html, id);
    buffer_append_text(
        html,
        "\"><label for=\"address\">The device's IP address, from its display or the "
        "router</label><div class=\"ask\"><input id=\"address\" name=\"address\" "
        "maxlength=\"64\" autocomplete=\"off\" autocapitalize=\"none\" "
        "spellcheck=\"false\" placeholder=\"192.168.1.51\" value=\"");
    html_escape(html, address);
    buffer_append_text(html, "\"><button>Make the link</button></div></form>");
    if (address[0] != '\0') {
        write_answer(service, name, address, html);
    } else {
        buffer_append_text(html,
                           "<p>For 192.168.1.51 it is</p><pre>https://192-168-1-51.<wbr>");
        html_escape(html, name);
        buffer_append_text(html, "/</pre>");
    }
    buffer_append_text(html, "</section>\n");
}

static void write_rest(const struct service *service, const char *name,
                       struct buffer *html)
{
    buffer_append_text(html,
                       "<section><h2>Other names</h2><p>Where the device publishes "
                       "its addresses, this name follows it when the router gives it "
                       "another one:</p><pre>https://home.<wbr>");
    html_escape(html, name);
    buffer_append_text(html, "/</pre><p>The first part may be any other word. Names with "
                             "this id open in the device's own network only; <a href=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html,
                       "/#reach\">what to do when none opens</a>.</p></section>\n"
                       "<p class=\"note\">This page is made from the id alone. It says "
                       "nothing about whether there is such a device.</p>\n");
}

int page_name_write(const struct service *service, const char *typed_id,
                    const char *typed_address, struct buffer *html)
{
    char id[TYPED_MAX + 1];
    char address[TYPED_MAX + 1];
    char name[256];

    trim(typed_id, id);
    trim(typed_address, address);
    text_lower(id);
    if (!lanname_is_id((const uint8_t *)id, strlen(id)) ||
        !lanname_device_name(id, service->zone, name, sizeof(name))) {
        return write_bad_id(service, id, html);
    }
    page_start(service, "A device's address", html);
    html_element(html, "h1", "A device's address");
    buffer_append_text(html, "<p class=\"lead\">The id <code>");
    html_escape(html, id);
    buffer_append_text(html, "</code> has the right form.</p>\n");
    write_form(service, id, name, address, html);
    write_rest(service, name, html);
    page_end(service, html);
    return 200;
}

/* "" when there is no such field, or what it holds can't be read. */
static void take_field(const struct request *request, const char *name,
                       struct buffer *value)
{
    const char *query = http_exchange_query(request->exchange);

    if (html_form_value((struct bytes){(const uint8_t *)query, strlen(query)}, name,
                        value) != 0) {
        buffer_free(value);
        *value = buffer_init(TYPED_MAX);
    }
}

void page_name_respond(struct request *request)
{
    struct buffer html = buffer_init(PAGE_BYTES_MAX);
    struct buffer id = buffer_init(TYPED_MAX);
    struct buffer address = buffer_init(TYPED_MAX);
    int status = 0;

    take_field(request, "id", &id);
    take_field(request, "address", &address);
    status = page_name_write(request->service,
                             request->arguments[0][0] != '\0' ? request->arguments[0]
                                                              : buffer_text(&id),
                             buffer_text(&address), &html);
    buffer_free(&id);
    buffer_free(&address);
    page_respond(request, status, &html);
}

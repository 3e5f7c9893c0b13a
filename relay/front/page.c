/* No HSTS: while the relay's own certificate is being made, an operator must be able to
 * click through to these pages. */
#include "relay/front/page.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "relay/front/response.h"

#include <inttypes.h>
#include <string.h>

/* Nothing is allowed but what these pages have: the style sheet, the icon, a form that asks
 * this relay. */
static const char policy[] =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'";

static const char style[] =
    ":root{color-scheme:light dark;--brand:#0f6b4f;--on-brand:#fff;--ground:#f3f5f7;"
    "--card:#fff;--ink:#1b2127;--soft:#55606b;--line:#d5dbe1;--edge:#7a8590;"
    "--link:#0b57d0;--code:#eef1f4;--bad:#9c1c14}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#0f1317;--card:#171c22;"
    "--ink:#e7ebef;--soft:#a0abb6;--line:#2d353e;--edge:#76818c;--link:#8ab4ff;"
    "--code:#212830;--bad:#ffb0a8}}\n"
    "*{box-sizing:border-box}\n"
    "html{-webkit-text-size-adjust:100%}\n"
    "body{margin:0;background:var(--ground);color:var(--ink);border-top:4px solid "
    "var(--brand);font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,Ubuntu,"
    "sans-serif}\n"
    "header,main,footer{max-width:46rem;margin:0 auto;padding:0 1rem}\n"
    "header{display:flex;align-items:center;gap:.6rem;padding-top:.9rem;"
    "padding-bottom:.9rem;color:var(--soft)}\n"
    "header a{display:flex;align-items:center;gap:.6rem;color:inherit;"
    "text-decoration:none;font-weight:600;overflow-wrap:anywhere}\n"
    "header img{flex:none;width:2rem;height:2rem}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;"
    "padding:1.1rem 1.25rem;margin:0 0 1rem}\n"
    "section>:last-child{margin-bottom:0}\n"
    "h1{font-size:1.45rem;line-height:1.25;margin:.2rem 0 .6rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.1rem;line-height:1.3;margin:0 0 .6rem}\n"
    "section>h2:not(:first-child){margin-top:1.4rem}\n"
    "p,ul{margin:.4rem 0 .8rem}ul{padding-left:1.2rem}li{margin:.3rem 0}\n"
    ".lead{margin:0 0 1.2rem;font-size:1.05rem}\n"
    "small,.note,footer{color:var(--soft);font-size:.9rem}\n"
    "footer{padding-bottom:2rem}footer a{margin-right:1rem}\n"
    "a{color:var(--link);overflow-wrap:anywhere}\n"
    ":focus-visible{outline:3px solid var(--link);outline-offset:2px}\n"
    "code,pre{font:.9rem/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans "
    "Mono\",monospace;overflow-wrap:anywhere}\n"
    "code{background:var(--code);border-radius:.25rem;padding:.05rem .25rem}\n"
    "pre{white-space:pre-wrap;background:var(--code);border-radius:.4rem;"
    "padding:.6rem .8rem;margin:.4rem 0 .8rem}\n"
    "details{border-top:1px solid var(--line);padding:.6rem 0}\n"
    "summary{cursor:pointer;color:var(--link);font-weight:600;padding:.25rem 0}\n"
    "label{display:block;font-weight:600;margin:.6rem 0 .3rem}\n"
    ".ask{display:flex;flex-wrap:wrap;gap:.6rem}\n"
    "input{flex:1 1 16rem;min-width:0;font:inherit;color:var(--ink);"
    "background:var(--card);border:1px solid var(--edge);border-radius:.5rem;"
    "padding:.6rem .7rem}\n"
    "button{font:inherit;font-weight:600;color:var(--on-brand);background:var(--brand);"
    "border:1px solid var(--edge);border-radius:.5rem;padding:.6rem 1.1rem;"
    "cursor:pointer}\n"
    ".bad{color:var(--bad)}\n"
    ".skip{position:absolute;left:-100rem;background:var(--card);padding:.5rem 1rem}"
    ".skip:focus{left:.5rem;top:.5rem}\n"
    "@media(max-width:36rem){h1{font-size:1.3rem}section{padding:1rem}"
    "button{flex:1 1 100%}}\n"
    "@media(forced-colors:active){section{border:1px solid}}\n";

static const char icon[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" "
    "height=\"32\" rx=\"7\" fill=\"#0f6b4f\"/><rect x=\"8\" y=\"14\" width=\"16\" "
    "height=\"11\" rx=\"2.5\" fill=\"#fff\"/><path d=\"M11.5 14v-3a4.5 4.5 0 0 1 9 0v3\" "
    "fill=\"none\" stroke=\"#fff\" stroke-width=\"2.6\"/><circle cx=\"16\" cy=\"19.5\" "
    "r=\"2.1\" fill=\"#0f6b4f\"/></svg>";

void page_start(const struct service *service, const char *title, struct buffer *html)
{
    buffer_append_text(html, "<!doctype html>\n<html lang=\"en\"><head><meta "
                             "charset=\"utf-8\"><meta name=\"viewport\" "
                             "content=\"width=device-width,initial-scale=1\"><title>");
    html_escape(html, title);
    buffer_append_text(html, " – ");
    html_escape(html, service->zone);
    buffer_append_text(html, "</title><link rel=\"icon\" href=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html, "/icon.svg\"><link rel=\"stylesheet\" href=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html,
                       "/style.css\"></head>\n<body><a class=\"skip\" "
                       "href=\"#content\">Skip to the content</a><header><a href=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html, "/\"><img src=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html, "/icon.svg\" alt=\"\" width=\"32\" height=\"32\">");
    html_escape(html, service->zone);
    buffer_append_text(html, "</a></header>\n<main id=\"content\">\n");
}

static void add_link(const struct service *service, const char *path, const char *text,
                     struct buffer *html)
{
    buffer_append_text(html, "<a href=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html, path);
    buffer_append_text(html, "\">");
    html_escape(html, text);
    buffer_append_text(html, "</a>");
}

void page_end(const struct service *service, struct buffer *html)
{
    buffer_append_text(html, "</main>\n<footer><p>");
    add_link(service, "/", "This relay", html);
    add_link(service, "/terms", "Terms", html);
    add_link(service, "/#abuse", "Report abuse", html);
    buffer_append_text(html, "</p></footer></body></html>\n");
}

static void respond(struct request *request, int status, const char *content_type,
                    const char *cache, struct bytes body)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy", policy},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    struct http_exchange *exchange = request->exchange;

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        response_header(request, headers[i][0], headers[i][1]);
    }
    response_header(request, "Cache-Control", cache);
    if (exchange != NULL) {
        request->exchange = NULL;
        http_exchange_respond(exchange, status, content_type, body.data, body.size);
    }
    request_free(request);
}

void page_respond(struct request *request, int status, struct buffer *html)
{
    static const char poor[] = "The page can't be shown at this moment.\n";

    if (html->error != 0) {
        log_error("a page can't be made: %s", error_text(html->error));
        respond(request, 500, "text/plain; charset=utf-8", "no-store",
                (struct bytes){(const uint8_t *)poor, sizeof(poor) - 1});
    } else {
        respond(request, status, "text/html; charset=utf-8", "no-cache",
                buffer_bytes(html));
    }
    buffer_free(html);
}

void page_respond_file(struct request *request, const char *content_type,
                       const char *data, int64_t max_age_s)
{
    char cache[48];

    (void)text_format(cache, sizeof(cache), "max-age=%" PRId64, max_age_s);
    respond(request, 200, content_type, cache,
            (struct bytes){(const uint8_t *)data, strlen(data)});
}

void page_respond_style(struct request *request)
{
    page_respond_file(request, "text/css; charset=utf-8", style, 3600);
}

void page_respond_icon(struct request *request)
{
    page_respond_file(request, "image/svg+xml", icon, 86400);
}

void page_contact(const struct service *service, struct buffer *text)
{
    const char *contact = service->config->abuse_contact;

    buffer_append_text(text, text_starts_with(contact, "https://") ? "" : "mailto:");
    buffer_append_text(text, contact);
}

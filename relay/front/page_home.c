/* system/test_public_pages runs the lines for other clients as the page shows them. */
#include "relay/front/page_home.h"

#include "base/core/text.h"
#include "relay/front/page.h"
#include "relay/front/source.h"
#include "relay/store/url.h"

#include <string.h>

/* TEXT with values in the places of "{zone}", "{directory}", and "{eab}": BINDING. */
static void fill(const struct service *service, const char *text, const char *binding,
                 struct buffer *filled)
{
    char directory[LIMIT_URL_BYTES];
    const struct {
        const char *place;
        const char *value;
    } places[] = {
        {"{zone}", service->zone}, {"{directory}", directory}, {"{eab}", binding}};

    if (!url_directory(service->base, directory)) {
        directory[0] = '\0';
    }
    while (text[0] != '\0') {
        size_t size = strcspn(text + 1, "{") + 1; /* to the next place */
        const char *value = NULL;

        for (size_t i = 0; value == NULL && i < sizeof(places) / sizeof(places[0]); i++) {
            if (text_starts_with(text, places[i].place)) {
                value = places[i].value;
                size = strlen(places[i].place);
            }
        }
        if (value != NULL) {
            buffer_append_text(filled, value);
        } else {
            buffer_append(filled, text, size);
        }
        text += size;
    }
}

/* <TAG> with a sentence of ours, filled in; `words` become <code>. */
static void prose(const struct service *service, const char *tag, const char *text,
                  struct buffer *html)
{
    struct buffer filled = buffer_init(PAGE_BYTES_MAX);

    fill(service, text, "", &filled);
    html_prose(html, tag, buffer_text(&filled));
    html->error = html->error != 0 ? html->error : filled.error;
    buffer_free(&filled);
}

/* Lines to type, filled in. */
static void lines(const struct service *service, const char *text, const char *binding,
                  struct buffer *html)
{
    struct buffer filled = buffer_init(PAGE_BYTES_MAX);

    fill(service, text, binding, &filled);
    html_element(html, "pre", buffer_text(&filled));
    html->error = html->error != 0 ? html->error : filled.error;
    buffer_free(&filled);
}

static void write_what(const struct service *service, struct buffer *html)
{
    html_element(html, "h1", service->zone);
    prose(
        service, "p class=\"lead\"",
        "Names under `{zone}` belong to devices in private networks: cameras, printers, "
        "heaters, small servers in homes, offices and workshops. This relay gives each "
        "of them an HTTPS address that every browser trusts. The devices are their "
        "owners': nothing that you see on one of them comes from here.",
        html);
}

static void write_reach(const struct service *service, struct buffer *html)
{
    static const char *const hints[] = {
        "You are in another network. The name leads to an address within the device's "
        "own network; mobile data, a guest Wi-Fi or a VPN are others.",
        "The device has another address now. Its display, its label or the router's list "
        "of devices tells which; the stable name `home.<id>.{zone}` follows it, where "
        "the device publishes one.",
        "The router or the DNS server drops names that lead to private addresses "
        "(protection against DNS rebinding). Make an exception for `{zone}`: in a "
        "FRITZ!Box under Home Network > Network > Network Settings > DNS Rebind "
        "Protection; in OpenWrt under Network > DHCP and DNS > Filter > Domain "
        "whitelist; with dnsmasq `rebind-domain-ok=/{zone}/`; with Unbound "
        "`private-domain: \"{zone}\"`.",
        "The browser warns of the certificate. Then the device has none from a public CA "
        "at this moment: its own page says why, and how to check that it is the right "
        "one.",
    };

    buffer_append_text(html, "<section id=\"reach\">");
    html_element(html, "h2", "To reach a device");
    prose(service, "p",
          "Its address has three parts: where it is in its network, with hyphens; its id "
          "of 32 letters and digits; and this zone.",
          html);
    lines(service, "https://192-168-1-51.<id>.{zone}/", "", html);
    buffer_append_text(html, "<form method=\"get\" action=\"");
    html_escape(html, service->prefix);
    buffer_append_text(
        html, "/name\"><label for=\"id\">You have an id, and want its address</label>"
              "<div class=\"ask\"><input id=\"id\" name=\"id\" maxlength=\"64\" "
              "autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\" "
              "required><button>Show</button></div></form>");
    html_element(html, "h2", "When it does not open");
    buffer_append_text(html, "<ul>");
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        prose(service, "li", hints[i], html);
    }
    buffer_append_text(html, "</ul></section>\n");
}

static void write_abuse(const struct service *service, struct buffer *html)
{
    struct buffer contact = buffer_init(LIMIT_URL_BYTES + 16);

    page_contact(service, &contact);
    buffer_append_text(html, "<section id=\"abuse\">");
    html_element(html, "h2", "To report abuse");
    prose(
        service, "p",
        "Names here lead to private addresses only, never to a server on the internet. "
        "If one of them is misused all the same, tell the operator, with the whole name "
        "(its id can be blocked and its certificates revoked), the time, and what you "
        "saw:",
        html);
    buffer_append_text(html, "<p><a href=\"");
    html_escape(html, buffer_text(&contact));
    buffer_append_text(html, "\">");
    html_escape(html, service->config->abuse_contact);
    buffer_append_text(html, "</a></p></section>\n");
    html->error = html->error != 0 ? html->error : contact.error;
    buffer_free(&contact);
}

static const struct {
    const char *name;
    const char *binding; /* how it is given a token */
    const char *lines;
} clients[] = {
    {"certbot", " --eab-kid KID --eab-hmac-key KEY",
     "certbot register -n --agree-tos --register-unsafely-without-email --server "
     "{directory}{eab}\n"
     "ID=$(certbot show_account -n --server {directory} | sed -n "
     "'s|.*/acct/\\([a-z2-7]*\\).*|\\1|p')\n"
     "certbot certonly -n --manual --manual-auth-hook /bin/false --server {directory} "
     "-d \"*.$ID.{zone}\""},
    {"uacme", " -e KID:KEY",
     "ID=$(uacme -y -v -v -a {directory}{eab} new 2>&1 | sed -n "
     "'s|.*/acct/\\([a-z2-7]*\\).*|\\1|p' | head -n 1)\n"
     "uacme -y -o -a {directory} -h /bin/false issue \"*.$ID.{zone}\""},
    {"lego", " --eab --kid KID --hmac KEY",
     "# registers; this first order is for nobody's name and is refused:\n"
     "lego -a -m you@example.com -s {directory}{eab} --dns manual -d "
     "\"*.unknown.{zone}\" run\n"
     "ID=$(sed -n 's|.*\"uri\": \".*/acct/\\([a-z2-7]*\\)\".*|\\1|p' "
     ".lego/accounts/*/you@example.com/account.json)\n"
     "lego -a -m you@example.com -s {directory}{eab} --dns manual -d \"*.$ID.{zone}\" "
     "run"},
};

static void write_clients(const struct request *request, struct buffer *html)
{
    const struct service *service = request->service;
    bool is_open = source_is_open(request);

    buffer_append_text(html, "<section id=\"acme\">");
    html_element(html, "h2", "For devices and ACME clients");
    lines(service, "{directory}", "", html);
    prose(service, "p",
          is_open
              ? "This is the ACME directory (RFC 8555). From where you are, no token is "
                "needed to register."
              : "This is the ACME directory (RFC 8555). To register, a device needs a "
                "token from the operator, as external account binding: KID and KEY below "
                "are its two parts.",
          html);
    prose(
        service, "p",
        "The account's key is the device's name: the account's address ends in the id, "
        "and the account may have certificates for `*.<id>.{zone}` and `<id>.{zone}`. An "
        "order is ready at once; no challenge is done and no hook is called. A key that "
        "is lost is a name that is lost.",
        html);
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        buffer_append_text(html, "<details>");
        html_element(html, "summary", clients[i].name);
        lines(service, clients[i].lines, is_open ? "" : clients[i].binding, html);
        buffer_append_text(html, "</details>");
    }
    buffer_append_text(html, "<p class=\"note\">Certificates come from <code>");
    html_escape(html, service->config->ca_name);
    buffer_append_text(html, "</code>. Who registers agrees to the <a href=\"");
    html_escape(html, service->prefix);
    buffer_append_text(html, "/terms\">terms</a>.</p></section>\n");
}

void page_home_respond(struct request *request)
{
    const struct service *service = request->service;
    struct buffer html = buffer_init(PAGE_BYTES_MAX);

    page_start(service, "Devices in private networks", &html);
    write_what(service, &html);
    write_reach(service, &html);
    write_abuse(service, &html);
    write_clients(request, &html);
    page_end(service, &html);
    page_respond(request, 200, &html);
}

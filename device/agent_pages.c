#include "device/agent_pages.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_parts.h"
#include "device/page_text.h"
#include "device/port_owner.h"
#include "device/way_in.h"

#include <errno.h>
#include <string.h>

enum {
    HTTP_PORT = 80,
    MAX_CONNECTIONS = 64,
    REQUEST_S = 10,
    IDLE_S = 15,
    HEADER_BYTES = 8 << 10,
    BODY_BYTES = 1 << 10,
    REPORT_BYTES = 16 << 10,
};

/* Each line of REPORT becomes a warning. */
static void log_report(struct buffer *report)
{
    char *line = report->size > 0 ? (char *)report->data : NULL;
    while (line != NULL && line[0] != '\0') {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        log_warning("pages: %s", line);
        line = end;
    }
}

static void on_plain(struct http_exchange *exchange, void *arg)
{
    struct agent *agent = arg;
    struct device_status status;
    agent_fill_status(agent, &status);
    way_in_respond(exchange, &agent->pages.brand, &status);
}

/* Listens; a failure is logged, with the program that has the port. */
static void listen_on(struct agent_pages *pages, const char *text)
{
    struct address address;
    char owner[PORT_OWNER_CAPACITY];
    uint16_t port = 0;
    int error = address_parse(text, HTTP_PORT, &address);
    if (error == 0) {
        error = http_server_listen(pages->http, &address, &port);
    }
    if (error == ERROR_IO && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
        text[0] == ':') {
        /* Where the kernel has no IPv6. */
        char ipv4[32];
        error = text_format(ipv4, sizeof(ipv4), "0.0.0.0%s", text)
                    ? address_parse(ipv4, HTTP_PORT, &address)
                    : ERROR_LIMIT;
        if (error == 0) {
            error = http_server_listen(pages->http, &address, &port);
        }
    }
    int saved = errno;
    if (error == 0) {
        log_info("http = '%s': the way in is at port %u", text, (unsigned)port);
    } else if (error == ERROR_IO && saved == EADDRINUSE &&
               port_owner_find(&address, owner)) {
        log_warning(
            "http = '%s': taken by %s; going on without it: visitors have to type "
            "https:// themselves",
            text, owner);
    } else {
        log_warning("http = '%s': %s; going on without it: visitors have to type "
                    "https:// themselves",
                    text, error == ERROR_IO ? strerror(saved) : error_text(error));
    }
}

static void open_http(struct agent *agent)
{
    const struct conf_texts *http = &agent->config->http;
    struct http_server_options options = {
        .max_connections = MAX_CONNECTIONS,
        .handshake_s = REQUEST_S,
        .request_s = REQUEST_S,
        .idle_s = IDLE_S,
        .response_s = REQUEST_S,
        .max_header_bytes = HEADER_BYTES,
        .max_body_bytes = BODY_BYTES,
    };
    if (http->count == 0) {
        return;
    }
    int error =
        http_server_new(agent->loop, &options, on_plain, agent, &agent->pages.http);
    if (error < 0) {
        log_warning("http: %s; going on without it", error_text(error));
        return;
    }
    for (size_t i = 0; i < http->count; i++) {
        listen_on(&agent->pages, http->at[i]);
    }
}

/* Without a secret nobody can log in; everything else goes on. */
static void open_secret(struct agent *agent)
{
    const char *folder = agent->config->state_folder;
    bool made = false;
    int error = admin_secret_open(folder, &agent->pages.pages.login.secret, &made);
    if (error < 0) {
        log_warning("admin secret: '%s/" ADMIN_SECRET_FILE "': %s; nobody can log in on "
                    "the pages",
                    folder,
                    error == ERROR_IO       ? strerror(errno)
                    : error == ERROR_DENIED ? "others can read it: chmod 600 it"
                    : error == ERROR_SYNTAX ? "must hold 10 to 64 letters and digits"
                                            : error_text(error));
    } else if (made) {
        log_info("admin secret: made; 'latchkey admin-secret' shows it");
    }
}

void agent_pages_open(struct agent *agent)
{
    struct buffer report = buffer_init(REPORT_BYTES);
    if (brand_open(agent->config, &agent->pages.brand, &report) < 0 || report.size > 0) {
        log_report(&report);
    }
    buffer_free(&report);
    agent->pages.pages = (struct pages){.brand = &agent->pages.brand, .agent = agent};
    open_secret(agent);
    open_http(agent);
}

void agent_pages_close(struct agent *agent)
{
    http_server_free(agent->pages.http);
    agent->pages.http = NULL;
    digest_wipe(&agent->pages.pages.login, sizeof(agent->pages.pages.login));
    brand_free(&agent->pages.brand);
    page_text_reset();
}

#include "device/agent_plain.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_parts.h"
#include "device/port_owner.h"

#include <errno.h>
#include <string.h>

enum {
    HTTP_PORT = 80,
    MAX_CONNECTIONS = 64,
    REQUEST_S = 10,
    IDLE_S = 15,
    HEADER_BYTES = 8 << 10,
    BODY_BYTES = 1 << 10,
};

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

void agent_plain_open(struct agent *agent, http_server_fn *fn)
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
    int error = http_server_new(agent->loop, &options, fn, agent, &agent->pages.http);
    if (error < 0) {
        log_warning("http: %s; going on without it", error_text(error));
        return;
    }
    for (size_t i = 0; i < http->count; i++) {
        listen_on(&agent->pages, http->at[i]);
    }
}

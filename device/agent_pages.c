#include "device/agent_pages.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_parts.h"
#include "device/agent_plain.h"
#include "device/page_text.h"
#include "device/way_in.h"

#include <errno.h>
#include <string.h>

enum { REPORT_BYTES = 16 << 10 };

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
    agent_plain_open(agent, on_plain);
}

void agent_pages_respond(struct agent *agent, struct http_exchange *exchange,
                         const struct device_status *status)
{
    pages_respond(&agent->pages.pages, exchange, status);
}

void agent_pages_close(struct agent *agent)
{
    http_server_free(agent->pages.http);
    agent->pages.http = NULL;
    digest_wipe(&agent->pages.pages.login, sizeof(agent->pages.pages.login));
    brand_free(&agent->pages.brand);
    page_text_reset();
}

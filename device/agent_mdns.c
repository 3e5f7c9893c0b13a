/* Without Avahi the device is a little harder to find and nothing else: nothing here is
 * ever an error. The name goes into the fallback certificate, so that one which Avahi had
 * to choose after a collision makes that anew. */
#include "device/agent_mdns.h"

#include "base/core/log.h"
#include "base/core/text.h"
#include "device/agent_parts.h"
#include "device/child.h"
#include "device/fallback.h"

#include <string.h>
#include <unistd.h>

/* Ours, or ours with a number: no other name may get into the certificate, whatever
 * latchkey-mdns says. */
static bool is_own(const struct agent *agent, const char *name)
{
    char own[FALLBACK_MDNS_CAPACITY];
    fallback_mdns_name(agent->identity.id, own);
    own[strcspn(own, ".")] = '\0';
    if (!text_starts_with(name, own)) {
        return false;
    }
    name += strlen(own);
    if (name[0] == '-') {
        name += 1 + strspn(name + 1, "0123456789");
    }
    return strcmp(name, ".local") == 0;
}

static void note_name(struct agent *agent, const char *name)
{
    if (strcmp(agent->mdns.name, name) == 0) {
        return;
    }
    if (!is_own(agent, name)) {
        log_warning("mDNS: latchkey-mdns says that the name is '%s': ignoring it", name);
        return;
    }
    text_copy(agent->mdns.name, sizeof(agent->mdns.name), name);
    if (agent_refresh_fallback(agent) < 0) {
        log_error("fallback certificate: can't be made for %s; the old one stays", name);
    }
}

static void on_report(const struct mdns_report *report, void *arg)
{
    struct agent *agent = arg;
    agent->mdns.state = report->state;
    switch (report->state) {
    case MDNS_ANNOUNCED:
        log_info("mDNS: announced as %s", report->host);
        note_name(agent, report->host);
        break;
    case MDNS_FAILED:
        log_warning("mDNS: not announced: %s", report->detail);
        break;
    case MDNS_OFF:
    case MDNS_WAITING:
    case MDNS_ABSENT:
        log_info("mDNS: not announced: %s", report->detail);
        break;
    }
}

static void tell(struct agent *agent)
{
    struct mdns_facts facts = {.port = 0};
    char name[FALLBACK_MDNS_CAPACITY];
    const char *brand = agent->config->brand_name;
    if (agent->mdns.announcer == NULL) {
        return;
    }
    fallback_mdns_name(agent->identity.id, name);
    name[strcspn(name, ".")] = '\0';
    text_copy(facts.host, sizeof(facts.host), name);
    text_copy(facts.id, sizeof(facts.id), agent->identity.id);
    /* People choose among these in a list: the maker's name, and what is on the label. A
       DNS label holds 63 octets (RFC 6763 4.1.1). */
    if (brand[0] == '\0' ||
        !text_format(facts.service, sizeof(facts.service), "%s (%s)", brand, name)) {
        text_copy(facts.service, sizeof(facts.service), name);
    }
    if (agent->config->serve.count > 0) {
        facts.port = terminator_port(agent->terminator);
    }
    facts.addresses = agent->addresses;
    announcer_tell(agent->mdns.announcer, &facts);
}

static void open_mdns(struct agent *agent)
{
    char program[AGENT_PATH_CAPACITY];
    if (!agent->config->mdns) {
        return;
    }
    if (child_find("latchkey-mdns", program, sizeof(program)) < 0 ||
        access(program, X_OK) != 0) {
        log_info("mDNS: latchkey-mdns is not installed; the device is not announced");
        return;
    }
    if (announcer_new(agent->loop, program, on_report, agent, &agent->mdns.announcer) <
        0) {
        log_warning("mDNS: %s", error_text(ERROR_MEMORY));
        return;
    }
    agent->mdns.state = MDNS_WAITING;
    tell(agent);
}

static void close_mdns(struct agent *agent)
{
    announcer_free(agent->mdns.announcer);
}

const struct agent_feature agent_mdns_feature = {
    .open = open_mdns,
    .addresses_changed = tell,
    .close = close_mdns,
};

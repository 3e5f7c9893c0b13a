/* What latchkey-mdns may say to the agent, and the agent to it: what is taken fits, and is
 * the same when it is written and taken again. */
#include "device/mdns_message.h"

#include "tests/fuzz/require.h"

#include <stdint.h>
#include <string.h>

static void try_report(const uint8_t *data, size_t size)
{
    struct mdns_report report;
    struct mdns_report back;
    if (mdns_message_read_report(data, size, &report) < 0) {
        return;
    }
    struct buffer wire = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    REQUIRE(mdns_message_write_report(&report, &wire) == 0);
    REQUIRE(mdns_message_read_report(wire.data, wire.size, &back) == 0);
    REQUIRE(back.state == report.state && strcmp(back.host, report.host) == 0 &&
            strcmp(back.detail, report.detail) == 0);
    buffer_free(&wire);
}

static void try_facts(const uint8_t *data, size_t size)
{
    struct mdns_facts facts;
    struct mdns_facts back;
    if (mdns_message_read_facts(data, size, &facts) < 0) {
        return;
    }
    struct buffer wire = buffer_init(LIMIT_MDNS_MESSAGE_BYTES);
    REQUIRE(mdns_message_write_facts(&facts, &wire) == 0);
    REQUIRE(mdns_message_read_facts(wire.data, wire.size, &back) == 0);
    REQUIRE(back.port == facts.port && strcmp(back.host, facts.host) == 0 &&
            strcmp(back.service, facts.service) == 0 &&
            own_addresses_equal(&back.addresses, &facts.addresses));
    buffer_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_report(data, size);
    try_facts(data, size);
    return 0;
}

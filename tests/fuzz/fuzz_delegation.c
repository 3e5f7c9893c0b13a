/* What a name server says about the zone: counts within bounds, names that end, addresses that
 * can be asked. The question is compared with the same message's: that one is its own. */
#include "relay/admin/delegation.h"

#include "tests/fuzz/require.h"

#include <stdlib.h>
#include <string.h>

static void check(const struct delegation_server *server)
{
    REQUIRE(memchr(server->name, '\0', sizeof(server->name)) != NULL);
    REQUIRE(server->address_count <= DELEGATION_ADDRESSES_MAX);
    for (size_t i = 0; i < server->address_count; i++) {
        REQUIRE(address_port(&server->addresses[i]) == 53);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct delegation_reply reply;
    struct buffer lines = buffer_init(1 << 20);
    uint8_t *copy = malloc(size > 0 ? size : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, data, size);
    struct bytes message = {copy, size};
    if (delegation_read("lan.test", message, message, &reply) == 0) {
        REQUIRE(reply.rcode < 16);
        REQUIRE(reply.servers.count <= DELEGATION_SERVERS_MAX);
        REQUIRE(!reply.caa_is_closed || reply.caa_count > 0);
        for (size_t i = 0; i < reply.servers.count; i++) {
            check(&reply.servers.at[i]);
        }
        REQUIRE(!reply.has_soa || memchr(reply.soa_name, '\0', sizeof(reply.soa_name)));
        REQUIRE(delegation_names_equal(&reply.servers, &reply.servers));
        REQUIRE(delegation_records("lan.test", &reply.servers, &lines) == 0);
    }
    buffer_free(&lines);
    free(copy);
    return 0;
}

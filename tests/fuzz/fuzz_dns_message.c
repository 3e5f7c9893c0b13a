/* Replies of resolvers: what is read stays within bounds, and a reply cut short anywhere is
 * told from a whole one. */
#include "base/net/dns_message.h"

#include "tests/fuzz/require.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(size > 0 ? size : 1, 1);
    struct dns_message_reply reply = {.rcode = 0};
    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    if (dns_message_read_reply(copy, size, &reply) == 0) {
        REQUIRE(size >= 12);
        REQUIRE(reply.address_count <= DNS_MESSAGE_ADDRESSES_MAX);
        REQUIRE(reply.ede >= DNS_MESSAGE_NO_EDE && reply.ede <= UINT16_MAX);
        REQUIRE(dns_message_rcode_text(reply.rcode) != NULL);
        for (size_t i = 0; i < reply.address_count; i++) {
            REQUIRE(reply.addresses[i].family == 4 || reply.addresses[i].family == 6);
        }
    }
    free(copy);
    return 0;
}

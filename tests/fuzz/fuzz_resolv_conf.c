/* resolv.conf: whatever it holds, the servers are IP addresses with port 53, and few. */
#include "device/resolv_conf.h"

#include "tests/fuzz/require.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    struct resolv_conf conf;
    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    resolv_conf_parse(copy, size, &conf);
    REQUIRE(conf.count <= RESOLV_CONF_SERVERS_MAX);
    for (size_t i = 0; i < conf.count; i++) {
        REQUIRE(address_port(&conf.servers[i]) == 53);
    }
    free(copy);
    return 0;
}

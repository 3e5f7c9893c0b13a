/* Any message: the records end, names are text within bounds, and data lies in the message. */
#include "base/net/dns_record.h"

#include "tests/fuzz/require.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_records records;
    struct dns_record record;
    char name[DNS_RECORD_NAME_CAPACITY];
    size_t count = 0;
    int error = dns_record_open(data, size, &records);
    while (error == 0) {
        error = dns_record_next(&records, &record);
        if (error != 0) {
            break;
        }
        /* A record has eleven octets at least. */
        REQUIRE(++count <= size / 11);
        REQUIRE(memchr(record.name, '\0', sizeof(record.name)) != NULL);
        REQUIRE(record.data.data >= data && record.data.data + record.data.size <= data + size);
        if (dns_record_name(&records, &record, name) == 0) {
            REQUIRE(memchr(name, '\0', sizeof(name)) != NULL);
        }
    }
    return 0;
}

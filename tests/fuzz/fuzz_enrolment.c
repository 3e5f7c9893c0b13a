/* What anybody on the network may post to a device. An accepted request holds what it says:
 * written anew from its parts it is accepted again, with the same parts. */
#include "device/enrolment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct enrolment enrolment;
    struct enrolment back;
    struct key *key = NULL;
    if (enrolment_parse(data, size, &enrolment) != 0) {
        return 0;
    }
    if (!app_list_is_name(enrolment.name) || enrolment.spki_size > KEY_SPKI_MAX) {
        abort();
    }
    if (key_from_spki(enrolment.spki, enrolment.spki_size, &key) != 0) {
        return 0;
    }
    struct buffer body = buffer_init_secret(8 << 10);
    if (enrolment_dump(enrolment.invitation, enrolment.name, key, &body) != 0 ||
        enrolment_parse(body.data, body.size, &back) != 0 ||
        strcmp(back.name, enrolment.name) != 0 ||
        memcmp(back.invitation, enrolment.invitation, sizeof(back.invitation)) != 0) {
        abort();
    }
    buffer_free(&body);
    key_free(key);
    return 0;
}

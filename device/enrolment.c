#include "device/enrolment.h"

#include "base/core/text.h"

#include <string.h>

enum { BODY_BYTES = 4 << 10, MEMBERS = 4, VERSION = 1 };

int enrolment_parse(const void *data, size_t size, struct enrolment *ret_enrolment)
{
    struct enrolment enrolment = {.spki_size = 0};
    json_t *object = NULL;
    size_t invitation_size = 0;
    int error = json_parse(data, size, BODY_BYTES, &object);
    if (error < 0) {
        return error;
    }
    const char *invitation = json_get_text(object, "t");
    const char *name = json_get_text(object, "name");
    const char *spki = json_get_text(object, "spki");
    if (json_object_size(object) != MEMBERS || json_get_i64(object, "v", 0) != VERSION ||
        invitation == NULL || name == NULL || spki == NULL) {
        error = ERROR_SYNTAX;
        goto out;
    }
    if (!app_list_is_name(name) ||
        !text_copy(enrolment.name, sizeof(enrolment.name), name)) {
        error = ERROR_RANGE;
        goto out;
    }
    error = text_base64url_decode(invitation, strlen(invitation), enrolment.invitation,
                                  sizeof(enrolment.invitation), &invitation_size);
    if (error == 0 && invitation_size != sizeof(enrolment.invitation)) {
        error = ERROR_SYNTAX;
    }
    if (error == 0) {
        error = text_base64url_decode(spki, strlen(spki), enrolment.spki,
                                      sizeof(enrolment.spki), &enrolment.spki_size);
    }
    if (error == 0) {
        *ret_enrolment = enrolment;
    }
out:
    explicit_bzero(&enrolment, sizeof(enrolment));
    json_decref(object);
    return error;
}

int enrolment_dump(const uint8_t invitation[static QR_INVITATION_SIZE], const char *name,
                   const struct key *key, struct buffer *text)
{
    char secret[TEXT_BASE64URL_SIZE(QR_INVITATION_SIZE) + 1];
    char spki[TEXT_BASE64URL_SIZE(KEY_SPKI_MAX) + 1];
    struct bytes der = key_spki(key);
    json_t *object = json_object();
    text_base64url(invitation, QR_INVITATION_SIZE, secret);
    text_base64url(der.data, der.size, spki);
    int error = json_set_i64(object, "v", VERSION);
    if (error == 0) {
        error = json_set_text(object, "t", secret);
    }
    if (error == 0) {
        error = json_set_text(object, "name", name);
    }
    if (error == 0) {
        error = json_set_text(object, "spki", spki);
    }
    if (error == 0) {
        error = json_dump(object, text);
    }
    explicit_bzero(secret, sizeof(secret));
    json_decref(object);
    return error;
}

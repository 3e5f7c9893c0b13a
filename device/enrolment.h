/* An app's request to be remembered, sent over a TLS connection whose client certificate
 * shows the app's key:
 *
 *     POST /.well-known/latchkey/enrol
 *     {"v":1, "t":"<invitation>", "name":"<what people call it>", "spki":"<its key>"}
 *
 * t and spki are base64url; spki is the DER SubjectPublicKeyInfo of the certificate's key.
 * The response is {"v":1, "id", "app", "pins":["<base64url SHA-256 of the identity key's
 * SPKI>"]}, and "zone" where it is known. */
#ifndef DEVICE_ENROLMENT_H
#define DEVICE_ENROLMENT_H

#include "base/core/json.h"
#include "base/crypto/key.h"
#include "device/app_list.h"
#include "device/qr.h"

#define ENROLMENT_PATH "/.well-known/latchkey/enrol"
#define ENROLMENT_SELF_PATH "/.well-known/latchkey/app"

struct enrolment {
    uint8_t invitation[QR_INVITATION_SIZE];
    char name[APP_NAME_MAX + 1];
    uint8_t spki[KEY_SPKI_MAX];
    size_t spki_size;
};

/* Reads a request's body: these four members, each once, and nothing else. ERROR_SYNTAX or
 * ERROR_RANGE. Wipe *RET_ENROLMENT after use. */
int enrolment_parse(const void *data, size_t size,
                    struct enrolment *ret_enrolment) MUST_CHECK;
/* Appends such a body for KEY to TEXT (from buffer_init_secret). */
int enrolment_dump(const uint8_t invitation[static QR_INVITATION_SIZE], const char *name,
                   const struct key *key, struct buffer *text) MUST_CHECK;

#endif

/* The QR code that carries the device's pin, and its drawings. The payload is
 *
 *     LATCHKEY:1/K<pin>/A<address>[:<port>]/T<invitation>
 *
 * all of QR's alphanumeric set. <pin> is the base32 (upper case, 52 characters, the last
 * one's four unused bits zero) of SHA-256(SPKI of the identity key). <address> is an IPv4
 * address, or IPv6 as eight groups joined by hyphens as in the device's names
 * (FD12-3456-0-0-0-0-0-1), because the set has no brackets; several /A may follow. The
 * port is left out when it is 443. <invitation> is the base32 of 16 random octets (upper
 * case, 26 characters, the last one's two unused bits zero); it lets one app enrol, and is
 * left out where everybody may look. */
#ifndef DEVICE_QR_H
#define DEVICE_QR_H

#include "base/core/buffer.h"
#include "device/own_addresses.h"

enum { QR_PAYLOAD_CAPACITY = 256, QR_ADDRESSES_MAX = 2, QR_INVITATION_SIZE = 16 };

/* PIN in lower case, as struct identity has it. At most QR_ADDRESSES_MAX addresses are
 * named. */
int qr_payload(const char *pin, const struct own_addresses *addresses, uint16_t port,
               char ret_text[static QR_PAYLOAD_CAPACITY]) MUST_CHECK;
/* Adds the invitation to a payload. Wipe RET_TEXT after use. */
int qr_payload_invite(const uint8_t invitation[static QR_INVITATION_SIZE],
                      char ret_text[static QR_PAYLOAD_CAPACITY]) MUST_CHECK;
/* Appends an SVG drawing of TEXT: black on white with the quiet zone, whatever surrounds
 * it. LABEL is its accessible name (plain ASCII without markup). */
int qr_svg(const char *text, const char *label, struct buffer *svg) MUST_CHECK;
/* Appends lines of UTF-8 half blocks for a terminal, dark on light by ANSI colours when
 * COLOUR, so that it can be scanned from dark and light terminals; else only the blocks,
 * which suit dark terminals. */
int qr_terminal(const char *text, bool colour, struct buffer *lines) MUST_CHECK;

#endif

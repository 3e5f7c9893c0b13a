/* A code may have been printed by somebody else and stuck over the right one, so this is
 * input from outside: it is taken apart field by field, and a text that a device would not
 * have written is refused as a whole. What it can do at worst is to name another device;
 * an address is a hint that the pin then proves. It must be private all the same, so that
 * no code makes a phone call somewhere on the internet. */
#include "device/pin_payload.h"

#include "base/core/text.h"

#include <string.h>

enum { HTTPS_PORT = 443, ADDRESS_MAX = 64, PORT_DIGITS = 5 };

static const struct lanname_policy policy = {.shared = true, .loopback = true};

static bool is_upper_base32(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!((text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= '2' && text[i] <= '7'))) {
            return false;
        }
    }
    return true;
}

/* Exactly OCTETS in base32; the decoder refuses unused bits that are not zero. */
static bool read_octets(const char *text, size_t size, uint8_t *ret_octets, size_t octets)
{
    size_t count = 0;
    return size == TEXT_BASE32_SIZE(octets) && is_upper_base32(text, size) &&
           text_base32_decode(text, size, ret_octets, octets, &count) == 0 &&
           count == octets;
}

static bool read_port(const char *text, size_t size, uint16_t *ret_port)
{
    char digits[PORT_DIGITS + 1];
    uint64_t port = 0;
    if (size == 0 || size > PORT_DIGITS || text[0] == '0' ||
        memchr(text, '\0', size) != NULL) {
        return false;
    }
    memcpy(digits, text, size);
    digits[size] = '\0';
    if (text_u64(digits, UINT16_MAX, &port) != 0 || port == 0) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

static bool read_literal(const char *text, size_t size,
                         struct lanname_address *ret_address)
{
    char literal[ADDRESS_MAX + 1];
    char canonical[46];
    if (size == 0 || size > ADDRESS_MAX) {
        return false;
    }
    memcpy(literal, text, size);
    literal[size] = '\0';
    if (strlen(literal) != size) {
        return false;
    }
    if (strspn(literal, "0123456789.") == size) { /* IPv4 as inet_ntop writes it */
        if (!lanname_address_parse(literal, ret_address)) {
            return false;
        }
        lanname_address_text(ret_address, canonical);
        return strcmp(literal, canonical) == 0;
    }
    for (size_t i = 0; i < size; i++) {
        if (literal[i] >= 'a' && literal[i] <= 'z') {
            return false;
        }
    }
    return lanname_parse_label((const uint8_t *)literal, size, ret_address) ==
               LANNAME_ADDRESS &&
           ret_address->family == 6;
}

static int make_place(const struct lanname_address *address, uint16_t port,
                      struct address *ret_place)
{
    char text[46];
    char whole[64];
    lanname_address_text(address, text);
    if (!text_format(whole, sizeof(whole), address->family == 6 ? "[%s]:%u" : "%s:%u",
                     text, (unsigned)port)) {
        return ERROR_LIMIT;
    }
    return address_parse(whole, 0, ret_place);
}

static const char *read_place(const char *text, size_t size, struct pin_payload *payload)
{
    struct lanname_address address;
    struct address place = {.size = 0};
    uint16_t port = HTTPS_PORT;
    const char *colon = memchr(text, ':', size);
    size_t host = colon != NULL ? (size_t)(colon - text) : size;
    if (payload->place_count == QR_ADDRESSES_MAX) {
        return "it names too many addresses";
    }
    if (colon != NULL && !read_port(colon + 1, size - host - 1, &port)) {
        return "a port is not a number from 1 to 65535";
    }
    if (!read_literal(text, host, &address)) {
        return "an address is neither IPv4 nor eight groups of IPv6 joined by hyphens";
    }
    if (!lanname_allowed(&address, &policy)) {
        return "an address is not a private one";
    }
    if (make_place(&address, port, &place) < 0) {
        return "an address can't be read";
    }
    for (size_t i = 0; i < payload->place_count; i++) {
        if (memcmp(&payload->places[i].storage, &place.storage, sizeof(place.storage)) ==
            0) {
            return "it names an address twice";
        }
    }
    payload->places[payload->place_count++] = place;
    return NULL;
}

/* The fields behind the pin: addresses, then perhaps the invitation. */
static const char *read_fields(const char *at, size_t size, struct pin_payload *payload)
{
    while (size > 0) {
        const char *end = memchr(at + 1, '/', size - 1);
        size_t field = end != NULL ? (size_t)(end - at) : size;
        const char *wrong = "it has a field that is not known";
        if (at[0] != '/' || field < 2) {
            return "it has an empty field";
        }
        if (payload->has_invitation) {
            return "it goes on after the invitation";
        }
        if (at[1] == 'A') {
            wrong = read_place(at + 2, field - 2, payload);
        } else if (at[1] == 'T') {
            wrong = read_octets(at + 2, field - 2, payload->invitation,
                                sizeof(payload->invitation))
                        ? NULL
                        : "its invitation is not 26 characters of base32";
            payload->has_invitation = wrong == NULL;
        } else if (at[1] == 'K') {
            wrong = "it has two pins";
        }
        if (wrong != NULL) {
            return wrong;
        }
        at += field;
        size -= field;
    }
    return NULL;
}

int pin_payload_parse(const char *text, size_t size, struct pin_payload *ret_payload,
                      char reason[static PIN_PAYLOAD_REASON_CAPACITY])
{
    static const char prefix[] = "LATCHKEY:1/K";
    const size_t prefix_size = sizeof(prefix) - 1;
    const size_t pin_size = TEXT_BASE32_SIZE(PIN_PAYLOAD_HASH_SIZE);
    struct pin_payload payload = {.place_count = 0};
    const char *wrong = NULL;
    if (size >= QR_PAYLOAD_CAPACITY) {
        wrong = "it is too long";
    } else if (size < prefix_size || memcmp(text, prefix, prefix_size) != 0) {
        wrong = "it does not begin with LATCHKEY:1/K";
    } else if (size < prefix_size + pin_size ||
               !read_octets(text + prefix_size, pin_size, payload.hash,
                            sizeof(payload.hash))) {
        wrong = "its pin is not 52 characters of base32 in upper case";
    } else {
        wrong = read_fields(text + prefix_size + pin_size, size - prefix_size - pin_size,
                            &payload);
    }
    if (wrong != NULL) {
        text_format(reason, PIN_PAYLOAD_REASON_CAPACITY,
                    "this is not what a device's QR code says: %s", wrong);
        return ERROR_SYNTAX;
    }
    *ret_payload = payload;
    return 0;
}

int pin_payload_place(const char *text, struct address *ret_place)
{
    char host[ADDRESS_TEXT_CAPACITY];
    struct address place;
    struct lanname_address address;
    int error = address_parse(text, HTTPS_PORT, &place);
    if (error < 0) {
        return error;
    }
    address_host_text(&place, host);
    if (!lanname_address_parse(host, &address) || !lanname_allowed(&address, &policy) ||
        address_port(&place) == 0) {
        return ERROR_RANGE;
    }
    *ret_place = place;
    return 0;
}

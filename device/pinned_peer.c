/* An app never falls back: a server that is not the device of the pin ends the whole, as
 * trying elsewhere would teach people that the warning goes away. What the device then says
 * is still held to its form, and its list of pins must hold the one that it was believed
 * by. */
#include "device/pinned_peer.h"

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/cert_pin.h"
#include "base/crypto/cert_self.h"
#include "base/crypto/digest.h"
#include "base/net/tls.h"
#include "base/net/tls_client.h"
#include "device/clock_floor.h"
#include "device/endorsement.h"
#include "device/enrolment.h"

#include <errno.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, RESPONSE_BYTES = 16 << 10, REQUEST_BYTES = 4 << 10 };

struct judgement {
    const struct pin_store *store;
    char *reason;
};

static int judge(struct x509_st *const *chain, size_t count, void *arg)
{
    const struct judgement *judgement = arg;
    int error = ERROR_DENIED;
    for (size_t i = 0; i < judgement->store->pin_count && error == ERROR_DENIED; i++) {
        struct cert_pin pin = {.hash = judgement->store->pins[i],
                               .now_at = clock_wall_at(),
                               .floor_at = CLOCK_FLOOR_AT};
        error = cert_pin_check(chain, count, &pin, judgement->reason, LIMIT_DETAIL_BYTES);
    }
    return error;
}

static void explain(int error, const struct address *place, const char *judged,
                    struct pinned_peer_report *report)
{
    char where[ADDRESS_TEXT_CAPACITY];
    const char *why = error_text(error);
    int reason = errno;
    address_text(place, where);
    if (judged[0] != '\0') {
        why = judged;
    } else if (error == ERROR_IO) {
        why = strerror(reason);
    } else if (error == ERROR_CRYPTO) {
        why = "no TLS 1.3 connection for apps came about";
    } else if (error == ERROR_TIMEOUT) {
        why = "nothing came back in ten seconds";
    }
    if (!text_format(report->text, sizeof(report->text), "%s: %s", where, why)) {
        text_copy(report->text, sizeof(report->text), where);
    }
}

static int call(const struct pin_store *store, const struct address *place,
                const struct cert *cert, struct bytes request, struct buffer *response,
                struct pinned_peer_report *report)
{
    char judged[LIMIT_DETAIL_BYTES] = "";
    struct judgement judgement = {.store = store, .reason = judged};
    struct tls_client_options options = {
        .address = *place,
        .timeout_ms = TIMEOUT_MS,
        .protocol = TLS_APP_PROTOCOL,
        .cert = cert,
        .key = store->key,
        .judge = judge,
        .arg = &judgement,
    };
    int error = tls_client_call(&options, request, response);
    if (error < 0) {
        explain(error, place, error == ERROR_DENIED ? judged : "", report);
    }
    return error;
}

int pinned_peer_check(const struct pin_store *store, const struct address *place,
                      struct pinned_peer_report *ret_report)
{
    const struct bytes nothing = {.data = NULL};
    const struct address *places = place != NULL ? place : store->places;
    size_t count = place != NULL ? 1 : store->place_count;
    int error = ERROR_NOT_FOUND;
    text_copy(ret_report->text, sizeof(ret_report->text), "no address is known");
    for (size_t i = 0; i < count && error != 0 && error != ERROR_DENIED; i++) {
        error = call(store, &places[i], NULL, nothing, NULL, ret_report);
        if (error == 0) {
            ret_report->place = places[i];
            ret_report->text[0] = '\0';
        }
    }
    return error;
}

/* Takes the response apart: ERROR_DENIED with what the device says of a refusal. */
static int read_response(const struct buffer *response, json_t **ret_object,
                         struct pinned_peer_report *report)
{
    const char *text = buffer_text(response);
    const char *body = strstr(text, "\r\n\r\n");
    bool is_good = text_starts_with(text, "HTTP/1.1 200 ");
    json_t *object = NULL;
    int error = body == NULL
                    ? ERROR_SYNTAX
                    : json_parse(body + 4, strlen(body + 4), RESPONSE_BYTES, &object);
    if (error < 0) {
        text_copy(report->text, sizeof(report->text),
                  "the device's response can't be understood");
        return error;
    }
    if (is_good) {
        *ret_object = object;
        return 0;
    }
    const char *detail = json_get_text(object, "detail");
    char shown[LIMIT_DETAIL_BYTES / 2] = "";
    if (detail != NULL) {
        text_printable(shown, sizeof(shown), detail, strlen(detail));
    }
    text_format(report->text, sizeof(report->text), "the device refused: %s", shown);
    json_decref(object);
    return ERROR_DENIED;
}

static int ask(const struct pin_store *store, const char *method, const char *path,
               const struct buffer *body, json_t **ret_object,
               struct pinned_peer_report *report)
{
    struct cert *cert = NULL;
    char host[ADDRESS_TEXT_CAPACITY];
    struct buffer request = buffer_init_secret(REQUEST_BYTES);
    struct buffer response = buffer_init(RESPONSE_BYTES);
    address_text(&report->place, host);
    buffer_printf(&request,
                  "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
                  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                  method, path, host, body->size);
    int error = buffer_append(&request, body->data, body->size);
    if (error == 0) {
        error = cert_self_make(store->key, "latchkey app", &cert);
    }
    if (error == 0) {
        error =
            call(store, &report->place, cert, buffer_bytes(&request), &response, report);
    } else {
        text_copy(report->text, sizeof(report->text), error_text(error));
    }
    if (error == 0) {
        error = read_response(&response, ret_object, report);
    }
    cert_free(cert);
    buffer_free(&request);
    buffer_free(&response);
    return error;
}

/* The device's pins and zone; the pin that it was believed by must be the first. */
static int take_pins(struct pin_store *store, const json_t *object)
{
    const json_t *pins = json_get_array(object, "pins");
    const json_t *entry = NULL;
    const char *zone = json_get_text(object, "zone");
    uint8_t taken[PIN_STORE_PINS_MAX][PIN_PAYLOAD_HASH_SIZE];
    size_t count = 0;
    size_t index = 0;
    json_array_foreach(pins, index, entry)
    {
        const char *text = json_string_value(entry);
        size_t size = 0;
        if (text == NULL || count == PIN_STORE_PINS_MAX ||
            text_base64url_decode(text, strlen(text), taken[count], PIN_PAYLOAD_HASH_SIZE,
                                  &size) < 0 ||
            size != PIN_PAYLOAD_HASH_SIZE) {
            return ERROR_SYNTAX;
        }
        count++;
    }
    if (json_get_i64(object, "v", 0) != 1 || count == 0 ||
        !digest_equal(taken[0], store->pins[0], PIN_PAYLOAD_HASH_SIZE) ||
        !text_copy(store->zone, sizeof(store->zone), zone != NULL ? zone : "")) {
        return ERROR_SYNTAX;
    }
    memcpy(store->pins, taken, sizeof(taken[0]) * count);
    store->pin_count = count;
    return 0;
}

int pinned_peer_enrol(struct pin_store *store,
                      const uint8_t invitation[static QR_INVITATION_SIZE],
                      const char *name, struct pinned_peer_report *report)
{
    json_t *object = NULL;
    struct buffer body = buffer_init_secret(REQUEST_BYTES);
    int error = enrolment_dump(invitation, name, store->key, &body);
    if (error < 0) {
        text_copy(report->text, sizeof(report->text), error_text(error));
    } else {
        error = ask(store, "POST", ENROLMENT_PATH, &body, &object, report);
    }
    if (error == 0) {
        error = take_pins(store, object);
        if (error < 0) {
            text_copy(report->text, sizeof(report->text),
                      "the device's response does not hold the pin that it has");
        }
    }
    json_decref(object);
    buffer_free(&body);
    return error;
}

int pinned_peer_ask(const struct pin_store *store, struct pinned_peer_report *report)
{
    json_t *object = NULL;
    const struct buffer nothing = {.data = NULL};
    int error = ask(store, "GET", ENROLMENT_SELF_PATH, &nothing, &object, report);
    json_decref(object);
    return error;
}

/* --- the trusted certificate --- */

/* Only looks at the key: who has it proves so in the handshake, and what it is worth is said
 * by the endorsement, which is public. Nothing secret is sent before. */
static int note_key(struct x509_st *const *chain, size_t count, void *arg)
{
    uint8_t *hash = arg;
    return count > 0 ? cert_pin_key_hash(chain[0], hash) : ERROR_DENIED;
}

static int fetch_endorsement(const struct pinned_peer_report *report, const char *name,
                             uint8_t ret_hash[static 32], struct buffer *response)
{
    struct buffer request = buffer_init(REQUEST_BYTES);
    struct tls_client_options options = {
        .address = report->place,
        .server_name = name,
        .timeout_ms = TIMEOUT_MS,
        .protocol = "http/1.1",
        .judge = note_key,
        .arg = ret_hash,
    };
    buffer_printf(&request,
                  "GET " ENDORSEMENT_PATH
                  " HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                  name);
    int error = request.error;
    if (error == 0) {
        error = tls_client_call(&options, buffer_bytes(&request), response);
    }
    buffer_free(&request);
    return error;
}

int pinned_peer_check_trusted(struct pin_store *store, const char *name,
                              struct pinned_peer_report *report)
{
    uint8_t hash[32];
    struct buffer response = buffer_init(RESPONSE_BYTES);
    struct endorsement_rules rules = {
        .tls_hash = hash,
        .name = name,
        .now_at = clock_wall_at(),
        .floor_at = CLOCK_FLOOR_AT,
        .least_counter = store->counter,
    };
    json_t *object = NULL;
    int error = fetch_endorsement(report, name, hash, &response);
    if (error < 0) {
        explain(error, &report->place, "", report);
    } else {
        error = read_response(&response, &object, report);
    }
    json_decref(object);
    if (error == 0) {
        const char *body = strstr(buffer_text(&response), "\r\n\r\n") + 4;
        error = ERROR_DENIED;
        for (size_t i = 0; i < store->pin_count && error == ERROR_DENIED; i++) {
            rules.pin = store->pins[i];
            error = endorsement_check(body, strlen(body), &rules, &store->counter,
                                      report->text, sizeof(report->text));
        }
    }
    buffer_free(&response);
    return error;
}

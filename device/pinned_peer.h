/* A device as an app sees it: reached at an address, believed by its pin, never by names or
 * root certificates. */
#ifndef DEVICE_PINNED_PEER_H
#define DEVICE_PINNED_PEER_H

#include "base/core/json.h"
#include "base/core/limits.h"
#include "device/pin_store.h"

/* What stands in the way, as a sentence; in a struct, as every call has one. */
struct pinned_peer_report {
    char text[LIMIT_DETAIL_BYTES];
    struct address place; /* of the call that went well */
};

/* Tries the places of STORE in order, or only PLACE when given: a TLS 1.3 handshake with a
 * server of one of its pins (cert_pin_check). ERROR_DENIED when one that answers is not the
 * device: no other is tried then. Blocks, at most ten seconds a place. */
int pinned_peer_check(const struct pin_store *store, const struct address *place,
                      struct pinned_peer_report *ret_report) MUST_CHECK;
/* Enrols store->key with an invitation at report->place, which pinned_peer_check has set;
 * the device's pins and zone come into STORE. ERROR_DENIED when the device refuses. */
int pinned_peer_enrol(struct pin_store *store,
                      const uint8_t invitation[static QR_INVITATION_SIZE],
                      const char *name, struct pinned_peer_report *report) MUST_CHECK;
/* Asks the device whether it still knows store->key. ERROR_DENIED when not. */
int pinned_peer_ask(const struct pin_store *store,
                    struct pinned_peer_report *report) MUST_CHECK;
/* Whether the trusted certificate that the device serves by NAME at report->place is
 * endorsed by the pin's key, and no older than store->counter says, which then rises.
 * ERROR_DENIED when not. The certificate's CA does not count. */
int pinned_peer_check_trusted(struct pin_store *store, const char *name,
                              struct pinned_peer_report *report) MUST_CHECK;

#endif

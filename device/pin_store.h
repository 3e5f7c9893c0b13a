/* What an app keeps of a device that it has verified, in one file of mode 0600: the pins,
 * where the device was, and the app's own key. */
#ifndef DEVICE_PIN_STORE_H
#define DEVICE_PIN_STORE_H

#include "base/crypto/key.h"
#include "device/pin_payload.h"

enum { PIN_STORE_PINS_MAX = 4, PIN_STORE_ZONE_CAPACITY = 254 };

struct pin_store {
    char id[KEY_ID_SIZE + 1];           /* the device's; the beginning of the first pin */
    char zone[PIN_STORE_ZONE_CAPACITY]; /* "" : not known */
    uint8_t pins[PIN_STORE_PINS_MAX][PIN_PAYLOAD_HASH_SIZE];
    size_t pin_count; /* at least 1 */
    struct address places[QR_ADDRESSES_MAX];
    size_t place_count;
    int64_t counter;     /* of the newest endorsement that was seen; 0: none */
    int64_t verified_at; /* by a clock that nobody vouches for */
    struct key *key;     /* the app's own; NULL: it has not enrolled */
};

/* Reads PATH. ERROR_NOT_FOUND; ERROR_SYNTAX for a file that makes no sense. Free with
 * pin_store_free in any case. Blocks on the disk. */
int pin_store_load(const char *path, struct pin_store *ret_store) MUST_CHECK;
/* Writes it atomically and durably; EXISTS_OK false: ERROR_EXISTS when there is one, which
 * may hold the only key that a device knows. Blocks on the disk. */
int pin_store_save(const char *path, const struct pin_store *store,
                   bool exists_ok) MUST_CHECK;
/* The same from and to text. */
int pin_store_parse(const void *data, size_t size,
                    struct pin_store *ret_store) MUST_CHECK;
int pin_store_dump(const struct pin_store *store, struct buffer *text) MUST_CHECK;
/* Accepts an empty one. */
void pin_store_free(struct pin_store *store);

#endif

/* What tells a device from its copy. Each publication is answered with a fresh random receipt,
 * and shows the last one. One device always shows what it was given; two with one key step on
 * each other. One that does not fit may be a restored backup; two within a day are two devices.
 * Pure. */
#ifndef RELAY_FRONT_RECEIPT_H
#define RELAY_FRONT_RECEIPT_H

#include "relay/store/front_store.h"

/* Judges SHOWN ("" : the device has none) against BEFORE (NULL: it never published with one).
 * FRESH is what it is answered with. What happened until SETTLED_AT does not count any more.
 * *RET_AFTER is what to store; whether SHOWN fitted. */
bool receipt_judge(const struct front_store_receipt *before, const char *shown,
                   const char *fresh, int64_t settled_at, int64_t now_at,
                   struct front_store_receipt *ret_after);

#endif

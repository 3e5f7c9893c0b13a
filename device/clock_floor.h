/* The moment before which a clock was certainly never set: shortly before this program
 * was written. A device without a battery starts in 1970. */
#ifndef DEVICE_CLOCK_FLOOR_H
#define DEVICE_CLOCK_FLOOR_H

#include <stdint.h>

/* 2026-11-01T00:00:00Z */
#define CLOCK_FLOOR_AT INT64_C(1793491200)

#endif

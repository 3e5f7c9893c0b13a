/* The two clocks. Wall time is int64_t seconds since 1970 (`_at`), monotonic time is
 * `_mono_ms`. */
#ifndef BASE_CORE_CLOCK_H
#define BASE_CORE_CLOCK_H

#include <stdint.h>

/* Seconds since 1970; 0 is 1970 on a device whose clock was never set. Does not block. */
int64_t clock_wall_at(void);
/* Milliseconds since some moment before this process; never goes back, and counts time
 * spent in suspend (CLOCK_BOOTTIME). Does not block. */
int64_t clock_mono_ms(void);

#endif

/* The two clocks. Wall time is int64_t seconds since 1970 (`_at`), monotonic time is
 * `_mono_ms`. */
#ifndef BASE_CORE_CLOCK_H
#define BASE_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970, as corrected; 0 is 1970 on a device whose clock was never set. Does not
 * block. */
int64_t clock_wall_at(void);
/* What the system's clock says, whatever was corrected. Does not block. */
int64_t clock_system_at(void);
/* From now on it is AT, and time goes on from there, whatever becomes of the system's clock: for a
 * program that knows better and may not set it. For the whole process; any thread. */
void clock_correct(int64_t at);
/* The system's clock counts again. */
void clock_trust_system(void);
bool clock_is_corrected(void);
/* Milliseconds since some moment before this process; never goes back, and counts time
 * spent in suspend (CLOCK_BOOTTIME). Does not block. */
int64_t clock_mono_ms(void);

#endif

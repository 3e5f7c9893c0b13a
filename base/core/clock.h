/* The two clocks. Wall time is int64_t seconds since 1970 (`_at`), monotonic time is `_mono_ms`. */
#ifndef BASE_CORE_CLOCK_H
#define BASE_CORE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_at(void);
int64_t clock_mono_ms(void);

#endif

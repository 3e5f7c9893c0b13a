#include "base/net/watchdog.h"

#include "base/core/notify.h"

#include <stdlib.h>

struct watchdog {
    struct loop_timer *timer;
    watchdog_fn *is_alive;
    void *arg;
};

static void set_timer(struct watchdog *watchdog)
{
    loop_timer_set(watchdog->timer, (notify_watchdog_ms() + 1) / 2);
}

static void on_time(void *arg)
{
    struct watchdog *watchdog = arg;
    if (watchdog->is_alive == NULL || watchdog->is_alive(watchdog->arg)) {
        notify_alive();
    }
    set_timer(watchdog);
}

int watchdog_new(struct loop *loop, watchdog_fn *is_alive, void *arg,
                 struct watchdog **ret_watchdog)
{
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (watchdog == NULL) {
        return ERROR_MEMORY;
    }
    watchdog->is_alive = is_alive;
    watchdog->arg = arg;
    if (loop_timer_new(loop, on_time, watchdog, &watchdog->timer) != 0) {
        free(watchdog);
        return ERROR_MEMORY;
    }
    if (notify_watchdog_ms() > 0) {
        set_timer(watchdog);
    }
    *ret_watchdog = watchdog;
    return 0;
}

void watchdog_free(struct watchdog *watchdog)
{
    if (watchdog == NULL) {
        return;
    }
    loop_timer_free(watchdog->timer);
    free(watchdog);
}

/* See heartbeat.h. The file is opened anew for each touch: one that somebody removed comes back,
 * and no descriptor is held that the program could close under us. A touch or ping that fails is
 * not said: its absence is the message. */
#include "service/heartbeat.h"

#include "sched/beat.h"
#include "service/notify.h"
#include "sys/clock.h"
#include "sys/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* No watchdog is so short, and a shorter period would burn a processor. */
#define PERIOD_MIN_NS FF_MILLISECOND

/* The file is touched at least so often. */
#define TOUCH_PERIOD_MAX_NS FF_SECOND

/* Whether the watchdog watches another process: our parent, which left us its environment. A
 * WATCHDOG_PID that is no pid counts as another's. */
static bool watchdog_elsewhere(void)
{
    const char *text = getenv("WATCHDOG_PID");
    uint64_t pid;

    if (!text || text[0] == '\0')
        return false;
    return !ff__env_u64("WATCHDOG_PID", 1, INT32_MAX, &pid) || pid != (uint64_t)getpid();
}

/* @return the time between two pings, 0 without a watchdog. */
static uint64_t watchdog_period(void)
{
    const char *manager = getenv("NOTIFY_SOCKET");
    uint64_t usec, period_ns;

    if (!manager || manager[0] == '\0' || watchdog_elsewhere() ||
        !ff__env_u64("WATCHDOG_USEC", 1, UINT64_MAX / FF_MICROSECOND, &usec))
        return 0;
    period_ns = usec * FF_MICROSECOND / 2;
    return period_ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : period_ns;
}

static uint64_t touch_period(const char *liveness_path, uint64_t beat_ns)
{
    uint64_t period_ns = beat_ns / 2;

    if (!liveness_path)
        return 0;
    if (period_ns > TOUCH_PERIOD_MAX_NS)
        return TOUCH_PERIOD_MAX_NS;
    return period_ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : period_ns;
}

/* O_NONBLOCK: a FIFO without a reader is an error, not a place to hang in. */
static int file_touch(const char *path)
{
    int rc = 0, fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);

    if (fd < 0)
        return -errno;
    if (futimens(fd, NULL) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

static uint64_t saturating_add(uint64_t a_ns, uint64_t b_ns)
{
    uint64_t sum_ns;

    return __builtin_add_overflow(a_ns, b_ns, &sum_ns) ? FF_NEVER : sum_ns;
}

static void beat_clock_start(struct ff__beat_clock *clock, uint64_t period_ns, uint64_t now_ns)
{
    clock->period_ns = period_ns;
    clock->next_ns = period_ns == 0 ? FF_NEVER : saturating_add(now_ns, period_ns);
}

/* Whether it is time; the next time is then one period later, or one from now after a delay. */
static bool beat_clock_due(struct ff__beat_clock *clock, uint64_t now_ns)
{
    if (now_ns < clock->next_ns)
        return false;
    clock->next_ns = saturating_add(clock->next_ns, clock->period_ns);
    if (clock->next_ns <= now_ns)
        clock->next_ns = saturating_add(now_ns, clock->period_ns);
    return true;
}

int ff__heartbeat_init(struct ff__heartbeat *ret_heartbeat, ff_pool *pool,
                       const char *liveness_path, uint64_t beat_ns)
{
    uint64_t now_ns = ff__clock_now();
    int rc = liveness_path ? file_touch(liveness_path) : 0;

    if (rc < 0)
        return rc;
    ret_heartbeat->pool = pool;
    ret_heartbeat->liveness_path = liveness_path;
    ret_heartbeat->beat_ns = beat_ns;
    beat_clock_start(&ret_heartbeat->ping, watchdog_period(), now_ns);
    beat_clock_start(&ret_heartbeat->touch, touch_period(liveness_path, beat_ns), now_ns);
    return 0;
}

uint64_t ff__heartbeat_tick(struct ff__heartbeat *heartbeat, uint64_t now_ns)
{
    bool ping = beat_clock_due(&heartbeat->ping, now_ns);
    bool touch = beat_clock_due(&heartbeat->touch, now_ns);

    if ((ping || touch) && ff__pool_oldest_beat(heartbeat->pool, now_ns) < heartbeat->beat_ns) {
        if (ping)
            (void)ff__notify_send("WATCHDOG=1", /* patience_ns= */ 0);
        if (touch)
            (void)file_touch(heartbeat->liveness_path);
    }
    return heartbeat->ping.next_ns < heartbeat->touch.next_ns ? heartbeat->ping.next_ns
                                                              : heartbeat->touch.next_ns;
}

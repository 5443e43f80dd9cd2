/* Signs of life: the watchdog ping to the service manager, and the liveness file. Both are given
 * only while every service task of the pool beats. For service.c; one thread at a time. */
#ifndef FF__SERVICE_HEARTBEAT_H
#define FF__SERVICE_HEARTBEAT_H

#include <failfast/base.h>

#include <stdint.h>

/* Something done again and again. */
struct ff__beat_clock {
    uint64_t period_ns; /* 0: never. */
    uint64_t next_ns;
};

struct ff__heartbeat {
    ff_pool *pool;
    const char *liveness_path; /* NULL: none. Borrowed. */
    uint64_t beat_ns;          /* A beat younger than that is a sign of life. */
    struct ff__beat_clock ping, touch;
};

/* Reads WATCHDOG_USEC and WATCHDOG_PID (a malformed value: one line on stderr, and no ping), makes
 * the liveness file and touches it. @return 0, or the negative errno of making the file. */
int ff__heartbeat_init(struct ff__heartbeat *ret_heartbeat, ff_pool *pool,
                       const char *liveness_path, uint64_t beat_ns);

/* Gives what is due at now_ns, if all is well. @return when to call again; FF_NEVER: no need to. */
uint64_t ff__heartbeat_tick(struct ff__heartbeat *heartbeat, uint64_t now_ns);

#endif

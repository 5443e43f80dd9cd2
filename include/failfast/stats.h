/* Counters of a pool, for metrics. */
#ifndef FAILFAST_STATS_H
#define FAILFAST_STATS_H

#include <failfast/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Set size to sizeof(struct ff_pool_stats) before asking. Counters only grow; they are read one
 * after the other while tasks run, so they may lag a little behind each other. */
struct ff_pool_stats {
    size_t size;
    uint64_t spawned;  /* Tasks accepted, timer runs included, service tasks not. */
    uint64_t finished; /* Tasks whose drop has returned. */
    uint64_t pending;  /* spawned - finished: queued or running. */
    uint64_t services; /* Service tasks that run now. */
    uint64_t timers;   /* Timers that have not ended. */
    uint64_t workers;  /* Worker threads. */
    uint64_t parked;   /* Workers asleep for want of work. */
};

/**
 * Read the counters of a pool.
 *
 * @param ret_stats  size set by the caller; filled up to that size.
 * @return 0, or -EINVAL (NULL, unknown size), -EOWNERDEAD.
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API int ff_pool_stats_read(ff_pool *pool, struct ff_pool_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif

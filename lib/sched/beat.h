/* What lib/service asks a pool. */
#ifndef FF__SCHED_BEAT_H
#define FF__SCHED_BEAT_H

#include <failfast/base.h>

/* The age of the stalest sign of life among the pool's service tasks, 0 when there are none. A task
 * inside ff_sleep(), ff_poll() or ff_group_wait() is alive now. */
uint64_t ff__pool_oldest_beat(ff_pool *pool, uint64_t now_ns);

/* Has fn(arg) called once when anybody requests a shutdown of the pool; at once if that has
 * happened. NULL takes it back: after that fn is not running and will not be called. fn is called
 * with the pool's lock held: it only wakes somebody. */
void ff__pool_on_shutdown(ff_pool *pool, void (*fn)(void *arg), void *arg);

#endif

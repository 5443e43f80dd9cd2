/* What the rest of the scheduler needs from pools. */
#ifndef FF__SCHED_POOL_H
#define FF__SCHED_POOL_H

#include "sched/types.h"

/* The pool may have become quiescent: whoever waits for that looks again. */
void ff__pool_poke(ff_pool *pool);

/* Asks for a shutdown without waiting. Runs cancel callbacks. */
void ff__pool_request(ff_pool *pool, enum ff__pool_mode mode);

/* Waits until every task has finished, and joins every thread. The calling thread itself may be one
 * of the pool's only on the abort path (conductor): then its own unfinished tasks and its own
 * thread are left out.
 * @return 0, -ETIMEDOUT. */
int ff__pool_await(ff_pool *pool, uint64_t deadline_ns, bool conductor);

/* Joins the threads of service tasks that have returned. @return 0, or -ETIMEDOUT (one has not
 * ended yet). */
int ff__pool_reap(ff_pool *pool, uint64_t deadline_ns);

/* The table of all pools: for the abort path. @return 0 or -EAGAIN (FF__POOLS_MAX are there). */
#define FF__POOLS_MAX 256
int ff__registry_add(ff_pool *pool);
/* @return false when the abort path may be looking at the pool: it must not be freed then. */
bool ff__registry_remove(ff_pool *pool);

#endif

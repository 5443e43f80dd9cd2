/* Timer tasks, as the workers and the shutdown see them. */
#ifndef FF__SCHED_PERIODIC_H
#define FF__SCHED_PERIODIC_H

#include "sched/types.h"

/* A run of the timer's task has ended: wait for the next tick, or end the timer. */
void ff__timer_ran(ff_task *task, ff_outcome outcome);

/* The pool shuts down (its loops source is cancelled): timers that wait for their tick end now. */
void ff__timers_end(ff_pool *pool);

#endif

/* Workers: what a pool's threads do, and how a task gets to them. */
#ifndef FF__SCHED_WORKER_H
#define FF__SCHED_WORKER_H

#include "sched/types.h"

/* @return 0 or -ENOMEM. */
int ff__worker_init(struct ff__worker *worker, ff_pool *pool, unsigned index);
void ff__worker_done(struct ff__worker *worker);

/* The thread's main function; arg is the worker. */
void *ff__worker_main(void *arg);

/* The calling thread's worker if it belongs to the pool, else NULL. */
struct ff__worker *ff__worker_here(const ff_pool *pool);

/* Makes a task, already counted as spawned, available to the pool's workers. Never fails. */
void ff__worker_submit(ff_pool *pool, struct ff__worker *worker, unsigned shard, ff_task *task);

/* A task that came out of a queue: run it, or, if its group ran it already, only let go of it. */
void ff__worker_run(struct ff__worker *worker, ff_task *task);

/* Runs a task on this worker and counts it as finished. The task is claimed, and out of its group's
 * list. */
void ff__worker_execute(struct ff__worker *worker, ff_task *task);

#endif

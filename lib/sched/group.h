/* What the scheduler does with group children. */
#ifndef FF__SCHED_GROUP_H
#define FF__SCHED_GROUP_H

#include "sched/types.h"

/* Links a new child into its group, before it is put into a queue. */
void ff__group_add(ff_group *group, ff_task *task);

/* A child came out of a queue: run it unless its group ran it already; let go of the block. */
void ff__group_run_queued(struct ff__worker *worker, ff_task *task);

/* A child failed: keep the failure (taking over its cause), cancel the siblings. */
void ff__group_child_failed(ff_group *group, const ff_failure *failure);

/* A child has ended and its drop has returned. The group may be gone afterwards. */
void ff__group_child_done(ff_group *group, ff_outcome outcome);

/* The task is about to take the abort path on this thread, for good: its group, if it has one,
 * shall not wait for it while the process ends. */
void ff__group_disown(ff_task *task);

/* Lets go of a child's queue entry after its group ran it. */
void ff__group_let_go(ff_task *task);

#endif

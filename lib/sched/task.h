/* Tasks: made, run, judged. */
#ifndef FF__SCHED_TASK_H
#define FF__SCHED_TASK_H

#include "sched/types.h"

/* What a new task is made from. */
struct ff__task_plan {
    const char *name;
    ff_task_fn *fn;
    ff_drop_fn *drop;
    void *arg;
    size_t inline_size;
    const void *site;
    enum ff__task_kind kind;
};

/* A task with everything set but pool, group, token. NULL without memory. */
ff_task *ff__task_new(const struct ff__task_plan *plan);
void ff__task_free(ff_task *task);

/* Reads and checks sized spawn options into a plan. known_flags: those that the caller allows.
 * @return 0, -EINVAL, -E2BIG. */
int ff__task_plan_read(struct ff__task_plan *ret_plan, ff_group **ret_group, unsigned *ret_flags,
                       unsigned known_flags, const struct ff_spawn_options *options, ff_task_fn *fn,
                       void *arg);

/* Runs the task on this thread to its end: fn unless it is cancelled, judgement, drop, owner. The
 * task may be freed by its owner afterwards; the caller counts it as finished. @return the outcome.
 * A failure that has no owner takes the abort path and returns only if another failure was first.
 */
ff_outcome ff__task_run(ff_task *task);

/* Calls the drop function, once. */
static inline void ff__task_drop(ff_task *task, ff_outcome outcome)
{
    ff_drop_fn *drop = task->drop;

    task->drop = NULL; /* Once, also when it ends its thread. */
    if (drop)
        drop(task->arg, outcome);
}

/* The same for a timer, whose last run is over: as part of the task, so that reports name it and a
 * shutdown from inside is recognised. */
void ff__task_drop_alone(ff_task *task, ff_outcome outcome);

/* Fills a failure with what the task is, for aborts that no frame describes. */
void ff__task_describe(ff_failure *failure, const ff_task *task);

#endif

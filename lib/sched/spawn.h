/* How every pool task is spawned, group children included. */
#ifndef FF__SCHED_SPAWN_H
#define FF__SCHED_SPAWN_H

#include "sched/task.h"

/* Whether the pool would take a task now. @return 0, -EOWNERDEAD, FF_CANCELED (the group),
 * -ESHUTDOWN. */
int ff__spawn_check(ff_pool *pool, const ff_group *group);

/* Spawns what the plan says. @return as ff_spawn(). */
int ff__spawn_task(ff_pool *pool, ff_group *group, const struct ff__task_plan *plan);

#endif

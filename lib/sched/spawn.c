/* The spawn calls for pool tasks, and the check that keeps shutdown and spawn from missing each
 * other.
 *
 * A shutdown must not find the pool quiescent while a spawn from outside is on its way in:
 *
 *   spawn from outside                       shutdown (end.c)
 *   P: shard.spawned += 1      (sc)          M: mode = draining         (sc)
 *   Q: read mode               (sc)          L: sum the counts          (sc)
 * Q sees running: Q is before M, so P is before L, and the shutdown waits for the task. Q sees
 * draining: the spawn takes itself back (undone += 1) and is refused. A spawn on a worker of the
 * pool needs no such care: it comes from a task that is itself counted and not finished, and that
 * task's finish is released after the spawn's count. */
#include "sched/spawn.h"

#include "base/fmt.h"
#include "base/name.h"
#include "fail/abort.h"
#include "sched/group.h"
#include "sched/pool.h"
#include "sched/room.h"
#include "sched/worker.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <stdarg.h>
#include <stdio.h>

/* Whether the pool takes this task in its present mode: all while it runs; while it drains,
 * children that running tasks of the pool spawn into their groups. */
static bool mode_admits(ff_pool *pool, const ff_group *group, uint32_t mode)
{
    if (mode == FF__POOL_RUNNING)
        return true;
    if (mode != FF__POOL_DRAINING || !group)
        return false;
    for (const struct ff__frame *frame = ff__self.frame; frame; frame = frame->outer)
        if (frame->task->pool == pool)
            return true;
    return false;
}

int ff__spawn_check(ff_pool *pool, const ff_group *group)
{
    if (pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    /* While the process fails, groups are as good as cancelled: their tokens will be in a moment.
     */
    if (group && (ff_canceled(&group->source.token) || ff__aborting()))
        return FF_CANCELED;
    /* Relaxed: a stale running is caught by Q, or is a task that slips in before the shutdown. */
    if (!mode_admits(pool, group, ff__load_relaxed(&pool->mode)) || ff__aborting() ||
        ff__self.in_exit)
        return -ESHUTDOWN;
    return 0;
}

/* Counts the task in. @return false when a shutdown was faster (nothing is counted then). */
static bool count_in(ff_pool *pool, struct ff__worker *worker, unsigned shard,
                     const ff_group *group)
{
    struct ff__shard_counts *counts = &pool->shards[shard % FF__INJECTOR_SHARDS];

    if (worker) {
        /* Only this thread writes it; released with finished. */
        ff__store_relaxed(&worker->spawned, ff__load_relaxed(&worker->spawned) + 1);
        return true;
    }
    ff__add_seqcst(&counts->spawned, 1);                                    /* P */
    if (ff__likely(mode_admits(pool, group, ff__load_seqcst(&pool->mode)))) /* Q */
        return true;
    ff__add_seqcst(&counts->undone, 1);
    ff__pool_poke(pool);
    return false;
}

int ff__spawn_task(ff_pool *pool, ff_group *group, const struct ff__task_plan *plan)
{
    struct ff__worker *worker = ff__worker_here(pool);
    unsigned shard = worker ? worker->index : ff__injector_my_shard();
    int rc = ff__spawn_check(pool, group);
    ff_task *task;

    if (ff__unlikely(rc < 0))
        return rc;
    if (ff__unlikely(!ff__room_take(pool, worker, shard)))
        return -EAGAIN;
    task = ff__task_new(plan);
    if (ff__unlikely(!task)) {
        ff__room_give(pool, worker);
        return -ENOMEM;
    }
    if (ff__unlikely(!count_in(pool, worker, shard, group))) {
        ff__room_give(pool, worker);
        ff__task_free(task);
        return -ESHUTDOWN;
    }
    task->pool = pool;
    task->token = group ? &group->source.token : &pool->root.token;
    if (group)
        ff__group_add(group, task);
    ff__worker_submit(pool, worker, shard, task);
    return 0;
}

static int spawn_named(ff_pool *pool, const char *name, ff_task_fn *fn, void *arg, const void *site)
{
    struct ff__task_plan plan = {
        .name = name, .fn = fn, .arg = arg, .site = site, .kind = FF__TASK_POOL};

    if (!pool || !fn || !ff__name_ok(name))
        return -EINVAL;
    return ff__spawn_task(pool, NULL, &plan);
}

int ff_spawn(ff_pool *pool, const char *name, ff_task_fn *fn, void *arg)
{
    return spawn_named(pool, name, fn, arg, __builtin_return_address(0));
}

int ff_spawnf(ff_pool *pool, ff_task_fn *fn, void *arg, const char *format, ...)
{
    /* Longer than a name may be: ff__name_copy() finds the character boundary. */
    char name[FF__NAME_BYTES + 8];
    va_list list;
    int length;

    if (!format)
        return -EINVAL;
    va_start(list, format);
    length = vsnprintf(name, sizeof name, format, list);
    va_end(list);
    if (length < 0)
        return -EINVAL;
    return spawn_named(pool, name, fn, arg, __builtin_return_address(0));
}

static int spawn_with(ff_pool *pool, const struct ff_spawn_options *options, ff_task_fn *fn,
                      void *arg, const void *site)
{
    struct ff__task_plan plan = {.site = site, .kind = FF__TASK_POOL};
    ff_group *group;
    unsigned flags;
    int rc;

    if (!pool)
        return -EINVAL;
    rc = ff__task_plan_read(&plan, &group, &flags, /* known_flags= */ 0, options, fn, arg);
    if (rc < 0)
        return rc;
    if (group && group->pool != pool)
        return -EINVAL;
    return ff__spawn_task(pool, group, &plan);
}

int ff_spawn_with(ff_pool *pool, const struct ff_spawn_options *options, ff_task_fn *fn, void *arg)
{
    return spawn_with(pool, options, fn, arg, __builtin_return_address(0));
}

static void poke_room(void *arg)
{
    ff__room_poke(arg);
}

/* One round: W K C S of room.c. @return as ff_spawn_wait(), or -EAGAIN to go on. */
static int spawn_or_sleep(ff_pool *pool, const struct ff_spawn_options *options, ff_task_fn *fn,
                          void *arg, ff_token *token, uint64_t deadline_ns, const void *site)
{
    uint32_t key;
    int rc;

    ff__add_seqcst(&pool->room_waiters, 1);        /* W */
    key = ff__load_seqcst(&pool->room_change);     /* K */
    rc = spawn_with(pool, options, fn, arg, site); /* C */
    if (rc == -EAGAIN && ff_canceled(token))
        rc = FF_CANCELED;
    if (rc == -EAGAIN && ff__futex_wait(&pool->room_change, key, deadline_ns) == -ETIMEDOUT) /* S */
        rc = -ETIMEDOUT;
    ff__sub_seqcst(&pool->room_waiters, 1);
    return rc;
}

int ff_spawn_wait(ff_pool *pool, const struct ff_spawn_options *options, ff_task_fn *fn, void *arg,
                  ff_token *token, uint64_t deadline_ns)
{
    const void *site = __builtin_return_address(0);
    ff_registration *registration = NULL;
    int rc;

    if (!pool)
        return -EINVAL;
    if (ff__worker_here(pool))
        return -EDEADLK;
    if (ff_canceled(token))
        return FF_CANCELED;
    rc = spawn_with(pool, options, fn, arg, site);
    if (rc != -EAGAIN)
        return rc;
    if (token) {
        rc = ff_register(token, poke_room, pool, &registration);
        if (rc < 0)
            return rc;
    }
    do
        rc = spawn_or_sleep(pool, options, fn, arg, token, deadline_ns, site);
    while (rc == -EAGAIN);
    ff_unregister(registration);
    return rc;
}

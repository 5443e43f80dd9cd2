/* Pools: made and freed. How they end is in end.c. */
#include "sched/pool.h"

#include "base/fmt.h"
#include "base/name.h"
#include "base/options.h"
#include "fail/abort.h"
#include "sched/room.h"
#include "sched/thread_end.h"
#include "sched/worker.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/env.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_MIN (64 * 1024)

static void pool_release(ff_token *token)
{
    ff_pool *pool = ff__container_of(token, ff_pool, root.token);

    for (unsigned i = 0; i < pool->worker_count; i++)
        ff__worker_done(&pool->workers[i]);
    free(pool->workers);
    free(pool);
}

/* The loops source lives inside the pool; its reference on root keeps that. */
static void loops_release(ff_token *token)
{
    (void)token;
}

static int read_options(struct ff_pool_options *known, const struct ff_pool_options *options)
{
    uint64_t from_environment;
    int rc = ff__options_read(known, sizeof *known, options);

    if (rc < 0)
        return rc;
    if (known->workers > FF_WORKERS_MAX || (known->flags & ~FF_NO_SIGNAL_HANDLERS) ||
        (known->stack_size && known->stack_size < STACK_MIN) ||
        (known->max_queued > INT64_MAX && known->max_queued != FF_UNBOUNDED))
        return -EINVAL;
    if (known->workers == 0 &&
        ff__env_u64("FAILFAST_WORKERS", 1, FF_WORKERS_MAX, &from_environment))
        known->workers = (unsigned)from_environment;
    if (known->workers == 0) {
        unsigned usable = ff__cpu_usable();
        known->workers = usable < FF_WORKERS_MAX ? usable : FF_WORKERS_MAX;
    }
    if (known->max_queued == 0)
        known->max_queued = FF_QUEUE_DEFAULT;
    return 0;
}

static void init_plain(ff_pool *pool, const struct ff_pool_options *options)
{
    ff__name_copy(pool->name, sizeof pool->name, options->name ? options->name : "pool");
    pool->fork_generation = ff__fork_generation;
    pool->stack_size = options->stack_size;
    ff__lock_init(&pool->lock);
    ff__list_init(&pool->services);
    ff__list_init(&pool->finished);
    ff__list_init(&pool->timers);
    ff__park_init(&pool->park);
    ff__injector_init(&pool->injector);
    ff__room_init(pool, options->max_queued);
    ff__source_init(&pool->root, options->parent, 0, pool_release);
    ff__source_init(&pool->loops, &pool->root.token, 0, loops_release);
}

/* Memory, nothing running. */
static int pool_alloc(const struct ff_pool_options *options, ff_pool **ret_pool)
{
    ff_pool *pool = aligned_alloc(FF__CACHE_LINE, sizeof *pool);
    unsigned made = 0;

    if (!pool)
        return -ENOMEM;
    memset(pool, 0, sizeof *pool);
    pool->worker_count = options->workers;
    pool->workers = aligned_alloc(FF__CACHE_LINE, pool->worker_count * sizeof *pool->workers);
    if (!pool->workers)
        goto free_pool;
    memset(pool->workers, 0, pool->worker_count * sizeof *pool->workers);
    for (; made < pool->worker_count; made++)
        if (ff__worker_init(&pool->workers[made], pool, made) < 0)
            goto free_workers;
    init_plain(pool, options);
    *ret_pool = pool;
    return 0;

free_workers:
    while (made > 0)
        ff__worker_done(&pool->workers[--made]);
    free(pool->workers);
free_pool:
    free(pool);
    return -ENOMEM;
}

/* Nothing runs any more. The pool itself goes with the last reference to its token. */
static void pool_dispose(ff_pool *pool)
{
    ff_source_unref(&pool->loops);
    ff_source_unref(&pool->root);
}

static int start_worker(ff_pool *pool, struct ff__worker *worker)
{
    char name[FF__NAME_BYTES];
    struct ff__fmt fmt;
    struct ff__thread_options options = {.name = name, .stack_size = pool->stack_size};
    int rc;

    ff__fmt_init(&fmt, name, sizeof name);
    ff__fmt_bytes(&fmt, pool->name, strnlen(pool->name, 10));
    ff__fmt_str(&fmt, "/");
    ff__fmt_u64(&fmt, worker->index);
    rc = ff__thread_start(&worker->thread, &options, ff__worker_main, worker);
    worker->started = rc == 0;
    return rc;
}

static void await_running(ff_pool *pool)
{
    uint32_t running;

    while ((running = ff__load_acquire(&pool->running)) < pool->worker_count)
        ff__futex_wait(&pool->running, running, FF_NEVER);
}

/* Of a pool that nobody has seen yet: the workers have nothing to do. */
static void stop_workers(ff_pool *pool)
{
    ff__store_release(&pool->stop, 1);
    ff__park_wake_all(&pool->park);
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].started)
            ff__thread_join_until(pool->workers[i].thread, FF_NEVER);
}

/* Threads start last. When one cannot, those that did are ended again. Only then the abort path
 * learns of the pool: it joins threads. */
static int start_workers(ff_pool *pool)
{
    int rc = 0;

    for (unsigned i = 0; i < pool->worker_count && rc == 0; i++)
        rc = start_worker(pool, &pool->workers[i]);
    if (rc == 0) {
        await_running(pool);
        rc = ff__registry_add(pool);
    }
    if (rc < 0)
        stop_workers(pool);
    return rc;
}

int ff_pool_new(const struct ff_pool_options *options, ff_pool **ret_pool)
{
    struct ff_pool_options known;
    ff_pool *pool;
    int rc = read_options(&known, options);

    if (rc < 0)
        return rc;
    if (!ret_pool)
        return -EINVAL;
    if (ff_canceled(known.parent))
        return FF_CANCELED;
    rc = ff__thread_end_prepare();
    if (rc < 0)
        return rc;
    rc = ff__fail_ref((known.flags & FF_NO_SIGNAL_HANDLERS) != 0);
    if (rc < 0)
        return rc;
    rc = ff__timerq_ref();
    if (rc < 0)
        goto unref_fail;
    rc = pool_alloc(&known, &pool);
    if (rc < 0)
        goto unref_timerq;
    rc = start_workers(pool);
    if (rc < 0)
        goto dispose;
    *ret_pool = pool;
    return 0;

dispose:
    pool_dispose(pool);
unref_timerq:
    ff__timerq_unref();
unref_fail:
    ff__fail_unref();
    return rc;
}

/* In a forked child there are no threads and no other users; the parent's services and queued tasks
 * are left where they are, as their functions may not run here. */
static int free_in_child(ff_pool *pool)
{
    ff__registry_remove(pool);
    pool_dispose(pool);
    return 0;
}

/* Groups made outside tasks are the pool's: what fails in them would be lost. */
FF__COLD static void fail_for_groups(ff_pool *pool, uint32_t groups)
{
    ff_failure failure;

    ff__failure_init(&failure, FF__CAUSE_GROUP_LEFT);
    failure.code = -EBUSY;
    failure.tid = ff__thread_id();
    snprintf(failure.message, sizeof failure.message,
             "pool \"%s\" was freed before its groups: %" PRIu32, pool->name, groups);
    ff__abort_failure(&failure, NULL, NULL);
}

int ff_pool_free(ff_pool *pool)
{
    uint32_t groups;

    if (!pool)
        return 0;
    if (pool->fork_generation != ff__fork_generation)
        return free_in_child(pool);
    if (!ff__load_acquire(&pool->ended))
        return -EBUSY;
    groups = ff__load_relaxed(&pool->groups);
    if (groups)
        fail_for_groups(pool, groups);
    if (!ff__registry_remove(pool))
        return 0; /* The process is failing; the abort path may still look at the pool. */
    pool_dispose(pool);
    ff__timerq_unref();
    ff__fail_unref();
    return 0;
}

ff_token *ff_pool_token(const ff_pool *pool)
{
    return pool ? (ff_token *)&pool->root.token : NULL;
}

unsigned ff_pool_workers(const ff_pool *pool)
{
    return pool ? pool->worker_count : 0;
}

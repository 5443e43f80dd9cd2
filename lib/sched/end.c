/* How a pool ends: intake closes, tasks finish, threads are joined.
 *
 * Quiescent: every task that was counted in is counted out. Each thread has counters of its own
 * that never go back; they are summed here, finished before spawned: finished(sum) <= finished(t)
 * <= spawned(t) <= spawned(sum), where t is the moment between the sums. So equal sums mean that at
 * t nothing was queued or running. Nothing new can come in afterwards: outside spawns are refused
 * (spawn.c), inside spawns need a running task.
 *
 * Waking the waiter: a worker that finds nothing to do pokes the pool if it is no longer running.
 * It looks at the mode after it has put itself on the idle list (under park's lock); a request sets
 * the mode first and wakes every idle worker after that (same lock). So a worker is either woken,
 * or sees the mode. */
#include "fail/abort.h"
#include "sched/group.h"
#include "sched/periodic.h"
#include "sched/pool.h"
#include "sched/room.h"
#include "sched/service_task.h"
#include "sched/task.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <limits.h>

void ff__pool_poke(ff_pool *pool)
{
    ff__add_seqcst(&pool->quiet, 1);
    ff__futex_wake(&pool->quiet, INT_MAX);
}

/* Tasks finished (acquire: with all they did), spawns taken back included. */
static uint64_t sum_out(ff_pool *pool)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < pool->worker_count; i++)
        sum += ff__load_seqcst(&pool->workers[i].finished);
    for (unsigned i = 0; i < FF__INJECTOR_SHARDS; i++)
        sum += ff__load_seqcst(&pool->shards[i].undone);
    return sum;
}

static uint64_t sum_in(ff_pool *pool)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < pool->worker_count; i++)
        sum += ff__load_seqcst(&pool->workers[i].spawned);
    for (unsigned i = 0; i < FF__INJECTOR_SHARDS; i++)
        sum += ff__load_seqcst(&pool->shards[i].spawned); /* L */
    return sum;
}

/* The conductor of an abort does not wait for what is on its own stack. Services and timers are
 * looked at first: once there are none, none can start, and what they spawned is in the sums. */
static bool quiescent(ff_pool *pool, bool conductor)
{
    struct ff__worker *here = conductor ? ff__self.worker : NULL;
    bool ours = here && here->pool == pool;
    size_t loops, own_loops = ours ? here->timers : 0;
    uint64_t out;

    if (conductor && ff__service_here(pool))
        own_loops++;
    ff__lock(&pool->lock);
    loops = pool->service_count + pool->timer_count;
    ff__unlock(&pool->lock);
    if (loops != own_loops)
        return false;
    out = sum_out(pool) + (ours ? here->depth : 0);
    return out == sum_in(pool);
}

/* Closes the intake, and tells who wants to know of it, before any code of the program runs that
 * might hang. */
static void set_mode(ff_pool *pool, enum ff__pool_mode mode)
{
    uint32_t old;

    ff__lock(&pool->lock);
    old = ff__load_relaxed(&pool->mode); /* Written under this lock only. */
    if ((uint32_t)mode > old)
        ff__store_seqcst(&pool->mode, (uint32_t)mode); /* M */
    if (old == FF__POOL_RUNNING && pool->on_shutdown)
        pool->on_shutdown(pool->on_shutdown_arg);
    ff__unlock(&pool->lock);
}

void ff__pool_request(ff_pool *pool, enum ff__pool_mode mode)
{
    set_mode(pool, mode);
    if (mode == FF__POOL_CANCELING)
        ff__cancel_for(&pool->root, FF_REASON_SHUTDOWN);
    ff__cancel_for(&pool->loops, FF_REASON_SHUTDOWN);
    ff__timers_end(pool);
    ff__room_poke(pool);
    ff__park_wake_all(&pool->park);
    ff__pool_poke(pool);
}

static int await_quiescence(ff_pool *pool, uint64_t deadline_ns, bool conductor)
{
    for (;;) {
        uint32_t key = ff__load_seqcst(&pool->quiet); /* Before the look: see ff__pool_poke(). */

        if (ff__load_acquire(&pool->ended) || quiescent(pool, conductor))
            return 0;
        if (ff__futex_wait(&pool->quiet, key, deadline_ns) == -ETIMEDOUT)
            return -ETIMEDOUT;
    }
}

/* One thread joins; the others wait for it. @return 1: the caller joins. 0: the pool has ended. */
static int become_joiner(ff_pool *pool, uint64_t deadline_ns)
{
    for (;;) {
        uint32_t key = ff__load_seqcst(&pool->quiet);
        bool mine;

        if (ff__load_acquire(&pool->ended))
            return 0;
        ff__lock(&pool->lock);
        mine = !pool->joining;
        pool->joining = true;
        ff__unlock(&pool->lock);
        if (mine)
            return 1;
        if (ff__futex_wait(&pool->quiet, key, deadline_ns) == -ETIMEDOUT)
            return -ETIMEDOUT;
    }
}

static int join_workers(ff_pool *pool, uint64_t deadline_ns)
{
    int rc = 0;

    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct ff__worker *worker = &pool->workers[i];

        if (worker->joined || worker == ff__self.worker)
            continue;
        rc = ff__thread_join_until(worker->thread, deadline_ns);
        if (rc < 0)
            return rc;
        worker->joined = true;
    }
    return 0;
}

/* Entries of group children that their groups ran are all that can be left in the queues. */
static void drop_leftovers(ff_pool *pool)
{
    struct ff__injector_node *node;
    ff_task *task;
    bool busy = false;

    for (unsigned i = 0; i < pool->worker_count; i++)
        while ((task = ff__deque_pop(&pool->workers[i].deque)) ||
               (task = ff__deque_pop(&pool->workers[i].inbox)))
            ff__group_let_go(task);
    while (ff__injector_take(&pool->injector, 0, &node, 1, &busy) == 1)
        ff__group_let_go(ff__container_of(node, ff_task, node));
}

static int join_all(ff_pool *pool, uint64_t deadline_ns, bool conductor)
{
    int rc = become_joiner(pool, deadline_ns);

    if (rc <= 0)
        return rc;
    ff__store_release(&pool->stop, 1);
    ff__park_wake_all(&pool->park);
    rc = join_workers(pool, deadline_ns);
    if (rc == 0)
        rc = ff__pool_reap(pool, deadline_ns);
    if (rc == 0 && !conductor) {
        drop_leftovers(pool);
        ff__store_release(&pool->ended, 1);
    }
    ff__lock(&pool->lock);
    pool->joining = false;
    ff__unlock(&pool->lock);
    ff__pool_poke(pool);
    return rc;
}

int ff__pool_await(ff_pool *pool, uint64_t deadline_ns, bool conductor)
{
    int rc = await_quiescence(pool, deadline_ns, conductor);

    return rc < 0 ? rc : join_all(pool, deadline_ns, conductor);
}

/* Whether the calling thread runs a task of the pool, or a cancel callback, or is in exit(): it
 * cannot wait for the pool. */
static bool part_of(const ff_pool *pool)
{
    for (const struct ff__frame *frame = ff__self.frame; frame; frame = frame->outer)
        if (frame->task->pool == pool)
            return true;
    return ff__self.in_callback > 0 || ff__self.in_exit;
}

int ff_pool_shutdown(ff_pool *pool, ff_shutdown_mode mode, uint64_t deadline_ns)
{
    ff_token *hold;
    int rc;

    if (!pool || (mode != FF_DRAIN && mode != FF_CANCEL))
        return -EINVAL;
    if (pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    if (ff__load_acquire(&pool->ended) || ff__self.in_hook)
        return 0;
    hold = ff_token_ref(&pool->root.token); /* The request may let ff_service_run() free it. */
    ff__pool_request(pool, (enum ff__pool_mode)mode);
    rc = part_of(pool) ? -EDEADLK : ff__pool_await(pool, deadline_ns, /* conductor= */ false);
    ff_token_unref(hold);
    return rc;
}

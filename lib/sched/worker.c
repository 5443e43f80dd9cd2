/* The worker's loop: its own deque first, then the injector, then other workers' deques, then
 * sleep.
 *
 * Fairness: while tasks spawn tasks, every FAIR_TICK-th task comes from the injector, or is the
 * oldest of the worker's own deque, so that tasks that spawn each other cannot keep the rest
 * waiting for ever. Tasks from outside alone run in order on one worker. */
#include "sched/worker.h"

#include "base/fmt.h"
#include "base/panic.h"
#include "fail/signals.h"
#include "sched/group.h"
#include "sched/periodic.h"
#include "sched/pool.h"
#include "sched/room.h"
#include "sched/task.h"
#include "sched/thread_end.h"
#include "sys/cpu.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <limits.h>

#define FAIR_TICK 61
#define TAKE_BATCH 64
#define SPINS 24

int ff__worker_init(struct ff__worker *worker, ff_pool *pool, unsigned index)
{
    worker->pool = pool;
    worker->index = index;
    worker->depth = worker->timers = 0;
    worker->tick = 0;
    worker->fair_spawned = 0;
    worker->seed = index * 2654435761u + 1;
    worker->room = 0;
    worker->slot = NULL;
    worker->started = worker->joined = false;
    ff__store_relaxed(&worker->spawned, 0);
    ff__store_relaxed(&worker->finished, 0);
    ff__parker_init(&worker->parker);
    return ff__deque_init(&worker->deque, 8);
}

void ff__worker_done(struct ff__worker *worker)
{
    ff__deque_done(&worker->deque);
}

struct ff__worker *ff__worker_here(const ff_pool *pool)
{
    struct ff__worker *worker = ff__self.worker;

    return worker && worker->pool == pool ? worker : NULL;
}

void ff__worker_submit(ff_pool *pool, struct ff__worker *worker, unsigned shard, ff_task *task)
{
    if (!worker || ff__deque_push(&worker->deque, task) < 0)
        ff__injector_push(&pool->injector, shard, &task->node);
    ff__park_notify(&pool->park);
}

static ff_task *from_node(struct ff__injector_node *node)
{
    return ff__container_of(node, ff_task, node);
}

/* Takes a batch from the injector: the oldest is returned, the rest goes into the deque so that it
 * comes out in order. What the deque cannot hold for want of memory goes back to the injector. */
static ff_task *take_outside(struct ff__worker *worker, size_t capacity)
{
    struct ff__injector_node *nodes[TAKE_BATCH];
    void *items[TAKE_BATCH];
    bool busy = false;
    size_t count = ff__injector_take(&worker->pool->injector, worker->tick, nodes, capacity, &busy);

    if (count == 0)
        return NULL;
    for (size_t i = 1; i < count; i++)
        items[count - 1 - i] = from_node(nodes[i]);
    if (count > 1 && ff__deque_push_many(&worker->deque, items, count - 1) < 0)
        for (size_t i = 1; i < count; i++)
            ff__injector_push(&worker->pool->injector, worker->index, nodes[i]);
    /* They were out of sight for a moment: brought work. */
    if (count > 1)
        ff__park_notify(&worker->pool->park);
    return from_node(nodes[0]);
}

static ff_task *steal(struct ff__worker *worker)
{
    ff_pool *pool = worker->pool;
    unsigned start;

    worker->seed = worker->seed * 1664525u + 1013904223u;
    start = (worker->seed >> 8) % pool->worker_count;
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct ff__worker *victim = &pool->workers[(start + i) % pool->worker_count];
        bool lost = true;

        while (victim != worker && lost) {
            void *item;

            lost = false;
            item = ff__deque_steal(&victim->deque, &lost);
            if (item)
                return item;
        }
    }
    return NULL;
}

static bool work_visible(ff_pool *pool)
{
    if (ff__injector_maybe_nonempty(&pool->injector))
        return true;
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (ff__deque_maybe_nonempty(&pool->workers[i].deque))
            return true;
    return false;
}

static ff_task *next_fair(struct ff__worker *worker)
{
    bool lost;
    ff_task *task = take_outside(worker, 1);

    return task ? task : ff__deque_steal(&worker->deque, &lost);
}

/* A fair turn is due, and of use: only tasks that this worker spawned lie on top of others. Without
 * them the queues empty in order. */
static bool fair_turn(struct ff__worker *worker)
{
    uint64_t spawned = ff__load_relaxed(&worker->spawned); /* This thread alone writes it. */

    if (ff__likely(++worker->tick % FAIR_TICK != 0) || spawned == worker->fair_spawned)
        return false;
    worker->fair_spawned = spawned;
    return true;
}

static ff_task *next_own(struct ff__worker *worker)
{
    ff_task *task = NULL;

    if (ff__unlikely(fair_turn(worker)))
        task = next_fair(worker);
    return task ? task : ff__deque_pop(&worker->deque);
}

/* One look everywhere, as a searcher. Whoever stops being the last searcher and leaves work behind
 * wakes the next one. */
static ff_task *search(struct ff__worker *worker)
{
    ff_pool *pool = worker->pool;
    ff_task *task = take_outside(worker, TAKE_BATCH);

    if (!task)
        task = steal(worker);
    if (!task)
        return NULL;
    if (ff__park_found(&pool->park, &worker->parker) && work_visible(pool))
        ff__park_notify(&pool->park);
    return task;
}

/* Sleeps unless there is work after all. @return false when the worker shall end. */
static bool sleep_unless_work(struct ff__worker *worker)
{
    ff_pool *pool = worker->pool;

    ff__park_prepare(&pool->park, &worker->parker);
    /* After prepare: a stop or a new mode set before ff__park_wake_all() took the lock is seen
     * here; one set later finds this worker on the list and wakes it. */
    if (ff__load_acquire(&pool->stop)) {
        ff__park_cancel(&pool->park, &worker->parker);
        return false;
    }
    if (work_visible(pool)) {
        ff__park_cancel(&pool->park, &worker->parker);
        return true;
    }
    ff__room_flush(worker);
    if (ff__load_acquire(&pool->mode) != FF__POOL_RUNNING)
        ff__pool_poke(pool);
    ff__park_sleep(&pool->park, &worker->parker);
    return true;
}

/* @return a task, or NULL when the worker shall end. */
static ff_task *next_anywhere(struct ff__worker *worker)
{
    ff_pool *pool = worker->pool;

    do {
        ff__park_search(&pool->park, &worker->parker);
        for (unsigned i = 0; i < SPINS; i++) {
            ff_task *task = search(worker);

            if (task)
                return task;
            for (unsigned k = 0; k < i; k++)
                ff__cpu_pause();
        }
    } while (sleep_unless_work(worker));
    ff__park_found(&pool->park, &worker->parker);
    return NULL;
}

void ff__worker_execute(struct ff__worker *worker, ff_task *task)
{
    bool timer = task->kind == FF__TASK_TIMER;
    ff_outcome outcome;

    if (!timer)
        ff__room_give(worker->pool, worker);
    worker->depth++;
    worker->timers += timer;
    outcome = ff__task_run(task);
    if (timer)
        ff__timer_ran(task, outcome);
    else if (task->group)
        ff__group_child_done(task->group, outcome);
    worker->timers -= timer;
    worker->depth--;
    /* Release: whoever sees the count sees all that the task did. Only this thread writes it. */
    ff__store_release(&worker->finished, ff__load_relaxed(&worker->finished) + 1);
}

void ff__worker_run(struct ff__worker *worker, ff_task *task)
{
    if (task->group) {
        ff__group_run_queued(worker, task);
    } else if (task->kind == FF__TASK_TIMER) {
        ff__worker_execute(worker, task);
    } else {
        ff__worker_execute(worker, task);
        ff__task_free(task);
    }
}

static void name_worker(const struct ff__worker *worker, char *text, size_t capacity)
{
    struct ff__fmt fmt;

    ff__fmt_init(&fmt, text, capacity);
    ff__fmt_str(&fmt, worker->pool->name);
    ff__fmt_str(&fmt, "/worker ");
    ff__fmt_u64(&fmt, worker->index);
}

/* The thread becomes a worker. Without memory for a row or an alternate stack it runs all the same:
 * a report then knows less of it. */
static void worker_begin(struct ff__worker *worker)
{
    char name[FF__NAME_BYTES];

    name_worker(worker, name, sizeof name);
    ff__self.worker = worker;
    ff__self.slot = worker->slot = ff__slot_enter(FF__SLOT_WORKER, name);
    ff__altstack_install();
    ff__thread_end_watch();
    ff__add_seqcst(&worker->pool->running, 1);
    ff__futex_wake(&worker->pool->running, INT_MAX);
}

static void worker_end(struct ff__worker *worker)
{
    ff__room_flush(worker);
    ff__thread_end_unwatch();
    ff__slot_leave(ff__self.slot);
    ff__altstack_remove();
    ff__self.slot = NULL;
    ff__self.worker = NULL;
}

void *ff__worker_main(void *arg)
{
    struct ff__worker *worker = arg;
    ff_task *task;

    worker_begin(worker);
    for (;;) {
        task = next_own(worker);
        if (!task)
            task = take_outside(worker, TAKE_BATCH);
        if (!task)
            task = next_anywhere(worker);
        if (!task)
            break;
        ff__worker_run(worker, task);
    }
    worker_end(worker);
    return NULL;
}

/* The worker's loop: its own deque, its inbox, the injector, other workers, sleep.
 *
 * The own deque holds what tasks on this worker spawned, and gives the newest. The inbox holds a
 * batch from the injector, and gives the oldest. Others may steal from both.
 *
 * Fairness: every FAIR_TICK-th task is the oldest from outside, or the oldest of the own deque, in
 * turn. So neither tasks that spawn each other nor a stream from outside can keep the rest waiting
 * for ever, and tasks from one outside producer start in their order on a pool with one worker. */
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

#include <errno.h>
#include <limits.h>
#include <sched.h>

#define FAIR_TICK 61
#define INBOX_LOG2 6
#define TAKE_BATCH (1u << INBOX_LOG2)
#define SPINS 24

int ff__worker_init(struct ff__worker *worker, ff_pool *pool, unsigned index)
{
    worker->pool = pool;
    worker->index = index;
    worker->depth = worker->timers = 0;
    worker->tick = worker->takes = 0;
    worker->seed = index * 2654435761u + 1;
    worker->room = 0;
    worker->slot = NULL;
    worker->started = worker->joined = false;
    ff__store_relaxed(&worker->spawned, 0);
    ff__store_relaxed(&worker->finished, 0);
    ff__parker_init(&worker->parker);
    if (ff__deque_init(&worker->deque, /* capacity_log2= */ 8) < 0)
        return -ENOMEM;
    if (ff__deque_init(&worker->inbox, INBOX_LOG2) == 0)
        return 0;
    ff__deque_done(&worker->deque);
    return -ENOMEM;
}

void ff__worker_done(struct ff__worker *worker)
{
    ff__deque_done(&worker->deque);
    ff__deque_done(&worker->inbox);
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

/* Takes a batch from the injector: the oldest is returned, the rest goes into the inbox, which is
 * empty and so has room. Those who looked for it in the injector before, and here too early, are
 * woken. Sets *ret_busy when it passed over a shard in which another worker was at it. */
static ff_task *take_batch(struct ff__worker *worker, bool *ret_busy)
{
    ff_pool *pool = worker->pool;
    struct ff__injector_node *nodes[TAKE_BATCH];
    void *rest[TAKE_BATCH];
    size_t count = ff__injector_take(&pool->injector, worker->takes, nodes, TAKE_BATCH, ret_busy);

    if (count == 0)
        return NULL;
    worker->takes++;
    for (size_t i = 1; i < count; i++)
        rest[count - 1 - i] = from_node(nodes[i]);
    if (count > 1) {
        ff__check(ff__deque_push_many(&worker->inbox, rest, count - 1) == 0);
        ff__park_notify(&pool->park);
    }
    return from_node(nodes[0]);
}

/* The oldest task from outside. */
static ff_task *next_outside(struct ff__worker *worker, bool *ret_busy)
{
    ff_task *task = ff__deque_pop(&worker->inbox);

    return task ? task : take_batch(worker, ret_busy);
}

static ff_task *steal_from(struct ff__deque *deque)
{
    void *item;
    bool lost;

    do {
        lost = false;
        item = ff__deque_steal(deque, &lost);
    } while (lost);
    return item;
}

static ff_task *steal(struct ff__worker *worker)
{
    ff_pool *pool = worker->pool;
    unsigned start;

    worker->seed = worker->seed * 1664525u + 1013904223u;
    start = (worker->seed >> 8) % pool->worker_count;
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct ff__worker *victim = &pool->workers[(start + i) % pool->worker_count];
        ff_task *task = NULL;

        if (victim != worker)
            task = steal_from(&victim->deque);
        if (victim != worker && !task)
            task = steal_from(&victim->inbox);
        if (task)
            return task;
    }
    return NULL;
}

static bool work_visible(ff_pool *pool)
{
    if (ff__injector_maybe_nonempty(&pool->injector))
        return true;
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (ff__deque_maybe_nonempty(&pool->workers[i].deque) ||
            ff__deque_maybe_nonempty(&pool->workers[i].inbox))
            return true;
    return false;
}

/* In turn the oldest task from outside and the oldest from inside. */
static ff_task *next_fair(struct ff__worker *worker)
{
    bool busy = false;
    ff_task *task = NULL;

    if (worker->tick / FAIR_TICK % 2)
        task = next_outside(worker, &busy);
    return task ? task : steal_from(&worker->deque);
}

/* What needs no search: the own deque, and what waits outside. */
static ff_task *next_near(struct ff__worker *worker)
{
    ff_task *task = NULL;
    bool busy = false;

    if (ff__unlikely(++worker->tick % FAIR_TICK == 0))
        task = next_fair(worker);
    if (!task)
        task = ff__deque_pop(&worker->deque);
    return task ? task : next_outside(worker, &busy);
}

/* One look everywhere, as a searcher. Whoever stops being the last searcher and leaves work behind
 * wakes the next one. */
static ff_task *search(struct ff__worker *worker, bool *ret_busy)
{
    ff_pool *pool = worker->pool;
    ff_task *task = next_outside(worker, ret_busy);

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

/* Looks for a while. A worker that was passed over in a shard may have lost its processor there;
 * then it gets this one, since parking is not possible as long as it holds the shard. */
static ff_task *search_for_a_while(struct ff__worker *worker)
{
    bool busy = false;

    for (unsigned i = 0; i < SPINS; i++) {
        ff_task *task = search(worker, &busy);

        if (task)
            return task;
        for (unsigned k = 0; k < i; k++)
            ff__cpu_pause();
    }
    if (busy)
        sched_yield();
    return NULL;
}

/* @return a task, or NULL when the worker shall end. */
static ff_task *next_anywhere(struct ff__worker *worker)
{
    ff_pool *pool = worker->pool;
    ff_task *task;

    do {
        ff__park_search(&pool->park, &worker->parker);
        task = search_for_a_while(worker);
    } while (!task && sleep_unless_work(worker));
    if (!task)
        ff__park_found(&pool->park, &worker->parker);
    return task;
}

void ff__worker_execute(struct ff__worker *worker, ff_task *task)
{
    bool timer = task->kind == FF__TASK_TIMER;
    ff_outcome outcome;

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
        ff__room_give(worker->pool, worker);
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
        task = next_near(worker);
        if (!task)
            task = next_anywhere(worker);
        if (!task)
            break;
        ff__worker_run(worker, task);
        /* The task forked, and has returned in the child: the rest is the parent's. */
        if (ff__unlikely(worker->pool->fork_generation != ff__fork_generation))
            return NULL;
    }
    worker_end(worker);
    return NULL;
}

/* Workers that park: small pools made of the deque, the injector and the park, as the scheduler
 * puts them together. No task is lost, none sleeps beside a worker that sleeps.
 * A lost wake-up hangs the test until its limit. */
#include "runner.h"

#include "sync/deque.h"
#include "sync/injector.h"
#include "sync/park.h"

#include <pthread.h>
#include <sched.h>

#define WORKERS 4
#define BATCH 8

struct task {
    struct ff__injector_node node;
    void (*run)(struct task *self, int worker);
    _Atomic int ran;
};

struct worker {
    struct ff__parker parker;
    struct ff__deque deque;
    pthread_t thread;
};

static struct ff__park park;
static struct ff__injector injector;
static struct worker workers[WORKERS];
static _Atomic bool stop;
static _Atomic int finished;

/* Check tells its parent of every ck_assert(), by a system call: too slow for a loop that races. */
static void expect(bool right, const char *what)
{
    if (!right)
        ck_abort_msg("%s", what);
}

static bool any_work(void)
{
    if (ff__injector_maybe_nonempty(&injector))
        return true;
    for (int i = 0; i < WORKERS; i++)
        if (ff__deque_maybe_nonempty(&workers[i].deque))
            return true;
    return false;
}

/* A batch from outside: the first is the worker's, the rest becomes work of its deque. */
static struct task *take_batch(int worker, bool *busy)
{
    struct ff__injector_node *nodes[BATCH];
    void *rest[BATCH];
    size_t count = ff__injector_take(&injector, (unsigned)worker, nodes, BATCH, busy);

    if (count == 0)
        return NULL;
    for (size_t i = 1; i < count; i++)
        rest[i - 1] = ff__container_of(nodes[i], struct task, node);
    if (count > 1) {
        expect(ff__deque_push_many(&workers[worker].deque, rest, count - 1) == 0, "no memory");
        ff__park_notify(&park);
    }
    return ff__container_of(nodes[0], struct task, node);
}

static struct task *find(int worker, bool *busy)
{
    struct task *task = ff__deque_pop(&workers[worker].deque);

    if (!task)
        task = take_batch(worker, busy);
    for (int i = 1; i < WORKERS && !task; i++)
        task = ff__deque_steal(&workers[(worker + i) % WORKERS].deque, busy);
    return task;
}

static void run(struct task *task, int worker)
{
    if (ff__park_found(&park, &workers[worker].parker) && any_work())
        ff__park_notify(&park);
    expect(ff__add_relaxed(&task->ran, 1) == 0, "a task ran twice");
    if (task->run)
        task->run(task, worker);
    ff__add_release(&finished, 1);
}

static void idle(struct ff__parker *parker)
{
    ff__park_prepare(&park, parker);
    if (ff__load_seqcst(&stop) || any_work())
        ff__park_cancel(&park, parker);
    else
        ff__park_sleep(&park, parker);
}

static void *worker_main(void *arg)
{
    struct worker *self = arg;
    int number = (int)(self - workers);

    while (!ff__load_seqcst(&stop)) {
        bool busy = false;
        struct task *task = find(number, &busy);

        if (task)
            run(task, number);
        else if (busy)
            sched_yield();
        else if (!self->parker.searching)
            ff__park_search(&park, &self->parker);
        else
            idle(&self->parker);
    }
    ff__park_found(&park, &self->parker);
    return NULL;
}

static void pool_start(void)
{
    ff__park_init(&park);
    ff__injector_init(&injector);
    for (int i = 0; i < WORKERS; i++) {
        ff__parker_init(&workers[i].parker);
        ck_assert_int_eq(ff__deque_init(&workers[i].deque, 2), 0);
    }
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
}

static void pool_stop(void)
{
    ff__store_seqcst(&stop, true);
    ff__park_wake_all(&park);
    for (int i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
        ff__deque_done(&workers[i].deque);
    }
    ck_assert_uint_eq(ff__load_relaxed(&park.state), 0);
}

static void bring(struct task *task)
{
    ff__injector_push(&injector, ff__injector_my_shard(), &task->node);
    ff__park_notify(&park);
}

static void await_finished(int count)
{
    for (unsigned looks = 1; ff__load_acquire(&finished) < count; looks++)
        if (looks % 1024 == 0)
            sched_yield();
}

#define ROUNDS 12000

static struct task tasks[4 * ROUNDS];

/* One task at a time, the next when it has run, brought after a pause that sweeps over the time a
 * worker needs from its last look to its sleep. Mutants: idle() sleeps without looking again (C);
 * bring() notifies before it pushes (R before A). */
START_TEST(park_wakes_a_worker_for_each_task_when_tasks_come_one_by_one)
{
    pool_start();
    for (int i = 0; i < ROUNDS; i++) {
        bring(&tasks[i]);
        await_finished(i + 1);
        for (int spin = i * 7 % 4096; spin > 0; spin--)
            (void)ff__load_relaxed(&stop);
    }
    pool_stop();
}
END_TEST

static void *bringer_main(void *arg)
{
    struct task *mine = arg;

    for (int i = 0; i < ROUNDS; i++) {
        bring(&mine[i]);
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

/* Mutants: park_prepare() leaves searching as it was; park_cancel() does not take the token of the
 * wake that came first: the counts or the last tasks hang. */
START_TEST(park_loses_no_task_when_bringers_come_and_workers_go_to_sleep)
{
    pthread_t bringers[3];

    pool_start();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&bringers[i], NULL, bringer_main, &tasks[i * ROUNDS]), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_join(bringers[i], NULL), 0);
    await_finished(3 * ROUNDS);
    pool_stop();
}
END_TEST

static _Atomic int met;
static int meeting;

/* Ends only when all workers are inside. */
static void run_meet(struct task *self, int worker)
{
    (void)self;
    (void)worker;
    ff__add_seqcst(&met, 1);
    while (ff__load_seqcst(&met) < (meeting + 1) * WORKERS)
        sched_yield();
}

#define MEETINGS 500

/* Mutants: park_found() never says true, or its caller does not look: the baton falls, and the
 * tasks wait for workers that nobody wakes. */
START_TEST(park_wakes_every_worker_when_a_burst_of_long_tasks_comes)
{
    pool_start();
    for (meeting = 0; meeting < MEETINGS; meeting++) {
        for (int i = 0; i < WORKERS; i++) {
            tasks[meeting * WORKERS + i].run = run_meet;
            bring(&tasks[meeting * WORKERS + i]);
        }
        await_finished((meeting + 1) * WORKERS);
    }
    pool_stop();
}
END_TEST

/* Spawns the rest of the meeting from inside, onto the worker's own deque. */
static void run_fan_out(struct task *self, int worker)
{
    for (int i = 1; i < WORKERS; i++) {
        self[i].run = run_meet;
        expect(ff__deque_push(&workers[worker].deque, &self[i]) == 0, "no memory");
        ff__park_notify(&park);
    }
    run_meet(self, worker);
}

/* Mutant: steal does not look at every deque, or the push is not notified: the children stay with
 * a worker that waits for them. */
START_TEST(park_wakes_every_worker_when_one_task_spawns_for_all)
{
    pool_start();
    for (meeting = 0; meeting < MEETINGS; meeting++) {
        tasks[meeting * WORKERS].run = run_fan_out;
        bring(&tasks[meeting * WORKERS]);
        await_finished((meeting + 1) * WORKERS);
    }
    pool_stop();
}
END_TEST

/* Mutant: park_wake_all() wakes one sleeper instead of all, or counts none: a join hangs, or the
 * state is not zero at the end. */
START_TEST(park_wake_all_ends_pools_whose_workers_sleep_or_are_about_to)
{
    for (int i = 0; i < 200; i++) {
        ff__store_seqcst(&stop, false);
        pool_start();
        for (int spin = 0; spin < i % 20; spin++)
            sched_yield();
        pool_stop();
    }
}
END_TEST

FF_TEST_MAIN("stress_park", 10, park_wakes_a_worker_for_each_task_when_tasks_come_one_by_one,
             park_loses_no_task_when_bringers_come_and_workers_go_to_sleep,
             park_wakes_every_worker_when_a_burst_of_long_tasks_comes,
             park_wakes_every_worker_when_one_task_spawns_for_all,
             park_wake_all_ends_pools_whose_workers_sleep_or_are_about_to)

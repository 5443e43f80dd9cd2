/* Pools under load: every accepted task runs and is dropped exactly once, whoever spawned it; and
 * no task that is queued is left lying while a worker sleeps. */
#include "pool_kit.h"

#include <pthread.h>
#include <sched.h>

#define PRODUCERS 4
#define EACH 20000

static _Atomic unsigned char ran[PRODUCERS * EACH * 2], dropped[PRODUCERS * EACH * 2];
static _Atomic unsigned refused;

static int mark_ran(ff_task *self, void *arg)
{
    unsigned number = *(unsigned *)arg;

    ff__add_relaxed(&ran[number], 1);
    /* Every other task from outside has a child from inside. */
    if (number % 4 == 0) {
        unsigned child = number + 1;
        const struct ff_spawn_options options = {.size = sizeof options,
                                                 .name = "child",
                                                 .inline_arg_size = sizeof child};

        if (ff_spawn_with(ff_task_pool(self), &options, mark_ran, &child) < 0)
            ff__add_relaxed(&refused, 1);
    }
    return 0;
}

static void mark_dropped(void *arg, ff_outcome outcome)
{
    ff__add_relaxed(&dropped[*(unsigned *)arg], outcome == FF_OUTCOME_OK);
}

struct producer {
    ff_pool *pool;
    unsigned first;
    int rc;
    pthread_t thread;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;

    for (unsigned i = 0; i < EACH && producer->rc == 0; i++) {
        unsigned number = producer->first + 2 * i;
        const struct ff_spawn_options options = {.size = sizeof options,
                                                 .name = "task",
                                                 .drop = mark_dropped,
                                                 .inline_arg_size = sizeof number};

        producer->rc = ff_spawn_wait(producer->pool, &options, mark_ran, &number, NULL, FF_NEVER);
    }
    return NULL;
}

/* Kills: in ff__deque_steal() an item returned without the CAS on top (tasks run twice); in
 * take_batch() the rest of a batch dropped (tasks never run, and the drain never ends). */
START_TEST(every_task_of_many_producers_runs_once_on_many_workers)
{
    static const unsigned workers[] = {1, 2, 8};

    for (size_t w = 0; w < sizeof workers / sizeof workers[0]; w++) {
        ff_pool *pool = kit_pool_bounded(workers[w], w == 1 ? 100 : 0);
        struct producer producers[PRODUCERS];

        memset((void *)ran, 0, sizeof ran);
        memset((void *)dropped, 0, sizeof dropped);
        ff__store_relaxed(&refused, 0);
        for (unsigned i = 0; i < PRODUCERS; i++) {
            producers[i] = (struct producer){pool, i * EACH * 2, 0, 0};
            ck_assert_int_eq(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
        }
        for (unsigned i = 0; i < PRODUCERS; i++) {
            pthread_join(producers[i].thread, NULL);
            ck_assert_int_eq(producers[i].rc, 0);
        }
        kit_pool_end(pool, FF_DRAIN);
        for (unsigned n = 0, children = 0; n < PRODUCERS * EACH * 2; n++) {
            bool outside = n % 2 == 0, child = n % 4 == 1;

            ck_assert_uint_eq(dropped[n], outside);
            ck_assert_uint_le(ran[n], outside || child);
            if (outside)
                ck_assert_uint_eq(ran[n], 1);
            children += child && ran[n] == 0;
            if (n == PRODUCERS * EACH * 2 - 1)
                ck_assert_uint_eq(children, refused);
        }
    }
}
END_TEST

/* Two tasks that wait for each other: both must be running at the same time. */
struct couple {
    _Atomic unsigned arrived;
    sem_t met;
};

static int meet(ff_task *self, void *arg)
{
    struct couple *couple = arg;

    (void)self;
    ff__add_seqcst(&couple->arrived, 1);
    while (ff__load_seqcst(&couple->arrived) < 2)
        sched_yield();
    sem_post(&couple->met);
    return 0;
}

/* So much work that the couple comes at any moment of the workers' search for it. */
static int linger(ff_task *self, void *arg)
{
    uint64_t end_ns = ff_now_ns() + (uint64_t)(uintptr_t)arg;

    (void)self;
    while (ff_now_ns() < end_ns)
        ;
    return 0;
}

/* Kills: take_batch() without ff__park_notify(), with sched_yield() before the push, which only
 * widens the gap: a worker that comes from another task has taken both out of the injector; the
 * other worker looks, finds nothing and goes to sleep for ever. */
START_TEST(two_tasks_that_wait_for_each_other_always_meet_on_two_workers)
{
    ff_pool *pool = kit_pool(2);
    struct couple couple;

    sem_init(&couple.met, 0, 0);
    for (unsigned round = 0; round < 8000; round++) {
        ff__store_seqcst(&couple.arrived, 0);
        ck_assert_int_eq(ff_spawn(pool, "first", linger, (void *)(uintptr_t)(round * 7919 % 30000)),
                         0);
        linger(NULL, (void *)(uintptr_t)(round * 104729 % 20000));
        ck_assert_int_eq(ff_spawn(pool, "a", meet, &couple), 0);
        ck_assert_int_eq(ff_spawn(pool, "b", meet, &couple), 0);
        kit_sem_wait(&couple.met);
        kit_sem_wait(&couple.met);
    }
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

FF_TEST_MAIN("stress_pool", 60, every_task_of_many_producers_runs_once_on_many_workers,
             two_tasks_that_wait_for_each_other_always_meet_on_two_workers)

/* In which order tasks run, and that none is starved. */
#include "pool_kit.h"

#include "sync/injector.h"

#include <pthread.h>

#define ORDERED 5000
static unsigned order[ORDERED], order_count;

static int note_order(ff_task *self, void *arg)
{
    (void)self;
    order[order_count++] = (unsigned)(uintptr_t)arg; /* One worker: nobody else writes. */
    return 0;
}

START_TEST(tasks_of_one_producer_run_in_order_on_one_worker)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;

    kit_gate_close(&gate, pool);
    for (uintptr_t i = 0; i < ORDERED; i++) {
        ck_assert_int_eq(ff_spawn(pool, "ordered", note_order, (void *)i), 0);
        if (i == ORDERED / 2)
            kit_gate_open(&gate); /* The second half comes while the worker runs. */
    }
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(order_count, ORDERED);
    for (unsigned i = 0; i < ORDERED; i++)
        ck_assert_uint_eq(order[i], i);
}
END_TEST

static _Atomic bool outsider_ran;

static int spawn_itself(ff_task *self, void *arg)
{
    if (ff__load_relaxed(&outsider_ran) || ff_task_canceled(self))
        return 0;
    return ff_spawn(ff_task_pool(self), "again", spawn_itself, arg);
}

static int say_ran(ff_task *self, void *arg)
{
    (void)self;
    ff__store_relaxed(&outsider_ran, true);
    sem_post(arg);
    return 0;
}

START_TEST(a_task_that_spawns_itself_for_ever_does_not_starve_one_from_outside)
{
    ff_pool *pool = kit_pool(1);
    sem_t ran;

    sem_init(&ran, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "for ever", spawn_itself, NULL), 0);
    ck_assert_int_eq(ff_spawn(pool, "outsider", say_ran, &ran), 0);
    kit_sem_wait(&ran);
    kit_pool_end(pool, FF_CANCEL);
}
END_TEST

/* Two chains that spawn themselves, and one old child at the bottom of the worker's own deque. */
static int spawn_old_then_chain(ff_task *self, void *arg)
{
    int rc = ff_spawn(ff_task_pool(self), "old", say_ran, arg);

    return rc < 0 ? rc : ff_spawn(ff_task_pool(self), "chain", spawn_itself, NULL);
}

START_TEST(a_task_that_spawns_itself_for_ever_does_not_starve_an_older_sibling)
{
    ff_pool *pool = kit_pool(1);
    sem_t ran;

    sem_init(&ran, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "parent", spawn_old_then_chain, &ran), 0);
    kit_sem_wait(&ran);
    kit_pool_end(pool, FF_CANCEL);
}
END_TEST

/* One task of each thread behind the backlog of one. The threads are as many as the queue has
 * parts, so that one of them meets the backlog in its part, where it is behind it. */
#define BACKLOG 4096
#define SINGLES FF__INJECTOR_SHARDS
static unsigned begun, begun_before[SINGLES]; /* One worker: nobody else writes. */

static int count_begun(ff_task *self, void *arg)
{
    (void)self;
    if (arg)
        *(unsigned *)arg = begun;
    begun++;
    return 0;
}

struct single {
    ff_pool *pool;
    unsigned *before;
};

static void *spawn_single(void *arg)
{
    struct single *single = arg;

    return ff_spawn(single->pool, "single", count_begun, single->before) == 0 ? NULL : arg;
}

static void spawn_singles(ff_pool *pool)
{
    for (unsigned i = 0; i < SINGLES; i++) {
        struct single single = {pool, &begun_before[i]};
        pthread_t thread;
        void *failed;

        ck_assert_int_eq(pthread_create(&thread, NULL, spawn_single, &single), 0);
        pthread_join(thread, &failed);
        ck_assert_ptr_null(failed);
    }
}

/* How many of the single tasks began in the second half, when the worker had run so many tasks
 * before. */
static unsigned singles_late(unsigned earlier)
{
    ff_pool *pool = kit_pool(1);
    struct kit_probe probe;
    struct kit_gate gate;
    unsigned late = 0;

    kit_probe_init(&probe, 0);
    for (unsigned i = 0; i < earlier; i++) {
        ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
        kit_sem_wait(&probe.done);
    }
    kit_gate_close(&gate, pool);
    begun = 0;
    for (unsigned i = 0; i < BACKLOG; i++)
        ck_assert_int_eq(ff_spawn(pool, "backlog", count_begun, NULL), 0);
    spawn_singles(pool);
    kit_gate_open(&gate);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(begun, BACKLOG + SINGLES);
    for (unsigned i = 0; i < SINGLES; i++)
        late += begun_before[i] > BACKLOG / 2;
    return late;
}

START_TEST(a_backlog_of_one_thread_does_not_starve_the_tasks_of_the_others)
{
    for (unsigned earlier = 0; earlier < FF__INJECTOR_SHARDS; earlier++)
        ck_assert_uint_le(singles_late(earlier), 1);
}
END_TEST

FF_TEST_MAIN("spawn_order", 10, tasks_of_one_producer_run_in_order_on_one_worker,
             a_task_that_spawns_itself_for_ever_does_not_starve_one_from_outside,
             a_task_that_spawns_itself_for_ever_does_not_starve_an_older_sibling,
             a_backlog_of_one_thread_does_not_starve_the_tasks_of_the_others)

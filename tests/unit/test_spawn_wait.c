/* ff_spawn_wait(): waiting for room in the queue, and what ends the wait. */
#include "pool_kit.h"

#include "sched/types.h"

#include <pthread.h>

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

/* ff_spawn_wait() on a thread of its own, so that the test can watch it wait. */
struct waiter {
    ff_pool *pool;
    ff_token *token;
    struct kit_probe *probe;
    uint64_t deadline_ns;
    int rc;
    pthread_t thread;
};

static void *wait_main(void *arg)
{
    struct waiter *waiter = arg;
    const struct ff_spawn_options options = kit_probe_options(NULL);

    waiter->rc = ff_spawn_wait(waiter->pool, &options, kit_probe_task, waiter->probe, waiter->token,
                               waiter->deadline_ns);
    return NULL;
}

/* A pool of one worker, which is held, and whose queue of one place is full; one waiter. */
struct full_pool {
    ff_pool *pool;
    struct kit_gate gate;
    struct kit_probe filler, waited;
    struct waiter waiter;
};

static void fill(struct full_pool *full)
{
    full->pool = kit_pool_bounded(1, 1);
    kit_probe_init(&full->filler, 0);
    kit_probe_init(&full->waited, 0);
    kit_gate_close(&full->gate, full->pool);
    ck_assert_int_eq(kit_probe_spawn(full->pool, NULL, &full->filler), 0);
}

/* Returns when the waiter waits (or is just about to). */
static void start_waiter(struct full_pool *full, ff_token *token)
{
    full->waiter = (struct waiter){full->pool, token, &full->waited, FF_NEVER, 1, 0};
    ck_assert_int_eq(pthread_create(&full->waiter.thread, NULL, wait_main, &full->waiter), 0);
    while (ff__load_seqcst(&full->pool->room_waiters) == 0)
        ;
}

static void end_full(struct full_pool *full)
{
    kit_gate_open(&full->gate);
    kit_pool_end(full->pool, FF_DRAIN);
    kit_probe_expect(&full->filler, 1, 1, FF_OUTCOME_OK);
}

START_TEST(spawn_wait_takes_a_place_that_is_free_without_waiting)
{
    ff_pool *pool = kit_pool_bounded(1, 1);
    const struct ff_spawn_options options = kit_probe_options(NULL);
    struct kit_probe probe;

    kit_probe_init(&probe, 0);
    ck_assert_int_eq(ff_spawn_wait(pool, &options, kit_probe_task, &probe, NULL, 0), 0);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 1, 1, FF_OUTCOME_OK);
}
END_TEST

START_TEST(spawn_wait_gives_up_at_its_deadline)
{
    struct full_pool full;
    const struct ff_spawn_options options = kit_probe_options(NULL);
    uint64_t deadline_ns;

    fill(&full);
    deadline_ns = ff_deadline_ns(5 * FF_MILLISECOND);
    ck_assert_int_eq(ff_spawn_wait(full.pool, &options, kit_probe_task, &full.waited, NULL,
                                   deadline_ns),
                     -ETIMEDOUT);
    ck_assert_uint_ge(ff_now_ns(), deadline_ns);
    end_full(&full);
    kit_probe_expect(&full.waited, 0, 0, 0);
}
END_TEST

START_TEST(spawn_wait_gets_the_place_that_a_starting_task_leaves)
{
    struct full_pool full;

    fill(&full);
    start_waiter(&full, NULL);
    kit_gate_open(&full.gate);
    pthread_join(full.waiter.thread, NULL);
    ck_assert_int_eq(full.waiter.rc, 0);
    end_full(&full);
    kit_probe_expect(&full.waited, 1, 1, FF_OUTCOME_OK);
}
END_TEST

START_TEST(spawn_wait_ends_when_its_token_is_cancelled)
{
    struct full_pool full;
    const struct ff_spawn_options options = kit_probe_options(NULL);
    ff_source *source;
    ff_token *token;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    token = ff_source_token(source);
    fill(&full);
    start_waiter(&full, token);
    ff_cancel(source);
    pthread_join(full.waiter.thread, NULL);
    ck_assert_int_eq(full.waiter.rc, FF_CANCELED);
    ck_assert_int_eq(ff_spawn_wait(full.pool, &options, kit_probe_task, &full.waited, token,
                                   FF_NEVER),
                     FF_CANCELED);
    end_full(&full);
    kit_probe_expect(&full.waited, 0, 0, 0);
    ff_source_unref(source);
}
END_TEST

START_TEST(spawn_wait_ends_when_the_pool_shuts_down)
{
    struct full_pool full;

    fill(&full);
    start_waiter(&full, NULL);
    ck_assert_int_eq(ff_pool_shutdown(full.pool, FF_DRAIN, 0), -ETIMEDOUT);
    pthread_join(full.waiter.thread, NULL);
    ck_assert_int_eq(full.waiter.rc, -ESHUTDOWN);
    end_full(&full);
    kit_probe_expect(&full.waited, 0, 0, 0);
}
END_TEST

START_TEST(spawn_wait_refuses_what_spawn_with_refuses)
{
    ff_pool *pool = kit_pool(1);
    struct ff_spawn_options options = kit_probe_options(NULL);

    ck_assert_int_eq(ff_spawn_wait(NULL, &options, do_nothing, NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(ff_spawn_wait(pool, NULL, do_nothing, NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(ff_spawn_wait(pool, &options, NULL, NULL, NULL, 0), -EINVAL);
    options.flags = 0x40;
    ck_assert_int_eq(ff_spawn_wait(pool, &options, do_nothing, NULL, NULL, 0), -EINVAL);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static int try_spawn_wait(ff_task *self, void *arg)
{
    const struct ff_spawn_options options = {.size = sizeof options, .name = "x"};

    *(int *)arg = ff_spawn_wait(ff_task_pool(self), &options, do_nothing, NULL, NULL, FF_NEVER);
    return 0;
}

START_TEST(spawn_wait_on_a_worker_of_the_pool_answers_edeadlk)
{
    ff_pool *pool = kit_pool(1);
    int rc = 0;

    ck_assert_int_eq(ff_spawn(pool, "waits", try_spawn_wait, &rc), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_int_eq(rc, -EDEADLK);
}
END_TEST

FF_TEST_MAIN("spawn_wait", 10, spawn_wait_takes_a_place_that_is_free_without_waiting,
             spawn_wait_gives_up_at_its_deadline,
             spawn_wait_gets_the_place_that_a_starting_task_leaves,
             spawn_wait_ends_when_its_token_is_cancelled, spawn_wait_ends_when_the_pool_shuts_down,
             spawn_wait_refuses_what_spawn_with_refuses,
             spawn_wait_on_a_worker_of_the_pool_answers_edeadlk)

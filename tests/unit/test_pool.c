/* Pools: what options they take and what is made of them. How they end is in test_pool_end.c. */
#include "pool_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(new_refuses_bad_options_and_leaves_the_result_alone)
{
    const struct ff_pool_options good = {.size = sizeof good, .workers = 1};
    struct ff_pool_options bad;
    struct {
        struct ff_pool_options known;
        uint64_t unknown;
    } larger = {good, 1};
    unsigned threads = kit_threads();
    ff_pool *pool = (ff_pool *)&larger;

    ck_assert_int_eq(ff_pool_new(&good, NULL), -EINVAL);
    bad = good, bad.size = sizeof bad - 1;
    ck_assert_int_eq(ff_pool_new(&bad, &pool), -EINVAL);
    bad = good, bad.workers = FF_WORKERS_MAX + 1;
    ck_assert_int_eq(ff_pool_new(&bad, &pool), -EINVAL);
    bad = good, bad.flags = 0x100;
    ck_assert_int_eq(ff_pool_new(&bad, &pool), -EINVAL);
    bad = good, bad.stack_size = 64 * 1024 - 1;
    ck_assert_int_eq(ff_pool_new(&bad, &pool), -EINVAL);
    bad = good, bad.max_queued = (uint64_t)INT64_MAX + 1;
    ck_assert_int_eq(ff_pool_new(&bad, &pool), -EINVAL);
    larger.known.size = sizeof larger;
    ck_assert_int_eq(ff_pool_new(&larger.known, &pool), -E2BIG);
    ck_assert_ptr_eq(pool, (ff_pool *)&larger);
    kit_expect_threads(threads);
}
END_TEST

START_TEST(new_below_a_cancelled_parent_answers_canceled)
{
    struct ff_pool_options options = {.size = sizeof options, .workers = 1};
    ff_source *source;
    ff_pool *pool = NULL;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    options.parent = ff_source_token(source);
    ff_cancel(source);
    ck_assert_int_eq(ff_pool_new(&options, &pool), FF_CANCELED);
    ck_assert_ptr_null(pool);
    ff_source_unref(source);
}
END_TEST

START_TEST(the_default_pool_has_at_least_one_worker_and_works)
{
    _Atomic unsigned count = 0;
    ff_pool *pool;

    ck_assert_int_eq(ff_pool_new(NULL, &pool), 0);
    ck_assert_uint_ge(ff_pool_workers(pool), 1);
    ck_assert_int_eq(ff_spawn(pool, "count", kit_count_task, &count), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(the_environment_gives_the_number_of_workers_when_options_do_not)
{
    const struct ff_pool_options three = {.size = sizeof three, .workers = 3};
    ff_pool *pool;

    setenv("FAILFAST_WORKERS", "5", 1);
    ck_assert_int_eq(ff_pool_new(NULL, &pool), 0);
    ck_assert_uint_eq(ff_pool_workers(pool), 5);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_int_eq(ff_pool_new(&three, &pool), 0);
    ck_assert_uint_eq(ff_pool_workers(pool), 3);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(every_task_runs_once_with_1_and_with_64_workers_and_no_thread_is_left)
{
    unsigned threads = kit_threads();

    for (unsigned workers = 1; workers <= 64; workers += 63) {
        ff_pool *pool = kit_pool(workers);
        _Atomic unsigned count = 0;

        ck_assert_uint_eq(ff_pool_workers(pool), workers);
        ck_assert_uint_ge(kit_threads(), threads + workers);
        for (unsigned i = 0; i < 3000; i++)
            ck_assert_int_eq(ff_spawn(pool, "count", kit_count_task, &count), 0);
        kit_pool_end(pool, FF_DRAIN);
        ck_assert_uint_eq(count, 3000);
        kit_expect_threads(threads);
    }
}
END_TEST

static int read_comm(ff_task *self, void *arg)
{
    FILE *file = fopen("/proc/thread-self/comm", "r");

    (void)self;
    if (!file || !fgets(arg, 16, file))
        return -EIO;
    fclose(file);
    return 0;
}

START_TEST(worker_threads_are_named_after_the_pool)
{
    const struct ff_pool_options options = {.size = sizeof options,
                                            .name = "requests",
                                            .workers = 1};
    char comm[16] = "";
    ff_pool *pool;

    ck_assert_int_eq(ff_pool_new(&options, &pool), 0);
    ck_assert_int_eq(ff_spawn(pool, "comm", read_comm, comm), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_str_eq(comm, "requests/0\n");
}
END_TEST

static int read_stack_size(ff_task *self, void *arg)
{
    pthread_attr_t attr;
    void *low;

    (void)self;
    if (pthread_getattr_np(pthread_self(), &attr))
        return -EIO;
    pthread_attr_getstack(&attr, &low, arg);
    pthread_attr_destroy(&attr);
    return 0;
}

START_TEST(workers_have_the_stack_that_was_asked_for)
{
    const struct ff_pool_options options = {.size = sizeof options,
                                            .workers = 1,
                                            .stack_size = 256 * 1024};
    size_t size = 0;
    ff_pool *pool;

    ck_assert_int_eq(ff_pool_new(&options, &pool), 0);
    ck_assert_int_eq(ff_spawn(pool, "stack", read_stack_size, &size), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_ge(size, 256 * 1024 - 4096);
    ck_assert_uint_le(size, 2 * 1024 * 1024); /* With the thread's static memory. */
}
END_TEST

static int sleep_for_ever(ff_task *self, void *arg)
{
    sem_post(arg);
    return ff_sleep(self, FF_NEVER);
}

START_TEST(the_parent_token_cancels_what_runs_in_the_pool)
{
    struct ff_pool_options options = {.size = sizeof options, .workers = 1};
    ff_source *source;
    ff_pool *pool;
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    options.parent = ff_source_token(source);
    ck_assert_int_eq(ff_pool_new(&options, &pool), 0);
    ck_assert_int_eq(ff_spawn(pool, "sleeper", sleep_for_ever, &asleep), 0);
    kit_sem_wait(&asleep);
    ck_assert(!ff_canceled(ff_pool_token(pool)));
    ff_cancel(source);
    ck_assert_int_eq(ff_token_reason(ff_pool_token(pool)), FF_REASON_REQUESTED);
    ff_source_unref(source);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(calls_on_null_do_no_harm)
{
    ck_assert_int_eq(ff_pool_free(NULL), 0);
    ck_assert_int_eq(ff_pool_shutdown(NULL, FF_DRAIN, 0), -EINVAL);
    ck_assert_uint_eq(ff_pool_stragglers(NULL, NULL, 0), 0);
    ck_assert_ptr_null(ff_pool_token(NULL));
    ck_assert_uint_eq(ff_pool_workers(NULL), 0);
}
END_TEST

FF_TEST_MAIN("pool", 20, new_refuses_bad_options_and_leaves_the_result_alone,
             new_below_a_cancelled_parent_answers_canceled,
             the_default_pool_has_at_least_one_worker_and_works,
             the_environment_gives_the_number_of_workers_when_options_do_not,
             every_task_runs_once_with_1_and_with_64_workers_and_no_thread_is_left,
             worker_threads_are_named_after_the_pool, workers_have_the_stack_that_was_asked_for,
             the_parent_token_cancels_what_runs_in_the_pool, calls_on_null_do_no_harm)

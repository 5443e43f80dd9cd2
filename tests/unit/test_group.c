/* Groups: waiting, helping, failures and their owners, cancellation, what is refused. */
#include "pool_kit.h"

#include "sched/types.h"

#include <malloc.h>
#include <pthread.h>

static ff_group *group_on(ff_pool *pool)
{
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    ff_group *group = NULL;

    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_ptr_nonnull(group);
    return group;
}

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static int return_arg(ff_task *self, void *arg)
{
    (void)self;
    return (int)(intptr_t)arg;
}

static void *code(int value)
{
    return (void *)(intptr_t)value;
}

/* Runs fn(arg) as a task of a pool of so many workers, to its end. */
static void in_task(unsigned workers, ff_task_fn *fn, void *arg)
{
    ff_pool *pool = kit_pool(workers);
    ff_group *group = group_on(pool);

    ck_assert_int_eq(ff_group_spawn(group, "owner", fn, arg), 0);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}

START_TEST(new_refuses_bad_arguments_and_leaves_the_result_alone)
{
    ff_pool *pool = kit_pool(1);
    struct ff_group_options good = {.size = sizeof good, .pool = pool}, bad;
    struct {
        struct ff_group_options known;
        uint64_t unknown;
    } larger = {good, 1};
    ff_group *group = (ff_group *)&good;

    ck_assert_int_eq(ff_group_new(NULL, &good, NULL), -EINVAL);
    ck_assert_int_eq(ff_group_new(NULL, NULL, &group), -EINVAL);
    bad = good, bad.pool = NULL;
    ck_assert_int_eq(ff_group_new(NULL, &bad, &group), -EINVAL);
    bad = good, bad.size = 3;
    ck_assert_int_eq(ff_group_new(NULL, &bad, &group), -EINVAL);
    larger.known.size = sizeof larger;
    ck_assert_int_eq(ff_group_new(NULL, &larger.known, &group), -E2BIG);
    ck_assert_ptr_eq(group, (ff_group *)&good);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static int ask_two_pools(ff_task *self, void *other)
{
    const struct ff_group_options options = {.size = sizeof options, .pool = other};
    ff_group *group;

    return ff_group_new(self, &options, &group) == -EINVAL ? 0 : -EPROTO;
}

START_TEST(new_refuses_another_pool_than_that_of_the_task)
{
    ff_pool *other = kit_pool(1);

    in_task(1, ask_two_pools, other);
    kit_pool_end(other, FF_DRAIN);
}
END_TEST

START_TEST(spawn_refuses_bad_arguments)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);

    ck_assert_int_eq(ff_group_spawn(NULL, "x", do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_group_spawn(group, NULL, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_group_spawn(group, "", do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_group_spawn(group, "x", NULL, NULL), -EINVAL);
    ck_assert_int_eq(ff_group_wait(NULL), -EINVAL);
    ff_group_free(group);
    ff_group_free(NULL);
    ff_group_cancel(NULL);
    ck_assert_ptr_null(ff_group_token(NULL));
    ck_assert_ptr_null(ff_group_failure(NULL, 0));
    ck_assert_uint_eq(ff_group_failure_count(NULL), 0);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(spawn_into_a_full_queue_answers_eagain_and_leaves_the_group_usable)
{
    ff_pool *pool = kit_pool_bounded(1, 1);
    ff_group *group = group_on(pool);
    struct kit_gate gate;

    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_group_spawn(group, "a", do_nothing, NULL), 0);
    ck_assert_int_eq(ff_group_spawn(group, "b", do_nothing, NULL), -EAGAIN);
    kit_gate_open(&gate);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ck_assert_int_eq(ff_group_spawn(group, "c", do_nothing, NULL), 0);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(spawn_into_a_group_of_a_pool_that_ended_answers_eshutdown)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);

    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_group_spawn(group, "x", do_nothing, NULL), -ESHUTDOWN);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ff_group_free(group);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

START_TEST(wait_without_children_returns_0_at_once)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);

    ck_assert_int_eq(ff_group_wait(group), 0);
    ck_assert_uint_eq(ff_group_failure_count(group), 0);
    ck_assert_ptr_null(ff_group_failure(group, 0));
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(wait_from_outside_waits_for_every_child_and_its_drop)
{
    ff_pool *pool = kit_pool(2);
    ff_group *group = group_on(pool);
    struct kit_probe probe;

    kit_probe_init(&probe, 0);
    for (unsigned i = 0; i < 200; i++)
        ck_assert_int_eq(kit_probe_spawn(pool, group, &probe), 0);
    ck_assert_int_eq(ff_group_wait(group), 0);
    kit_probe_expect(&probe, 200, 200, FF_OUTCOME_OK);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

/* Fork-join through groups. */
struct fib {
    unsigned n, result;
};

static int fib(ff_task *self, void *arg)
{
    struct fib *job = arg, left = {job->n - 1, 0}, right = {job->n - 2, 0};
    ff_group *group;
    int rc;

    if (job->n < 2) {
        job->result = job->n;
        return 0;
    }
    rc = ff_group_new(self, NULL, &group);
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "left", fib, &left);
    if (rc == 0)
        rc = ff_group_spawn(group, "right", fib, &right);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    job->result = left.result + right.result;
    return rc;
}

START_TEST(waiting_helps_so_fork_join_ends_on_one_worker)
{
    struct fib job = {16, 0};

    in_task(1, fib, &job);
    ck_assert_uint_eq(job.result, 987);
}
END_TEST

START_TEST(fork_join_ends_on_several_workers)
{
    struct fib job = {16, 0};

    in_task(4, fib, &job);
    ck_assert_uint_eq(job.result, 987);
}
END_TEST

/* A list, walked by recursion: each task waits for one child. */
static int walk_list(ff_task *self, void *arg)
{
    unsigned *left = arg;
    ff_group *group;
    int rc;

    if (--*left == 0)
        return 0;
    rc = ff_group_new(self, NULL, &group);
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "next", walk_list, left);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

START_TEST(waiting_helps_to_a_depth_of_2000_on_one_worker)
{
    unsigned left = 2000;

    in_task(1, walk_list, &left);
    ck_assert_uint_eq(left, 0);
}
END_TEST

/* The newest entry of the worker's deque is a detached task: the wait must not run it. */
struct stranger {
    _Atomic unsigned ran;
    unsigned ran_before_return;
};

static int count_stranger(ff_task *self, void *arg)
{
    (void)self;
    ff__add_relaxed(&((struct stranger *)arg)->ran, 1);
    return 0;
}

static int wait_above_a_stranger(ff_task *self, void *arg)
{
    struct stranger *stranger = arg;
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "child", do_nothing, NULL);
    if (rc == 0)
        rc = ff_spawn(ff_task_pool(self), "stranger", count_stranger, stranger);
    if (rc == 0)
        rc = ff_group_wait(group);
    stranger->ran_before_return = ff__load_relaxed(&stranger->ran);
    ff_group_free(group);
    return rc;
}

START_TEST(waiting_never_runs_an_unrelated_task)
{
    struct stranger stranger = {0, 99};

    in_task(1, wait_above_a_stranger, &stranger);
    ck_assert_uint_eq(stranger.ran_before_return, 0);
    ck_assert_uint_eq(stranger.ran, 1);
}
END_TEST

static int sleep_for_ever(ff_task *self, void *arg)
{
    sem_t *asleep = arg;

    sem_post(asleep);
    return ff_sleep(self, FF_NEVER);
}

START_TEST(the_first_failure_cancels_the_siblings_and_is_returned)
{
    ff_pool *pool = kit_pool(2);
    ff_group *group = group_on(pool);
    struct kit_probe queued;
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    kit_probe_init(&queued, 0);
    ck_assert_int_eq(ff_group_spawn(group, "sleeper", sleep_for_ever, &asleep), 0);
    kit_sem_wait(&asleep);
    ck_assert_int_eq(ff_group_spawn(group, "fails", return_arg, code(-EIO)), 0);
    ck_assert_int_eq(ff_group_wait(group), -EIO);
    ck_assert_uint_eq(ff_group_failure_count(group), 1);
    ck_assert_str_eq(ff_failure_task(ff_group_failure(group, 0)), "fails");
    ck_assert_int_eq(ff_token_reason(ff_group_token(group)), FF_REASON_SIBLING);
    ck_assert_int_eq(kit_probe_spawn(pool, group, &queued), FF_CANCELED);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&queued, 0, 0, 0);
}
END_TEST

START_TEST(a_failure_skips_the_siblings_that_are_queued)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);
    struct kit_gate gate;
    struct kit_probe skipped;

    kit_probe_init(&skipped, 0);
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_group_spawn(group, "fails", return_arg, code(-EIO)), 0);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(kit_probe_spawn(pool, group, &skipped), 0);
    kit_gate_open(&gate);
    ck_assert_int_eq(ff_group_wait(group), -EIO);
    kit_probe_expect(&skipped, 0, 20, FF_OUTCOME_SKIPPED);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static int fail_in_words(ff_task *self, void *arg)
{
    return ff_fail(self, -EBADMSG, "bad record %d", (int)(intptr_t)arg);
}

START_TEST(a_failure_can_be_read_after_the_wait)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);
    const ff_failure *failure;
    void *frames[4] = {NULL};

    ck_assert_int_eq(ff_group_spawn(group, "parse", fail_in_words, code(88)), 0);
    ck_assert_int_eq(ff_group_wait(group), -EBADMSG);
    failure = ff_group_failure(group, 0);
    ck_assert_ptr_nonnull(failure);
    ck_assert_int_eq(ff_failure_code(failure), -EBADMSG);
    ck_assert_str_eq(ff_failure_message(failure), "bad record 88");
    ck_assert_str_eq(ff_failure_task(failure), "parse");
    ck_assert_uint_ne(ff_failure_task_id(failure), 0);
    ck_assert_str_eq(ff_failure_file(failure), __FILE__);
    ck_assert_int_gt(ff_failure_line(failure), 0);
    ck_assert_ptr_null(ff_failure_cause(failure));
    ck_assert_uint_ge(ff_failure_backtrace(failure, frames, 4), 2);
    ck_assert_ptr_nonnull(frames[0]);
    ck_assert_ptr_null(ff_group_failure(group, 1));
    ck_assert_int_eq(ff_group_wait(group), 0); /* It has been read. */
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

struct meeting {
    pthread_barrier_t barrier;
};

static int fail_together(ff_task *self, void *arg)
{
    struct meeting *meeting = arg;

    (void)self;
    pthread_barrier_wait(&meeting->barrier);
    return -EPIPE;
}

START_TEST(later_failures_are_counted_and_the_first_16_kept)
{
    enum { TOGETHER = 18 };
    ff_pool *pool = kit_pool(TOGETHER);
    ff_group *group = group_on(pool);
    struct meeting meeting;

    pthread_barrier_init(&meeting.barrier, NULL, TOGETHER);
    for (unsigned i = 0; i < TOGETHER; i++)
        ck_assert_int_eq(ff_group_spawn(group, "together", fail_together, &meeting), 0);
    ck_assert_int_eq(ff_group_wait(group), -EPIPE);
    ck_assert_uint_eq(ff_group_failure_count(group), TOGETHER);
    for (unsigned i = 0; i < FF_GROUP_FAILURES_MAX; i++)
        ck_assert_int_eq(ff_failure_code(ff_group_failure(group, i)), -EPIPE);
    ck_assert_ptr_null(ff_group_failure(group, FF_GROUP_FAILURES_MAX));
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

/* depth tasks, one inside the other; the innermost fails, the others pass its code up. */
static int pass_up(ff_task *self, void *arg)
{
    intptr_t depth = (intptr_t)arg;
    ff_group *group;
    int rc;

    if (depth == 0)
        return ff_fail(self, -ENOLINK, "the innermost");
    rc = ff_group_new(self, NULL, &group);
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, depth == 1 ? "inner" : "middle", pass_up, code((int)depth - 1));
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

START_TEST(a_failure_that_is_passed_up_keeps_its_chain_of_causes)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);
    const ff_failure *failure;

    ck_assert_int_eq(ff_group_spawn(group, "outer", pass_up, code(2)), 0);
    ck_assert_int_eq(ff_group_wait(group), -ENOLINK);
    failure = ff_group_failure(group, 0);
    ck_assert_str_eq(ff_failure_task(failure), "outer");
    ck_assert_str_eq(ff_failure_message(failure), "");
    failure = ff_failure_cause(failure);
    ck_assert_ptr_nonnull(failure);
    ck_assert_str_eq(ff_failure_task(failure), "middle");
    failure = ff_failure_cause(failure);
    ck_assert_ptr_nonnull(failure);
    ck_assert_str_eq(ff_failure_task(failure), "inner");
    ck_assert_str_eq(ff_failure_message(failure), "the innermost");
    ck_assert_ptr_null(ff_failure_cause(failure));
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static int fail_otherwise(ff_task *self, void *arg)
{
    int rc = pass_up(self, code(1));

    (void)arg;
    return rc == -ENOLINK ? -ENODATA : 0;
}

START_TEST(a_failure_with_another_code_has_no_cause)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);

    ck_assert_int_eq(ff_group_spawn(group, "other", fail_otherwise, NULL), 0);
    ck_assert_int_eq(ff_group_wait(group), -ENODATA);
    ck_assert_ptr_null(ff_failure_cause(ff_group_failure(group, 0)));
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(canceled_without_a_request_is_a_failure_of_the_child)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);

    ck_assert_int_eq(ff_group_spawn(group, "liar", return_arg, code(FF_CANCELED)), 0);
    ck_assert_int_eq(ff_group_wait(group), FF_CANCELED);
    ck_assert_uint_eq(ff_group_failure_count(group), 1);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_cancelled_group_tells_canceled_and_no_failure)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);
    struct kit_probe queued;
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    kit_probe_init(&queued, 0);
    ck_assert_int_eq(ff_group_spawn(group, "sleeper", sleep_for_ever, &asleep), 0);
    kit_sem_wait(&asleep);
    ck_assert_int_eq(kit_probe_spawn(pool, group, &queued), 0);
    ff_group_cancel(group);
    ck_assert_int_eq(ff_group_wait(group), FF_CANCELED);
    ck_assert_int_eq(ff_token_reason(ff_group_token(group)), FF_REASON_REQUESTED);
    ck_assert_uint_eq(ff_group_failure_count(group), 0);
    kit_probe_expect(&queued, 0, 1, FF_OUTCOME_SKIPPED);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static int fail_when_canceled(ff_task *self, void *arg)
{
    return sleep_for_ever(self, arg) == FF_CANCELED ? -EIO : 0;
}

START_TEST(another_code_after_a_request_is_still_a_failure)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    ck_assert_int_eq(ff_group_spawn(group, "fails", fail_when_canceled, &asleep), 0);
    kit_sem_wait(&asleep);
    ff_group_cancel(group);
    ck_assert_int_eq(ff_group_wait(group), -EIO);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_deadline_cancels_the_group)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options,
                                             .pool = pool,
                                             .deadline_ns = ff_deadline_ns(5 * FF_MILLISECOND)};
    ff_group *group;
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_int_eq(ff_group_spawn(group, "sleeper", sleep_for_ever, &asleep), 0);
    ck_assert_int_eq(ff_group_wait(group), FF_CANCELED);
    ck_assert_int_eq(ff_token_reason(ff_group_token(group)), FF_REASON_DEADLINE);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_parent_token_and_the_pool_cancel_the_group)
{
    ff_pool *pool = kit_pool(1);
    struct ff_group_options options = {.size = sizeof options, .pool = pool};
    ff_source *source;
    ff_group *below, *pools;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    options.parent = ff_source_token(source);
    ck_assert_int_eq(ff_group_new(NULL, &options, &below), 0);
    pools = group_on(pool);
    ff_cancel(source);
    ck_assert(ff_canceled(ff_group_token(below)));
    ck_assert(!ff_canceled(ff_group_token(pools)));
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_CANCEL, FF_NEVER), 0);
    ck_assert_int_eq(ff_token_reason(ff_group_token(pools)), FF_REASON_SHUTDOWN);
    ff_group_free(below);
    ff_group_free(pools);
    ff_source_unref(source);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

FF_TEST_MAIN("group", 20, new_refuses_bad_arguments_and_leaves_the_result_alone,
             new_refuses_another_pool_than_that_of_the_task, spawn_refuses_bad_arguments,
             spawn_into_a_full_queue_answers_eagain_and_leaves_the_group_usable,
             spawn_into_a_group_of_a_pool_that_ended_answers_eshutdown,
             wait_without_children_returns_0_at_once,
             wait_from_outside_waits_for_every_child_and_its_drop,
             waiting_helps_so_fork_join_ends_on_one_worker, fork_join_ends_on_several_workers,
             waiting_helps_to_a_depth_of_2000_on_one_worker, waiting_never_runs_an_unrelated_task,
             the_first_failure_cancels_the_siblings_and_is_returned,
             a_failure_skips_the_siblings_that_are_queued, a_failure_can_be_read_after_the_wait,
             later_failures_are_counted_and_the_first_16_kept,
             a_failure_that_is_passed_up_keeps_its_chain_of_causes,
             a_failure_with_another_code_has_no_cause,
             canceled_without_a_request_is_a_failure_of_the_child,
             a_cancelled_group_tells_canceled_and_no_failure,
             another_code_after_a_request_is_still_a_failure, a_deadline_cancels_the_group,
             a_parent_token_and_the_pool_cancel_the_group)

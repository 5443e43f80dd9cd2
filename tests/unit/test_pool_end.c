/* Every way in which a pool ends. */
#include "pool_kit.h"

#include <pthread.h>
#include <time.h>

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

START_TEST(free_before_the_end_answers_ebusy_and_changes_nothing)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;
    _Atomic unsigned count = 0;

    ck_assert_int_eq(ff_pool_free(pool), -EBUSY);
    ck_assert_int_eq(ff_spawn(pool, "count", kit_count_task, &count), 0);
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), -ETIMEDOUT);
    ck_assert_int_eq(ff_pool_free(pool), -EBUSY);
    kit_gate_open(&gate);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(shutdown_refuses_an_unknown_mode)
{
    ff_pool *pool = kit_pool(1);

    ck_assert_int_eq(ff_pool_shutdown(pool, (ff_shutdown_mode)0, 0), -EINVAL);
    ck_assert_int_eq(ff_pool_shutdown(pool, (ff_shutdown_mode)3, 0), -EINVAL);
    ck_assert_int_eq(ff_spawn(pool, "x", do_nothing, NULL), 0); /* It still runs. */
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(drain_runs_everything_that_is_queued)
{
    ff_pool *pool = kit_pool(2);
    struct kit_gate gates[2];
    struct kit_probe probe;

    kit_probe_init(&probe, 0);
    kit_gate_close(&gates[0], pool);
    kit_gate_close(&gates[1], pool);
    for (unsigned i = 0; i < 500; i++)
        ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), -ETIMEDOUT);
    kit_gate_open(&gates[0]);
    kit_gate_open(&gates[1]);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 500, 500, FF_OUTCOME_OK);
}
END_TEST

START_TEST(cancel_skips_what_is_queued_and_drops_it)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;
    struct kit_probe probe;

    kit_probe_init(&probe, 0);
    kit_gate_close(&gate, pool);
    for (unsigned i = 0; i < 500; i++)
        ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_CANCEL, 0), -ETIMEDOUT);
    ck_assert_int_eq(ff_token_reason(ff_pool_token(pool)), FF_REASON_SHUTDOWN);
    kit_gate_open(&gate);
    kit_pool_end(pool, FF_CANCEL);
    kit_probe_expect(&probe, 0, 500, FF_OUTCOME_SKIPPED);
}
END_TEST

START_TEST(a_drain_leaves_the_pools_token_alone)
{
    ff_pool *pool = kit_pool(1);

    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert(!ff_canceled(ff_pool_token(pool)));
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

START_TEST(cancel_tightens_a_drain_and_drain_does_not_loosen_it)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;
    struct kit_probe probe;

    kit_probe_init(&probe, 0);
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), -ETIMEDOUT);
    ck_assert(!ff_canceled(ff_pool_token(pool)));
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_CANCEL, 0), -ETIMEDOUT);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), -ETIMEDOUT);
    kit_gate_open(&gate);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 0, 1, FF_OUTCOME_SKIPPED);
}
END_TEST

START_TEST(shutdown_is_idempotent)
{
    ff_pool *pool = kit_pool(2);

    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_CANCEL, 0), 0);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

struct caller {
    ff_pool *pool;
    ff_shutdown_mode mode;
    int rc;
    pthread_t thread;
};

static void *call_shutdown(void *arg)
{
    struct caller *caller = arg;

    caller->rc = ff_pool_shutdown(caller->pool, caller->mode, FF_NEVER);
    return NULL;
}

START_TEST(shutdown_may_be_called_by_several_threads_at_once)
{
    ff_pool *pool = kit_pool(3);
    struct caller callers[4];
    struct kit_gate gate;

    kit_gate_close(&gate, pool);
    for (unsigned i = 0; i < 4; i++) {
        callers[i] = (struct caller){pool, i == 2 ? FF_CANCEL : FF_DRAIN, 1, 0};
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_shutdown, &callers[i]), 0);
    }
    kit_gate_open(&gate);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].rc, 0);
    }
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

static int shut_down_from_inside(ff_task *self, void *arg)
{
    *(int *)arg = ff_pool_shutdown(ff_task_pool(self), FF_DRAIN, FF_NEVER);
    return 0;
}

START_TEST(shutdown_from_a_task_answers_edeadlk_but_goes_on)
{
    ff_pool *pool = kit_pool(1);
    struct kit_probe probe;
    struct kit_gate gate;
    int rc = 0;

    kit_probe_init(&probe, 0);
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_spawn(pool, "ends it", shut_down_from_inside, &rc), 0);
    ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
    kit_gate_open(&gate);
    kit_sem_wait(&probe.done);
    ck_assert_int_eq(rc, -EDEADLK);
    ck_assert_int_eq(ff_spawn(pool, "late", do_nothing, NULL), -ESHUTDOWN);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 1, 1, FF_OUTCOME_OK);
}
END_TEST

struct drop_shutdown {
    ff_pool *pool;
    int rc;
    sem_t done;
};

static void shut_down_in_drop(void *arg, ff_outcome outcome)
{
    struct drop_shutdown *drop = arg;

    (void)outcome;
    drop->rc = ff_pool_shutdown(drop->pool, FF_DRAIN, FF_NEVER);
    sem_post(&drop->done);
}

START_TEST(shutdown_from_a_drop_answers_edeadlk_in_every_kind_of_task)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        struct drop_shutdown drop = {.pool = kit_pool(1)};
        const struct ff_spawn_options options = {.size = sizeof options,
                                                 .name = "drops",
                                                 .drop = shut_down_in_drop,
                                                 .flags = kind == 1 ? FF_MAY_FINISH : 0};
        const struct ff_timer_options once = {.size = sizeof once,
                                              .name = "drops",
                                              .drop = shut_down_in_drop};

        sem_init(&drop.done, 0, 0);
        if (kind == 0)
            ck_assert_int_eq(ff_spawn_with(drop.pool, &options, do_nothing, &drop), 0);
        else if (kind == 1)
            ck_assert_int_eq(ff_spawn_service_with(drop.pool, &options, do_nothing, &drop), 0);
        else
            ck_assert_int_eq(ff_timer_start(drop.pool, &once, do_nothing, &drop, NULL), 0);
        kit_sem_wait(&drop.done);
        ck_assert_int_eq(drop.rc, -EDEADLK);
        kit_pool_end(drop.pool, FF_DRAIN);
    }
}
END_TEST

static void shut_down_in_callback(void *arg)
{
    struct caller *caller = arg;

    caller->rc = ff_pool_shutdown(caller->pool, FF_DRAIN, FF_NEVER);
}

START_TEST(shutdown_from_a_cancel_callback_answers_edeadlk)
{
    struct caller caller = {kit_pool(1), FF_DRAIN, 1, 0};
    ff_registration *registration;
    ff_source *source;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    ck_assert_int_eq(
        ff_register(ff_source_token(source), shut_down_in_callback, &caller, &registration), 0);
    ff_cancel(source);
    ck_assert_int_eq(caller.rc, -EDEADLK);
    ff_unregister(registration);
    ff_source_unref(source);
    ck_assert_int_eq(ff_spawn(caller.pool, "late", do_nothing, NULL), -ESHUTDOWN);
    kit_pool_end(caller.pool, FF_DRAIN);
}
END_TEST

static int shut_down_another(ff_task *self, void *arg)
{
    (void)self;
    kit_pool_end(arg, FF_DRAIN);
    return 0;
}

START_TEST(a_task_may_end_another_pool)
{
    ff_pool *pool = kit_pool(1), *other = kit_pool(1);

    ck_assert_int_eq(ff_spawn(pool, "ends other", shut_down_another, other), 0);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_missed_deadline_names_the_stragglers_and_a_later_call_succeeds)
{
    ff_pool *pool = kit_pool(2);
    struct kit_gate gates[2];
    struct ff_straggler list[4];
    uint64_t before_ns = ff_now_ns();

    kit_gate_close(&gates[0], pool);
    kit_gate_close(&gates[1], pool);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, before_ns + 10 * FF_MILLISECOND), -ETIMEDOUT);
    ck_assert_uint_ge(ff_now_ns(), before_ns + 10 * FF_MILLISECOND);
    ck_assert_uint_eq(ff_pool_stragglers(pool, list, 4), 2);
    ck_assert_str_eq(list[0].name, "gate");
    ck_assert_str_eq(list[1].name, "gate");
    kit_gate_open(&gates[0]);
    kit_gate_open(&gates[1]);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

/* During a drain a running task may go on with its group, and with nothing else. */
struct drained {
    struct kit_gate gate;
    struct kit_probe child;
    int detached, grouped, waited, timer, service;
};

static int work_on_while_draining(ff_task *self, void *arg)
{
    struct drained *drained = arg;
    ff_pool *pool = ff_task_pool(self);
    ff_group *group;
    int rc = kit_gate_task(self, &drained->gate);

    if (rc < 0 || (rc = ff_group_new(self, NULL, &group)) < 0)
        return rc;
    drained->detached = ff_spawn(pool, "detached", do_nothing, NULL);
    drained->timer = ff_after(pool, "timer", 0, do_nothing, NULL);
    drained->service = ff_spawn_service(pool, "service", do_nothing, NULL);
    drained->grouped = kit_probe_spawn(pool, group, &drained->child);
    drained->waited = ff_group_wait(group);
    ff_group_free(group);
    return 0;
}

START_TEST(a_drain_admits_group_children_of_running_tasks_and_nothing_else)
{
    ff_pool *pool = kit_pool(1);
    struct drained drained = {.waited = 1};

    kit_gate_init(&drained.gate);
    kit_probe_init(&drained.child, 0);
    ck_assert_int_eq(ff_spawn(pool, "works on", work_on_while_draining, &drained), 0);
    kit_sem_wait(&drained.gate.entered);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), -ETIMEDOUT);
    kit_gate_open(&drained.gate);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_int_eq(drained.detached, -ESHUTDOWN);
    ck_assert_int_eq(drained.timer, -ESHUTDOWN);
    ck_assert_int_eq(drained.service, -ESHUTDOWN);
    ck_assert_int_eq(drained.grouped, 0);
    ck_assert_int_eq(drained.waited, 0);
    kit_probe_expect(&drained.child, 1, 1, FF_OUTCOME_OK);
}
END_TEST

START_TEST(a_group_from_outside_gets_nothing_in_while_the_pool_drains)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    struct kit_gate gate;
    ff_group *group;

    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), -ETIMEDOUT);
    ck_assert_int_eq(ff_group_spawn(group, "x", do_nothing, NULL), -ESHUTDOWN);
    kit_gate_open(&gate);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static uint64_t cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * FF_SECOND + (uint64_t)used.tv_nsec;
}

START_TEST(an_idle_pool_uses_no_cpu)
{
    const unsigned workers = 8;
    ff_pool *pool = kit_pool(workers);
    struct ff_pool_stats stats = {.size = sizeof stats};
    uint64_t before_ns;

    do /* Until all have gone to sleep. */
        ck_assert_int_eq(ff_pool_stats_read(pool, &stats), 0);
    while (stats.parked != workers);
    before_ns = cpu_ns();
    ck_assert_int_eq(ff_token_sleep_until(NULL, ff_deadline_ns(100 * FF_MILLISECOND)), 0);
    ck_assert_uint_le(cpu_ns() - before_ns, 2 * FF_MILLISECOND);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(pools_of_different_kinds_live_side_by_side_and_one_after_the_other)
{
    unsigned threads = kit_threads();

    for (unsigned round = 0; round < 10; round++) {
        ff_pool *a = kit_pool(1), *b = kit_pool(2);
        _Atomic unsigned count = 0;

        ck_assert_int_eq(ff_spawn(a, "a", kit_count_task, &count), 0);
        ck_assert_int_eq(ff_spawn(b, "b", kit_count_task, &count), 0);
        kit_pool_end(a, FF_DRAIN);
        kit_pool_end(b, FF_DRAIN);
        ck_assert_uint_eq(count, 2);
    }
    kit_expect_threads(threads);
}
END_TEST

START_TEST(a_process_may_have_256_pools_and_the_next_gets_eagain)
{
    enum { POOLS = 256 };
    const struct ff_pool_options options = {.size = sizeof options,
                                            .workers = 1,
                                            .stack_size = 64 * 1024};
    static ff_pool *pools[POOLS];
    ff_pool *one_more = NULL;

    for (unsigned i = 0; i < POOLS; i++)
        ck_assert_int_eq(ff_pool_new(&options, &pools[i]), 0);
    ck_assert_int_eq(ff_pool_new(&options, &one_more), -EAGAIN);
    ck_assert_ptr_null(one_more);
    kit_pool_end(pools[7], FF_DRAIN);
    ck_assert_int_eq(ff_pool_new(&options, &pools[7]), 0);
    for (unsigned i = 0; i < POOLS; i++)
        kit_pool_end(pools[i], FF_DRAIN);
}
END_TEST

/* A service whose thread takes its time to end after the task has returned. */
static pthread_key_t slow_key;

static void end_slowly(void *arg)
{
    struct kit_gate *gate = arg;
    struct timespec end;

    sem_post(&gate->entered);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 2; /* So that a shutdown without a deadline fails the test, and does not hang. */
    (void)sem_timedwait(&gate->leave, &end);
}

static int return_to_slow_end(ff_task *self, void *arg)
{
    struct kit_gate *gate = arg;

    if (pthread_setspecific(slow_key, gate))
        return -ENOMEM;
    sem_post(&gate->entered);
    return ff_sleep(self, FF_NEVER);
}

START_TEST(the_deadline_of_a_shutdown_holds_while_a_service_thread_is_slow_to_end)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;

    kit_gate_init(&gate);
    ck_assert_int_eq(pthread_key_create(&slow_key, end_slowly), 0);
    ck_assert_int_eq(ff_spawn_service(pool, "slow end", return_to_slow_end, &gate), 0);
    kit_sem_wait(&gate.entered);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, ff_deadline_ns(100 * FF_MILLISECOND)),
                     -ETIMEDOUT);
    kit_sem_wait(&gate.entered); /* The task has returned. */
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, ff_deadline_ns(FF_MILLISECOND)), -ETIMEDOUT);
    ck_assert_int_eq(ff_pool_free(pool), -EBUSY);
    kit_gate_open(&gate);
    kit_pool_end(pool, FF_DRAIN);
    pthread_key_delete(slow_key);
}
END_TEST

/* Inside ff_critical() it is still the task that the drain runs. */
struct critical_drain {
    struct kit_gate gate;
    struct kit_probe child;
    ff_pool *pool;
    int detached, grouped;
};

static int spawn_in_critical(ff_task *self, void *arg)
{
    struct critical_drain *drain = arg;
    const struct ff_group_options options = {.size = sizeof options, .pool = drain->pool};
    ff_group *group;
    int rc = ff_group_new(self, &options, &group);

    if (rc < 0)
        return rc;
    drain->detached = ff_spawn(drain->pool, "detached", do_nothing, NULL);
    drain->grouped = kit_probe_spawn(drain->pool, group, &drain->child);
    rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static int be_critical_while_draining(ff_task *self, void *arg)
{
    struct critical_drain *drain = arg;
    int rc = kit_gate_task(self, &drain->gate);

    return rc < 0 ? rc : ff_critical("critical", spawn_in_critical, drain);
}

START_TEST(a_drain_admits_group_children_of_a_task_that_is_inside_ff_critical)
{
    ff_pool *pool = kit_pool(1);
    struct critical_drain drain = {.pool = pool, .detached = 1, .grouped = 1};

    kit_gate_init(&drain.gate);
    kit_probe_init(&drain.child, 0);
    ck_assert_int_eq(ff_spawn(pool, "drained", be_critical_while_draining, &drain), 0);
    kit_sem_wait(&drain.gate.entered);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, 0), -ETIMEDOUT);
    kit_gate_open(&drain.gate);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_int_eq(drain.detached, -ESHUTDOWN);
    ck_assert_int_eq(drain.grouped, 0);
    kit_probe_expect(&drain.child, 1, 1, FF_OUTCOME_OK);
}
END_TEST

FF_TEST_MAIN("pool_end", 20, free_before_the_end_answers_ebusy_and_changes_nothing,
             shutdown_refuses_an_unknown_mode, drain_runs_everything_that_is_queued,
             cancel_skips_what_is_queued_and_drops_it, a_drain_leaves_the_pools_token_alone,
             cancel_tightens_a_drain_and_drain_does_not_loosen_it, shutdown_is_idempotent,
             shutdown_may_be_called_by_several_threads_at_once,
             shutdown_from_a_task_answers_edeadlk_but_goes_on,
             shutdown_from_a_drop_answers_edeadlk_in_every_kind_of_task,
             shutdown_from_a_cancel_callback_answers_edeadlk, a_task_may_end_another_pool,
             a_missed_deadline_names_the_stragglers_and_a_later_call_succeeds,
             a_drain_admits_group_children_of_running_tasks_and_nothing_else,
             a_group_from_outside_gets_nothing_in_while_the_pool_drains, an_idle_pool_uses_no_cpu,
             pools_of_different_kinds_live_side_by_side_and_one_after_the_other,
             a_process_may_have_256_pools_and_the_next_gets_eagain,
             the_deadline_of_a_shutdown_holds_while_a_service_thread_is_slow_to_end,
             a_drain_admits_group_children_of_a_task_that_is_inside_ff_critical)

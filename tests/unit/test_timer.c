/* Timer tasks: when they run, that they never overlap, how they end. */
#include "pool_kit.h"

#include "sched/types.h"

#include <sched.h>

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

/* A timer under watch. */
struct watch {
    _Atomic unsigned runs, inside, overlaps, drops;
    _Atomic int outcome;
    unsigned last_run; /* Says done at this run. */
    uint64_t hold_ns;  /* How long the first run takes. */
    uint64_t started_ns[64];
    sem_t done, dropped;
};

static void watch_init(struct watch *watch, unsigned last_run)
{
    memset(watch, 0, sizeof *watch);
    watch->last_run = last_run;
    sem_init(&watch->done, 0, 0);
    sem_init(&watch->dropped, 0, 0);
}

static int watched(ff_task *self, void *arg)
{
    struct watch *watch = arg;
    unsigned run = ff__add_relaxed(&watch->runs, 1) + 1;
    int rc = 0;

    if (ff__add_relaxed(&watch->inside, 1) != 0)
        ff__add_relaxed(&watch->overlaps, 1);
    if (run <= 64)
        watch->started_ns[run - 1] = ff_now_ns();
    if (run == 1 && watch->hold_ns)
        rc = ff_sleep(self, watch->hold_ns);
    ff__sub_relaxed(&watch->inside, 1);
    if (run == watch->last_run)
        sem_post(&watch->done);
    return rc;
}

static void watch_drop(void *arg, ff_outcome outcome)
{
    struct watch *watch = arg;

    ff__store_relaxed(&watch->outcome, (int)outcome);
    ff__add_relaxed(&watch->drops, 1);
    sem_post(&watch->dropped);
}

static ff_timer *watch_start(ff_pool *pool, struct watch *watch, uint64_t delay_ns,
                             uint64_t period_ns)
{
    const struct ff_timer_options options = {.size = sizeof options,
                                             .name = "watched",
                                             .drop = watch_drop,
                                             .delay_ns = delay_ns,
                                             .period_ns = period_ns};
    ff_timer *timer = NULL;

    ck_assert_int_eq(ff_timer_start(pool, &options, watched, watch, &timer), 0);
    ck_assert_ptr_nonnull(timer);
    return timer;
}

static void expect_ended(struct watch *watch, unsigned runs, int outcome)
{
    ck_assert_uint_eq(watch->runs, runs);
    ck_assert_uint_eq(watch->drops, 1);
    ck_assert_int_eq(watch->outcome, outcome);
}

START_TEST(every_and_after_refuse_bad_arguments)
{
    ff_pool *pool = kit_pool(1);

    ck_assert_int_eq(ff_every(NULL, "x", 1, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_every(pool, NULL, 1, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_every(pool, "", 1, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_every(pool, "x", 0, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_every(pool, "x", 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(ff_after(NULL, "x", 1, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_after(pool, "", 1, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_after(pool, NULL, 1, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_after(pool, "x", 1, NULL, NULL), -EINVAL);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(start_refuses_bad_options_and_leaves_the_result_alone)
{
    ff_pool *pool = kit_pool(1);
    struct ff_timer_options good = {.size = sizeof good, .name = "x", .period_ns = 10}, bad;
    struct {
        struct ff_timer_options known;
        uint64_t unknown;
    } larger = {good, 1};
    ff_timer *timer = (ff_timer *)&good;

    ck_assert_int_eq(ff_timer_start(NULL, &good, do_nothing, NULL, &timer), -EINVAL);
    ck_assert_int_eq(ff_timer_start(pool, NULL, do_nothing, NULL, &timer), -EINVAL);
    ck_assert_int_eq(ff_timer_start(pool, &good, NULL, NULL, &timer), -EINVAL);
    bad = good, bad.size = 1;
    ck_assert_int_eq(ff_timer_start(pool, &bad, do_nothing, NULL, &timer), -EINVAL);
    bad = good, bad.name = "";
    ck_assert_int_eq(ff_timer_start(pool, &bad, do_nothing, NULL, &timer), -EINVAL);
    bad = good, bad.jitter_ns = 10;
    ck_assert_int_eq(ff_timer_start(pool, &bad, do_nothing, NULL, &timer), -EINVAL);
    bad = good, bad.period_ns = 0, bad.jitter_ns = 1;
    ck_assert_int_eq(ff_timer_start(pool, &bad, do_nothing, NULL, &timer), -EINVAL);
    larger.known.size = sizeof larger;
    ck_assert_int_eq(ff_timer_start(pool, &larger.known, do_nothing, NULL, &timer), -E2BIG);
    ck_assert_ptr_eq(timer, (ff_timer *)&good);
    ff_timer_cancel(NULL);
    ff_timer_unref(NULL);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(timers_of_a_pool_that_ended_answer_eshutdown)
{
    ff_pool *pool = kit_pool(1);

    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_every(pool, "x", 1, do_nothing, NULL), -ESHUTDOWN);
    ck_assert_int_eq(ff_after(pool, "x", 1, do_nothing, NULL), -ESHUTDOWN);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

START_TEST(after_runs_once_and_not_early)
{
    ff_pool *pool = kit_pool(1);
    uint64_t before_ns = ff_now_ns();
    struct watch watch;

    watch_init(&watch, 1);
    ck_assert_int_eq(ff_after(pool, "once", 5 * FF_MILLISECOND, watched, &watch), 0);
    kit_sem_wait(&watch.done);
    ck_assert_uint_ge(watch.started_ns[0] - before_ns, 5 * FF_MILLISECOND);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(watch.runs, 1);
}
END_TEST

START_TEST(a_timer_that_ran_once_is_dropped_with_its_outcome_while_the_pool_goes_on)
{
    ff_pool *pool = kit_pool(1);
    struct watch watch;
    ff_timer *timer;

    watch_init(&watch, 1);
    timer = watch_start(pool, &watch, 0, 0);
    kit_sem_wait(&watch.dropped);
    expect_ended(&watch, 1, FF_OUTCOME_OK);
    ff_timer_cancel(timer); /* Too late, and harmless. */
    ff_timer_unref(timer);
    kit_pool_end(pool, FF_DRAIN);
    expect_ended(&watch, 1, FF_OUTCOME_OK);
}
END_TEST

START_TEST(every_runs_again_and_again_on_its_grid)
{
    const uint64_t period_ns = 2 * FF_MILLISECOND;
    ff_pool *pool = kit_pool(2);
    uint64_t before_ns = ff_now_ns();
    struct watch watch;

    watch_init(&watch, 10);
    ck_assert_int_eq(ff_every(pool, "tick", period_ns, watched, &watch), 0);
    kit_sem_wait(&watch.done);
    /* Never early: the n-th run is not before the n-th tick. */
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_ge(watch.started_ns[i] - before_ns, (i + 1) * period_ns);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(watch.overlaps, 0);
}
END_TEST

START_TEST(a_timer_never_overlaps_itself_and_skips_the_ticks_it_missed)
{
    const uint64_t period_ns = FF_MILLISECOND;
    ff_pool *pool = kit_pool(4);
    struct watch watch;

    watch_init(&watch, 4);
    watch.hold_ns = 20 * period_ns;
    ck_assert_int_eq(ff_every(pool, "slow", period_ns, watched, &watch), 0);
    kit_sem_wait(&watch.done);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(watch.overlaps, 0);
    /* The first run took 20 ticks. The second came after it, the third a period later: the ticks
     * in between were not made up for. */
    ck_assert_uint_ge(watch.started_ns[1] - watch.started_ns[0], 20 * period_ns);
    ck_assert_uint_ge(watch.started_ns[3] - watch.started_ns[1], period_ns);
}
END_TEST

/* A run that takes longer than its period, and notes which tick it serves. */
struct late {
    ff_timer *timer;
    uint64_t due_ns;
    sem_t ready, noted;
};

static int run_late(ff_task *self, void *arg)
{
    struct late *late = arg;

    (void)self;
    if (late->due_ns == 0) {
        kit_sem_wait(&late->ready);
        late->due_ns = late->timer->due_ns;
        while (ff_now_ns() < late->due_ns + late->timer->period_ns * 5 / 2)
            ;
        sem_post(&late->noted);
    }
    return 0; /* Even when cancelled, so that the next tick is reckoned. */
}

START_TEST(the_next_tick_after_a_late_run_is_the_first_one_in_the_future)
{
    const uint64_t period_ns = 2 * FF_MILLISECOND;
    const struct ff_timer_options options = {
        .size = sizeof options, .name = "late", .delay_ns = 1, .period_ns = period_ns};
    ff_pool *pool = kit_pool(1);
    struct late late = {.due_ns = 0};
    uint64_t next_ns;

    sem_init(&late.ready, 0, 0);
    sem_init(&late.noted, 0, 0);
    ck_assert_int_eq(ff_timer_start(pool, &options, run_late, &late, &late.timer), 0);
    sem_post(&late.ready);
    kit_sem_wait(&late.noted);
    kit_pool_end(pool, FF_DRAIN);
    next_ns = late.timer->due_ns;
    ck_assert_uint_eq((next_ns - late.due_ns) % period_ns, 0);
    ck_assert_uint_ge(next_ns - late.due_ns, 3 * period_ns);
    ff_timer_unref(late.timer);
}
END_TEST

START_TEST(jitter_puts_a_start_off_by_less_than_its_bound)
{
    const uint64_t jitter_ns = 2 * FF_MILLISECOND;
    const struct ff_timer_options options = {.size = sizeof options,
                                             .name = "jitter",
                                             .period_ns = 3600 * FF_SECOND,
                                             .jitter_ns = jitter_ns};
    ff_pool *pool = kit_pool(1);
    uint64_t seen_low = FF_NEVER, seen_high = 0;

    for (unsigned i = 0; i < 200; i++) {
        ff_timer *timer;
        uint64_t off_ns;

        ck_assert_int_eq(ff_timer_start(pool, &options, do_nothing, NULL, &timer), 0);
        off_ns = timer->node.deadline_ns - timer->due_ns;
        ck_assert_uint_lt(off_ns, jitter_ns);
        seen_low = off_ns < seen_low ? off_ns : seen_low;
        seen_high = off_ns > seen_high ? off_ns : seen_high;
        ff_timer_unref(timer);
    }
    ck_assert_uint_lt(seen_low, jitter_ns / 4); /* It is spread. */
    ck_assert_uint_gt(seen_high, jitter_ns / 4 * 3);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_timer_can_be_cancelled_alone_while_it_waits)
{
    ff_pool *pool = kit_pool(1);
    struct watch watch, other;
    ff_timer *timer;

    watch_init(&watch, 1);
    watch_init(&other, 1);
    timer = watch_start(pool, &watch, 3600 * FF_SECOND, 3600 * FF_SECOND);
    ff_timer_unref(watch_start(pool, &other, 1, 0));
    ff_timer_cancel(timer);
    kit_sem_wait(&watch.dropped);
    expect_ended(&watch, 0, FF_OUTCOME_SKIPPED);
    kit_sem_wait(&other.done);
    ff_timer_cancel(timer);
    ff_timer_unref(timer);
    kit_pool_end(pool, FF_DRAIN);
    expect_ended(&watch, 0, FF_OUTCOME_SKIPPED);
    expect_ended(&other, 1, FF_OUTCOME_OK);
}
END_TEST

struct canceller {
    ff_timer *timer;
    sem_t ready;
    struct watch watch;
};

static int cancel_itself(ff_task *self, void *arg)
{
    struct canceller *canceller = arg;

    kit_sem_wait(&canceller->ready);
    ff_timer_cancel(canceller->timer);
    ff__add_relaxed(&canceller->watch.runs, 1);
    return ff_task_result(self, 0);
}

static void canceller_drop(void *arg, ff_outcome outcome)
{
    watch_drop(&((struct canceller *)arg)->watch, outcome);
}

START_TEST(a_timer_may_cancel_itself_in_a_run)
{
    const struct ff_timer_options options = {.size = sizeof options,
                                             .name = "cancels itself",
                                             .drop = canceller_drop,
                                             .period_ns = 1000};
    ff_pool *pool = kit_pool(1);
    struct canceller canceller;

    watch_init(&canceller.watch, 1);
    sem_init(&canceller.ready, 0, 0);
    ck_assert_int_eq(ff_timer_start(pool, &options, cancel_itself, &canceller, &canceller.timer),
                     0);
    sem_post(&canceller.ready);
    kit_sem_wait(&canceller.watch.dropped);
    ff_timer_unref(canceller.timer);
    kit_pool_end(pool, FF_DRAIN);
    expect_ended(&canceller.watch, 1, FF_OUTCOME_CANCELED);
}
END_TEST

START_TEST(cancelling_a_running_timer_is_seen_by_its_run)
{
    ff_pool *pool = kit_pool(1);
    struct watch watch;
    ff_timer *timer;

    watch_init(&watch, 1);
    watch.hold_ns = FF_NEVER;
    timer = watch_start(pool, &watch, 1, 1000);
    while (ff__load_relaxed(&watch.runs) == 0)
        ;
    ff_timer_cancel(timer);
    kit_sem_wait(&watch.dropped);
    ff_timer_unref(timer);
    kit_pool_end(pool, FF_DRAIN);
    expect_ended(&watch, 1, FF_OUTCOME_CANCELED);
}
END_TEST

START_TEST(a_shutdown_ends_waiting_timers_at_once)
{
    for (unsigned mode = FF_DRAIN; mode <= FF_CANCEL; mode++) {
        ff_pool *pool = kit_pool(1);
        struct watch watch;
        uint64_t before_ns = ff_now_ns();

        watch_init(&watch, 1);
        ff_timer_unref(watch_start(pool, &watch, 0, 3600 * FF_SECOND));
        ck_assert_int_eq(ff_every(pool, "hourly", 3600 * FF_SECOND, do_nothing, NULL), 0);
        ck_assert_int_eq(ff_after(pool, "never", FF_NEVER, do_nothing, NULL), 0);
        kit_pool_end(pool, (ff_shutdown_mode)mode);
        ck_assert_uint_le(ff_now_ns() - before_ns, 2 * FF_SECOND);
        expect_ended(&watch, 0, FF_OUTCOME_SKIPPED);
    }
}
END_TEST

START_TEST(a_drain_cancels_a_timer_that_runs)
{
    ff_pool *pool = kit_pool(1);
    struct watch watch;

    watch_init(&watch, 1);
    watch.hold_ns = FF_NEVER;
    ff_timer_unref(watch_start(pool, &watch, 1, 1000));
    while (ff__load_relaxed(&watch.runs) == 0)
        ;
    kit_pool_end(pool, FF_DRAIN);
    expect_ended(&watch, 1, FF_OUTCOME_CANCELED);
}
END_TEST

START_TEST(the_handle_may_be_used_after_the_pool_is_gone)
{
    ff_pool *pool = kit_pool(1);
    struct watch watch;
    ff_timer *timer;

    watch_init(&watch, 1);
    timer = watch_start(pool, &watch, 3600 * FF_SECOND, 0);
    kit_pool_end(pool, FF_DRAIN);
    ff_timer_cancel(timer);
    ff_timer_unref(timer);
    expect_ended(&watch, 0, FF_OUTCOME_SKIPPED);
}
END_TEST

START_TEST(many_timers_run_each_as_often_as_asked)
{
    enum { TIMERS = 300 };
    ff_pool *pool = kit_pool(2);
    static struct watch watches[TIMERS];

    for (unsigned i = 0; i < TIMERS; i++) {
        watch_init(&watches[i], 1);
        ff_timer_unref(watch_start(pool, &watches[i], (TIMERS - i) * 1000, 0));
    }
    for (unsigned i = 0; i < TIMERS; i++)
        kit_sem_wait(&watches[i].dropped);
    kit_pool_end(pool, FF_DRAIN);
    for (unsigned i = 0; i < TIMERS; i++)
        expect_ended(&watches[i], 1, FF_OUTCOME_OK);
}
END_TEST

/* A timer whose run needs its own handle. */
struct handled {
    ff_timer *timer;
    unsigned runs, runs_without;
    sem_t dropped;
};

static int cancel_by_handle(ff_task *self, void *arg)
{
    struct handled *handled = arg;

    (void)self;
    handled->runs++;
    if (handled->timer)
        ff_timer_cancel(handled->timer);
    else
        handled->runs_without++;
    return 0;
}

static void handled_drop(void *arg, ff_outcome outcome)
{
    (void)outcome;
    sem_post(&((struct handled *)arg)->dropped);
}

/* On one processor a thread that wakes another often makes way for it there and then. */
static void stay_on_one_cpu(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
}

START_TEST(the_handle_is_there_in_the_first_run)
{
    const struct ff_timer_options options = {
        .size = sizeof options, .name = "handled", .drop = handled_drop, .period_ns = 1};
    ff_pool *pool;

    stay_on_one_cpu();
    pool = kit_pool(2);
    for (unsigned round = 0; round < 2000; round++) {
        struct handled handled = {.timer = NULL};

        sem_init(&handled.dropped, 0, 0);
        ck_assert_int_eq(ff_timer_start(pool, &options, cancel_by_handle, &handled, &handled.timer),
                         0);
        kit_sem_wait(&handled.dropped);
        ff_timer_unref(handled.timer);
        ck_assert_uint_eq(handled.runs_without, 0);
        ck_assert_uint_eq(handled.runs, 1);
    }
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

FF_TEST_MAIN("timer", 10, every_and_after_refuse_bad_arguments,
             start_refuses_bad_options_and_leaves_the_result_alone,
             timers_of_a_pool_that_ended_answer_eshutdown, after_runs_once_and_not_early,
             a_timer_that_ran_once_is_dropped_with_its_outcome_while_the_pool_goes_on,
             every_runs_again_and_again_on_its_grid,
             a_timer_never_overlaps_itself_and_skips_the_ticks_it_missed,
             the_next_tick_after_a_late_run_is_the_first_one_in_the_future,
             jitter_puts_a_start_off_by_less_than_its_bound,
             a_timer_can_be_cancelled_alone_while_it_waits, a_timer_may_cancel_itself_in_a_run,
             cancelling_a_running_timer_is_seen_by_its_run, a_shutdown_ends_waiting_timers_at_once,
             a_drain_cancels_a_timer_that_runs, the_handle_may_be_used_after_the_pool_is_gone,
             many_timers_run_each_as_often_as_asked, the_handle_is_there_in_the_first_run)

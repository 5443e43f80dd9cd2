/* Service tasks: a thread each, cancelled by every shutdown, joined by the pool. */
#include "pool_kit.h"

#include "sched/beat.h"
#include "sched/types.h"
#include "sys/clock.h"

#include <stdio.h>

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

/* A service that runs until it is told to stop. */
struct served {
    struct kit_probe probe;
    sem_t running;
    char comm[16];
    ff_pool *pool;
    bool has_own_token;
};

static void served_init(struct served *served)
{
    memset(served, 0, sizeof *served);
    kit_probe_init(&served->probe, 0);
    sem_init(&served->running, 0, 0);
}

static int serve(ff_task *self, void *arg)
{
    struct served *served = arg;
    FILE *file = fopen("/proc/thread-self/comm", "r");

    if (!file || !fgets(served->comm, sizeof served->comm, file))
        return -EIO;
    fclose(file);
    served->pool = ff_task_pool(self);
    served->has_own_token = ff_task_token(self) != ff_pool_token(served->pool);
    ff__add_relaxed(&served->probe.runs, 1);
    sem_post(&served->running);
    return ff_sleep(self, FF_NEVER);
}

static void served_drop(void *arg, ff_outcome outcome)
{
    kit_probe_drop(&((struct served *)arg)->probe, outcome);
}

static int serve_in(ff_pool *pool, struct served *served)
{
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "my_service_processor",
                                             .drop = served_drop};

    return ff_spawn_service_with(pool, &options, serve, served);
}

START_TEST(spawn_refuses_bad_arguments)
{
    ff_pool *pool = kit_pool(1);
    struct ff_spawn_options good = {.size = sizeof good, .name = "x"}, bad;
    const struct ff_group_options group_options = {.size = sizeof group_options, .pool = pool};
    struct {
        struct ff_spawn_options known;
        uint64_t unknown;
    } larger = {good, 1};
    ff_group *group;

    ck_assert_int_eq(ff_spawn_service(NULL, "x", do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn_service(pool, NULL, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn_service(pool, "", do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn_service(pool, "x", NULL, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn_service_with(NULL, &good, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn_service_with(pool, NULL, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_spawn_service_with(pool, &good, NULL, NULL), -EINVAL);
    bad = good, bad.size = 7;
    ck_assert_int_eq(ff_spawn_service_with(pool, &bad, do_nothing, NULL), -EINVAL);
    bad = good, bad.flags = 0x10;
    ck_assert_int_eq(ff_spawn_service_with(pool, &bad, do_nothing, NULL), -EINVAL);
    bad = good, bad.inline_arg_size = 4;
    ck_assert_int_eq(ff_spawn_service_with(pool, &bad, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_group_new(NULL, &group_options, &group), 0);
    bad = good, bad.group = group;
    ck_assert_int_eq(ff_spawn_service_with(pool, &bad, do_nothing, NULL), -EINVAL);
    ff_group_free(group);
    larger.known.size = sizeof larger;
    ck_assert_int_eq(ff_spawn_service_with(pool, &larger.known, do_nothing, NULL), -E2BIG);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_spawn_service(pool, "x", do_nothing, NULL), -ESHUTDOWN);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

START_TEST(a_service_has_a_thread_of_its_own_with_its_name)
{
    ff_pool *pool = kit_pool(1);
    unsigned threads = kit_threads();
    struct served served;

    served_init(&served);
    ck_assert_int_eq(serve_in(pool, &served), 0);
    kit_sem_wait(&served.running);
    ck_assert_uint_eq(kit_threads(), threads + 1);
    ck_assert_str_eq(served.comm, "my_service_proc"); /* The kernel keeps 15 bytes. */
    ck_assert_ptr_eq(served.pool, pool);
    ck_assert(served.has_own_token);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(every_shutdown_cancels_services_and_joins_their_threads)
{
    unsigned threads = kit_threads();

    for (unsigned mode = FF_DRAIN; mode <= FF_CANCEL; mode++) {
        ff_pool *pool = kit_pool(1);
        struct served served[5];

        for (unsigned i = 0; i < 5; i++) {
            served_init(&served[i]);
            ck_assert_int_eq(serve_in(pool, &served[i]), 0);
            kit_sem_wait(&served[i].running);
        }
        kit_pool_end(pool, (ff_shutdown_mode)mode);
        kit_expect_threads(threads);
        for (unsigned i = 0; i < 5; i++)
            kit_probe_expect(&served[i].probe, 1, 1, FF_OUTCOME_CANCELED);
    }
}
END_TEST

static int return_0_when_canceled(ff_task *self, void *arg)
{
    sem_post(arg);
    return ff_sleep(self, FF_NEVER) == FF_CANCELED ? 0 : -EPROTO;
}

START_TEST(a_service_may_return_0_after_it_was_asked_to_stop)
{
    ff_pool *pool = kit_pool(1);
    sem_t running;

    sem_init(&running, 0, 0);
    ck_assert_int_eq(ff_spawn_service(pool, "polite", return_0_when_canceled, &running), 0);
    kit_sem_wait(&running);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_service_that_may_finish_is_counted_out_and_reaped)
{
    ff_pool *pool = kit_pool(1);
    unsigned threads = kit_threads();
    struct ff_pool_stats stats = {.size = sizeof stats};
    struct kit_probe probe;
    struct ff_spawn_options options = kit_probe_options(NULL);

    kit_probe_init(&probe, 0);
    options.flags = FF_MAY_FINISH;
    ck_assert_int_eq(ff_spawn_service_with(pool, &options, kit_probe_task, &probe), 0);
    kit_sem_wait(&probe.done);
    do
        ck_assert_int_eq(ff_pool_stats_read(pool, &stats), 0);
    while (stats.services != 0);
    kit_expect_threads(threads); /* The thread itself has ended. */
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 1, 1, FF_OUTCOME_OK);
}
END_TEST

START_TEST(many_short_services_come_and_go)
{
    enum { SERVICES = 300 };
    ff_pool *pool = kit_pool(1);
    unsigned threads = kit_threads();
    struct kit_probe probe;
    struct ff_spawn_options options = kit_probe_options(NULL);

    kit_probe_init(&probe, 0);
    options.flags = FF_MAY_FINISH;
    for (unsigned i = 0; i < SERVICES; i++)
        ck_assert_int_eq(ff_spawn_service_with(pool, &options, kit_probe_task, &probe), 0);
    for (unsigned i = 0; i < SERVICES; i++)
        kit_sem_wait(&probe.done);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, SERVICES, SERVICES, FF_OUTCOME_OK);
    ck_assert_uint_lt(kit_threads(), threads);
}
END_TEST

static int sum_bytes(ff_task *self, void *arg)
{
    const unsigned char *bytes = arg;
    _Atomic unsigned *sum;

    (void)self;
    memcpy(&sum, bytes, sizeof sum);
    for (unsigned i = sizeof sum; i < FF_INLINE_ARG_MAX; i++)
        ff__add_relaxed(sum, bytes[i]);
    return 0;
}

START_TEST(a_service_takes_an_inline_argument)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "inline",
                                             .inline_arg_size = FF_INLINE_ARG_MAX,
                                             .flags = FF_MAY_FINISH};
    _Atomic unsigned sum = 0, *address = &sum;
    unsigned char bytes[FF_INLINE_ARG_MAX];

    memset(bytes, 2, sizeof bytes);
    memcpy(bytes, &address, sizeof address);
    ck_assert_int_eq(ff_spawn_service_with(pool, &options, sum_bytes, bytes), 0);
    memset(bytes, 0, sizeof bytes);
    while (ff__load_relaxed(&sum) < 2 * (FF_INLINE_ARG_MAX - sizeof address))
        ;
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(sum, 2 * (FF_INLINE_ARG_MAX - sizeof address));
}
END_TEST

/* A service fans out on the workers, and waits for room there. */
struct fan {
    _Atomic unsigned count;
    int waited, spawned;
};

static int fan_out(ff_task *self, void *arg)
{
    const struct ff_spawn_options options = {.size = sizeof options, .name = "waits"};
    struct fan *fan = arg;
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < 100 && rc == 0; i++)
        rc = ff_group_spawn(group, "part", kit_count_task, &fan->count);
    fan->waited = ff_group_wait(group);
    ff_group_free(group);
    fan->spawned =
        ff_spawn_wait(ff_task_pool(self), &options, kit_count_task, &fan->count, NULL, FF_NEVER);
    return rc;
}

START_TEST(a_service_may_use_groups_and_wait_for_room)
{
    ff_pool *pool = kit_pool(2);
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "fan",
                                             .flags = FF_MAY_FINISH};
    struct fan fan = {0, 1, 1};

    ck_assert_int_eq(ff_spawn_service_with(pool, &options, fan_out, &fan), 0);
    while (ff__load_relaxed(&fan.count) < 101)
        ;
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_int_eq(fan.waited, 0);
    ck_assert_int_eq(fan.spawned, 0);
}
END_TEST

/* A service that works on its own, without waiting in the library, until it may go. */
static int work_silently(ff_task *self, void *arg)
{
    struct kit_gate *gate = arg;

    sem_post(&gate->entered);
    kit_sem_wait(&gate->leave);
    ff_beat(self);
    sem_post(&gate->entered);
    kit_sem_wait(&gate->leave);
    return ff_sleep(self, FF_NEVER);
}

START_TEST(a_silent_service_ages_until_it_beats_and_a_sleeping_one_does_not)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;
    uint64_t later_ns;

    kit_gate_init(&gate);
    ck_assert_uint_eq(ff__pool_oldest_beat(pool, ff__clock_coarse()), 0);
    ck_assert_int_eq(ff_spawn_service(pool, "silent", work_silently, &gate), 0);
    kit_sem_wait(&gate.entered);
    later_ns = ff__clock_coarse() + 10 * FF_SECOND;
    ck_assert_uint_ge(ff__pool_oldest_beat(pool, later_ns), 10 * FF_SECOND);
    ck_assert_int_eq(ff_token_sleep_until(NULL, ff_deadline_ns(20 * FF_MILLISECOND)), 0);
    kit_gate_open(&gate);
    kit_sem_wait(&gate.entered); /* It has beaten. */
    ck_assert_uint_le(ff__pool_oldest_beat(pool, later_ns), 10 * FF_SECOND);
    kit_gate_open(&gate);
    while (ff__pool_oldest_beat(pool, later_ns) != 0) /* Asleep in the library: alive. */
        ;
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static void note_shutdown(void *arg)
{
    ff__add_relaxed((_Atomic unsigned *)arg, 1);
}

START_TEST(who_asked_is_told_of_a_shutdown_once)
{
    ff_pool *pool = kit_pool(1);
    _Atomic unsigned told = 0, late = 0;

    ff__pool_on_shutdown(pool, note_shutdown, &told);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_CANCEL, FF_NEVER), 0);
    ck_assert_uint_eq(told, 1);
    ff__pool_on_shutdown(pool, note_shutdown, &late); /* It has happened. */
    ck_assert_uint_eq(late, 1);
    ff__pool_on_shutdown(pool, NULL, NULL);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

/* A service that works for a while, waits in the library for a moment, and works again. */
struct waiter {
    struct kit_gate gate;
    bool polls;
    int rc;
};

static int work_wait_work(ff_task *self, void *arg)
{
    struct waiter *waiter = arg;
    ff_token *token = ff_task_token(self);

    sem_post(&waiter->gate.entered);
    kit_sem_wait(&waiter->gate.leave);
    if (waiter->polls)
        waiter->rc = ff_token_poll_until(token, NULL, 0, ff_deadline_ns(FF_MILLISECOND));
    else
        waiter->rc = ff_token_sleep_until(token, ff_deadline_ns(FF_MILLISECOND));
    sem_post(&waiter->gate.entered);
    kit_sem_wait(&waiter->gate.leave);
    return ff_sleep(self, FF_NEVER);
}

/* The time of the service's last beat. */
static uint64_t beaten_ns(ff_pool *pool)
{
    uint64_t later_ns = ff__clock_coarse() + 10 * FF_SECOND;

    return later_ns - ff__pool_oldest_beat(pool, later_ns);
}

START_TEST(a_wait_on_a_token_is_a_beat)
{
    for (unsigned polls = 0; polls <= 1; polls++) {
        ff_pool *pool = kit_pool(1);
        struct waiter waiter = {.polls = polls, .rc = 1};
        uint64_t started_ns, work_ns = 20 * FF_MILLISECOND;

        kit_gate_init(&waiter.gate);
        ck_assert_int_eq(ff_spawn_service(pool, "waits", work_wait_work, &waiter), 0);
        kit_sem_wait(&waiter.gate.entered);
        started_ns = beaten_ns(pool);
        while (ff__clock_coarse() < started_ns + work_ns)
            ;
        ck_assert_uint_eq(beaten_ns(pool), started_ns); /* Work alone is none. */
        kit_gate_open(&waiter.gate);
        kit_sem_wait(&waiter.gate.entered);
        ck_assert_uint_ge(beaten_ns(pool), started_ns + work_ns);
        kit_gate_open(&waiter.gate);
        kit_pool_end(pool, FF_DRAIN);
        ck_assert_int_eq(waiter.rc, 0);
    }
}
END_TEST

FF_TEST_MAIN("service_task", 10, spawn_refuses_bad_arguments,
             a_service_has_a_thread_of_its_own_with_its_name,
             every_shutdown_cancels_services_and_joins_their_threads,
             a_service_may_return_0_after_it_was_asked_to_stop,
             a_service_that_may_finish_is_counted_out_and_reaped, many_short_services_come_and_go,
             a_service_takes_an_inline_argument, a_service_may_use_groups_and_wait_for_room,
             a_silent_service_ages_until_it_beats_and_a_sleeping_one_does_not,
             who_asked_is_told_of_a_shutdown_once, a_wait_on_a_token_is_a_beat)

/* Counters, and the list of what runs now. */
#include "pool_kit.h"

static struct ff_pool_stats read_stats(ff_pool *pool)
{
    struct ff_pool_stats stats = {.size = sizeof stats};

    ck_assert_int_eq(ff_pool_stats_read(pool, &stats), 0);
    return stats;
}

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static int sleep_for_ever(ff_task *self, void *arg)
{
    sem_post(arg);
    return ff_sleep(self, FF_NEVER);
}

START_TEST(read_refuses_bad_arguments)
{
    ff_pool *pool = kit_pool(1);
    struct ff_pool_stats stats = {.size = sizeof stats - 1};

    ck_assert_int_eq(ff_pool_stats_read(NULL, &stats), -EINVAL);
    ck_assert_int_eq(ff_pool_stats_read(pool, NULL), -EINVAL);
    ck_assert_int_eq(ff_pool_stats_read(pool, &stats), -EINVAL);
    stats.size = 0;
    ck_assert_int_eq(ff_pool_stats_read(pool, &stats), -EINVAL);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(read_writes_no_more_than_it_knows_and_keeps_the_size)
{
    ff_pool *pool = kit_pool(1);
    struct {
        struct ff_pool_stats known;
        uint64_t beyond;
    } larger = {{.size = sizeof larger}, 77};

    ck_assert_int_eq(ff_pool_stats_read(pool, &larger.known), 0);
    ck_assert_uint_eq(larger.known.size, sizeof larger);
    ck_assert_uint_eq(larger.known.workers, 1);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(tasks_are_counted_when_accepted_and_when_dropped)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;
    struct kit_probe probe;
    struct ff_pool_stats stats;

    kit_probe_init(&probe, 0);
    kit_gate_close(&gate, pool);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(kit_probe_spawn(pool, NULL, &probe), 0);
    stats = read_stats(pool);
    ck_assert_uint_eq(stats.spawned, 21);
    ck_assert_uint_eq(stats.finished, 0);
    ck_assert_uint_eq(stats.pending, 21);
    ck_assert_uint_eq(stats.workers, 1);
    ck_assert_uint_eq(stats.parked, 0);
    kit_gate_open(&gate);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_spawn(pool, "late", do_nothing, NULL), -ESHUTDOWN);
    stats = read_stats(pool);
    ck_assert_uint_eq(stats.spawned, 21);
    ck_assert_uint_eq(stats.finished, 21);
    ck_assert_uint_eq(stats.pending, 0);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

START_TEST(services_timers_and_parked_workers_are_counted)
{
    ff_pool *pool = kit_pool(3);
    struct ff_pool_stats stats;
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    ck_assert_int_eq(ff_spawn_service(pool, "service", sleep_for_ever, &asleep), 0);
    ck_assert_int_eq(ff_every(pool, "hourly", 3600 * FF_SECOND, do_nothing, NULL), 0);
    ck_assert_int_eq(ff_every(pool, "daily", 86400 * FF_SECOND, do_nothing, NULL), 0);
    kit_sem_wait(&asleep);
    do
        stats = read_stats(pool);
    while (stats.parked != 3);
    ck_assert_uint_eq(stats.services, 1);
    ck_assert_uint_eq(stats.timers, 2);
    ck_assert_uint_eq(stats.spawned, 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    stats = read_stats(pool);
    ck_assert_uint_eq(stats.services, 0);
    ck_assert_uint_eq(stats.timers, 0);
    ck_assert_int_eq(ff_pool_free(pool), 0);
}
END_TEST

static void pass_time(void)
{
    /* Ages are taken from a clock that ticks every 1 to 10 ms. */
    ck_assert_int_eq(ff_token_sleep_until(NULL, ff_deadline_ns(25 * FF_MILLISECOND)), 0);
}

START_TEST(stragglers_are_sorted_by_age_longest_first)
{
    ff_pool *pool = kit_pool(2);
    struct kit_gate gates[2];
    struct ff_straggler list[3];
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    kit_gate_init(&gates[0]);
    kit_gate_init(&gates[1]);
    ck_assert_int_eq(ff_spawn(pool, "oldest", kit_gate_task, &gates[0]), 0);
    kit_sem_wait(&gates[0].entered);
    pass_time();
    ck_assert_int_eq(ff_spawn_service(pool, "middle", sleep_for_ever, &asleep), 0);
    kit_sem_wait(&asleep);
    pass_time();
    ck_assert_int_eq(ff_spawn(pool, "youngest", kit_gate_task, &gates[1]), 0);
    kit_sem_wait(&gates[1].entered);
    ck_assert_uint_eq(ff_pool_stragglers(pool, list, 3), 3);
    ck_assert_str_eq(list[0].name, "oldest");
    ck_assert_str_eq(list[1].name, "middle");
    ck_assert_str_eq(list[2].name, "youngest");
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_ne(list[i].id, 0);
        ck_assert_int_gt(list[i].tid, 0);
    }
    ck_assert_uint_ge(list[0].age_ns, list[1].age_ns);
    ck_assert_uint_ge(list[0].age_ns, 30 * FF_MILLISECOND);
    kit_gate_open(&gates[0]);
    kit_gate_open(&gates[1]);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(stragglers_beyond_the_capacity_are_counted_and_the_longest_kept)
{
    ff_pool *pool = kit_pool(3);
    struct kit_gate gates[3];
    struct ff_straggler list[2];

    for (unsigned i = 0; i < 3; i++) {
        kit_gate_init(&gates[i]);
        ck_assert_int_eq(ff_spawnf(pool, kit_gate_task, &gates[i], "gate %u", i), 0);
        kit_sem_wait(&gates[i].entered);
        pass_time();
    }
    memset(list, 0x55, sizeof list);
    ck_assert_uint_eq(ff_pool_stragglers(pool, list, 1), 3);
    ck_assert_str_eq(list[0].name, "gate 0");
    ck_assert_int_eq(list[1].name[0], 0x55);
    ck_assert_uint_eq(ff_pool_stragglers(pool, NULL, 0), 3);
    ck_assert_uint_eq(ff_pool_stragglers(pool, list, 2), 3);
    ck_assert_str_eq(list[1].name, "gate 1");
    for (unsigned i = 0; i < 3; i++)
        kit_gate_open(&gates[i]);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_pool_that_ended_has_no_stragglers_though_another_runs_tasks)
{
    ff_pool *ended = kit_pool(2), *busy;
    struct kit_gate gates[2];

    ck_assert_int_eq(ff_pool_shutdown(ended, FF_DRAIN, FF_NEVER), 0);
    busy = kit_pool(2); /* Its workers get the rows that the others left. */
    kit_gate_close(&gates[0], busy);
    kit_gate_close(&gates[1], busy);
    ck_assert_uint_eq(ff_pool_stragglers(ended, NULL, 0), 0);
    ck_assert_uint_eq(ff_pool_stragglers(busy, NULL, 0), 2);
    kit_gate_open(&gates[0]);
    kit_gate_open(&gates[1]);
    ck_assert_int_eq(ff_pool_free(ended), 0);
    kit_pool_end(busy, FF_DRAIN);
}
END_TEST

FF_TEST_MAIN("stats", 10, read_refuses_bad_arguments,
             read_writes_no_more_than_it_knows_and_keeps_the_size,
             tasks_are_counted_when_accepted_and_when_dropped,
             services_timers_and_parked_workers_are_counted,
             stragglers_are_sorted_by_age_longest_first,
             stragglers_beyond_the_capacity_are_counted_and_the_longest_kept,
             a_pool_that_ended_has_no_stragglers_though_another_runs_tasks)

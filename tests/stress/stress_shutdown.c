/* Spawners that race a shutdown: what was accepted has been dropped when the shutdown returns, what
 * was refused is never touched. */
#include "pool_kit.h"

#include <pthread.h>

#define SPAWNERS 3
#define ROUNDS 150

struct spawner {
    ff_pool *pool;
    _Atomic unsigned *dropped;
    unsigned accepted;
    int last;
    pthread_t thread;
};

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static void count_drop(void *arg, ff_outcome outcome)
{
    (void)outcome;
    ff__add_relaxed((_Atomic unsigned *)arg, 1);
}

static void *spawn_until_refused(void *arg)
{
    struct spawner *spawner = arg;
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "raced",
                                             .drop = count_drop};
    const struct ff_timer_options timer = {
        .size = sizeof timer, .name = "raced", .drop = count_drop, .delay_ns = 1000};

    for (unsigned i = 0;; i++) {
        if (i % 16 == 5)
            spawner->last =
                ff_timer_start(spawner->pool, &timer, do_nothing, spawner->dropped, NULL);
        else
            spawner->last = ff_spawn_with(spawner->pool, &options, do_nothing, spawner->dropped);
        if (spawner->last != 0 && spawner->last != -EAGAIN)
            return NULL;
        spawner->accepted += spawner->last == 0;
    }
}

/* Kills: count_in() that looks at the mode before it counts, with sched_yield() in between to widen
 * the gap (a task slips in behind a shutdown that found the pool quiescent: it is dropped late or
 * never); count_in() without the poke after undone; sum_out() after sum_in() in quiescent();
 * quiescent() without the timer count. */
START_TEST(what_was_accepted_is_dropped_when_the_shutdown_returns)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        ff_pool *pool = kit_pool_bounded(1 + round % 3, 200);
        _Atomic unsigned dropped = 0;
        struct spawner spawners[SPAWNERS];
        unsigned accepted = 0, at_return;

        for (unsigned i = 0; i < SPAWNERS; i++) {
            spawners[i] = (struct spawner){pool, &dropped, 0, 0, 0};
            ck_assert_int_eq(
                pthread_create(&spawners[i].thread, NULL, spawn_until_refused, &spawners[i]), 0);
        }
        while (ff__load_relaxed(&dropped) < round % 50)
            ;
        ck_assert_int_eq(ff_pool_shutdown(pool, round % 2 ? FF_DRAIN : FF_CANCEL, FF_NEVER), 0);
        at_return = ff__load_relaxed(&dropped);
        for (unsigned i = 0; i < SPAWNERS; i++) {
            pthread_join(spawners[i].thread, NULL);
            ck_assert_int_eq(spawners[i].last, -ESHUTDOWN);
            accepted += spawners[i].accepted;
        }
        ck_assert_int_eq(ff_pool_free(pool), 0);
        ck_assert_uint_eq(at_return, accepted);
        ck_assert_uint_eq(dropped, accepted);
    }
}
END_TEST

FF_TEST_MAIN("stress_shutdown", 60, what_was_accepted_is_dropped_when_the_shutdown_returns)

/* The park, step by step: counts, tokens, who is woken. Its races are in stress/stress_park.c, its
 * protocol in model/model_park.c. */
#include "runner.h"

#include "sync/park.h"
#include "sys/futex.h"

#include <pthread.h>
#include <sched.h>

#define WORKERS 4

static struct ff__park park;
static struct ff__parker parkers[WORKERS];

static void setup(void)
{
    ff__park_init(&park);
    for (int i = 0; i < WORKERS; i++)
        ff__parker_init(&parkers[i]);
}

static void expect_state(unsigned idle, unsigned searching)
{
    uint64_t state = ff__load_seqcst(&park.state);

    ck_assert_uint_eq(state >> 32, idle);
    ck_assert_uint_eq((uint32_t)state, searching);
    ck_assert_uint_eq(ff__park_idle(&park), idle);
}

static bool has_token(int worker)
{
    return ff__load_acquire(&parkers[worker].token) == 1;
}

START_TEST(park_notify_does_nothing_when_nobody_sleeps)
{
    setup();
    ff__park_notify(&park);
    ff__park_wake_slow(&park);
    expect_state(0, 0);
}
END_TEST

START_TEST(park_notify_wakes_the_newest_sleeper_and_only_one)
{
    setup();
    for (int i = 0; i < 3; i++)
        ff__park_prepare(&park, &parkers[i]);
    expect_state(3, 0);
    ff__park_notify(&park);
    ff__park_notify(&park);
    ff__park_wake_slow(&park);
    expect_state(2, 1);
    ck_assert(!has_token(0) && !has_token(1) && has_token(2));
}
END_TEST

START_TEST(park_sleep_returns_at_once_with_a_token_and_takes_it)
{
    setup();
    ff__park_prepare(&park, &parkers[0]);
    ff__park_notify(&park);
    ff__park_sleep(&park, &parkers[0]);
    ck_assert(!has_token(0));
    ck_assert(parkers[0].searching);
    expect_state(0, 1);
}
END_TEST

START_TEST(park_notify_wakes_nobody_while_a_worker_searches)
{
    setup();
    ff__park_prepare(&park, &parkers[0]);
    ff__park_search(&park, &parkers[1]);
    ff__park_notify(&park);
    expect_state(1, 1);
    ck_assert(!has_token(0));
}
END_TEST

START_TEST(park_prepare_ends_the_search_of_a_searcher)
{
    setup();
    ff__park_search(&park, &parkers[0]);
    expect_state(0, 1);
    ff__park_prepare(&park, &parkers[0]);
    expect_state(1, 0);
    ck_assert(!parkers[0].searching);
}
END_TEST

START_TEST(park_cancel_makes_a_searcher_of_a_worker_that_nobody_woke)
{
    setup();
    ff__park_prepare(&park, &parkers[0]);
    ff__park_prepare(&park, &parkers[1]);
    ff__park_cancel(&park, &parkers[0]);
    expect_state(1, 1);
    ck_assert(parkers[0].searching);
    ck_assert(ff__list_empty(&parkers[0].node));
}
END_TEST

START_TEST(park_cancel_takes_the_token_of_a_wake_that_came_first)
{
    setup();
    ff__park_prepare(&park, &parkers[0]);
    ff__park_notify(&park);
    ff__park_cancel(&park, &parkers[0]);
    expect_state(0, 1);
    ck_assert(parkers[0].searching);
    ck_assert(!has_token(0)); /* Nothing is left over for the next sleep. */
}
END_TEST

START_TEST(park_search_counts_a_searcher_once)
{
    setup();
    ff__park_search(&park, &parkers[0]);
    ff__park_search(&park, &parkers[0]);
    expect_state(0, 1);
}
END_TEST

START_TEST(park_found_asks_only_the_last_searcher_to_pass_the_baton)
{
    setup();
    ff__park_prepare(&park, &parkers[3]);
    for (int i = 0; i < 3; i++)
        ff__park_search(&park, &parkers[i]);
    ck_assert(!ff__park_found(&park, &parkers[1]));
    ck_assert(!ff__park_found(&park, &parkers[0]));
    ck_assert(ff__park_found(&park, &parkers[2]));
    expect_state(1, 0);
}
END_TEST

START_TEST(park_found_asks_nobody_when_nobody_sleeps)
{
    setup();
    ff__park_search(&park, &parkers[0]);
    ck_assert(!ff__park_found(&park, &parkers[0]));
    expect_state(0, 0);
}
END_TEST

START_TEST(park_found_does_nothing_for_a_worker_that_does_not_search)
{
    setup();
    ff__park_prepare(&park, &parkers[1]);
    ck_assert(!ff__park_found(&park, &parkers[0]));
    expect_state(1, 0);
}
END_TEST

START_TEST(park_wake_all_gives_each_sleeper_a_token_and_counts_them_as_searchers)
{
    setup();
    for (int i = 0; i < WORKERS; i++)
        ff__park_prepare(&park, &parkers[i]);
    ff__park_wake_all(&park);
    expect_state(0, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        ff__park_sleep(&park, &parkers[i]);
        ck_assert(!ff__park_found(&park, &parkers[i]));
    }
    expect_state(0, 0);
    ff__park_wake_all(&park);
    expect_state(0, 0);
}
END_TEST

static _Atomic int awake;

static void *sleeper_main(void *arg)
{
    struct ff__parker *parker = arg;

    ff__park_prepare(&park, parker);
    ff__park_sleep(&park, parker);
    ff__add_seqcst(&awake, 1);
    return NULL;
}

START_TEST(park_sleep_endures_futex_wakes_without_a_token)
{
    pthread_t thread;

    setup();
    ck_assert_int_eq(pthread_create(&thread, NULL, sleeper_main, &parkers[0]), 0);
    /* The first wake that hits tells that the thread sleeps; then some more for it. */
    for (int hits = 0; hits < 20;) {
        hits += ff__futex_wake(&parkers[0].token, 1);
        sched_yield();
    }
    ck_assert_int_eq(ff__load_seqcst(&awake), 0);
    expect_state(1, 0);
    ff__park_notify(&park);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(ff__load_seqcst(&awake), 1);
}
END_TEST

START_TEST(park_wake_all_ends_every_sleep)
{
    pthread_t threads[WORKERS];

    setup();
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sleeper_main, &parkers[i]), 0);
    while (ff__park_idle(&park) < WORKERS)
        sched_yield();
    ff__park_wake_all(&park);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    expect_state(0, WORKERS);
}
END_TEST

FF_TEST_MAIN("park", 10, park_notify_does_nothing_when_nobody_sleeps,
             park_notify_wakes_the_newest_sleeper_and_only_one,
             park_sleep_returns_at_once_with_a_token_and_takes_it,
             park_notify_wakes_nobody_while_a_worker_searches,
             park_prepare_ends_the_search_of_a_searcher,
             park_cancel_makes_a_searcher_of_a_worker_that_nobody_woke,
             park_cancel_takes_the_token_of_a_wake_that_came_first,
             park_search_counts_a_searcher_once,
             park_found_asks_only_the_last_searcher_to_pass_the_baton,
             park_found_asks_nobody_when_nobody_sleeps,
             park_found_does_nothing_for_a_worker_that_does_not_search,
             park_wake_all_gives_each_sleeper_a_token_and_counts_them_as_searchers,
             park_sleep_endures_futex_wakes_without_a_token, park_wake_all_ends_every_sleep)

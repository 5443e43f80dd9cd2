/* sys/lock.h, sys/lock.c: the mutex. */
#include "runner.h"

#include "sys/lock.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 20000

static struct ff__lock lock = FF__LOCK_INIT;
static unsigned long counter; /* Guarded by lock. */
static bool inside;           /* Guarded by lock. */

START_TEST(lock_try_fails_while_it_is_held)
{
    ck_assert(ff__lock_try(&lock));
    ck_assert(!ff__lock_try(&lock));
    ff__unlock(&lock);
    ck_assert(ff__lock_try(&lock));
    ff__unlock(&lock);
}
END_TEST

START_TEST(lock_made_anew_is_free)
{
    ff__lock(&lock);
    ff__lock_init(&lock);
    ck_assert(ff__lock_try(&lock));
    ff__unlock(&lock);
}
END_TEST

static void *count(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        ff__lock(&lock);
        ck_assert(!inside);
        inside = true;
        counter++;
        inside = false;
        ff__unlock(&lock);
    }
    return arg;
}

/* Kills the mutant "W is left out": a sleeper is never woken, and the limit ends the test. */
START_TEST(lock_admits_one_at_a_time_and_loses_no_sleeper)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(counter, (unsigned long)THREADS * ROUNDS);
}
END_TEST

static void *take_and_give(void *arg)
{
    ff__lock(&lock);
    counter++;
    ff__unlock(&lock);
    return arg;
}

/* The holder gives the lock back only when the other has said, by the 2, that it may sleep. Kills
 * the mutants "B puts 1 instead of 2" and "W is left out". */
START_TEST(lock_given_back_wakes_the_one_that_sleeps_for_it)
{
    pthread_t thread;

    counter = 0;
    ff__lock(&lock);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_and_give, NULL), 0);
    while (ff__load_relaxed(&lock.state) != 2)
        sched_yield();
    ff__unlock(&lock);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(counter, 1);
}
END_TEST

FF_TEST_MAIN("lock", 4, lock_try_fails_while_it_is_held, lock_made_anew_is_free,
             lock_admits_one_at_a_time_and_loses_no_sleeper,
             lock_given_back_wakes_the_one_that_sleeps_for_it)

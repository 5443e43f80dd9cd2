/* sys/futex.c: waits end by a wake, a changed word, a deadline or a signal, and errno stays. */
#include "runner.h"

#include "base/atomic.h"
#include "sys/clock.h"
#include "sys/futex.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

static _Atomic uint32_t word;
static _Atomic uint32_t waiting;

START_TEST(futex_wait_returns_at_once_when_the_word_differs)
{
    ff__store_relaxed(&word, 1);
    errno = 7;
    ck_assert_int_eq(ff__futex_wait(&word, 0, UINT64_MAX), 0);
    ck_assert_int_eq(errno, 7);
}
END_TEST

START_TEST(futex_wait_ends_at_the_deadline_and_not_before)
{
    uint64_t deadline_ns = ff__clock_after(20 * 1000000);

    ff__store_relaxed(&word, 0);
    errno = 7;
    ck_assert_int_eq(ff__futex_wait(&word, 0, deadline_ns), -ETIMEDOUT);
    ck_assert_uint_ge(ff__clock_now(), deadline_ns);
    ck_assert_int_eq(errno, 7);
}
END_TEST

START_TEST(futex_wait_with_a_deadline_in_the_past_does_not_sleep)
{
    ff__store_relaxed(&word, 0);
    ck_assert_int_eq(ff__futex_wait(&word, 0, 0), -ETIMEDOUT);
    ck_assert_int_eq(ff__futex_wait(&word, 0, 1), -ETIMEDOUT);
}
END_TEST

START_TEST(futex_wake_with_nobody_asleep_wakes_nobody)
{
    ck_assert_int_eq(ff__futex_wake(&word, 1), 0);
}
END_TEST

static void *wait_for_word(void *arg)
{
    ff__store_seqcst(&waiting, 1);
    while (ff__load_seqcst(&word) == 0)
        (void)ff__futex_wait(&word, 0, UINT64_MAX);
    return arg;
}

START_TEST(futex_wake_ends_the_sleep_of_another_thread)
{
    pthread_t thread;

    ff__store_seqcst(&word, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_word, NULL), 0);
    while (ff__load_seqcst(&waiting) == 0)
        sched_yield();
    /* Whether it sleeps already or not: the word is checked by the kernel. */
    ff__store_seqcst(&word, 1);
    ff__futex_wake(&word, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void handle(int signal)
{
    (void)signal;
}

static void *wait_once(void *arg)
{
    (void)arg;
    ff__store_seqcst(&waiting, 1);
    return (void *)(intptr_t)ff__futex_wait(&word, 0, UINT64_MAX);
}

START_TEST(futex_wait_tells_of_a_signal_handler)
{
    struct sigaction action = {.sa_handler = handle}; /* Without SA_RESTART: EINTR. */
    pthread_t thread;
    void *result;

    ff__store_seqcst(&word, 0);
    ff__store_seqcst(&waiting, 0);
    sigaction(SIGUSR1, &action, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_once, NULL), 0);
    while (ff__load_seqcst(&waiting) == 0)
        sched_yield();
    /* A signal that comes just before the sleep does not end it: so again and again. */
    while (pthread_tryjoin_np(thread, &result) == EBUSY) {
        pthread_kill(thread, SIGUSR1);
        sched_yield();
    }
    ck_assert_int_eq((int)(intptr_t)result, -EINTR);
}
END_TEST

FF_TEST_MAIN("futex", 4, futex_wait_returns_at_once_when_the_word_differs,
             futex_wait_ends_at_the_deadline_and_not_before,
             futex_wait_with_a_deadline_in_the_past_does_not_sleep,
             futex_wake_with_nobody_asleep_wakes_nobody,
             futex_wake_ends_the_sleep_of_another_thread, futex_wait_tells_of_a_signal_handler)

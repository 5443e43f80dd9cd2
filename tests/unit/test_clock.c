/* sys/clock.c, and the clock of the public interface. */
#include "runner.h"

#include "sys/clock.h"

#include <failfast/base.h>

START_TEST(clock_never_goes_back)
{
    uint64_t last = ff__clock_now();

    for (int i = 0; i < 1000; i++) {
        uint64_t now = ff__clock_now();

        ck_assert_uint_ge(now, last);
        last = now;
    }
}
END_TEST

START_TEST(clock_is_the_monotonic_one)
{
    struct timespec before, after;
    uint64_t now;

    clock_gettime(CLOCK_MONOTONIC, &before);
    now = ff_now_ns();
    clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_uint_ge(now, (uint64_t)before.tv_sec * FF_SECOND + (uint64_t)before.tv_nsec);
    ck_assert_uint_le(now, (uint64_t)after.tv_sec * FF_SECOND + (uint64_t)after.tv_nsec);
}
END_TEST

START_TEST(clock_coarse_lags_but_is_the_same_clock)
{
    uint64_t coarse = ff__clock_coarse(), now = ff__clock_now();

    ck_assert_uint_le(coarse, now);
    ck_assert_uint_le(now - coarse, FF_SECOND);
}
END_TEST

START_TEST(clock_deadline_lies_the_delay_ahead)
{
    uint64_t before = ff_now_ns(), deadline = ff_deadline_ns(5 * FF_SECOND), after = ff_now_ns();

    ck_assert_uint_ge(deadline, before + 5 * FF_SECOND);
    ck_assert_uint_le(deadline, after + 5 * FF_SECOND);
}
END_TEST

START_TEST(clock_deadline_beyond_the_clock_is_never)
{
    ck_assert_uint_eq(ff_deadline_ns(FF_NEVER), FF_NEVER);
    ck_assert_uint_eq(ff_deadline_ns(UINT64_MAX - 1), FF_NEVER);
    ck_assert_uint_eq(ff__clock_after(UINT64_MAX - ff__clock_now()), UINT64_MAX);
}
END_TEST

START_TEST(clock_timespec_splits_seconds_and_rest)
{
    struct timespec time = ff__clock_timespec(UINT64_C(12000000034));

    ck_assert_int_eq(time.tv_sec, 12);
    ck_assert_int_eq(time.tv_nsec, 34);
}
END_TEST

FF_TEST_MAIN("clock", 4, clock_never_goes_back, clock_is_the_monotonic_one,
             clock_coarse_lags_but_is_the_same_clock, clock_deadline_lies_the_delay_ahead,
             clock_deadline_beyond_the_clock_is_never, clock_timespec_splits_seconds_and_rest)

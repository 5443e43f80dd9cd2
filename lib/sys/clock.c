/* The clock of the library: CLOCK_MONOTONIC, which no administrator sets. Anybody may call, signal
 * handlers included. */
#include "sys/clock.h"

#include <failfast/base.h>

#define NS_PER_SECOND UINT64_C(1000000000)

/* AS-safe: clock_gettime() only, which cannot fail for these clocks. */
static uint64_t clock_read(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* AS-safe: see clock_read(). */
uint64_t ff__clock_now(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* AS-safe: see clock_read(). */
uint64_t ff__clock_coarse(void)
{
    return clock_read(CLOCK_MONOTONIC_COARSE);
}

/* AS-safe: see clock_read(). */
uint64_t ff__clock_after(uint64_t delay_ns)
{
    uint64_t deadline_ns;

    if (__builtin_add_overflow(ff__clock_now(), delay_ns, &deadline_ns))
        return UINT64_MAX;
    return deadline_ns;
}

/* AS-safe: arithmetic only. */
struct timespec ff__clock_timespec(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / NS_PER_SECOND),
        .tv_nsec = (long)(ns % NS_PER_SECOND),
    };
}

/* AS-safe: see clock_read(). */
uint64_t ff_now_ns(void)
{
    return ff__clock_now();
}

/* AS-safe: see clock_read(). */
uint64_t ff_deadline_ns(uint64_t delay_ns)
{
    return ff__clock_after(delay_ns);
}

/* CLOCK_MONOTONIC in nanoseconds. */
#ifndef FF__SYS_CLOCK_H
#define FF__SYS_CLOCK_H

#include <stdint.h>
#include <time.h>

uint64_t ff__clock_now(void);    /* Exact; AS-safe. */
uint64_t ff__clock_coarse(void); /* Good to a tick (1 to 10 ms), several times cheaper; AS-safe. */
uint64_t ff__clock_after(uint64_t delay_ns); /* now + delay, UINT64_MAX instead of overflow. */
struct timespec ff__clock_timespec(uint64_t ns);

#endif

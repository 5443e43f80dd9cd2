/* The futex calls, private to the process. All AS-safe: raw system calls, errno left as it was. */
#ifndef FF__SYS_FUTEX_H
#define FF__SYS_FUTEX_H

#include "base/atomic.h"

#include <stdint.h>

/* Sleeps while *word == expected, until woken or the absolute deadline (UINT64_MAX: none) on
 * CLOCK_MONOTONIC. @return 0 (woken, or the word differed, or spuriously: check again), -ETIMEDOUT,
 * -EINTR. */
int ff__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);

/* Wakes up to count waiters. @return how many woke. */
int ff__futex_wake(_Atomic uint32_t *word, int count);

#endif

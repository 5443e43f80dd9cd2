/* A mutex of four bytes on a futex: never fails, never allocates, can be made anew in a forked
 * child. Not recursive, not fair. Source: U. Drepper, "Futexes Are Tricky" (2011), the third mutex.
 */
#ifndef FF__SYS_LOCK_H
#define FF__SYS_LOCK_H

#include "base/atomic.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct ff__lock {
    _Atomic uint32_t state; /* 0 free, 1 held, 2 held and somebody may sleep. */
};

#define FF__LOCK_INIT \
    {                 \
        0             \
    }

void ff__lock_init(struct ff__lock *lock);
void ff__lock_slow(struct ff__lock *lock);
void ff__unlock_slow(struct ff__lock *lock);

static inline bool ff__lock_try(struct ff__lock *lock)
{
    uint32_t free_state = 0;
    return ff__cas_acquire(&lock->state, &free_state, 1);
}

static inline void ff__lock(struct ff__lock *lock)
{
    if (ff__unlikely(!ff__lock_try(lock)))
        ff__lock_slow(lock);
}

static inline void ff__unlock(struct ff__lock *lock)
{
    if (ff__unlikely(ff__exchange_release(&lock->state, 0) == 2))
        ff__unlock_slow(lock);
}

#endif

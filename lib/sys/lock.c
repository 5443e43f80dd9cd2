/* The slow halves of the mutex in lock.h. Any thread may call; not signal handlers, which could
 * interrupt the holder.
 *
 *   locker                                    unlocker
 *   A: state 0 -> 1            (acquire)      U: old = exchange(state, 0)  (release)
 *   B: old = exchange(state, 2) (acquire)     W: if old == 2, futex_wake(state, 1)
 *   S: futex_wait(state, 2), then B again
 *
 * Exclusion: only who changed the state from 0, by A or B, holds the lock, and its acquire reads
 * what the release of U wrote. No lost wake-up: a sleeper set the state to 2 in B before S. Whoever
 * changes it after that is U, which saw the 2 and wakes, or another B, which keeps it 2; A cannot
 * succeed on a 2. If U came between B and S, the state is no longer 2 and S returns at once, or a
 * third thread made it 2 again, whose own U will see that 2 and wake one sleeper; that one takes
 * the lock by B, so with 2, and passes the wake on in the same way. */
#include "sys/lock.h"

#include "sys/cpu.h"
#include "sys/futex.h"

/* A holder that is running is often done within this many pauses, far below the price of a sleep.
 */
#define SPINS 64

void ff__lock_init(struct ff__lock *lock)
{
    /* Relaxed: whoever publishes the lock publishes this with it. */
    ff__store_relaxed(&lock->state, 0);
}

static bool lock_spin(struct ff__lock *lock)
{
    for (unsigned i = 0; i < SPINS; i++) {
        /* Relaxed: only a hint whether trying is worth it. */
        if (ff__load_relaxed(&lock->state) == 0 && ff__lock_try(lock))
            return true;
        ff__cpu_pause();
    }
    return false;
}

FF__NOINLINE void ff__lock_slow(struct ff__lock *lock)
{
    if (lock_spin(lock))
        return;
    /* B, acquire: pairs with the release in ff__unlock() (U). */
    while (ff__exchange_acquire(&lock->state, 2) != 0)
        (void)ff__futex_wait(&lock->state, 2, UINT64_MAX); /* Whatever ended it: look again. */
}

FF__NOINLINE void ff__unlock_slow(struct ff__lock *lock)
{
    ff__futex_wake(&lock->state, 1);
}

/* Where idle workers sleep, and how the one that brings work decides whom to wake, if anybody.
 *
 * At most one worker at a time is on its way from a wake-up to its first find; it is a "searcher".
 * Whoever brings work while one is searching wakes nobody: the searcher will find the work, or look
 * again after it has stopped being a searcher. The last searcher that finds something and leaves
 * more behind wakes the next (the baton). So a burst wakes workers one after the other, and a
 * steady stream makes no system calls. The protocol is that of Go's scheduler (proc.go, "Worker
 * thread parking/unparking"); proof and model: README.md.
 *
 * Lettered outline (S = sequentially consistent):
 *   bringer                                 worker that found nothing
 *   A: make the work visible (S)            W: lock; put myself on the idle list; idle += 1;
 *   R: read state (S): idle, searching         searching -= 1 if I am one (one S RMW); unlock
 *   N: idle > 0 && searching == 0:          C: look at every queue again (S)
 *      lock; R again; take the newest       B: found something: lock; if still on the list:
 *      sleeper off the list; idle -= 1,        off it, idle -= 1, searching += 1, unlock, search;
 *      searching += 1 (one S RMW);             otherwise somebody is waking me: go to Z
 *      unlock; its token = 1;               Z: futex_wait until token; token = 0; I am a searcher
 *      futex_wake                           L: found work: searching -= 1 (S); the last searcher
 *                                              looks at every queue again, as a bringer of what
 *                                              is left: the baton
 */
#ifndef FF__SYNC_PARK_H
#define FF__SYNC_PARK_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/list.h"
#include "sys/lock.h"

#include <stdbool.h>
#include <stdint.h>

struct ff__parker { /* One per worker. Owner: the worker, but for token and node. */
    FF__ALIGNED_LINE _Atomic uint32_t token; /* 1: a wake-up is meant for this worker. */
    struct ff__list node;                    /* Guarded by park->lock; on the list == parked. */
    bool searching;                          /* Owner only. */
};

struct ff__park {
    FF__ALIGNED_LINE _Atomic uint64_t state; /* idle in the upper half, searching in the lower. */
    FF__ALIGNED_LINE struct ff__lock lock;
    struct ff__list sleepers; /* Guarded by lock; newest first. */
};

void ff__park_init(struct ff__park *park);
void ff__parker_init(struct ff__parker *parker);

/* After work was made visible by a seqcst store or RMW: wake one worker if that is needed. */
void ff__park_wake_slow(struct ff__park *park);
static inline void ff__park_notify(struct ff__park *park)
{
    uint64_t state = ff__load_seqcst(&park->state); /* R */
    if (ff__unlikely(state >> 32 != 0 && (uint32_t)state == 0))
        ff__park_wake_slow(park);
}

/* The worker begins to search (it is awake, and has no work of its own). Nothing if it does
 * already: a worker that was woken is a searcher. */
void ff__park_search(struct ff__park *park, struct ff__parker *parker);

/* The worker found work: it stops being a searcher. @return true when it was the last one and
 * somebody sleeps; then it must look at every queue again (the _maybe_nonempty() calls, after this
 * one), and call ff__park_notify() if there is work. It must not keep that look from before. False
 * when it was no searcher. Work that it moves from one queue to another is brought work: notify. */
bool ff__park_found(struct ff__park *park, struct ff__parker *parker);

/* W: announce sleep. After it the worker must look at every queue again, and then call exactly one
 * of the next two. */
void ff__park_prepare(struct ff__park *park, struct ff__parker *parker);
/* B: do not sleep. On return the worker is a searcher. */
void ff__park_cancel(struct ff__park *park, struct ff__parker *parker);
/* Z: sleep until woken. On return the worker is a searcher. */
void ff__park_sleep(struct ff__park *park, struct ff__parker *parker);

/* Wake every sleeper (shutdown); each becomes a searcher. Make the reason visible before (S), and
 * let C look at it. */
void ff__park_wake_all(struct ff__park *park);

/* How many sleep; may be stale. */
unsigned ff__park_idle(struct ff__park *park);

#endif

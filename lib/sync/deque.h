/* A work-stealing deque of pointers: the owner pushes and pops at the bottom, anybody steals at the
 * top. Grows, never shrinks, keeps its old arrays until it is freed (a thief may still read one).
 * Source: D. Chase, Y. Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), in the C11 form of
 * N. M. Le et al., "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013), with
 * the fences moved onto the accesses. Proof: README.md. */
#ifndef FF__SYNC_DEQUE_H
#define FF__SYNC_DEQUE_H

#include "base/atomic.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff__deque_array; /* capacity, mask, link to the older one, slots */

struct ff__deque {
    /* Owner writes, thieves read. */
    FF__ALIGNED_LINE _Atomic int64_t bottom;
    _Atomic(struct ff__deque_array *) array;
    int64_t top_seen; /* Owner only: a top it read earlier; never above the true one. */
    /* Thieves and the owner's last pop, by CAS. */
    FF__ALIGNED_LINE _Atomic int64_t top;
};

/* @return 0 or -ENOMEM. */
int ff__deque_init(struct ff__deque *deque, size_t capacity_log2);
void ff__deque_done(struct ff__deque *deque);

/* Owner only. @return 0 or -ENOMEM (the array could not grow; nothing was pushed). After it, a
 * sequentially consistent load by the owner is ordered after the push (the store of bottom is
 * seqcst): what park needs. */
int ff__deque_push(struct ff__deque *deque, void *item);

/* Owner only. Pushes count items in one publication; items[count - 1] is popped first. */
int ff__deque_push_many(struct ff__deque *deque, void *const *items, size_t count);

/* Owner only: the newest item, NULL when empty. */
void *ff__deque_pop(struct ff__deque *deque);

/* Anybody: the oldest item; NULL when empty, or when another thief or the owner took it first
 * (*ret_lost is set then: worth another try; it is never cleared, so that a search may gather it).
 */
void *ff__deque_steal(struct ff__deque *deque, bool *ret_lost);

/* Anybody: false only if it was empty at some moment of the call (seqcst loads). */
bool ff__deque_maybe_nonempty(struct ff__deque *deque);

#endif

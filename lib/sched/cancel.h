/* Sources and tokens: one node in a tree, seen from two sides. For the scheduler: pools, groups and
 * timers embed a source.
 *
 * Locks: the walk lock (one for the process, serialises cancellations, never held in user code),
 * then the lock of one node at a time. Cancelling marks the whole subtree under the walk lock,
 * then, without any lock, runs the callbacks of the nodes it marked. The proofs are in cancel.c,
 * those of registrations in callback.c. */
#ifndef FF__SCHED_CANCEL_H
#define FF__SCHED_CANCEL_H

#include "base/atomic.h"
#include "base/list.h"
#include "sched/timerq.h"
#include "sys/lock.h"
#include "sys/thread.h"

#include <failfast/cancel.h>

#include <stdbool.h>
#include <stdint.h>

struct ff_token {
    /* 0, or the ff_reason it was cancelled for. Goes from 0 once, by CAS; readers acquire. The
     * futex word of sleepers. */
    _Atomic uint32_t reason;
    _Atomic uint32_t sleepers;
    /* One for all owners of the source together, one for each child and each registration, one for
     * the timer queue while the deadline is in it, and those of ff_token_ref(). */
    _Atomic uint32_t refs;
    _Atomic uint32_t callback_epoch; /* Futex word: a callback that somebody awaited has ended. */
    struct ff__lock lock;
    int event_fd;              /* -1 until asked for. Guarded by lock. */
    uint32_t fork_generation;  /* Of the process that made it. Fixed. */
    bool walked;               /* Guarded by the walk lock: the subtree was marked. */
    bool holds_timerq;         /* A reference to the timer thread, given back after release. */
    ff_token *parent;          /* One reference. Fixed. */
    struct ff__list children;  /* Guarded by lock. */
    struct ff__list sibling;   /* In parent->children; guarded by parent->lock. */
    struct ff__list callbacks; /* Registrations; guarded by lock. */
    ff_token *walk_next; /* The canceller's work list; guarded by the walk lock, then its own. */
    struct ff__timer_node timer;      /* The deadline; fire is NULL when there is none. */
    struct ff__post post;             /* ff_cancel_from_signal(). */
    void (*release)(ff_token *token); /* Frees what embeds the token, at the last reference. */
};

struct ff_source {
    struct ff_token token;
    _Atomic uint32_t owners; /* References to the source; at 0 its deadline is off. */
};

/* A source inside something bigger (pool, group, service task, timer). One reference, ended by
 * ff_source_unref(); release is called when the last one goes, that of a token included.
 * @param parent       NULL or a token; the child takes a reference. Below a cancelled parent the
 *                     source is born cancelled. A parent from before a fork only passes that on.
 * @param deadline_ns  0 or FF_NEVER: none; else the caller holds the timer thread
 *                     (ff__timerq_ref) until release.
 * Never fails. */
void ff__source_init(ff_source *source, ff_token *parent, uint64_t deadline_ns,
                     void (*release)(ff_token *token));

/* ff_cancel() with another reason. */
bool ff__cancel_for(ff_source *source, ff_reason reason);

/* Marks this one token and wakes its sleepers; no lock, no callbacks, no descendants, no eventfd.
 * AS-safe. */
void ff__cancel_mark_from_signal(ff_token *token, ff_reason reason);

/* Calls what is registered on a token that is cancelled; the caller holds no lock. callback.c. */
void ff__callbacks_run(ff_token *token);

/* Made by the process that this one was forked from: its locks may be held for ever by threads that
 * do not exist here, and nothing here cancels it. AS-safe. */
static inline bool ff__token_foreign(const ff_token *token)
{
    return token->fork_generation != ff__fork_generation;
}

#endif

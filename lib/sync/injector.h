/* Where tasks from outside wait: shards of intrusive queues. Producers push without a lock onto
 * their own shard's incoming stack; a consumer takes what has come in whole, turns it round into
 * the shard's outgoing queue, and takes a batch from that, under the shard's try-lock. First in,
 * first out for each producer thread. Proof: README.md. */
#ifndef FF__SYNC_INJECTOR_H
#define FF__SYNC_INJECTOR_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "sys/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FF__INJECTOR_SHARDS 16

struct ff__injector_node {
    struct ff__injector_node *next;
};

struct ff__injector_shard {
    /* Producers push by CAS, consumers take all by exchange. */
    FF__ALIGNED_LINE _Atomic(struct ff__injector_node *) incoming;
    /* Written under lock; read without it by ff__injector_maybe_nonempty(). */
    FF__ALIGNED_LINE struct ff__lock lock;
    _Atomic(struct ff__injector_node *) outgoing;
};

struct ff__injector {
    struct ff__injector_shard shards[FF__INJECTOR_SHARDS];
};

void ff__injector_init(struct ff__injector *injector);

/* Any thread, never fails, lock-free. The push is a seqcst RMW: what park needs. @param shard: any
 * number; the same from one thread keeps its order (ff__injector_my_shard()). */
void ff__injector_push(struct ff__injector *injector, unsigned shard,
                       struct ff__injector_node *node);

/* The calling thread's number, dealt out round robin at its first call. */
unsigned ff__injector_my_shard(void);

/* Any thread: up to capacity nodes, oldest first, all of one shard, beginning the search at shard
 * start. Passes over shards whose lock is held, and sets *ret_busy then (it is never cleared).
 * @return how many; 0 when every shard was empty or busy. */
size_t ff__injector_take(struct ff__injector *injector, unsigned start,
                         struct ff__injector_node **ret_nodes, size_t capacity, bool *ret_busy);

/* Any thread: false only if every node that was pushed before the call has been handed out by its
 * end (a shard whose lock is held counts as not empty). A node pushed during the call may be
 * missed: its bringer's wake-up is for that one. */
bool ff__injector_maybe_nonempty(struct ff__injector *injector);

#endif

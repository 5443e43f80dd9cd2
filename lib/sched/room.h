/* The bound of a pool's queue, kept as a count of free places.
 *
 * A place is taken before a task is queued and given back when it starts. Large limits are kept in
 * batches: each worker and each injector shard holds up to two batches back, so that most spawns
 * touch no line shared by all. With small limits the batch is 1, nothing is held back and the limit
 * is exact. */
#ifndef FF__SCHED_ROOM_H
#define FF__SCHED_ROOM_H

#include "sched/types.h"

void ff__room_init(ff_pool *pool, uint64_t max_queued);

/* Takes one place: from the worker's store on a worker of the pool, else from the shard's. @return
 * false when the queue is full. */
bool ff__room_take(ff_pool *pool, struct ff__worker *worker, unsigned shard);

/* Gives one place back. worker: the calling worker of the pool, or NULL. */
void ff__room_give(ff_pool *pool, struct ff__worker *worker);

/* The worker goes to sleep: it gives back all it holds. */
void ff__room_flush(struct ff__worker *worker);

/* Wakes whoever waits for room, to look again. */
void ff__room_poke(ff_pool *pool);

#endif

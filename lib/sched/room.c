/* See room.h. The wake-up of ff_spawn_wait():
 *
 *   waiter (spawn.c)                          giver
 *   W: room_waiters += 1       (sc)           G: room += n          (sc)
 *   K: key = room_change       (sc)           R: read room_waiters  (sc)
 *   C: try to take room again  (sc)           P: if R > 0: room_change += 1 (sc), futex_wake
 *   S: futex_wait(room_change, key)
 * R before W: G is before C, which finds the room, or another taker did. W before R: P runs; S has
 * not compared yet and finds room_change != key, or sleeps and is woken, or K came after P and so C
 * after G. */
#include "sched/room.h"

#include "sys/futex.h"

#include <limits.h>

#define EXACT_UP_TO 65536 /* As pool.h promises. */

/* The share of the limit that may be held back is at most 1/100. */
static int64_t batch_for(uint64_t max_queued, unsigned workers)
{
    uint64_t holders = FF__INJECTOR_SHARDS + 2 * (uint64_t)workers;
    uint64_t batch = max_queued <= EXACT_UP_TO ? 1 : max_queued / (100 * holders);

    return batch < 1 ? 1 : batch > 64 ? 64 : (int64_t)batch;
}

void ff__room_init(ff_pool *pool, uint64_t max_queued)
{
    pool->bounded = max_queued <= INT64_MAX;
    pool->room_batch = batch_for(max_queued, pool->worker_count);
    ff__store_relaxed(&pool->room, pool->bounded ? (int64_t)max_queued : 0);
}

void ff__room_poke(ff_pool *pool)
{
    ff__add_seqcst(&pool->room_change, 1); /* P */
    ff__futex_wake(&pool->room_change, INT_MAX);
}

/* Up to a batch out of the pool's store. Sequentially consistent for C. */
static int64_t withdraw(ff_pool *pool)
{
    int64_t have = ff__load_seqcst(&pool->room);

    while (have > 0) {
        int64_t take = have < pool->room_batch ? have : pool->room_batch;

        if (ff__cas_weak_seqcst(&pool->room, &have, have - take))
            return take;
    }
    return 0;
}

static void deposit(ff_pool *pool, int64_t count)
{
    ff__add_seqcst(&pool->room, count);                          /* G */
    if (ff__unlikely(ff__load_seqcst(&pool->room_waiters) != 0)) /* R */
        ff__room_poke(pool);
}

static bool take_on_worker(ff_pool *pool, struct ff__worker *worker)
{
    if (worker->room == 0)
        worker->room = withdraw(pool);
    if (worker->room == 0)
        return false;
    worker->room--;
    return true;
}

/* The shard's store is a count like the pool's: relaxed, because it guards no data. */
static bool take_on_shard(ff_pool *pool, struct ff__shard_counts *shard)
{
    int64_t have = ff__load_relaxed(&shard->room);

    while (have > 0)
        if (ff__cas_weak_relaxed(&shard->room, &have, have - 1))
            return true;
    have = withdraw(pool);
    if (have == 0)
        return false;
    if (have > 1)
        ff__add_relaxed(&shard->room, have - 1);
    return true;
}

bool ff__room_take(ff_pool *pool, struct ff__worker *worker, unsigned shard)
{
    if (!pool->bounded)
        return true;
    if (worker)
        return take_on_worker(pool, worker);
    return take_on_shard(pool, &pool->shards[shard % FF__INJECTOR_SHARDS]);
}

void ff__room_give(ff_pool *pool, struct ff__worker *worker)
{
    if (!pool->bounded)
        return;
    if (!worker) {
        deposit(pool, 1);
        return;
    }
    worker->room++;
    /* Relaxed look at the waiters: one missed here is served by the next give, or by the flush
     * before the worker sleeps. */
    if (pool->room_batch == 1 || ff__load_relaxed(&pool->room_waiters) != 0) {
        ff__room_flush(worker);
    } else if (worker->room >= 2 * pool->room_batch) {
        worker->room -= pool->room_batch;
        deposit(pool, pool->room_batch);
    }
}

void ff__room_flush(struct ff__worker *worker)
{
    int64_t held = worker->room;

    worker->room = 0;
    if (held > 0)
        deposit(worker->pool, held);
}

/* The table of all pools of the process, and what the abort path asks of them. Rows are atomic, so
 * that a signal handler can read the table at any time. */
#include "fail/abort.h"
#include "sched/pool.h"
#include "sys/thread.h"

static _Atomic(ff_pool *) pools[FF__POOLS_MAX];

/* The abort path walks the table while other threads may free pools:
 *   abort                                    ff_pool_free()
 *   I: pinned = 1           (sc)             E: row = NULL          (sc)
 *   G: read row             (sc)             H: read pinned         (sc)
 * G sees the pool: G is before E, so I is before H, and the pool's memory is left alone for the
 * rest of the process, which is short. */
static _Atomic uint32_t pinned;

static ff_pool *pinned_row(unsigned row)
{
    ff__store_seqcst(&pinned, 1);        /* I */
    return ff__load_seqcst(&pools[row]); /* G */
}

/* Pools of this process; those of the parent stay in the table of a forked child until they are
 * freed. */
static bool ours(const ff_pool *pool)
{
    return pool && pool->fork_generation == ff__fork_generation;
}

static void cancel_all(void)
{
    for (unsigned i = 0; i < FF__POOLS_MAX; i++) {
        ff_pool *pool = pinned_row(i);

        if (ours(pool)) {
            ff__cancel_for(&pool->root, FF_REASON_FAILURE);
            ff__pool_request(pool, FF__POOL_CANCELING);
        }
    }
}

/* AS-safe: marks tokens, wakes their sleepers. */
static void mark_all_from_signal(void)
{
    for (unsigned i = 0; i < FF__POOLS_MAX; i++) {
        ff_pool *pool = pinned_row(i);

        if (ours(pool)) {
            ff__cancel_mark_from_signal(&pool->root.token, FF_REASON_FAILURE);
            ff__cancel_mark_from_signal(&pool->loops.token, FF_REASON_FAILURE);
        }
    }
}

static bool wind_down(uint64_t deadline_ns)
{
    bool all = true;

    for (unsigned i = 0; i < FF__POOLS_MAX; i++) {
        ff_pool *pool = pinned_row(i);

        if (ours(pool) && ff__pool_await(pool, deadline_ns, /* conductor= */ true) < 0)
            all = false;
    }
    return all;
}

static const struct ff__abort_ops ops = {
    .cancel_all = cancel_all,
    .mark_all_from_signal = mark_all_from_signal,
    .wind_down = wind_down,
};

/* In a forked child the parent's abort path does not run. */
static void forked(void)
{
    ff__store_relaxed(&pinned, 0);
}

int ff__registry_add(ff_pool *pool)
{
    ff__abort_set_ops(&ops);
    ff__fork_register(forked);
    for (unsigned i = 0; i < FF__POOLS_MAX; i++) {
        ff_pool *empty = NULL;

        /* acq_rel: publishes the pool to readers of the row. */
        if (ff__cas_acq_rel(&pools[i], &empty, pool)) {
            pool->registry_index = i;
            return 0;
        }
    }
    return -EAGAIN;
}

bool ff__registry_remove(ff_pool *pool)
{
    ff__store_seqcst(&pools[pool->registry_index], NULL); /* E */
    return ff__load_seqcst(&pinned) == 0;                 /* H */
}

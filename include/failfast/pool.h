/* Pools: a fixed set of worker threads and everything that runs on them. */
#ifndef FAILFAST_POOL_H
#define FAILFAST_POOL_H

#include <failfast/base.h>
#include <failfast/cancel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most workers a pool may have. */
#define FF_WORKERS_MAX 1024

/* As max_queued: the queue has no limit but memory. */
#define FF_UNBOUNDED UINT64_MAX

/* max_queued when it is left 0. */
#define FF_QUEUE_DEFAULT (UINT64_C(1) << 24)

/* Flags of struct ff_pool_options. */
#define FF_NO_SIGNAL_HANDLERS \
    0x1u /* Leave SIGSEGV and the like to the program. Process-wide: it \
            holds for the pools that exist together with this one. */

/* How to build a pool. Set size to sizeof(struct ff_pool_options); zero is the default everywhere.
 *
 * FAILFAST_WORKERS (1 to FF_WORKERS_MAX) in the environment stands in for workers when that is 0. A
 * malformed value is said in one line on stderr, and the default is used. */
struct ff_pool_options {
    size_t size;
    const char *name;    /* In reports and thread names. NULL: "pool". Copied. */
    unsigned workers;    /* 0: as many as the process may use (affinity mask, cgroup CPU quota). */
    unsigned flags;      /* FF_NO_SIGNAL_HANDLERS. */
    uint64_t max_queued; /* Most tasks queued and not started; 0: FF_QUEUE_DEFAULT. Above 65536 the
                            limit is kept in batches, so a spawn may meet it up to 1 % early. */
    size_t stack_size; /* Bytes of every worker's and service task's stack. 0: the system's default.
                          Otherwise at least 64 KiB. */
    ff_token *parent;  /* The pool is cancelled when this token is. NULL: none. Referenced. */
};

/* How to end a pool. */
typedef enum ff_shutdown_mode {
    FF_DRAIN = 1,  /* Run what is queued; cancel service and timer tasks. */
    FF_CANCEL = 2, /* Cancel everything; what has not started is skipped. */
} ff_shutdown_mode;

/* A task that a shutdown still waits for. */
struct ff_straggler {
    char name[FF_NAME_MAX + 1];
    uint64_t id;
    uint64_t age_ns; /* Since it started. Good to some milliseconds. */
    int32_t tid;     /* The kernel's number of its thread. */
};

/**
 * Start a pool and wait until every worker runs.
 *
 * The first pool of a process also installs the handlers of fatal signals (failure.h).
 *
 * @param options   NULL for the defaults. Copied; the caller keeps it.
 * @param ret_pool  Set to the new pool on success, else left as it was.
 * @return 0, or -EINVAL (NULL ret_pool, options->size is no known size, too many workers, an
 * unknown flag, a stack below 64 KiB), -E2BIG (a field unknown to this library is set), -EAGAIN (a
 * thread could not start, and none is left running; or there are 256 pools), -ENOMEM, FF_CANCELED
 * (the parent is cancelled).
 * Threads: any. Blocks: until the workers run. Signals: not
 * async-signal-safe. Ownership: end it with ff_pool_shutdown() and ff_pool_free(). Since: 0.1
 */
FF_API FF_NODISCARD int ff_pool_new(const struct ff_pool_options *options, ff_pool **ret_pool);

/**
 * End a pool: stop intake, let tasks end as @p mode says, join every thread.
 *
 * From the call on, every spawn from outside answers -ESHUTDOWN, and so does every detached spawn
 * from a task; only a task that FF_DRAIN still runs may spawn into its groups, because those
 * children are part of its work. Calling again is allowed, also at the same time from several
 * threads: FF_CANCEL tightens a drain, nothing loosens. A pool that has ended answers 0.
 *
 * @param deadline_ns  When to give up waiting; FF_NEVER for never.
 * @return 0 (every thread is joined), or -EINVAL (NULL pool, unknown mode), -ETIMEDOUT (ask
 *         ff_pool_stragglers() who; the pool lives on and the call can be repeated), -EDEADLK
 * (called by a task or cancel callback of this pool: the shutdown is requested and goes on, but
 * only an outside thread can wait for it), -EOWNERDEAD. In an at-abort hook: 0, and nothing is
 * done, since the abort path ends the pools.
 * Threads: any; from tasks it only requests.
 * Blocks: until the end or the deadline. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_pool_shutdown(ff_pool *pool, ff_shutdown_mode mode,
                                         uint64_t deadline_ns);

/**
 * Free a pool whose shutdown has finished. A group of it that is not freed takes the abort path.
 *
 * @param pool  NULL does nothing.
 * @return 0, or -EBUSY (its threads are not joined; nothing was done).
 * Threads: one, the last user of the pool. Blocks: no. Signals: not async-signal-safe. In a forked
 * child it frees the memory of the parent's pool. Since: 0.1
 */
FF_API int ff_pool_free(ff_pool *pool);

/**
 * The tasks that run now, longest first: after -ETIMEDOUT, those that hold up the shutdown.
 *
 * @param ret_stragglers  Filled with up to @p capacity entries; may be NULL when capacity is 0.
 * @return How many tasks run now, which may exceed capacity; 0 for a NULL pool.
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API size_t ff_pool_stragglers(ff_pool *pool, struct ff_straggler *ret_stragglers,
                                 size_t capacity);

/**
 * The token that is cancelled when everything in the pool is.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Ownership: borrowed, as long as the pool.
 * Since: 0.1
 */
FF_API ff_token *ff_pool_token(const ff_pool *pool);

/**
 * How many workers the pool has.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API unsigned ff_pool_workers(const ff_pool *pool);

#ifdef __cplusplus
}
#endif

#endif

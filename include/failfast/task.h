/* Tasks: named closures that a pool runs, and service tasks that own a thread.
 *
 * A task function returns
 *   0            it succeeded;
 *   FF_CANCELED  it stopped because a cancel request covers it: never a failure. Without such a
 *                request this is a failure ("cancelled without a request");
 *   other        it failed. If a group owns the task, the group's owner reads the failure.
 * Otherwise the process reports it and ends (failure.h).
 *
 * Every spawn that returns 0 runs fn at most once and then drop(arg, outcome) exactly once. Every
 * spawn that returns an error did nothing at all, and the caller still owns arg.
 *
 * A pool's queue is bounded (pool.h); a full one answers -EAGAIN, never waits. Spawns carry
 * warn_unused_result because a spawn that failed unseen is work that died in silence. */
#ifndef FAILFAST_TASK_H
#define FAILFAST_TASK_H

#include <failfast/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a task ended, as told to its drop function. */
typedef enum ff_outcome {
    FF_OUTCOME_OK = 0,       /* fn returned 0. */
    FF_OUTCOME_FAILED = 1,   /* fn failed, or its thread ended inside it. */
    FF_OUTCOME_CANCELED = 2, /* fn returned FF_CANCELED after a request. */
    FF_OUTCOME_SKIPPED = 3,  /* Cancelled before it started: fn was never called. */
} ff_outcome;

typedef int ff_task_fn(ff_task *self, void *arg);
typedef void ff_drop_fn(void *arg, ff_outcome outcome);

/* Flags of struct ff_spawn_options. */
#define FF_MAY_FINISH 0x1u /* A service task that may return 0 while the pool runs. */

/* Largest inline argument, in bytes. */
#define FF_INLINE_ARG_MAX 128

/* What ff_spawn_with() needs to know. Set size to sizeof(struct ff_spawn_options), name, and what
 * you want; zero is the default everywhere. */
struct ff_spawn_options {
    size_t size;
    const char *name; /* Required, not empty. Copied. */
    ff_drop_fn *drop; /* Called once after fn, or instead of it. NULL: nothing to drop. */
    ff_group
        *group; /* The owner of the task's failure. NULL: nobody, a failure ends the process. */
    size_t inline_arg_size; /* If not 0: copy that many bytes from arg into the task; fn and drop
                               get the copy, aligned for any type. At most FF_INLINE_ARG_MAX. */
    unsigned flags;         /* None is defined for pool tasks; FF_MAY_FINISH for service tasks. */
};

/**
 * Queue a task.
 *
 * @param pool  Where it shall run.
 * @param name  What reports call it; not empty. Copied.
 * @param fn    What to run, on any worker of the pool.
 * @param arg   Handed to fn.
 * @return 0, or -EINVAL (NULL pool or fn, NULL or empty name), -EAGAIN (the queue is full),
 * -ENOMEM, -ESHUTDOWN (shutdown has begun, or the process is failing), -EOWNERDEAD (the pool
 * belongs to the process that forked this one).
 * Threads: any, tasks included. Blocks: no. Signals:
 * not async-signal-safe. Ownership: arg stays the caller's on error; else it is the task's. Since:
 * 0.1
 */
FF_API FF_NODISCARD int ff_spawn(ff_pool *pool, const char *name, ff_task_fn *fn, void *arg);

/**
 * ff_spawn() with a name made by printf.
 *
 * @return As ff_spawn(); -EINVAL also when format is NULL or makes an empty name.
 * Threads: any, tasks included. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_spawnf(ff_pool *pool, ff_task_fn *fn, void *arg, const char *format, ...)
    FF_PRINTF(4, 5);

/**
 * ff_spawn() with all there is to choose.
 *
 * @param options  See struct ff_spawn_options. Copied.
 * @return As ff_spawn(), or -E2BIG (a field that this library does not know is set), -EINVAL (size
 * is no known size, an unknown flag is set, inline_arg_size is above FF_INLINE_ARG_MAX or arg is
 *         NULL with it, the group belongs to another pool), FF_CANCELED (the group is cancelled).
 * Threads: any, tasks included. Blocks: no. Signals: not async-signal-safe.
 * Ownership: as ff_spawn(). Since: 0.1
 */
FF_API FF_NODISCARD int ff_spawn_with(ff_pool *pool, const struct ff_spawn_options *options,
                                      ff_task_fn *fn, void *arg);

/**
 * ff_spawn_with(), but when the queue is full wait for room.
 *
 * @param token        Ends the wait when cancelled; NULL for none.
 * @param deadline_ns  Ends the wait when it passes; FF_NEVER for none.
 * @return As ff_spawn_with() without -EAGAIN, or -ETIMEDOUT, FF_CANCELED (the token is cancelled),
 *         -EDEADLK (called on a worker of this pool, which must not wait for itself).
 * Threads: any but workers of the pool. Blocks: while the queue is full. Signals: not
 * async-signal-safe. Ownership: as ff_spawn(). Since: 0.1
 */
FF_API FF_NODISCARD int ff_spawn_wait(ff_pool *pool, const struct ff_spawn_options *options,
                                      ff_task_fn *fn, void *arg, ff_token *token,
                                      uint64_t deadline_ns);

/**
 * Start a service task: a loop on a thread of its own, named after it, counted and joined by the
 * pool.
 *
 * Returning 0 while the pool runs is a failure ("service task returned"): a loop that ends early is
 * how background work dies unseen. ff_spawn_service_with() and FF_MAY_FINISH lift that.
 *
 * @return 0, or -EINVAL, -ENOMEM, -EAGAIN (the thread could not start), -ESHUTDOWN, -EOWNERDEAD.
 * Threads: any, tasks included. Blocks: for the start of a thread. Signals: not async-signal-safe.
 * Ownership: as ff_spawn(). Since: 0.1
 */
FF_API FF_NODISCARD int ff_spawn_service(ff_pool *pool, const char *name, ff_task_fn *fn,
                                         void *arg);

/**
 * ff_spawn_service() with options: name, drop, inline_arg_size, flags. A group cannot own a service
 * task.
 *
 * @return As ff_spawn_service(), or -E2BIG, -EINVAL as ff_spawn_with() and when group is set.
 * Threads: any, tasks included. Blocks: for the start of a thread. Signals: not async-signal-safe.
 * Ownership: as ff_spawn(). Since: 0.1
 */
FF_API FF_NODISCARD int ff_spawn_service_with(ff_pool *pool, const struct ff_spawn_options *options,
                                              ff_task_fn *fn, void *arg);

/**
 * Run fn on the calling thread as a named task: any failure of it ends the process with a report.
 *
 * The task has no pool and a token that is never cancelled, so FF_CANCELED is a failure here.
 *
 * @return 0 (what fn returned), or -EINVAL, -EAGAIN or -ENOMEM (fn was not called).
 * Threads: any. Blocks: as long as fn does. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_critical(const char *name, ff_task_fn *fn, void *arg);

/**
 * Adopt the calling thread: give it a name in reports, an alternate signal stack (unless it has one
 * of its own), and fault handling, until it ends.
 *
 * Adopting again renames. The name of the thread in the kernel is left alone.
 *
 * @return 0, or -EINVAL (NULL or empty name), -EBUSY (a thread of the library), -EAGAIN (the helper
 *         threads could not start), -ENOMEM.
 * Threads: one that the program created, or main. Blocks: no. Signals: not async-signal-safe.
 * Since: 0.1
 */
FF_API FF_NODISCARD int ff_thread_adopt(const char *name);

/**
 * The task that the calling thread runs, NULL outside any.
 *
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Ownership: valid until fn returns.
 * Since: 0.1
 */
FF_API ff_task *ff_task_current(void);

/**
 * The task's name, at most FF_NAME_MAX bytes.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Ownership: valid until drop has returned.
 * Since: 0.1
 */
FF_API const char *ff_task_name(const ff_task *task);

/**
 * The task's number, unique in the process and never 0.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API uint64_t ff_task_id(const ff_task *task);

/**
 * The pool that runs the task; NULL under ff_critical().
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Ownership: borrowed. Since: 0.1
 */
FF_API ff_pool *ff_task_pool(const ff_task *task);

/**
 * The token that says whether the task shall stop: its group's, else its own (service and timer
 * tasks), else its pool's. NULL under ff_critical().
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Ownership: borrowed; take a reference with
 * ff_token_ref() to keep it beyond the task. Since: 0.1
 */
FF_API ff_token *ff_task_token(const ff_task *task);

/**
 * Whether the task has been asked to stop: ff_canceled(ff_task_token(task)).
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API bool ff_task_canceled(const ff_task *task);

/**
 * "If I was asked to stop, that is why": FF_CANCELED when a request covers the task, else @p rc.
 *
 * For code whose error may be a consequence of the cancellation, such as a read from a closed peer.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_task_result(const ff_task *task, int rc);

/**
 * Say that this service task makes progress. The watchdog ping and the liveness file (service.h)
 * are sent only while every service task of the pool beats or waits in ff_sleep(), ff_poll(), their
 * token forms or ff_group_wait(), which all beat by themselves. For other tasks: nothing.
 *
 * Threads: the task's own. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API void ff_beat(ff_task *self);

#ifdef __cplusplus
}
#endif

#endif

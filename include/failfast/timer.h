/* Timer tasks: work that starts later, or again and again. They hold no worker while they wait. */
#ifndef FAILFAST_TIMER_H
#define FAILFAST_TIMER_H

#include <failfast/base.h>
#include <failfast/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How to start a timer task. Set size to sizeof(struct ff_timer_options). */
struct ff_timer_options {
    size_t size;
    const char *name;   /* Required, not empty. Copied. */
    ff_drop_fn *drop;   /* Called once, when the timer has ended; outcome is that of the last run,
                           FF_OUTCOME_SKIPPED if there was none. */
    uint64_t delay_ns;  /* Until the first run. 0: one period, or at once for a timer without. */
    uint64_t period_ns; /* Between two starts. 0: run once. */
    uint64_t jitter_ns; /* Each start is put off by a random part of this; below period_ns. */
};

/**
 * Run fn every @p period_ns until the pool shuts down: monotonic, never overlapping itself, missed
 * ticks skipped. Each run is a task of the pool: a failure of any ends the process.
 *
 * @return 0, or -EINVAL (NULL pool or fn, NULL or empty name, period_ns 0), -ENOMEM, -ESHUTDOWN,
 * -EOWNERDEAD.
 * Threads: any, tasks included. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_every(ff_pool *pool, const char *name, uint64_t period_ns,
                                 ff_task_fn *fn, void *arg);

/**
 * Run fn once, @p delay_ns from now. A shutdown before that skips it.
 *
 * @return As ff_every().
 * Threads: any, tasks included. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_after(ff_pool *pool, const char *name, uint64_t delay_ns, ff_task_fn *fn,
                                 void *arg);

/**
 * Start a timer task that can be cancelled alone.
 *
 * @param ret_timer  Set on success, else left as it was. NULL: no handle is wanted.
 * @return As ff_every(), or -E2BIG, -EINVAL (unknown size, jitter_ns not below period_ns).
 * Threads: any, tasks included. Blocks: no. Signals: not async-signal-safe.
 * Ownership: the handle is one reference, ended by ff_timer_unref(); the timer runs on without it.
 * Since: 0.1
 */
FF_API FF_NODISCARD int ff_timer_start(ff_pool *pool, const struct ff_timer_options *options,
                                       ff_task_fn *fn, void *arg, ff_timer **ret_timer);

/**
 * Ask a timer to end: no further run starts, the present one sees its token cancelled. NULL does
 * nothing.
 *
 * Threads: any, its own task included. Blocks: as ff_cancel(); not for the present run. Signals:
 * not async-signal-safe. Since: 0.1
 */
FF_API void ff_timer_cancel(ff_timer *timer);

/**
 * Give the handle back; NULL does nothing. The timer itself runs on.
 *
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API void ff_timer_unref(ff_timer *timer);

#ifdef __cplusplus
}
#endif

#endif

/* Groups: structured concurrency. A group owns its children and their failures.
 *
 * The first child that fails cancels its siblings. ff_group_wait() returns when every child has
 * finished, and tells the first failure: with that the failure has found its owner. A group that is
 * freed with an unread failure, or while children run, ends the process with a report. */
#ifndef FAILFAST_GROUP_H
#define FAILFAST_GROUP_H

#include <failfast/base.h>
#include <failfast/cancel.h>
#include <failfast/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How to make a group. Set size to sizeof(struct ff_group_options). */
struct ff_group_options {
    size_t size;
    const char
        *name;     /* In reports. NULL: the name of the task that makes it, or "group". Copied. */
    ff_pool *pool; /* Needed where self is NULL. */
    ff_token *parent; /* Cancelled with it, as it is with self's token or the pool's. NULL: none. */
    uint64_t deadline_ns; /* Cancels the group when it passes; 0: never. */
};

/**
 * Make a group.
 *
 * @param self       The task that owns it, and whose cancellation cancels it; NULL outside tasks,
 * where options->pool is needed.
 * @param options    NULL for the defaults.
 * @param ret_group  Set on success, else left as it was.
 * @return 0, or -EINVAL (no pool to run on, or another one than self's, unknown size, NULL
 * ret_group), -E2BIG, -ENOMEM, -EAGAIN (a deadline, and the
 * timer thread could not start), -EOWNERDEAD.
 * Threads: self's own, or any when self is NULL. Blocks:
 * no. Signals: not async-signal-safe. Ownership: end it with ff_group_free() before self returns.
 * Since: 0.1
 */
FF_API FF_NODISCARD int ff_group_new(ff_task *self, const struct ff_group_options *options,
                                     ff_group **ret_group);

/**
 * Queue a child.
 *
 * @return As ff_spawn(), or FF_CANCELED (the group is cancelled; nothing was queued).
 * Threads: any while somebody is bound to wait for the group, its children included. Blocks: no.
 * Signals: not async-signal-safe. Ownership: as ff_spawn(). Since: 0.1
 */
FF_API FF_NODISCARD int ff_group_spawn(ff_group *group, const char *name, ff_task_fn *fn,
                                       void *arg);

/**
 * Wait until every child has finished.
 *
 * On a worker of the pool it helps: it runs this group's waiting children on the caller's stack,
 * and nothing else. A caller that is cancelled still waits, but its group is cancelled with it.
 * What one wait has told, the next does not tell again.
 *
 * @return 0, or the code of the first failure (which is read by that), or FF_CANCELED (a child was
 *         cancelled or skipped, and none failed), or -EINVAL (NULL), -EDEADLK (the caller is a
 * child of the group, at any depth, a cancel callback or an at-abort hook),
 * -EOWNERDEAD.
 * Threads: one at a time.
 * Blocks: yes. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_group_wait(ff_group *group);

/**
 * Cancel the children. Those that have not started are skipped.
 *
 * Threads: any. Blocks: as ff_cancel(). Signals: not async-signal-safe. Since: 0.1
 */
FF_API void ff_group_cancel(ff_group *group);

/**
 * The token of the group's children.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Ownership: borrowed from the group. Since:
 * 0.1
 */
FF_API ff_token *ff_group_token(const ff_group *group);

/**
 * The failures of the last wait, in the order in which they happened; 0 is the one that
 * ff_group_wait() returned. At most FF_GROUP_FAILURES_MAX are kept; ff_group_failure_count() counts
 * on.
 *
 * @return NULL beyond the last one kept.
 * Threads: the waiter's, after the wait. Blocks: no. Signals: not async-signal-safe.
 * Ownership: the group's; valid until the next spawn into it, or its end. Since: 0.1
 */
FF_API const ff_failure *ff_group_failure(const ff_group *group, size_t index);
#define FF_GROUP_FAILURES_MAX 16

/**
 * How many children have failed since the group was made.
 *
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API size_t ff_group_failure_count(const ff_group *group);

/**
 * Free a group whose children have finished and whose failure has been read; NULL does nothing. Any
 * other group takes the abort path: its work, or its error, would be lost.
 *
 * Threads: one, the last user. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API void ff_group_free(ff_group *group);

#ifdef __cplusplus
}
#endif

#endif

/* Cooperative cancellation: a source asks, its token is observed.
 *
 * One-way, level-triggered, hierarchical. Cancelling a source cancels every descendant (pool, then
 * group, then whatever was made below their tokens), each with the reason that reached it first.
 * The rules for callbacks follow C++ std::stop_callback. A NULL token is never cancelled. */
#ifndef FAILFAST_CANCEL_H
#define FAILFAST_CANCEL_H

#include <failfast/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pollfd;

/* Why a token was cancelled: the first request wins. */
typedef enum ff_reason {
    FF_REASON_NONE = 0,      /* It is not cancelled. */
    FF_REASON_REQUESTED = 1, /* ff_cancel() or ff_cancel_from_signal(). */
    FF_REASON_DEADLINE = 2,  /* Its deadline, or a parent's, passed. */
    FF_REASON_SHUTDOWN = 3,  /* The pool shuts down. */
    FF_REASON_SIBLING = 4,   /* Another child of the group failed. */
    FF_REASON_FAILURE = 5,   /* The process is failing. */
} ff_reason;

/* How to make a source. Set size to sizeof(struct ff_source_options). */
struct ff_source_options {
    size_t size;
    ff_token *parent;     /* Cancelled with it. NULL: a root. */
    uint64_t deadline_ns; /* When to cancel by itself; 0 or FF_NEVER: never. A parent's earlier
                             deadline reaches the child through the parent. */
};

/**
 * Make a source of cancellation.
 *
 * A source below a cancelled parent is born cancelled; a deadline that has passed cancels at once.
 *
 * @param options     NULL for a root without deadline.
 * @param ret_source  Set on success, else left as it was.
 * @return 0, or -EINVAL (NULL ret_source, unknown size), -E2BIG, -ENOMEM, -EAGAIN (the timer thread
 *         could not start).
 * Threads: any. Blocks: no. Signals: not async-signal-safe.
 * Ownership: one reference, ended by ff_source_unref(). Since: 0.1
 */
FF_API FF_NODISCARD int ff_source_new(const struct ff_source_options *options,
                                      ff_source **ret_source);

/**
 * Take one more reference to the source.
 *
 * @return source.
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API ff_source *ff_source_ref(ff_source *source);

/**
 * Give a reference back; NULL does nothing. The last one ends the source without cancelling it:
 * from then on its tokens change only with the parent.
 *
 * Threads: any, callbacks included. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API void ff_source_unref(ff_source *source);

/**
 * The observer's side of the source.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Ownership: borrowed from the source; keep
 * it longer with ff_token_ref(). Since: 0.1
 */
FF_API ff_token *ff_source_token(ff_source *source);

/**
 * Cancel the source and all its descendants.
 *
 * When it returns, every descendant is observed as cancelled and the callbacks that this call owed
 * have returned. They run on the calling thread, with no lock of the library held. Calling again
 * changes nothing, the first reason stays.
 *
 * @return true when this call was the one that cancelled it.
 * Threads: any. Blocks: as long as the callbacks do. Signals: use ff_cancel_from_signal(). Since:
 * 0.1
 */
FF_API bool ff_cancel(ff_source *source);

/**
 * ff_cancel() from a signal handler: the source's own token is cancelled at once; descendants,
 * callbacks and eventfds follow within moments, on a thread of the library.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API void ff_cancel_from_signal(ff_source *source);

/**
 * Whether the token is cancelled: one acquire load. A true answer happens after the request.
 *
 * @param token  NULL: false.
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API bool ff_canceled(const ff_token *token);

/**
 * Why the token is cancelled; FF_REASON_NONE while it is not.
 *
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API ff_reason ff_token_reason(const ff_token *token);

/**
 * Keep the token alive beyond its source.
 *
 * @return token.
 * Threads: any. Blocks: no. Signals: async-signal-safe. Since: 0.1
 */
FF_API ff_token *ff_token_ref(ff_token *token);

/**
 * Give a token reference back; NULL does nothing.
 *
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API void ff_token_unref(ff_token *token);

/**
 * Have fn(arg) called once, when the token is cancelled, on the thread that cancels.
 *
 * fn may use every call except those that wait for tasks.
 *
 * @param ret_registration  Set on success, else left as it was. To be ended with ff_unregister().
 * @return 0, or FF_CANCELED (the token is cancelled already; fn is not called), -EINVAL (NULL
 * token, fn or ret_registration), -ENOMEM.
 * Threads: any. Blocks: no. Signals: not
 * async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_register(ff_token *token, void (*fn)(void *arg), void *arg,
                                    ff_registration **ret_registration);

/**
 * End a registration; NULL does nothing. When it returns, fn has finished or will never run. Called
 * from inside fn itself it returns at once.
 *
 * Threads: any. Blocks: while another thread is inside fn. Signals: not async-signal-safe. In a
 * forked child of the process that registered: nothing. Since: 0.1
 */
FF_API void ff_unregister(ff_registration *registration);

/**
 * A file descriptor that is readable for ever once the token is cancelled: for poll, epoll, libuv.
 *
 * Made at the first call, close-on-exec, closed with the token's last reference. Never read, write
 * or close it.
 *
 * @return The descriptor, or -EINVAL (NULL token), -EMFILE, -ENFILE, -ENOMEM, -EOWNERDEAD (the
 * token is from before a fork). A failed call breaks nothing and can be repeated.
 * Threads: any.
 * Blocks: no. Signals: not async-signal-safe. Ownership: the token's. Since: 0.1
 */
FF_API FF_NODISCARD int ff_token_fd(ff_token *token);

/**
 * Sleep until the deadline passes or the token is cancelled.
 *
 * @param token  NULL: only the deadline ends it.
 * @return 0, or FF_CANCELED (also at once, when cancelled already).
 * Threads: any. Blocks: yes. Signals: not async-signal-safe; handlers do not end it. Since: 0.1
 */
FF_API FF_NODISCARD int ff_token_sleep_until(ff_token *token, uint64_t deadline_ns);

/**
 * poll(2) that the token ends too.
 *
 * @param fds, count   As for poll(2); count at most 1023.
 * @param deadline_ns  FF_NEVER: none.
 * @return How many fds are ready (0 when the deadline passed), or FF_CANCELED (also at once),
 * -EINVAL, -ENOMEM, -EMFILE, -ENFILE or -EOWNERDEAD (no descriptor for the token). A signal handler
 * does not end it.
 * Threads: any. Blocks: yes. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_token_poll_until(ff_token *token, struct pollfd *fds, size_t count,
                                            uint64_t deadline_ns);

/**
 * Sleep for @p duration_ns, or until the task is asked to stop. Counts as ff_beat().
 *
 * @return 0, or FF_CANCELED (also at once), -EINVAL (NULL self).
 * Threads: the task's own. Blocks: yes, with its worker. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_sleep(ff_task *self, uint64_t duration_ns);

/**
 * poll(2) for at most @p timeout_ns, or until the task is asked to stop. Counts as ff_beat().
 *
 * @return As ff_token_poll_until(), or -EINVAL (NULL self).
 * Threads: the task's own. Blocks: yes, with its worker. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_poll(ff_task *self, struct pollfd *fds, size_t count,
                                uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif

/* Failure: what a task says when it fails, and the one way down that the process then takes.
 *
 * The first failure of the process wins. Its report is written; every token is cancelled (reason
 * FF_REASON_FAILURE); at-abort hooks run, newest first; tasks get a grace period; stragglers are
 * named; the process exits with code 1. A fatal signal is reported in the same form, and the
 * process then dies by that signal. A guardian thread ends the process when any of this hangs. */
#ifndef FAILFAST_FAILURE_H
#define FAILFAST_FAILURE_H

#include <failfast/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the process shall fail. Set size to sizeof(struct ff_failure_options); zero is the default.
 */
struct ff_failure_options {
    size_t size;
    uint64_t grace_ns;    /* For tasks to end after a failure. 0: 3 s. */
    uint64_t hook_ns;     /* For each at-abort hook. 0: 1 s. */
    uint64_t deadline_ns; /* A duration: from the failure to the end, whatever hangs. 0: 10 s. */
    int exit_code;        /* After a failure, 1 to 255. 0: 1. */
    unsigned
        exit_on_fault; /* 1: end with exit_code after a fatal signal too, instead of dying by it. */
};

/**
 * Record why the task fails: message, source place and a backtrace of this point; then return @p
 * code, so that a task can write  return ff_fail(self, -EIO, "cannot read %s", path);
 *
 * It decides nothing: only what the task returns does. A message belongs to the code that the task
 * then returns; a later ff_fail() replaces it. Up to 255 bytes are kept.
 *
 * @param self  The task that is running. NULL: nothing is recorded, code is returned.
 * @param code  A negative errno, or any other number but 0; 0 is recorded and returned as -EINVAL.
 * @return code.
 * Threads: the task's own. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
#define ff_fail(self, code, ...) \
    ff__after_call(ff_fail_at((self), (code), __FILE__, __LINE__, __func__, __VA_ARGS__))

/* Keeps  return ff_fail(...)  from being compiled to a jump, so that the function that fails stands
 * in the backtrace. */
static inline int ff__after_call(int code)
{
    __asm__ volatile("");
    return code;
}

/** What ff_fail() calls; for wrappers that bring their own source place. @return code. Since: 0.1
 */
FF_API FF_NODISCARD int ff_fail_at(ff_task *self, int code, const char *file, int line,
                                   const char *function, const char *format, ...) FF_PRINTF(6, 7);

/**
 * Choose how the process shall fail. Best called before the first pool; the last call counts.
 *
 * FAILFAST_GRACE_MS (0 to 3600000) in the environment stands in for grace_ns when that is 0.
 *
 * @return 0, or -EINVAL (NULL, unknown size, exit_code outside 0 to 255, exit_on_fault above 1),
 * -E2BIG.
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_failure_configure(const struct ff_failure_options *options);

/* Flags of ff_at_abort(). */
#define FF_HOOK_SIGNAL_SAFE 0x1u /* fn is async-signal-safe and runs after fatal signals too. */

/* The most at-abort hooks. */
#define FF_HOOKS_MAX 32

/**
 * Have fn(arg) called when the process fails, after the report: newest hook first, on a thread of
 * its own, each within its time. A hook that overstays is named, and the next one runs without
 * waiting for it. After a fatal signal only FF_HOOK_SIGNAL_SAFE hooks run, in the signal handler.
 *
 * @param name  Not empty. Copied.
 * @return 0, or -EINVAL (NULL or empty name, NULL fn, unknown flag), -ENOSPC (FF_HOOKS_MAX are
 * there).
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API FF_NODISCARD int ff_at_abort(const char *name, void (*fn)(void *arg), void *arg,
                                    unsigned flags);

/**
 * Take hooks with this fn and arg out again.
 *
 * @return 0, or -ENOENT.
 * Threads: any. Blocks: no. Signals: not async-signal-safe. Since: 0.1
 */
FF_API int ff_at_abort_remove(void (*fn)(void *arg), void *arg);

/**
 * Fail the process now, from any code, in the name of the running task or thread: cause "failed by
 * request", then the same way down. Never returns.
 *
 * Threads: any. Blocks: until the end. Signals: not async-signal-safe. Since: 0.1
 */
#define ff_panic(...) ff_panic_at(__FILE__, __LINE__, __func__, __VA_ARGS__)

/** What ff_panic() calls. Since: 0.1 */
FF_API __attribute__((noreturn)) void ff_panic_at(const char *file, int line, const char *function,
                                                  const char *format, ...) FF_PRINTF(4, 5);

/** The code that the failed task returned. Threads: any. Since: 0.1 */
FF_API int ff_failure_code(const ff_failure *failure);

/** The message of ff_fail(), "" without one. Valid as long as the failure. Threads: any. Since: 0.1
 */
FF_API const char *ff_failure_message(const ff_failure *failure);

/** The name of the failed task. Valid as long as the failure. Threads: any. Since: 0.1 */
FF_API const char *ff_failure_task(const ff_failure *failure);

/** The number of the failed task. Threads: any. Since: 0.1 */
FF_API uint64_t ff_failure_task_id(const ff_failure *failure);

/** The file of ff_fail(), NULL without one. Threads: any. Since: 0.1 */
FF_API const char *ff_failure_file(const ff_failure *failure);

/** The line of ff_fail(), 0 without one. Threads: any. Since: 0.1 */
FF_API int ff_failure_line(const ff_failure *failure);

/** The failure behind this one, NULL at the end of the chain. Threads: any. Since: 0.1 */
FF_API const ff_failure *ff_failure_cause(const ff_failure *failure);

/**
 * The backtrace of ff_fail(), innermost first.
 *
 * @param ret_frames  Filled with up to @p capacity return addresses.
 * @return How many there are, at most 32; 0 without ff_fail().
 * Threads: any. Since: 0.1
 */
FF_API size_t ff_failure_backtrace(const ff_failure *failure, void **ret_frames, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif

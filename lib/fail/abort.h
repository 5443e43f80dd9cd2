/* The one way down. See README.md for what runs on which thread.
 *
 * claim (one CAS; later failures go to the "also failed" ring) -> arm the guardian -> facts ->
 * report -> [on a runner thread, started now: epilogue of the failed task (its drop), cancel every
 * token, at-abort hooks, newest first] -> grace for tasks -> stragglers -> exit or _exit.
 *
 * The failing thread conducts: it runs only the library's code, and waits for the runner with a
 * limit for each step. A hook that overstays leaves its runner stuck; the conductor starts another
 * runner for the rest. */
#ifndef FF__FAIL_ABORT_H
#define FF__FAIL_ABORT_H

#include "fail/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the abort path needs from the scheduler, which registers it before its first task. */
struct ff__abort_ops {
    /* Cancel every token of every pool with FF_REASON_FAILURE; runs callbacks. On the runner. */
    void (*cancel_all)(void);
    /* Only mark tokens cancelled and wake their sleepers: no lock, no callback. In a signal
     * handler. */
    void (*mark_all_from_signal)(void);
    /* Wait until every task but those of the calling thread has ended and all other library threads
     * of the pools are joined. On the conductor. @return true when so, false at the deadline. */
    bool (*wind_down)(uint64_t deadline_ns);
};
void ff__abort_set_ops(const struct ff__abort_ops *ops); /* Static. */

/* Starts what failing needs: the black box, the guardian thread, the handlers of fatal signals
 * (unless without_handlers), the unwinder warmed up. Counted: one reference for each pool, adopted
 * thread and critical call. The last unref stops the guardian and puts the handlers back that are
 * still ours.
 * @return 0, -EAGAIN, -ENOMEM. */
int ff__fail_ref(bool without_handlers);
void ff__fail_unref(void);

/* The process fails. Returns only when another failure was first: this one is in the "also failed"
 * ring then, and the caller goes on as if its task had ended.
 * @param failure   Valid until the end of the process: conductors never leave the frame it lives
 * in.
 * @param epilogue  Run on the runner after the report, for the task's drop. NULL: none. */
void ff__abort_failure(const ff_failure *failure, void (*epilogue)(void *arg), void *arg);

/* Blocks until the process ends, which another thread's failure is about to do. For threads that
 * must not go on as if all were well: an exit handler (registered by ff__fail_ref) calls it on
 * every thread but the conductor, so that main returning 0 cannot overtake the abort path. */
FF__NORETURN void ff__abort_await_end(void);

/* Whether a failure has been claimed: spawns answer -ESHUTDOWN. Relaxed: a spawn that races is run
 * or skipped, both are fine. AS-safe. */
bool ff__aborting(void);

/* Where the library's thread-independent settings come from: ff_failure_configure(). */
struct ff__fail_config {
    uint64_t grace_ns, hook_ns, deadline_ns;
    int exit_code;
    bool exit_on_fault;
};
struct ff__fail_config ff__fail_config(void);

#endif

/* The report of an error status, written by the failing process itself: on stderr, and its
 * beginning to those who supervise the process. The last of the layers that can write one.
 *
 * Only the thread that claimed the failure calls these, in this order. Not AS-safe but for
 * ff__report_end(): function names are looked up. */
#ifndef FF__FAIL_REPORT_H
#define FF__FAIL_REPORT_H

#include "fail/failure.h"
#include "fail/runner.h"

/* Everything that is known at once: verdict, task, traces, the other threads. */
void ff__report_failure(const ff_failure *failure, int exit_code);

/* A step of the way down did not end well: "at-abort hook \"x\" did not return within 1.00 s". */
void ff__report_step(const char *what, const char *name, enum ff__step_end end, uint64_t limit_ns);

/* The rest: who else failed, which tasks still run, how the process ends. AS-safe. */
void ff__report_end(int32_t conductor_tid, int exit_code);

#endif

/* Runs the program's own code on the way down (drop, cancel callbacks, hooks) on threads made for
 * it, so that whatever it does cannot keep the conductor. */
#ifndef FF__FAIL_RUNNER_H
#define FF__FAIL_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

enum ff__step_end {
    FF__STEP_DONE,    /* It returned. */
    FF__STEP_OVERDUE, /* It has not returned by its deadline; its thread is left alone. */
    FF__STEP_FAULTED, /* A fatal signal came in it; its thread sleeps for ever. */
};

/* Runs fn(arg) on a runner and waits. Where no thread can be had, on the calling thread and without
 * limit: the guardian bounds it. Conductor only. */
enum ff__step_end ff__runner_do(void (*fn)(void *arg), void *arg, uint64_t deadline_ns);

/* Ends the runner and joins it. @return true when every runner that ever started is joined. */
bool ff__runner_finish(uint64_t deadline_ns);

/* A fatal signal came on this thread. If it is the runner's, the conductor goes on. AS-safe. */
void ff__runner_note_fault(int32_t tid);

#endif

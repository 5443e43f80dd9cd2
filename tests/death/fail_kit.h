/* What the death tests of lib/fail share: a thread with a row and a task, a small stand-in for the
 * scheduler, ways to fail. */
#ifndef FF_TESTS_FAIL_KIT_H
#define FF_TESTS_FAIL_KIT_H

#include "death.h"
#include "runner.h"

#include "base/name.h"
#include "fail/abort.h"
#include "fail/also.h"
#include "fail/signals.h"
#include "fail/unwind.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIT_BANNER "=== failfast: CRITICAL: "

/* Sanitizers: the faults are ours to handle. Unused without one. */
FF_API const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
           "detect_leaks=0";
}
FF_API const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
           "report_signal_unsafe=0:die_after_fork=0";
}
FF_API const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0";
}

static inline void kit_say(const char *text)
{
    ck_assert_int_eq(write(STDERR_FILENO, text, strlen(text)), (ssize_t)strlen(text));
}

static inline void kit_nothing(void)
{
}

static inline bool kit_all_ended(uint64_t deadline_ns)
{
    (void)deadline_ns;
    return true;
}

static const struct ff__abort_ops kit_ops = {kit_nothing, kit_nothing, kit_all_ended};

/* The facts of the calling thread's task. */
static __thread struct ff__facts kit_task;

/* Gives the calling thread a row and a task. */
static inline void kit_enter(const char *thread, const char *task, uint64_t id)
{
    ff__self.slot = ff__slot_enter(FF__SLOT_ADOPTED, thread);
    ck_assert_ptr_nonnull(ff__self.slot);
    ck_assert_int_eq(ff__altstack_install(), 0);
    kit_task.id = id;
    kit_task.site = __builtin_return_address(0);
    ff__name_copy(kit_task.name, sizeof kit_task.name, task);
    ff__store_relaxed(&ff__self.slot->since_ns, ff__clock_coarse());
    ff__slot_set_task(ff__self.slot, &kit_task);
}

static inline void kit_leave(void)
{
    ff__slot_leave(ff__self.slot);
    ff__self.slot = NULL;
    ff__altstack_remove();
}

/* As the first pool would, and the calling thread becomes "main" with task "parse_record" (#12). */
static inline void kit_start(const struct ff__abort_ops *ops)
{
    ff__abort_set_ops(ops);
    ck_assert_int_eq(ff__fail_ref(/* without_handlers= */ false), 0);
    kit_enter("main", "parse_record", 12);
}

/* A failure of the calling thread's task. Static: the first one is valid to the end. */
static inline void kit_failure_init(ff_failure *failure, int code, const char *message)
{
    ff__failure_init(failure, FF__CAUSE_STATUS);
    failure->code = code;
    failure->task = kit_task;
    failure->tid = ff__thread_id();
    failure->run_ns = 1234 * FF_MILLISECOND;
    if (message) {
        failure->file = "parser.c";
        failure->line = 88;
        failure->function = "parse_record";
        ff__name_copy(failure->message, sizeof failure->message, message);
        failure->frame_count = (unsigned)ff__unwind_here(failure->frames, FF__FRAMES_MAX, 0);
    }
}

static inline void kit_fail(int code, const char *message)
{
    static ff_failure failure;

    kit_failure_init(&failure, code, message);
    ff__abort_failure(&failure, NULL, NULL);
}

static inline void kit_configure(uint64_t grace_ns, uint64_t hook_ns, uint64_t deadline_ns)
{
    struct ff_failure_options options = {.size = sizeof options,
                                         .grace_ns = grace_ns,
                                         .hook_ns = hook_ns,
                                         .deadline_ns = deadline_ns};

    ck_assert_int_eq(ff_failure_configure(&options), 0);
}

/* Hooks. */
static inline void kit_hook_say(void *text)
{
    kit_say(text);
}

static inline void kit_hook_hang(void *unused)
{
    (void)unused;
    for (;;)
        pause();
}

/* Writes where nothing is. Neither the compiler nor a sanitizer knows beforehand. */
static inline void kit_segv(void *unused)
{
    static volatile uintptr_t nowhere = 64;

    (void)unused;
    *(volatile int *)nowhere = 1;
}

static inline void kit_abort(void *unused)
{
    (void)unused;
    abort();
}

/* What every report of a fault says, whatever the fault. */
static inline void kit_expect_fault(const struct ff_death *death, int signal)
{
    ff_death_expect_signal(death, signal);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_count(death, "=== failfast: the process dies by ", 1);
    ck_assert(death->ms < 3000 * ff_test_slow());
}

/* Stderr becomes a pipe that is full and that nobody reads. */
static inline void kit_stderr_full(int flags)
{
    static const char zeros[4096];
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    while (write(fds[1], zeros, sizeof zeros) > 0)
        ;
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, flags), 0);
    ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
}

#endif

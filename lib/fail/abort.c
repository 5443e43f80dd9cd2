/* The conductor's part of the way down from an error status. See abort.h and README.md. */
#include "fail/abort.h"

#include "fail/also.h"
#include "fail/claim.h"
#include "fail/exit_guard.h"
#include "fail/guardian.h"
#include "fail/hooks.h"
#include "fail/ops.h"
#include "fail/raw.h"
#include "fail/report.h"
#include "fail/runner.h"
#include "fail/signals.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <failfast/failure.h>

#include <stdlib.h>

/* Set once before the first task; read by whoever fails. */
static _Atomic(const struct ff__abort_ops *) registered;

void ff__abort_set_ops(const struct ff__abort_ops *ops)
{
    ff__store_release(&registered, ops); /* Partner: ff__abort_ops(). The table is complete. */
}

/* AS-safe. */
const struct ff__abort_ops *ff__abort_ops(void)
{
    return ff__load_acquire(&registered);
}

/* What the conductor knows of its time. */
struct course {
    struct ff__fail_config config;
    uint64_t soft_deadline_ns; /* After it nothing is begun any more: the guardian is near. */
};

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static void step(const struct course *course, const char *what, const char *name,
                 void (*fn)(void *arg), void *arg)
{
    uint64_t limit = course->config.hook_ns;
    enum ff__step_end end =
        ff__runner_do(fn, arg, earlier(ff__clock_after(limit), course->soft_deadline_ns));

    ff__report_step(what, name, end, limit);
}

static void run_cancel(void *unused)
{
    const struct ff__abort_ops *ops = ff__abort_ops();

    (void)unused;
    if (ops && ops->cancel_all)
        ops->cancel_all();
}

static void run_hook(void *arg)
{
    const struct ff__hook *hook = arg;

    ff__self.in_hook = true;
    hook->fn(hook->arg);
    ff__self.in_hook = false;
}

static void run_hooks(const struct course *course)
{
    /* Static: a stuck hook's runner keeps its entry. Hooks registered from now on are not run. */
    static struct ff__hook hooks[FF_HOOKS_MAX];

    for (size_t i = 0; i < FF_HOOKS_MAX && ff__clock_now() < course->soft_deadline_ns; i++) {
        if (!ff__hook_next(&hooks[i]))
            return;
        step(course, "at-abort hook", hooks[i].name, run_hook, &hooks[i]);
    }
}

/* @return whether every thread of the library but this one and the guardian has ended. */
static bool wind_down(const struct course *course)
{
    const struct ff__abort_ops *ops = ff__abort_ops();
    uint64_t until = earlier(ff__clock_after(course->config.grace_ns), course->soft_deadline_ns);

    if (!ops || !ops->wind_down)
        return true;
    return ops->wind_down(until);
}

/* The thread is not to be interrupted: not by a handler of the program that jumps away, nor by a
 * pthread_cancel() that came before. Fatal signals stay open. */
static void hold_thread(void)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    ff__raw_mask(SIG_SETMASK, ~ff__signals_fatal_set());
}

static struct course set_out(void)
{
    struct course course = {.config = ff__fail_config()};
    uint64_t last = course.config.deadline_ns;

    ff__guardian_arm(ff__clock_after(last), course.config.exit_code, /* signal= */ 0);
    course.soft_deadline_ns = ff__clock_after(last - last / 10);
    return course;
}

/* exit() runs the program's atexit handlers and destructors, which must meet no thread of a pool,
 * and are not run by two threads at a time. The guardian stays armed, for handlers that hang. */
FF__NORETURN static void end(const struct course *course, bool all_joined)
{
    if (all_joined && !ff__exit_guard_holds())
        exit(course->config.exit_code);
    ff__raw_exit(course->config.exit_code);
}

void ff__abort_failure(const ff_failure *failure, void (*epilogue)(void *arg), void *arg)
{
    int32_t tid = ff__thread_id();
    struct course course;
    bool tasks_ended, runners_ended;

    if (ff__claim_take(tid) != FF__CLAIM_WON) {
        ff__also_add_failure(failure);
        return;
    }
    hold_thread();
    course = set_out();
    ff__report_failure(failure, course.config.exit_code);
    if (epilogue)
        step(&course, "the drop of the failed task", NULL, epilogue, arg);
    step(&course, "cancelling", NULL, run_cancel, NULL);
    run_hooks(&course);
    tasks_ended = wind_down(&course);
    runners_ended = ff__runner_finish(course.soft_deadline_ns);
    ff__report_end(tid, course.config.exit_code);
    end(&course, tasks_ended && runners_ended);
}

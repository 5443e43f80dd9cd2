/* What a running task can ask and say about itself. */
#include "base/panic.h"
#include "fail/abort.h"
#include "fail/unwind.h"
#include "sched/task.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

ff_task *ff_task_current(void)
{
    return ff__self.frame ? ff__self.frame->task : NULL;
}

const char *ff_task_name(const ff_task *task)
{
    return task ? task->facts.name : "";
}

uint64_t ff_task_id(const ff_task *task)
{
    return task ? task->facts.id : 0;
}

ff_pool *ff_task_pool(const ff_task *task)
{
    return task ? task->pool : NULL;
}

ff_token *ff_task_token(const ff_task *task)
{
    return task ? task->token : NULL;
}

bool ff_task_canceled(const ff_task *task)
{
    return task && ff_canceled(task->token);
}

int ff_task_result(const ff_task *task, int rc)
{
    return ff_task_canceled(task) ? FF_CANCELED : rc;
}

/* Fills failure with code, place and message. */
static void say(ff_failure *failure, int code, const char *file, int line, const char *function,
                const char *format, va_list list)
{
    ff__failure_init(failure, FF__CAUSE_STATUS);
    failure->code = code;
    failure->file = file;
    failure->line = line;
    failure->function = function;
    if (vsnprintf(failure->message, sizeof failure->message, format, list) < 0)
        failure->message[0] = '\0';
}

/* The backtrace of whoever called the public function that calls this. */
static inline __attribute__((always_inline)) void trace_caller(ff_failure *failure)
{
    failure->frame_count =
        (unsigned)ff__unwind_here(failure->frames, FF__FRAMES_MAX, /* skip= */ 1);
}

FF__NOINLINE int ff_fail_at(ff_task *self, int code, const char *file, int line,
                            const char *function, const char *format, ...)
{
    va_list list;

    if (code == 0)
        code = -EINVAL;
    if (!self || !self->frame || !format)
        return code;
    va_start(list, format);
    say(&self->frame->failure, code, file, line, function, format, list);
    va_end(list);
    trace_caller(&self->frame->failure);
    self->frame->said = true;
    return code;
}

FF__NOINLINE void ff_panic_at(const char *file, int line, const char *function, const char *format,
                              ...)
{
    ff_failure failure;
    va_list list;

    va_start(list, format);
    say(&failure, -ENOTRECOVERABLE, file, line, function, format, list);
    va_end(list);
    trace_caller(&failure);
    failure.kind = FF__CAUSE_REQUESTED;
    failure.tid = ff__thread_id();
    if (ff__self.frame) {
        ff__task_describe(&failure, ff__self.frame->task);
        failure.run_ns = ff__clock_coarse() - ff__self.frame->since_ns;
    }
    /* Without a pool there is no machinery to fail with yet. If it cannot be had, abort() is loud,
     * too. */
    if (ff__fail_ref(/* without_handlers= */ false) == 0)
        ff__abort_failure(&failure, NULL, NULL);
    if (!ff__aborting())
        abort();
    ff__abort_await_end();
}

int ff_sleep(ff_task *self, uint64_t duration_ns)
{
    int rc;

    if (!self)
        return -EINVAL;
    rc = ff_token_sleep_until(self->token, ff__clock_after(duration_ns));
    ff_beat(self);
    return rc;
}

int ff_poll(ff_task *self, struct pollfd *fds, size_t count, uint64_t timeout_ns)
{
    int rc;

    if (!self)
        return -EINVAL;
    rc = ff_token_poll_until(self->token, fds, count, ff__clock_after(timeout_ns));
    ff_beat(self);
    return rc;
}

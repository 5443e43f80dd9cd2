/* The report of an error status. See report.h.
 *
 * The page is written out after each part whose making may hang (names take the loader's lock) or
 * fault, so that a reader has at least what came before. */
#include "fail/report.h"

#include "fail/lines.h"
#include "fail/module.h"
#include "fail/page.h"
#include "fail/supervisor.h"

#include <stdbool.h>

/* Failures in the chain of causes that are shown. */
#define CHAIN_MAX 16

/* "task "x" failed: EIO (Input/output error)", without an end. */
static void verdict(const ff_failure *failure)
{
    struct ff__fmt *page = ff__page();

    if (failure->task.name[0] != '\0') {
        ff__fmt_str(page, "task ");
        ff__line_quote(failure->task.name);
    } else {
        ff__fmt_str(page, "the process");
    }
    if (failure->kind == FF__CAUSE_REQUESTED) {
        ff__fmt_str(page, " failed by request");
        return;
    }
    ff__fmt_str(page, " failed: ");
    if (failure->kind == FF__CAUSE_STATUS)
        ff__line_status(failure->code);
    else
        ff__fmt_str(page, ff__cause_text(failure->kind));
}

static void file_and_line(const ff_failure *failure)
{
    ff__fmt_safe_str(ff__page(), failure->file);
    ff__fmt_char(ff__page(), ':');
    ff__fmt_i64(ff__page(), failure->line);
}

static void message_and_place(const ff_failure *failure)
{
    struct ff__fmt *page = ff__page();

    if (failure->message[0] != '\0') {
        ff__line_label("message");
        ff__fmt_safe_str(page, failure->message);
        ff__fmt_char(page, '\n');
    }
    if (!failure->file)
        return;
    ff__line_label("place");
    file_and_line(failure);
    if (failure->function) {
        ff__fmt_str(page, " in ");
        ff__fmt_safe_str(page, failure->function);
        ff__fmt_str(page, "()");
    }
    ff__fmt_char(page, '\n');
}

/* The end of the chain of causes, for those who read no further. */
static void root_line(const ff_failure *failure)
{
    struct ff__fmt *page = ff__page();
    const ff_failure *root = failure->cause;

    if (!root)
        return;
    for (int depth = 1; root->cause && depth < CHAIN_MAX; depth++)
        root = root->cause;
    ff__line_label("because");
    if (root->message[0] != '\0') {
        ff__line_quote(root->task.name);
        ff__fmt_str(page, ": ");
        ff__fmt_safe_str(page, root->message);
    } else {
        verdict(root);
    }
    if (root->file) {
        ff__fmt_str(page, ", at ");
        file_and_line(root);
    }
    ff__fmt_char(page, '\n');
}

static void cause_line(const ff_failure *failure)
{
    struct ff__fmt *page = ff__page();

    ff__line_label("cause");
    ff__fmt_str(page, ff__cause_text(failure->kind));
    if (failure->code != 0) {
        ff__fmt_str(page, ", code ");
        ff__fmt_i64(page, failure->code);
    }
    ff__fmt_char(page, '\n');
}

static void task_line(const ff_failure *failure)
{
    struct ff__fmt *page = ff__page();

    if (failure->task.id == 0)
        return;
    ff__line_label("task");
    ff__line_task(&failure->task);
    ff__line_ran(failure->run_ns);
    ff__fmt_char(page, '\n');
}

static void will_exit(int exit_code)
{
    ff__fmt_str(ff__page(), "the process will exit with code ");
    ff__fmt_i64(ff__page(), exit_code);
    ff__fmt_char(ff__page(), '\n');
}

static void code_lines(const ff_failure *failure)
{
    if (failure->task.fn) {
        ff__line_label("function");
        ff__line_code_place((uintptr_t)failure->task.fn, /* is_return= */ false,
                            /* with_name= */ true);
        ff__fmt_char(ff__page(), '\n');
    }
    ff__line_spawn(&failure->task, /* with_name= */ true);
    if (failure->frame_count == 0)
        return;
    ff__line_text("traceback of the failure (innermost call first):");
    for (unsigned i = 0; i < failure->frame_count; i++)
        ff__line_frame(i, (uintptr_t)failure->frames[i], /* is_return= */ true,
                       /* with_name= */ true);
}

static void chain(const ff_failure *cause)
{
    for (int depth = 0; cause && depth < CHAIN_MAX; depth++, cause = cause->cause) {
        ff__fmt_str(ff__page(), "caused by: ");
        verdict(cause);
        ff__fmt_char(ff__page(), '\n');
        message_and_place(cause);
        task_line(cause);
        ff__page_flush();
        code_lines(cause);
        ff__page_flush();
    }
}

static void tell_supervisor(const ff_failure *failure)
{
    size_t length;
    const char *head = ff__page_head(&length);
    int error = failure->code < 0 && ff__errno_name(-failure->code) ? -failure->code : 0;

    ff__supervisor_tell(head, length, error);
}

void ff__report_failure(const ff_failure *failure, int exit_code)
{
    struct ff__fmt *page = ff__page();

    ff__fmt_str(page, "=== failfast: CRITICAL: ");
    verdict(failure);
    ff__line_text(" ===");
    message_and_place(failure);
    root_line(failure);
    cause_line(failure);
    task_line(failure);
    ff__line_thread(failure->tid);
    ff__line_process();
    will_exit(exit_code);
    ff__page_flush();
    tell_supervisor(failure); /* Names may hang. */
    ff__modules_load();
    code_lines(failure);
    ff__page_flush();
    chain(failure->cause);
    ff__lines_others("other threads:", failure->tid);
    ff__page_flush();
    tell_supervisor(failure);
}

void ff__report_step(const char *what, const char *name, enum ff__step_end end, uint64_t limit_ns)
{
    struct ff__fmt *page = ff__page();

    if (end == FF__STEP_DONE)
        return;
    ff__fmt_str(page, what);
    if (name) {
        ff__fmt_char(page, ' ');
        ff__line_quote(name);
    }
    if (end == FF__STEP_OVERDUE) {
        ff__fmt_str(page, " did not return within ");
        ff__fmt_duration(page, limit_ns);
    } else {
        ff__fmt_str(page, " ended in a fatal signal");
    }
    ff__fmt_char(page, '\n');
    ff__page_flush();
}

/* AS-safe. */
void ff__report_end(int32_t conductor_tid, int exit_code)
{
    static bool done; /* A fault in an exit handler comes after it. */

    if (done)
        return;
    done = true;
    ff__lines_also();
    ff__lines_others("still running:", conductor_tid);
    ff__fmt_str(ff__page(), "=== failfast: the process exits with code ");
    ff__fmt_i64(ff__page(), exit_code);
    ff__line_text(" ===");
    ff__page_flush();
}

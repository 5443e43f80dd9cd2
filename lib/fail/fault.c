/* Stages of the way down from a fatal signal. See fault.h.
 *
 * The number of the next stage is advanced before a stage begins. A fault inside a stage enters the
 * handler anew (fatal signals are open while stages run), which goes on with the next number: never
 * back, never a loop, and what was written stays written. The only stage that is entered again is
 * that of the hooks, which gives each hook out once. */
#include "fail/fault.h"

#include "base/compiler.h"
#include "fail/abort.h"
#include "fail/context.h"
#include "fail/guardian.h"
#include "fail/hooks.h"
#include "fail/lines.h"
#include "fail/module.h"
#include "fail/ops.h"
#include "fail/page.h"
#include "fail/raw.h"
#include "fail/report.h"
#include "fail/signals.h"
#include "fail/supervisor.h"
#include "fail/unwind.h"
#include "fail/words.h"
#include "sys/clock.h"

#include <string.h>

/* What a fault may take from the signal to death. */
#define LIMIT_NS (4 * FF_SECOND)

/* Frames shown: the innermost, and of a long walk the outermost. */
#define HEAD_FRAMES 48
#define TAIL_FRAMES 16

/* How far from the stack pointer an access of a growing stack may lie. */
#define STACK_REACH 65536
#define PAGE 4096

/* More faults on the way down than hooks and stages can have. */
#define NESTED_MAX 48

enum stage { VERDICT, TASK, EARLY, TRACE, OTHERS, SUPERVISOR, HOOKS, MARK, FINAL, FORMER, STAGES };

/* Written and read by the thread that claimed the failure alone, in nested handlers too. */
static struct {
    volatile unsigned next, running; /* Stages. */
    volatile unsigned nested;
    volatile bool begun; /* false: the claim was made by an error status. */
    bool bad_pc, overflow, has_task;
    int signal;
    int32_t tid;
    uintptr_t pc, sp, fp, address;
    struct ff__slot *slot;
    struct ff__facts task;
    ucontext_t *ucontext; /* The kernel's, on the alternate stack. */
    siginfo_t info;
} fault;

static bool raised_by_cpu(int signal, const siginfo_t *info)
{
    return info->si_code > 0 &&
           (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE);
}

/* The stack grew into its guard, or to its limit: the bad address lies by the stack pointer in
 * memory that is not there, or by the end of the stack that the thread's row knows. */
static bool is_overflow(void)
{
    uintptr_t low = fault.slot ? fault.slot->stack_low : 0;
    char byte;

    if ((fault.signal != SIGSEGV && fault.signal != SIGBUS) || fault.info.si_code <= 0 ||
        fault.bad_pc)
        return false;
    if (low != 0 && fault.address >= fault.slot->guard_low - PAGE && fault.address < low + PAGE)
        return true;
    return fault.address + STACK_REACH >= fault.sp && fault.address < fault.sp + PAGE &&
           ff__raw_peek(fault.address, &byte, 1) < 0;
}

static void gather(int signal, const siginfo_t *info, ucontext_t *ucontext)
{
    fault.signal = signal;
    fault.info = *info;
    fault.ucontext = ucontext;
    fault.tid = ff__raw_tid();
    fault.pc = (uintptr_t)FF__CONTEXT_PC(ucontext);
    fault.sp = (uintptr_t)FF__CONTEXT_SP(ucontext);
    fault.fp = (uintptr_t)FF__CONTEXT_FP(ucontext);
    fault.address = raised_by_cpu(signal, info) ? (uintptr_t)info->si_addr : 0;
    fault.slot = ff__slot_find(fault.tid);
    fault.has_task = fault.slot && ff__slot_copy_task(fault.slot, &fault.task);
    if (!ff__module_executable(fault.pc)) /* Or in a library loaded since the table was read. */
        ff__modules_load();
    fault.bad_pc = raised_by_cpu(signal, info) && !ff__module_executable(fault.pc);
    fault.overflow = is_overflow();
}

static const char *verdict_text(void)
{
    if (fault.overflow)
        return "stack overflow";
    if (fault.bad_pc)
        return "call through a NULL or bad pointer";
    return ff__signal_code_text(fault.signal, fault.info.si_code);
}

static void subject(void)
{
    if (fault.has_task) {
        ff__fmt_str(ff__page(), "task ");
        ff__line_quote(fault.task.name);
    } else if (fault.slot) {
        ff__fmt_str(ff__page(), "thread ");
        ff__line_quote(fault.slot->name);
    } else {
        ff__fmt_str(ff__page(), "a thread that is not one of the library");
    }
}

static void signal_line(void)
{
    struct ff__fmt *page = ff__page();

    ff__line_label("signal");
    ff__fmt_str(page, ff__signal_name(fault.signal));
    ff__fmt_str(page, ", code ");
    ff__fmt_i64(page, fault.info.si_code);
    ff__fmt_str(page, " (");
    ff__fmt_str(page, ff__signal_code_text(fault.signal, fault.info.si_code));
    ff__fmt_char(page, ')');
    if (raised_by_cpu(fault.signal, &fault.info) && fault.info.si_code != SI_KERNEL) {
        ff__fmt_str(page, ", address ");
        ff__fmt_hex(page, fault.address);
    } else if (fault.info.si_code <= 0) {
        ff__fmt_str(page, ", sent by pid ");
        ff__fmt_i64(page, fault.info.si_pid);
    } else if (fault.signal == SIGSYS) {
        ff__fmt_str(page, ", system call ");
        ff__fmt_i64(page, fault.info.si_syscall);
    }
    ff__fmt_char(page, '\n');
}

static void registers_line(void)
{
    struct ff__fmt *page = ff__page();

    ff__line_label("registers");
    ff__fmt_str(page, "pc ");
    ff__fmt_hex(page, fault.pc);
    ff__fmt_str(page, "  sp ");
    ff__fmt_hex(page, fault.sp);
    ff__fmt_str(page, "  fp ");
    ff__fmt_hex(page, fault.fp);
    ff__fmt_char(page, '\n');
}

static void stage_verdict(void)
{
    struct ff__fmt *page = ff__page();

    ff__fmt_str(page, "=== failfast: CRITICAL: ");
    subject();
    ff__fmt_str(page, " died by ");
    ff__fmt_str(page, ff__signal_name(fault.signal));
    ff__fmt_str(page, ": ");
    ff__fmt_str(page, verdict_text());
    ff__line_text(" ===");
    signal_line();
    if (fault.has_task) {
        uint64_t since = ff__load_relaxed(&fault.slot->since_ns), now = ff__clock_now();

        ff__line_label("task");
        ff__line_task(&fault.task);
        ff__line_ran(since != 0 && since < now ? now - since : 0);
        ff__fmt_char(page, '\n');
    }
    ff__line_thread(fault.tid);
    ff__line_process();
    registers_line();
    ff__line_label("names");
    ff__line_text("addr2line -f -i -C -e FILE 0xOFFSET");
    ff__page_flush();
}

static void stage_task(void)
{
    ff__modules_load();
    if (!fault.has_task)
        return;
    ff__line_label("function");
    ff__line_code_place((uintptr_t)fault.task.fn, /* is_return= */ false, /* with_name= */ false);
    ff__fmt_char(ff__page(), '\n');
    ff__line_spawn(&fault.task, /* with_name= */ false);
    ff__page_flush();
}

/* The frames of a walk that is longer than the head: the last ones, overwritten in turn. */
static struct {
    unsigned count;
    uintptr_t pc[TAIL_FRAMES];
    bool is_return[TAIL_FRAMES];
} walk;

static bool visit_frame(void *pc, bool is_return, void *unused)
{
    (void)unused;
    if (walk.count == 0 && !is_return) { /* Frame 0 has been written from the registers. */
        walk.count = 1;
        return true;
    }
    if (walk.count == 0)
        walk.count = 1;
    if (walk.count < HEAD_FRAMES) {
        ff__line_frame(walk.count, (uintptr_t)pc, is_return, /* with_name= */ false);
    } else {
        walk.pc[walk.count % TAIL_FRAMES] = (uintptr_t)pc;
        walk.is_return[walk.count % TAIL_FRAMES] = is_return;
    }
    if (++walk.count == HEAD_FRAMES)
        ff__page_flush();
    return true;
}

static void tail_of_walk(void)
{
    unsigned from = HEAD_FRAMES;

    if (walk.count > HEAD_FRAMES + TAIL_FRAMES) {
        from = walk.count - TAIL_FRAMES;
        ff__fmt_str(ff__page(), "  (");
        ff__fmt_u64(ff__page(), from - HEAD_FRAMES);
        ff__line_text(" frames left out)");
    }
    for (unsigned i = from; i < walk.count; i++)
        ff__line_frame(i, walk.pc[i % TAIL_FRAMES], walk.is_return[i % TAIL_FRAMES],
                       /* with_name= */ false);
}

static void stage_trace(void)
{
    static ucontext_t copy; /* The kernel's stays true, for the core file. */

    ff__line_text("traceback (innermost call first):");
    ff__line_frame(0, fault.pc, /* is_return= */ false, /* with_name= */ false);
    ff__page_flush();
    copy = *fault.ucontext;
    ff__unwind_context(&copy, visit_frame, NULL);
    tail_of_walk();
    ff__page_flush();
}

static void stage_others(void)
{
    ff__lines_others("other threads:", fault.tid);
    ff__page_flush();
}

static void stage_supervisor(void)
{
    size_t length;
    const char *head = ff__page_head(&length);

    ff__supervisor_tell(head, length, /* error= */ 0);
}

static void stage_hooks(void)
{
    struct ff__hook hook;

    while (ff__hook_next_from_signal(&hook))
        hook.fn(hook.arg);
}

static void stage_mark(void)
{
    const struct ff__abort_ops *ops = ff__abort_ops();

    if (ops && ops->mark_all_from_signal)
        ops->mark_all_from_signal();
}

static void stage_final(void)
{
    struct ff__fail_config config = ff__fail_config();

    if (!fault.begun) {
        ff__report_end(ff__raw_tid(), config.exit_code);
        ff__raw_exit(config.exit_code);
    }
    ff__lines_also();
    if (config.exit_on_fault) {
        ff__fmt_str(ff__page(), "=== failfast: the process exits with code ");
        ff__fmt_i64(ff__page(), config.exit_code);
    } else {
        ff__fmt_str(ff__page(), "=== failfast: the process dies by ");
        ff__fmt_str(ff__page(), ff__signal_name(fault.signal));
    }
    ff__line_text(" ===");
    ff__page_flush();
}

/* The handler that was there before has its say too, as if it had been called first. */
static void stage_former(void)
{
    if (!fault.begun)
        return;
    ff__raw_mask(SIG_BLOCK, ff__signals_fatal_set());
    (void)ff__signals_call_former(fault.signal, &fault.info, fault.ucontext);
}

static void (*const stages[STAGES])(void) = {
    [VERDICT] = stage_verdict,
    [TASK] = stage_task,
    [EARLY] = stage_supervisor, /* The trace may hang. */
    [TRACE] = stage_trace,
    [OTHERS] = stage_others,
    [SUPERVISOR] = stage_supervisor,
    [HOOKS] = stage_hooks,
    [MARK] = stage_mark,
    [FINAL] = stage_final,
    [FORMER] = stage_former,
};

static void run_stages(void)
{
    ff__raw_mask(SIG_UNBLOCK, ff__signals_fatal_set());
    while (fault.next < STAGES) {
        fault.running = fault.next;
        fault.next = fault.running + 1;
        stages[fault.running]();
    }
    ff__raw_mask(SIG_BLOCK, UINT64_MAX);
    if (!fault.begun || ff__fail_config().exit_on_fault)
        ff__raw_exit(ff__fail_config().exit_code);
    ff__signals_die_on_return(fault.signal, &fault.info);
}

void ff__fault_begin(int signal, siginfo_t *info, void *ucontext)
{
    struct ff__fail_config config = ff__fail_config();
    uint64_t limit = config.deadline_ns < LIMIT_NS ? config.deadline_ns : LIMIT_NS;

    fault.begun = true;
    fault.signal = signal; /* In case looking closer faults. */
    fault.info = *info;
    ff__guardian_arm(ff__clock_after(limit), config.exit_code, config.exit_on_fault ? 0 : signal);
    ff__raw_mask(SIG_UNBLOCK, ff__signals_fatal_set());
    gather(signal, info, ucontext);
    run_stages();
}

/* A fault in the text of the report itself leaves half a line. */
static void note_nested(int signal)
{
    struct ff__fmt *page = ff__page();

    ff__fmt_str(page, "\n(");
    ff__fmt_str(page, ff__signal_name(signal));
    ff__line_text(fault.running == HOOKS ? " in an at-abort hook)"
                                         : " while reporting: this part is cut short)");
    ff__page_flush();
}

/* The conductor of an error status faults: its report is marked, and the rest is as short as after
 * any fault. The guardian is armed. */
static void mark_conductor(int signal, siginfo_t *info, ucontext_t *ucontext)
{
    fault.running = fault.next = HOOKS;
    gather(signal, info, ucontext);
    ff__fmt_str(ff__page(), "\nwhile failing: ");
    ff__fmt_str(ff__page(), ff__signal_name(signal));
    ff__fmt_str(ff__page(), ": ");
    ff__line_text(verdict_text());
    signal_line();
    ff__line_frame(0, fault.pc, /* is_return= */ false, /* with_name= */ false);
    ff__page_flush();
}

void ff__fault_again(int signal, siginfo_t *info, void *ucontext)
{
    if (++fault.nested > NESTED_MAX) /* Damage that even the note of it meets. */
        ff__raw_exit(ff__fail_config().exit_code);
    ff__raw_mask(SIG_UNBLOCK, ff__signals_fatal_set());
    if (fault.running == HOOKS && fault.next == MARK)
        fault.next = HOOKS; /* The hook that faulted has been given out; the others come. */
    if (fault.begun || fault.next != VERDICT)
        note_nested(signal);
    else
        mark_conductor(signal, info, ucontext);
    run_stages();
}

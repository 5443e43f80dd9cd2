/* The handlers of fatal signals: whose signal is it, and what happens to it. See signals.h.
 *
 * A signal of a process that is not ours (a forked child), or that comes when the library is not in
 * use, goes where it would have gone without us. So does one of a thread that we do not know, if
 * somebody else handles it. Everything else ends the process (fault.h). */
#include "fail/signals.h"

#include "base/atomic.h"
#include "base/compiler.h"
#include "fail/also.h"
#include "fail/blackbox.h"
#include "fail/claim.h"
#include "fail/fault.h"
#include "fail/fork.h"
#include "fail/raw.h"
#include "fail/runner.h"

#include <stddef.h>
#include <ucontext.h>

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP, SIGABRT};
#define FATAL_COUNT FF__ARRAY_SIZE(fatal)

/* Written before our handler is installed over it, by a holder of the lock of fail.c. */
static struct sigaction former[FATAL_COUNT];

/* The process whose signals are ours; 0: none. Relaxed: it changes only when no pool exists. */
static _Atomic int32_t owner_pid;

/* AS-safe. */
uint64_t ff__signals_fatal_set(void)
{
    uint64_t set = 0;

    for (size_t i = 0; i < FATAL_COUNT; i++)
        set |= ff__raw_signal_bit(fatal[i]);
    return set;
}

static const struct sigaction *former_of(int signal)
{
    for (size_t i = 0; i < FATAL_COUNT; i++)
        if (fatal[i] == signal)
            return &former[i];
    return NULL;
}

static bool is_function(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Whether the former handler, which was installed over ours once, passes the signal on to us: the
 * kernel clears uc_link, and only we set it. */
static ucontext_t mark;
static bool passed_back(const ucontext_t *context)
{
    return context->uc_link == &mark;
}

/* AS-safe as far as the former handler is. */
bool ff__signals_call_former(int signal, siginfo_t *info, void *ucontext)
{
    const struct sigaction *action = former_of(signal);
    ucontext_t *context = ucontext;

    if (!action || !is_function(action) || passed_back(context))
        return false;
    context->uc_link = &mark;
    if ((action->sa_flags & SA_SIGINFO) != 0)
        action->sa_sigaction(signal, info, ucontext);
    else
        action->sa_handler(signal);
    return true;
}

/* Whether the instruction runs again, and faults again, when the handler returns. */
static bool faults_again(int signal, const siginfo_t *info)
{
    return info->si_code > 0 &&
           (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE);
}

/* The original siginfo is queued to this thread while the signal is blocked, and comes when the
 * handler has returned, at the true pc. Returning alone would not do: a breakpoint, abort() or
 * kill() do not happen again. For PID 1 the kernel drops queued signals but not true faults.
 * AS-safe. */
void ff__signals_die_on_return(int signal, siginfo_t *info)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    int32_t pid = ff__raw_pid();
    long rc = -1;

    /* Refused (seccomp): our handler would be called again and again. */
    if (sigaction(signal, &by_default, NULL) != 0)
        ff__raw_exit(1);
    if (pid != 1)
        rc = ff__raw(SYS_rt_tgsigqueueinfo, pid, ff__raw_tid(), signal, FF__RAW_PTR(info), 0);
    if (rc < 0 && pid != 1)
        rc = ff__raw_tgkill(ff__raw_tid(), signal);
    if (rc < 0 && !faults_again(signal, info))
        ff__raw_exit(1);
}

/* AS-safe. As if there were no library. */
static void pass_on(int signal, siginfo_t *info, void *ucontext)
{
    const struct sigaction *action = former_of(signal);

    if (ff__signals_call_former(signal, info, ucontext))
        return;
    if (action && action->sa_handler == SIG_IGN && !faults_again(signal, info))
        return;
    ff__signals_die_on_return(signal, info);
}

/* AS-safe. Somebody sent it, and the program had chosen not to hear it. abort() does not ask. */
static bool ignored(int signal, const siginfo_t *info)
{
    const struct sigaction *action = former_of(signal);

    return info->si_code <= 0 && signal != SIGABRT && action && !is_function(action) &&
           action->sa_handler == SIG_IGN;
}

/* AS-safe. Sent by another process: to a thread that conducts it is no fault of a stage. */
static bool sent_from_outside(const siginfo_t *info)
{
    return info->si_code <= 0 && info->si_pid != ff__raw_pid();
}

static void on_fatal(int signal, siginfo_t *info, void *ucontext)
{
    int32_t tid = ff__raw_tid(), pid = ff__raw_pid();

    /* A kernel that does not tell (seccomp) leaves only the guess that the process is ours. */
    if (ff__load_relaxed(&owner_pid) != pid && pid > 0) {
        pass_on(signal, info, ucontext);
        return;
    }
    if (ignored(signal, info) ||
        (!ff__slot_find(tid) && ff__signals_call_former(signal, info, ucontext)))
        return;
    switch (ff__claim_take(tid)) {
    case FF__CLAIM_WON:
        ff__fault_begin(signal, info, ucontext);
        return;
    case FF__CLAIM_MINE:
        if (!sent_from_outside(info) && !passed_back(ucontext))
            ff__fault_again(signal, info, ucontext);
        return;
    case FF__CLAIM_LOST:
        /* Another thread conducts: this one stays as it is, for its report and for the core. */
        ff__also_add_fault(signal, tid);
        ff__runner_note_fault(tid);
        ff__raw_sleep_for_ever();
    }
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == on_fatal;
}

void ff__signals_install(void)
{
    struct sigaction ours = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    /* Already done: whoever took a signal from us since then shall keep it. */
    if (ff__load_relaxed(&owner_pid) == ff__raw_pid())
        return;
    sigfillset(&ours.sa_mask);
    ff__store_relaxed(&owner_pid, ff__raw_pid());
    for (size_t i = 0; i < FATAL_COUNT; i++) {
        struct sigaction now;

        if (sigaction(fatal[i], NULL, &now) != 0 || is_ours(&now))
            continue;
        former[i] = now;
        sigaction(fatal[i], &ours, NULL);
    }
}

/* AS-safe: also runs in the child of a fork. */
void ff__signals_restore(void)
{
    if (ff__load_relaxed(&owner_pid) == 0)
        return;
    for (size_t i = 0; i < FATAL_COUNT; i++) {
        struct sigaction now;

        if (sigaction(fatal[i], NULL, &now) == 0 && is_ours(&now))
            sigaction(fatal[i], &former[i], NULL);
    }
    ff__store_relaxed(&owner_pid, 0);
}

void ff__signals_after_fork(void)
{
    ff__signals_restore();
}

/* See stop_signals.h. A child that the program forks while we run inherits the handlers but not the
 * thread that acts on them; there, the handler puts the former one back and passes the signal on.
 */
#include "service/stop_signals.h"

#include "base/atomic.h"
#include "base/compiler.h"
#include "sys/thread.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static const int stop_signals[] = {SIGTERM, SIGINT};

/* What was there before us. Written by install, before the handlers are in place. */
static struct sigaction former[FF__ARRAY_SIZE(stop_signals)];
static _Atomic(void (*)(void)) counter;
static _Atomic pid_t owner_pid;
static _Atomic uint32_t owner_generation;

/* The pid alone would do, but for a child that has the same pid in a name space of its own; the
 * generation alone, but for vfork. Relaxed: fixed while the handlers are in place. AS-safe. */
static bool in_forked_child(void)
{
    return ff__load_relaxed(&owner_pid) != getpid() ||
           ff__load_relaxed(&owner_generation) != ff__fork_generation;
}

/* The signal is blocked until we return, and then comes again. AS-safe. */
static void pass_on(int signal)
{
    for (size_t i = 0; i < FF__ARRAY_SIZE(stop_signals); i++)
        if (stop_signals[i] == signal)
            sigaction(signal, &former[i], NULL);
    raise(signal);
}

/* AS-safe. */
static void on_signal(int signal)
{
    if (ff__unlikely(in_forked_child()))
        pass_on(signal);
    else
        ff__load_relaxed (&counter)(); /* Relaxed: it is code, which was there from the start. */
}

static bool is_ours(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == on_signal;
}

/* Our own handler in place of a former one was inherited by fork; what was before it counts. */
static void former_keep(size_t i)
{
    struct sigaction now;

    sigaction(stop_signals[i], NULL, &now);
    if (!is_ours(&now))
        former[i] = now;
}

void ff__stop_signals_install(void (*counted)(void))
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};

    /* Relaxed: a handler runs after sigaction(), which the kernel orders behind these. */
    ff__store_relaxed(&counter, counted);
    ff__store_relaxed(&owner_pid, getpid());
    ff__store_relaxed(&owner_generation, ff__fork_generation);
    for (size_t i = 0; i < FF__ARRAY_SIZE(stop_signals); i++)
        former_keep(i);
    for (size_t i = 0; i < FF__ARRAY_SIZE(stop_signals); i++)
        sigaction(stop_signals[i], &action, NULL);
}

void ff__stop_signals_restore(void)
{
    for (size_t i = 0; i < FF__ARRAY_SIZE(stop_signals); i++) {
        struct sigaction now;

        sigaction(stop_signals[i], NULL, &now);
        if (is_ours(&now))
            sigaction(stop_signals[i], &former[i], NULL);
    }
}

void ff__stop_signals_unblock(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < FF__ARRAY_SIZE(stop_signals); i++)
        sigaddset(&set, stop_signals[i]);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* See exit_guard.h, and ff__abort_await_end() in abort.h. */
#include "fail/exit_guard.h"

#include "base/atomic.h"
#include "fail/abort.h"
#include "fail/claim.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <errno.h>
#include <stdlib.h>

static _Atomic uint32_t held;

FF__NORETURN void ff__abort_await_end(void)
{
    static _Atomic uint32_t never;

    for (;;)
        ff__futex_wait(&never, 0, UINT64_MAX);
}

static void at_exit(void)
{
    ff__self.in_exit = true;
    if (!ff__aborting() || ff__claim_take(ff__thread_id()) == FF__CLAIM_MINE)
        return;
    /* Seqcst is not needed: a conductor that reads too early only meets what a program does anyway
     * when two threads call exit(). */
    ff__store_relaxed(&held, 1);
    ff__abort_await_end();
}

int ff__exit_guard_install(void)
{
    return atexit(at_exit) ? -ENOMEM : 0;
}

bool ff__exit_guard_holds(void)
{
    return ff__load_relaxed(&held) != 0;
}

/* What failing needs, made while the process is sane, and counted. See abort.h. */
#include "fail/abort.h"

#include "fail/blackbox.h"
#include "fail/config.h"
#include "fail/exit_guard.h"
#include "fail/fork.h"
#include "fail/guardian.h"
#include "fail/lines.h"
#include "fail/module.h"
#include "fail/signals.h"
#include "fail/supervisor.h"
#include "fail/unwind.h"
#include "sys/lock.h"
#include "sys/thread.h"

#include <errno.h>

static struct ff__lock lock = FF__LOCK_INIT;

/* All guarded by the lock. Invariant: prepared >= running == (the guardian runs). */
static struct {
    unsigned references;
    bool prepared;     /* What is done once in the life of a process. */
    bool running;      /* The guardian runs, the handlers are installed unless kept out. */
    bool handlers_out; /* Somebody among the references wants no handlers. */
} state;

/* References that the parent took are not the child's. */
static void after_fork(void)
{
    ff__lock_init(&lock);
    state.references = 0;
    state.running = state.handlers_out = false;
    ff__blackbox_after_fork();
    ff__claim_after_fork();
    ff__also_after_fork();
    ff__guardian_after_fork();
    ff__hooks_after_fork();
    ff__signals_after_fork();
}

static int prepare(void)
{
    int rc;

    if (state.prepared)
        return 0;
    rc = ff__blackbox_open();
    if (rc < 0)
        return rc;
    rc = ff__exit_guard_install();
    if (rc < 0)
        return rc;
    ff__fork_register(after_fork);
    ff__lines_start();
    ff__config_read_environment();
    ff__supervisor_init();
    ff__modules_load();
    ff__unwind_warm_up();
    state.prepared = true;
    return 0;
}

static int start(void)
{
    int rc;

    if (state.running)
        return 0;
    rc = prepare();
    if (rc < 0)
        return rc;
    rc = ff__guardian_start();
    if (rc < 0)
        return rc;
    state.running = true;
    return 0;
}

int ff__fail_ref(bool without_handlers)
{
    int rc;

    ff__lock(&lock);
    rc = start();
    if (rc == 0) {
        state.references++;
        state.handlers_out = state.handlers_out || without_handlers;
        if (state.handlers_out)
            ff__signals_restore();
        else
            ff__signals_install();
    }
    ff__unlock(&lock);
    return rc;
}

/* The handlers go first: a fault that they take needs the guardian. */
static void stop(void)
{
    ff__signals_restore();
    if (ff__guardian_stop())
        state.running = state.handlers_out = false;
    else if (!state.handlers_out) /* Somebody failed in this very moment. */
        ff__signals_install();
}

void ff__fail_unref(void)
{
    ff__lock(&lock);
    /* In a forked child there may be none: the objects that held them were the parent's. While the
     * process fails nothing is taken away. */
    if (state.references > 0 && --state.references == 0 && !ff__aborting())
        stop();
    ff__unlock(&lock);
}

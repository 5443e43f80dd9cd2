/* Runners. See runner.h.
 *
 * The conductor gives one step at a time to the newest runner. Its word says where the step is:
 *   IDLE -> GIVEN -> BEGUN -> IDLE          the runner did it
 *   GIVEN or BEGUN -> ABANDONED             the conductor gave up (CAS)
 *   BEGUN -> FAULTED                        a fatal signal came in it (CAS, in the handler)
 *   IDLE -> QUIT                            the end
 *   conductor                                runner
 *   (writes fn, arg)                         B: CAS GIVEN -> BEGUN (acquire)
 *   G: word = GIVEN (release)                (runs fn, which it read after B)
 *   W: waits while GIVEN or BEGUN            D: CAS BEGUN -> IDLE (release)
 *   E: word (acquire); or X: CAS ABANDONED
 * B reads G, hence sees the step. E reads D, hence the step's effects come before the next one.
 * Exactly one of D, X and FAULTED wins the step: a runner that loses D ends, a conductor that loses
 * X takes what the word says. An abandoned runner is never given anything again, and its record is
 * never used again. */
#include "fail/runner.h"

#include "base/atomic.h"
#include "base/compiler.h"
#include "fail/blackbox.h"
#include "fail/raw.h"
#include "fail/signals.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <failfast/failure.h>

enum { IDLE, GIVEN, BEGUN, ABANDONED, FAULTED, QUIT };

/* Drop, callbacks, and one for each hook: each can lose its runner once. */
#define RUNNERS_MAX (FF_HOOKS_MAX + 3)

struct runner {
    _Atomic uint32_t word;
    _Atomic int32_t tid; /* Written by the runner; compared by handlers. */
    void (*fn)(void *arg);
    void *arg;
    pthread_t thread;
};
static struct runner runners[RUNNERS_MAX];

/* Conductor only. Runners [0, used) were made; the last one works, unless lost. */
static size_t used, joined;
static bool lost = true; /* There is no runner to give a step to. */
static bool no_more;     /* No thread could be had: not tried again. */

static void *runner_main(void *arg)
{
    struct runner *runner = arg;
    uint32_t word;

    ff__self.slot = ff__slot_enter(FF__SLOT_HELPER, "failfast/abort");
    (void)ff__altstack_install(); /* Without one, a stack overflow ends the process silently. */
    /* Relaxed: compared by the handler that runs on this very thread. */
    ff__store_relaxed(&runner->tid, ff__thread_id());
    for (;;) {
        uint32_t given = GIVEN, begun = BEGUN;

        while ((word = ff__load_relaxed(&runner->word)) == IDLE)
            ff__futex_wait(&runner->word, IDLE, UINT64_MAX);
        if (!ff__cas_acquire(&runner->word, &given, BEGUN)) /* B */
            break;                                          /* QUIT or ABANDONED. */
        runner->fn(runner->arg);
        if (!ff__cas_acq_rel(&runner->word, &begun, IDLE)) /* D */
            break;
        ff__futex_wake(&runner->word, 1);
    }
    ff__altstack_remove();
    ff__slot_leave(ff__self.slot);
    ff__self.slot = NULL;
    return NULL;
}

static struct runner *runner_ready(void)
{
    static const struct ff__thread_options options = {.name = "ff/abort"};

    if (!lost)
        return &runners[used - 1];
    if (no_more || used == RUNNERS_MAX ||
        ff__thread_start(&runners[used].thread, &options, runner_main, &runners[used]) < 0) {
        no_more = true;
        return NULL;
    }
    lost = false;
    return &runners[used++];
}

/* Waits for the step's end. @return the word that ended it. */
static uint32_t await_step(struct runner *runner, uint64_t deadline_ns)
{
    uint32_t word;

    for (;;) {
        word = ff__load_acquire(&runner->word); /* E */
        if (word != GIVEN && word != BEGUN)
            return word;
        if (ff__clock_now() < deadline_ns) {
            ff__futex_wait(&runner->word, word, deadline_ns);
        } else if (ff__cas_acq_rel(&runner->word, &word, ABANDONED)) { /* X */
            return ABANDONED;
        }
    }
}

enum ff__step_end ff__runner_do(void (*fn)(void *arg), void *arg, uint64_t deadline_ns)
{
    struct runner *runner = runner_ready();
    uint32_t word;

    if (!runner) {
        fn(arg);
        return FF__STEP_DONE;
    }
    runner->fn = fn;
    runner->arg = arg;
    ff__store_release(&runner->word, GIVEN); /* G */
    ff__futex_wake(&runner->word, 1);
    word = await_step(runner, deadline_ns);
    if (word == IDLE)
        return FF__STEP_DONE;
    lost = true;
    return word == FAULTED ? FF__STEP_FAULTED : FF__STEP_OVERDUE;
}

bool ff__runner_finish(uint64_t deadline_ns)
{
    if (!lost) {
        struct runner *runner = &runners[used - 1];

        /* Relaxed: it reads nothing else on its way out. */
        ff__store_relaxed(&runner->word, QUIT);
        ff__futex_wake(&runner->word, 1);
        joined += ff__thread_join_until(runner->thread, deadline_ns) == 0;
        lost = true;
    }
    return joined == used;
}

/* AS-safe. */
void ff__runner_note_fault(int32_t tid)
{
    for (size_t i = 0; i < RUNNERS_MAX; i++) {
        uint32_t begun = BEGUN;

        if (ff__load_relaxed(&runners[i].tid) == tid &&
            ff__cas_acq_rel(&runners[i].word, &begun, FAULTED))
            ff__futex_wake(&runners[i].word, 1);
    }
}

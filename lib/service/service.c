/* ff_service_run(): from start to SIGTERM to the end, on two threads.
 *
 *   caller    starts all, sleeps until the stop begins, drains the pool, tidies up
 *   watcher   "ff-service": signs of life; watches the signals and the clock; cancels; aborts
 *   canceler  "ff-cancel": started when the drain is to be cancelled, because a cancel callback of
 * the program may hang, and the watcher must be there for the third signal and the deadline
 *
 * Both sleep on one word, which counts events:
 *
 *   sleeper                                   whoever changes something
 *   K: key = word             (acquire)       X: flags or signals change   (relaxed)
 *   C: look at flags, signals                 N: word += 1                 (release)
 *   S: futex_wait(word, key)                  F: futex_wake(word), always
 * N before K: K acquires what N released, so C sees X. K before N: S has not compared yet and finds
 * word != key, or sleeps and is woken by F. A further N in between keeps this true: each is a
 * read-modify-write, so the word that K reads carries the releases of all before it. Searched
 * exhaustively in tests/model/model_service.c.
 *
 * The state is static because a signal handler must find it; run.owner admits one call at a time.
 */
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/fmt.h"
#include "base/name.h"
#include "base/options.h"
#include "base/panic.h"
#include "fail/abort.h"
#include "fail/blackbox.h"
#include "fail/failure.h"
#include "fail/signals.h"
#include "sched/beat.h"
#include "sched/types.h"
#include "service/heartbeat.h"
#include "service/notify.h"
#include "service/stop_signals.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <failfast/pool.h>
#include <failfast/service.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#define GRACE_DEFAULT_NS (10 * FF_SECOND)
#define BEAT_DEFAULT_NS (10 * FF_SECOND)

/* From the cancellation at the end of the grace period to the abort path. */
#define CANCEL_GRACE_NS FF_SECOND

/* How long READY=1 may wait for room in the manager's queue: without it the start would count as
 * failed. */
#define READY_PATIENCE_NS FF_SECOND

/* Named in a message; it has no room for more. */
#define STRAGGLERS_NAMED 4

/* A sleep without an event still ends after this. The kernel restarts a futex call without a
 * timeout after a handler has run, but ends one that has a timeout. ThreadSanitizer counts on the
 * latter: it notes the signal and runs the program's handler only when the thread next calls into
 * libc. */
#define SLEEP_MAX_NS (3600 * FF_SECOND)

/* run.flags */
#define STARTED 1u   /* Start-up is through: watch. */
#define REQUESTED 2u /* The pool's shutdown was requested, by whomever. */
#define ENDED 4u     /* The watcher is no longer needed. */
#define CANCELED 8u  /* The canceler has finished. */

static struct {
    _Atomic uint64_t owner; /* 0: free; else 1 + fork generation of the process that runs. */
    _Atomic uint32_t word, flags;
    _Atomic uint32_t signals; /* SIGTERM and SIGINT so far. */
    /* Written by the caller before its threads start. */
    ff_pool *pool;
    uint64_t grace_ns;
    struct ff__heartbeat heartbeat; /* Before STARTED; then the watcher's. */
} run;

/* Owner: the watcher. */
struct watch {
    bool stopping, canceling;
    bool canceler_started;
    pthread_t canceler;
    uint64_t drain_until_ns, cancel_until_ns;
};

/* N and F. AS-safe. */
static void event_announce(void)
{
    ff__add_release(&run.word, 1); /* N: with K in event_key(). */
    ff__futex_wake(&run.word, INT_MAX);
}

/* X, then N. AS-safe. */
static void flag_raise(uint32_t flag)
{
    ff__or_seqcst(&run.flags, flag); /* Relaxed would do: N publishes it. */
    event_announce();
}

/* In the handlers of SIGTERM and SIGINT. AS-safe. */
static void signal_counted(void)
{
    ff__add_relaxed(&run.signals, 1); /* X: N publishes it. */
    event_announce();
}

/* Called by the pool, at most once, on any thread. */
static void shutdown_requested(void *unused)
{
    (void)unused;
    flag_raise(REQUESTED);
}

static uint32_t event_key(void)
{
    return ff__load_acquire(&run.word); /* K: with N in event_announce(). */
}

/* S. */
static void event_wait(uint32_t key, uint64_t deadline_ns)
{
    uint64_t latest_ns = ff__clock_after(SLEEP_MAX_NS);

    (void)ff__futex_wait(&run.word, key, deadline_ns < latest_ns ? deadline_ns : latest_ns);
}

/* C. Relaxed: after K it sees what K acquired; news that it sees early are as true. */
static bool flag_is_up(uint32_t flag)
{
    return ff__load_relaxed(&run.flags) & flag;
}

/* C, likewise. */
static uint32_t signal_count(void)
{
    return ff__load_relaxed(&run.signals);
}

static void flag_wait(uint32_t flags)
{
    for (uint32_t key = event_key(); !flag_is_up(flags); key = event_key())
        event_wait(key, FF_NEVER);
}

static bool stop_has_begun(void)
{
    return signal_count() > 0 || flag_is_up(REQUESTED);
}

/* "; still running: "a" (1.50 s), "b" (20 ms) and 3 more" */
static void stragglers_tell(struct ff__fmt *fmt)
{
    struct ff_straggler stragglers[STRAGGLERS_NAMED];
    size_t count = ff_pool_stragglers(run.pool, stragglers, STRAGGLERS_NAMED);
    size_t named = count < STRAGGLERS_NAMED ? count : STRAGGLERS_NAMED;

    if (count == 0)
        ff__fmt_str(fmt, "; no task runs, but a callback or drop has not returned");
    for (size_t i = 0; i < named; i++) {
        ff__fmt_str(fmt, i == 0 ? "; still running: \"" : ", \"");
        ff__fmt_safe_str(fmt, stragglers[i].name);
        ff__fmt_str(fmt, "\" (");
        ff__fmt_duration(fmt, stragglers[i].age_ns);
        ff__fmt_char(fmt, ')');
    }
    if (count > named) {
        ff__fmt_str(fmt, " and ");
        ff__fmt_u64(fmt, count - named);
        ff__fmt_str(fmt, " more");
    }
}

/* The abort path, conducted by the watcher. */
FF__NORETURN FF__COLD static void stop_fail(enum ff__cause cause, int code, const char *what)
{
    ff_failure failure;
    struct ff__fmt fmt;

    ff__failure_init(&failure, cause);
    failure.code = code;
    failure.tid = ff__thread_id();
    ff__name_copy(failure.task.name, sizeof failure.task.name, "ff_service_run");
    ff__fmt_init(&fmt, failure.message, sizeof failure.message);
    ff__fmt_str(&fmt, what);
    stragglers_tell(&fmt);
    ff__abort_failure(&failure, NULL, NULL);
    ff__abort_await_end(); /* Another failure was first. */
}

/* Asks, and does not wait for the tasks: a deadline in the past. */
static void pool_cancel(void)
{
    int rc = ff_pool_shutdown(run.pool, FF_CANCEL, /* deadline_ns= */ 0);

    ff__check(rc == 0 || rc == -ETIMEDOUT);
    flag_raise(CANCELED);
}

static void helper_enter(const char *name)
{
    ff__self.slot = ff__slot_enter(FF__SLOT_HELPER, name);
    (void)ff__altstack_install(); /* Without memory, the report of an overflow is less exact. */
}

static void helper_leave(void)
{
    ff__altstack_remove();
    ff__slot_leave(ff__self.slot);
    ff__self.slot = NULL;
}

static void *canceler_main(void *unused)
{
    helper_enter("ff-cancel");
    pool_cancel();
    helper_leave();
    return unused;
}

/* Without a thread the watcher does it itself: late is better than not at all. */
static void cancel_begin(struct watch *watch)
{
    static const struct ff__thread_options options = {.name = "ff-cancel"};

    watch->canceling = true;
    if (ff__thread_start(&watch->canceler, &options, canceler_main, NULL) == 0)
        watch->canceler_started = true;
    else
        pool_cancel();
}

/* The order of a stop: drain, cancel, abort. @return when to look again if nothing happens. */
static uint64_t stop_police(struct watch *watch, uint64_t now_ns)
{
    if (!watch->stopping) {
        if (!stop_has_begun())
            return FF_NEVER;
        watch->stopping = true;
        watch->drain_until_ns = ff__clock_after(run.grace_ns);
        watch->cancel_until_ns = watch->drain_until_ns > FF_NEVER - CANCEL_GRACE_NS
                                     ? FF_NEVER
                                     : watch->drain_until_ns + CANCEL_GRACE_NS;
    }
    if (signal_count() >= 3)
        stop_fail(FF__CAUSE_REQUESTED, -EINTR, "third SIGTERM/SIGINT while shutting down");
    if (!watch->canceling && (signal_count() >= 2 || now_ns >= watch->drain_until_ns))
        cancel_begin(watch);
    if (now_ns >= watch->cancel_until_ns)
        stop_fail(FF__CAUSE_SHUTDOWN_DEADLINE, -ETIMEDOUT,
                  "the shutdown did not finish within its grace period");
    return watch->canceling ? watch->cancel_until_ns : watch->drain_until_ns;
}

/* The pool may be freed only when no thread is inside it. */
static bool watch_is_over(const struct watch *watch)
{
    return flag_is_up(ENDED) && (!watch->canceling || flag_is_up(CANCELED));
}

static void watch_loop(struct watch *watch)
{
    for (uint32_t key = event_key(); !watch_is_over(watch); key = event_key()) {
        uint64_t now_ns = ff__clock_now(), beat_ns, look_ns;

        if (ff__aborting())
            ff__abort_await_end();
        beat_ns = ff__heartbeat_tick(&run.heartbeat, now_ns);
        look_ns = stop_police(watch, now_ns);
        event_wait(key, beat_ns < look_ns ? beat_ns : look_ns);
    }
}

static void *watcher_main(void *unused)
{
    struct watch watch = {.stopping = false};

    flag_wait(STARTED | ENDED);
    if (!flag_is_up(STARTED))
        return unused; /* Start-up failed. */
    helper_enter("ff-service");
    ff__stop_signals_unblock();
    watch_loop(&watch);
    if (watch.canceler_started)
        (void)ff__thread_join_until(watch.canceler, FF_NEVER);
    helper_leave();
    return unused;
}

/* @return 0 or -EBUSY. A mark left by the parent of a forked process does not count. */
static int run_claim(void)
{
    uint64_t mine = 1 + (uint64_t)ff__fork_generation;
    /* Relaxed: the exchange below has the last word. */
    uint64_t owner = ff__load_relaxed(&run.owner);

    /* Acquire, with the release in run_release(): the former run is over before this one begins. */
    if (owner == mine || !ff__cas_acquire(&run.owner, &owner, mine))
        return -EBUSY;
    return 0;
}

static void run_release(void)
{
    ff__store_release(&run.owner, 0); /* With the acquire in run_claim(). */
}

/* Ends the watcher, and with it all use of the pool but the caller's. */
static void watcher_end(pthread_t watcher)
{
    flag_raise(ENDED);
    (void)ff__thread_join_until(watcher, FF_NEVER);
}

/* On success the watcher watches, and the handlers are in place. Nothing is half-made on error. */
static int run_start(ff_pool *pool, const struct ff_service_options *options,
                     pthread_t *ret_watcher)
{
    static const struct ff__thread_options thread = {.name = "ff-service"};
    int rc;

    run.pool = pool;
    run.grace_ns = options->grace_ns ? options->grace_ns : GRACE_DEFAULT_NS;
    /* Relaxed: the start of the thread publishes them, as sigaction() does to handlers. */
    ff__store_relaxed(&run.flags, 0);
    ff__store_relaxed(&run.signals, 0);
    rc = ff__thread_start(ret_watcher, &thread, watcher_main, NULL);
    if (rc < 0)
        return rc;
    rc = ff__heartbeat_init(&run.heartbeat, pool, options->liveness_path,
                            options->beat_ns ? options->beat_ns : BEAT_DEFAULT_NS);
    if (rc < 0) {
        watcher_end(*ret_watcher);
        return rc;
    }
    ff__stop_signals_install(signal_counted);
    ff__pool_on_shutdown(pool, shutdown_requested, NULL);
    flag_raise(STARTED);
    return 0;
}

/* Until every task has ended. The watcher bounds it; the deadline is only SLEEP_MAX_NS's. */
static void pool_drain(void)
{
    int rc;

    do
        rc = ff_pool_shutdown(run.pool, FF_DRAIN, ff__clock_after(SLEEP_MAX_NS));
    while (rc == -ETIMEDOUT);
    ff__check(rc == 0);
    /* A task that failed may have been the last one: its abort path decides how the process ends.
     */
    if (ff__aborting())
        ff__abort_await_end();
}

static void run_until_stopped(pthread_t watcher)
{
    (void)ff__notify_send("READY=1", READY_PATIENCE_NS);
    for (uint32_t key = event_key(); !stop_has_begun(); key = event_key())
        event_wait(key, FF_NEVER);
    (void)ff__notify_send("STOPPING=1", /* patience_ns= */ 0);
    pool_drain();
    watcher_end(watcher);
    ff__pool_on_shutdown(run.pool, NULL, NULL);
    ff__stop_signals_restore();
}

/* @return 0, -EINVAL, -E2BIG, -EOWNERDEAD, -EDEADLK. */
static int call_check(ff_pool *pool, const struct ff_service_options *given,
                      struct ff_service_options *ret_options)
{
    int rc = pool ? ff__options_read(ret_options, sizeof *ret_options, given) : -EINVAL;

    if (rc < 0)
        return rc;
    if (pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    if (ff__self.frame || ff__self.worker || ff__self.in_callback || ff__self.in_hook)
        return -EDEADLK;
    return 0;
}

int ff_service_run(ff_pool *pool, const struct ff_service_options *given)
{
    struct ff_service_options options;
    pthread_t watcher;
    int rc = call_check(pool, given, &options);

    if (rc < 0)
        return rc;
    rc = run_claim();
    if (rc < 0)
        return rc;
    rc = run_start(pool, &options, &watcher);
    if (rc == 0) {
        run_until_stopped(watcher);
        ff__check(ff_pool_free(pool) == 0);
    }
    run_release();
    return rc;
}

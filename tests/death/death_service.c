/* ff_service_run() from end to end: the order of a stop, and its deadlines. */
#include "service_kit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define QUEUED 100

static atomic_int ran, skipped;

static int count_run(ff_task *self, void *arg)
{
    (void)self, (void)arg;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static void count_skipped(void *arg, ff_outcome outcome)
{
    (void)arg;
    if (outcome == FF_OUTCOME_SKIPPED)
        atomic_fetch_add(&skipped, 1);
}

static void queue_many(ff_pool *pool)
{
    struct ff_spawn_options options = {.size = sizeof options,
                                       .name = "queued",
                                       .drop = count_skipped};

    for (int i = 0; i < QUEUED; i++)
        require(ff_spawn_with(pool, &options, count_run, NULL) == 0);
}

/* How an aborting process shall not keep the test waiting. */
static void fail_fast(void)
{
    struct ff_failure_options options = {.size = sizeof options, .grace_ns = FF_MILLISECOND};

    require(ff_failure_configure(&options) == 0);
}

/* ---- The first signal. */

static void body_stop(void *arg)
{
    live_once(arg);
    exit(0);
}

START_TEST(service_ends_with_0_on_sigterm)
{
    int signal = SIGTERM;

    free(expect_exit(body_stop, &signal, 0));
}
END_TEST

START_TEST(service_ends_with_0_on_sigint)
{
    int signal = SIGINT;

    free(expect_exit(body_stop, &signal, 0));
}
END_TEST

static void body_stop_blocked(void *arg)
{
    sigset_t all;

    sigfillset(&all);
    require(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    body_stop(arg);
}

START_TEST(service_takes_signals_that_every_thread_of_the_program_blocks)
{
    int signal = SIGTERM;

    free(expect_exit(body_stop_blocked, &signal, 0));
}
END_TEST

static void *stop_from_thread(void *unused)
{
    manager_expect("READY=1");
    require(raise(SIGTERM) == 0); /* To this thread alone. */
    return unused;
}

static void body_stop_thread(void *arg)
{
    pthread_t thread;

    (void)arg;
    manager_open();
    require(pthread_create(&thread, NULL, stop_from_thread, NULL) == 0);
    require(ff_service_run(pool_with(1), NULL) == 0);
    require(pthread_join(thread, NULL) == 0);
    exit(0);
}

START_TEST(service_takes_a_signal_sent_to_a_thread_of_the_program)
{
    free(expect_exit(body_stop_thread, NULL, 0));
}
END_TEST

static void body_stop_before(void *arg)
{
    sigset_t term;

    (void)arg;
    unsetenv("NOTIFY_SOCKET");
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    require(pthread_sigmask(SIG_BLOCK, &term, NULL) == 0);
    signal_self(SIGTERM); /* Waits until the service takes it. */
    run_and_exit(pool_with(1), NULL);
}

START_TEST(service_takes_a_signal_that_came_before_it)
{
    free(expect_exit(body_stop_before, NULL, 0));
}
END_TEST

static void body_drain(void *arg)
{
    static int signal = SIGTERM;
    ff_pool *pool;

    (void)arg;
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "stop", stop_task, &signal) == 0);
    queue_many(pool);
    require(ff_service_run(pool, NULL) == 0);
    require(ran == QUEUED);
    exit(0);
}

START_TEST(service_runs_what_is_queued_after_the_first_signal)
{
    free(expect_exit(body_drain, NULL, 0));
}
END_TEST

/* ---- The second and the third. */

static int stop_twice_task(ff_task *self, void *arg)
{
    int rc;

    (void)arg;
    stop_once(SIGTERM);
    require(!ff_task_canceled(self)); /* A drain leaves running tasks alone. */
    signal_self(SIGINT);
    while ((rc = ff_sleep(self, 3600 * FF_SECOND)) == 0)
        ;
    return rc;
}

static void body_cancel(void *arg)
{
    ff_pool *pool;

    (void)arg;
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "stop_twice", stop_twice_task, NULL) == 0);
    queue_many(pool);
    require(ff_service_run(pool, NULL) == 0);
    require(ran == 0);
    require(skipped == QUEUED);
    exit(0);
}

START_TEST(service_cancels_on_the_second_signal)
{
    free(expect_exit(body_cancel, NULL, 0));
}
END_TEST

static int stop_thrice_task(ff_task *self, void *arg)
{
    (void)arg;
    stop_once(SIGTERM);
    signal_self(SIGTERM);
    while (!ff_task_canceled(self))
        sched_yield();
    signal_self(SIGTERM);
    stay_for_ever();
}

static void body_abort(void *arg)
{
    ff_pool *pool;

    (void)arg;
    fail_fast();
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "deaf_task", stop_thrice_task, NULL) == 0);
    run_and_exit(pool, NULL);
}

START_TEST(service_aborts_on_the_third_signal)
{
    struct ff_death *death = expect_exit(body_abort, NULL, 1);

    ff_death_expect_text(death, "third SIGTERM/SIGINT while shutting down");
    ff_death_expect_text(death, "still running: \"deaf_task\"");
    free(death);
}
END_TEST

static atomic_bool hanging;

static void hang(void *arg)
{
    atomic_store(&hanging, true);
    while (ff_pool_stragglers(arg, NULL, 0) > 0)
        sched_yield();
    usleep(20000); /* Time for a mutant to end the service. */
    signal_self(SIGTERM);
    stay_for_ever();
}

static int hang_callback_task(ff_task *self, void *arg)
{
    ff_pool *pool = ff_task_pool(self);
    ff_registration *registration;

    (void)arg;
    require(ff_register(ff_pool_token(pool), hang, pool, &registration) == 0);
    stop_once(SIGTERM);
    signal_self(SIGTERM);
    while (!atomic_load(&hanging))
        sched_yield();
    return 0; /* From now on the pool could end, but for the callback. */
}

static void body_hang_callback(void *arg)
{
    ff_pool *pool;

    (void)arg;
    fail_fast();
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "hang", hang_callback_task, NULL) == 0);
    run_and_exit(pool, NULL);
}

/* Kills two mutants: the watcher itself cancels, and would hang in the callback; the end of the
 * drain is enough for the end of the service, and the pool would be freed under the callback. */
START_TEST(service_aborts_on_the_third_signal_while_a_cancel_callback_hangs)
{
    struct ff_death *death = expect_exit(body_hang_callback, NULL, 1);

    ff_death_expect_text(death, "third SIGTERM/SIGINT while shutting down");
    ff_death_expect_text(death, "no task runs, but a callback or drop has not returned");
    free(death);
}
END_TEST

/* ---- The deadline. */

static int deaf_task(ff_task *self, void *arg)
{
    (void)self, (void)arg;
    stop_once(SIGTERM);
    stay_for_ever();
}

static void body_deadline(void *arg)
{
    struct ff_service_options options = {.size = sizeof options, .grace_ns = FF_MILLISECOND};
    ff_pool *pool;

    (void)arg;
    fail_fast();
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "deaf_task", deaf_task, NULL) == 0);
    run_and_exit(pool, &options);
}

START_TEST(service_aborts_and_names_the_straggler_when_the_grace_period_ends)
{
    struct ff_death *death = expect_exit(body_deadline, NULL, 1);

    ck_assert_msg(death->ms >= 1000, "cancelled tasks get one more second, not %f ms", death->ms);
    ff_death_expect_text(death, "did not finish within its grace period");
    ff_death_expect_text(death, "still running: \"deaf_task\"");
    free(death);
}
END_TEST

static int slow_task(ff_task *self, void *arg)
{
    int rc;

    (void)arg;
    stop_once(SIGTERM);
    while ((rc = ff_sleep(self, 3600 * FF_SECOND)) == 0)
        ;
    return rc;
}

static void body_late(void *arg)
{
    struct ff_service_options options = {.size = sizeof options, .grace_ns = FF_MILLISECOND};
    ff_pool *pool;

    (void)arg;
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "slow_task", slow_task, NULL) == 0);
    run_and_exit(pool, &options);
}

START_TEST(service_cancels_when_the_grace_period_ends_and_ends_with_0)
{
    free(expect_exit(body_late, NULL, 0));
}
END_TEST

/* ---- Other ways to stop, and to fail. */

static int shutdown_task(ff_task *self, void *arg)
{
    (void)arg;
    manager_expect("READY=1");
    require(ff_pool_shutdown(ff_task_pool(self), FF_DRAIN, FF_NEVER) == -EDEADLK);
    manager_expect("STOPPING=1");
    return 0;
}

static void body_shutdown(void *arg)
{
    ff_pool *pool;

    (void)arg;
    manager_open();
    pool = pool_with(1);
    require(ff_spawn_service(pool, "loop", sleep_loop, NULL) == 0);
    require(ff_spawn(pool, "shutdown", shutdown_task, NULL) == 0);
    run_and_exit(pool, NULL);
}

START_TEST(service_ends_with_0_when_a_task_shuts_the_pool_down)
{
    free(expect_exit(body_shutdown, NULL, 0));
}
END_TEST

static void body_ended(void *arg)
{
    ff_pool *pool = pool_with(1);

    (void)arg;
    require(ff_pool_shutdown(pool, FF_CANCEL, FF_NEVER) == 0);
    run_and_exit(pool, NULL);
}

START_TEST(service_ends_at_once_when_the_pool_has_ended_before)
{
    free(expect_exit(body_ended, NULL, 0));
}
END_TEST

static int fail_last_task(ff_task *self, void *arg)
{
    (void)arg;
    stop_once(SIGTERM);
    return ff_fail(self, -EIO, "the last write failed");
}

static void body_fail_last(void *arg)
{
    ff_pool *pool;

    (void)arg;
    fail_fast();
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "fail_last", fail_last_task, NULL) == 0);
    run_and_exit(pool, NULL);
}

START_TEST(service_never_hides_a_failure_during_the_drain)
{
    struct ff_death *death = expect_exit(body_fail_last, NULL, 1);

    ff_death_expect_text(death, "the last write failed");
    free(death);
}
END_TEST

/* ---- Process 1 of a name space. */

static void body_namespace(void *arg)
{
    int status;
    pid_t pid;

    (void)arg;
    if (unshare(CLONE_NEWPID) < 0) {
        fprintf(stderr, "skipped: no permission for a pid name space\n");
        _exit(0);
    }
    pid = fork();
    if (pid == 0) {
        static int signal = SIGTERM;

        require(getpid() == 1);
        live_once(&signal);
        _exit(0);
    }
    require(waitpid(pid, &status, 0) == pid);
    require(WIFEXITED(status));
    _exit(WEXITSTATUS(status));
}

/* kill(2) to oneself as process 1 shows that handlers are in place: without, it does nothing. */
START_TEST(service_drains_on_sigterm_as_process_1)
{
    struct ff_death *death = expect_exit(body_namespace, NULL, 0);

    if (ff_death_count(death, "skipped:"))
        fputs(death->text, stderr);
    free(death);
}
END_TEST

FF_TEST_MAIN("service", 60, service_ends_with_0_on_sigterm, service_ends_with_0_on_sigint,
             service_takes_signals_that_every_thread_of_the_program_blocks,
             service_takes_a_signal_sent_to_a_thread_of_the_program,
             service_takes_a_signal_that_came_before_it,
             service_runs_what_is_queued_after_the_first_signal,
             service_cancels_on_the_second_signal, service_aborts_on_the_third_signal,
             service_aborts_on_the_third_signal_while_a_cancel_callback_hangs,
             service_aborts_and_names_the_straggler_when_the_grace_period_ends,
             service_cancels_when_the_grace_period_ends_and_ends_with_0,
             service_ends_with_0_when_a_task_shuts_the_pool_down,
             service_ends_at_once_when_the_pool_has_ended_before,
             service_never_hides_a_failure_during_the_drain, service_drains_on_sigterm_as_process_1)

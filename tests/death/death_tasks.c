/* How tasks take the process down: every way a task, a service, a timer, a group, a callback or a
 * drop can die, with the whole library. Each test looks at the wait status, the number of reports,
 * their words, and the time. */
#include "fail_kit.h"
#include "support/pool_kit.h"

#include <stdio.h>

/* A death within the library's own means: one report, long before any deadline. */
static struct ff_death *die(void (*body)(void *arg), void *arg)
{
    struct ff_death *death = ff_death_run(body, arg, 8000);

    ff_death_expect_count(death, KIT_BANNER, 1);
    ck_assert(death->ms < 3000 * ff_test_slow());
    return death;
}

/* By an error status: exit code 1, and who failed, how. */
static struct ff_death *die_failed(void (*body)(void *arg), void *arg, const char *verdict)
{
    struct ff_death *death = die(body, arg);

    ff_death_expect_exit(death, 1);
    ff_death_expect_text(death, verdict);
    ff_death_expect_count(death, "=== failfast: the process exits with code 1 ===", 1);
    return death;
}

static void wait_for_the_end(void)
{
    for (;;)
        pause();
}

/* Spawns fn in a pool of so many workers, and waits. */
static void in_pool(unsigned workers, const char *name, ff_task_fn *fn, void *arg)
{
    ff_pool *pool = kit_pool(workers);

    ck_assert_int_eq(ff_spawn(pool, name, fn, arg), 0);
    wait_for_the_end();
}

static int hold(ff_task *self, void *arg)
{
    sem_t *held = arg;

    sem_post(held);
    return ff_sleep(self, FF_NEVER);
}

/* --- Error status --- */

static int fail_line;

static int fail_in_words(ff_task *self, void *arg)
{
    (void)arg;
    fail_line = __LINE__ + 1;
    return ff_fail(self, -EBADMSG, "bad record %d", 88);
}

static void body_fail(void *workers)
{
    in_pool(*(unsigned *)workers, "parse", fail_in_words, NULL);
}

START_TEST(a_failing_task_is_reported_once_with_message_and_place_and_the_process_exits_with_1)
{
    for (unsigned workers = 1; workers <= 64; workers += 63) {
        struct ff_death *death =
            die_failed(body_fail, &workers, "task \"parse\" failed: EBADMSG (Bad message) ===\n");

        ff_death_expect_text(death, "message:   bad record 88\n");
        ff_death_expect_text(death, "death_tasks.c:");
        ff_death_expect_text(death, " in fail_in_words()\n");
        ff_death_expect_text(death, "cause:     error status, code -74\n");
        ff_death_expect_text(death, "  #0  fail_in_words+0x");
        ff_death_expect_text(death, "spawned from: in_pool+0x");
        ff_death_expect_no_text(death, "still running");
        free(death);
    }
}
END_TEST

static int fail_bare(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return -EIO;
}

static void body_bare(void *unused)
{
    (void)unused;
    in_pool(1, "bare", fail_bare, NULL);
}

START_TEST(a_bare_return_names_task_function_and_spawn_site)
{
    struct ff_death *death =
        die_failed(body_bare, NULL, "task \"bare\" failed: EIO (Input/output error)");

    ff_death_expect_text(death, "function:  fail_bare  ");
    ff_death_expect_text(death, "spawned from: in_pool+0x");
    ff_death_expect_no_text(death, "message:");
    free(death);
}
END_TEST

static int spawn_bare(ff_task *self, void *arg)
{
    int rc = ff_spawn(ff_task_pool(self), "grandchild", fail_bare, NULL);

    *(volatile int *)arg = rc; /* No tail call, which would hide the place of the spawn. */
    return rc;
}

static void body_child(void *unused)
{
    (void)unused;
    in_pool(2, "parent", spawn_bare, &(int){0});
}

START_TEST(a_failing_task_that_a_task_spawned_names_its_parent)
{
    struct ff_death *death = die_failed(body_child, NULL, "task \"grandchild\" failed: EIO");

    ff_death_expect_text(death, "spawned by: task #");
    ff_death_expect_text(death, "spawned from: spawn_bare+0x");
    free(death);
}
END_TEST

static int cancel_unasked(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return FF_CANCELED;
}

static void body_unasked(void *unused)
{
    (void)unused;
    in_pool(1, "liar", cancel_unasked, NULL);
}

START_TEST(canceled_without_a_request_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_unasked, NULL, "task \"liar\" failed: cancelled without a request ===\n");

    free(death);
}
END_TEST

static int return_0(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static void body_service_returned(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_service(pool, "loop", return_0, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_service_that_returns_while_the_pool_runs_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_service_returned, NULL, "task \"loop\" failed: service task returned");

    free(death);
}
END_TEST

static void body_service_failed(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_service(pool, "processor", fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_failing_service_is_reported_under_its_name)
{
    struct ff_death *death =
        die_failed(body_service_failed, NULL, "task \"processor\" failed: EBADMSG");

    ff_death_expect_text(death, "thread:    \"processor\" (tid ");
    free(death);
}
END_TEST

static void body_timer_failed(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_every(pool, "health", FF_MILLISECOND, fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_failing_timer_task_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_timer_failed, NULL, "task \"health\" failed: EBADMSG");

    ff_death_expect_text(death, "spawned from: body_timer_failed+0x");
    free(death);
}
END_TEST

static void body_critical(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_critical("start-up", fail_in_words, NULL), 0);
}

START_TEST(a_critical_failure_on_main_ends_the_process)
{
    struct ff_death *death =
        die_failed(body_critical, NULL, "task \"start-up\" failed: EBADMSG");

    free(death);
}
END_TEST

static int panic_in_task(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    ff_panic("cannot go on: %s", "no disk");
}

static void body_panic_in_task(void *unused)
{
    (void)unused;
    in_pool(1, "panics", panic_in_task, NULL);
}

static void body_panic_alone(void *unused)
{
    (void)unused;
    ff_panic("cannot go on: %s", "no disk");
}

START_TEST(panic_ends_the_process_in_a_task_and_without_any_pool)
{
    struct ff_death *death =
        die_failed(body_panic_in_task, NULL, "task \"panics\" failed by request");

    ff_death_expect_text(death, "message:   cannot go on: no disk\n");
    ff_death_expect_text(death, " in panic_in_task()\n");
    free(death);
    death = die_failed(body_panic_alone, NULL, "the process failed by request");
    ff_death_expect_text(death, "message:   cannot go on: no disk\n");
    free(death);
}
END_TEST

/* --- Groups --- */

static int pass_up(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "load_cart", arg ? pass_up : fail_in_words, NULL);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static void body_chain(void *unused)
{
    static int twice;

    (void)unused;
    in_pool(1, "handle_request", pass_up, &twice);
}

START_TEST(a_failure_passed_up_shows_what_it_was_caused_by)
{
    struct ff_death *death =
        die_failed(body_chain, NULL, "task \"handle_request\" failed: EBADMSG");

    ff_death_expect_count(death, "caused by: task \"load_cart\" failed: EBADMSG", 2);
    ff_death_expect_count(death, "message:   bad record 88\n", 1);
    free(death);
}
END_TEST

static int free_unread(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "lost", fail_in_words, NULL);
    while (rc == 0 && ff_group_failure_count(group) == 0)
        ; /* It runs on the other worker. */
    ff_group_cancel(group);
    while (!ff_canceled(ff_group_token(group)))
        ;
    rc = ff_sleep(self, 50 * FF_MILLISECOND); /* Its end comes right after its failure. */
    ff_group_free(group);
    return rc;
}

static void body_unread(void *unused)
{
    (void)unused;
    in_pool(2, "careless", free_unread, NULL);
}

START_TEST(a_group_freed_with_an_unread_failure_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_unread, NULL,
                   "task \"careless\" failed: a group was freed with an unread failure ===\n");

    ff_death_expect_text(death, "caused by: task \"lost\" failed: EBADMSG");
    ff_death_expect_text(death, "message:   bad record 88\n");
    free(death);
}
END_TEST

static int free_abandoned(ff_task *self, void *arg)
{
    ff_group *group;
    sem_t held;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    sem_init(&held, 0, 0);
    rc = ff_group_spawn(group, "child", hold, &held);
    kit_sem_wait(&held);
    ff_group_free(group);
    return rc;
}

static void body_abandoned(void *unused)
{
    (void)unused;
    in_pool(2, "careless", free_abandoned, NULL);
}

START_TEST(a_group_freed_with_running_children_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_abandoned, NULL,
                   "task \"careless\" failed: a group was freed with children running ===\n");

    ff_death_expect_text(death, "group \"careless\" was freed with 1 unfinished children");
    free(death);
}
END_TEST

/* --- Threads that end inside a task --- */

static int end_thread(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    pthread_exit(NULL);
}

static int end_thread_in_help(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "nested", end_thread, NULL);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static int cancel_thread(ff_task *self, void *arg)
{
    (void)arg;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return ff_sleep(self, 0);
}

static void body_exit_in_task(void *unused)
{
    (void)unused;
    in_pool(1, "quitter", end_thread, NULL);
}

static void body_exit_in_help(void *unused)
{
    (void)unused;
    in_pool(1, "outer", end_thread_in_help, NULL);
}

static void body_cancel_in_task(void *unused)
{
    (void)unused;
    in_pool(4, "quitter", cancel_thread, NULL);
}

static void body_exit_in_service(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_service(pool, "quitter", end_thread, NULL), 0);
    wait_for_the_end();
}

static void *critical_thread(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_critical("quitter", end_thread, NULL), 0);
    return NULL;
}

static void body_exit_in_critical(void *unused)
{
    pthread_t thread;

    (void)unused;
    ck_assert_int_eq(pthread_create(&thread, NULL, critical_thread, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_thread_that_ends_inside_its_task_is_a_failure_of_the_task)
{
    static void (*const bodies[])(void *) = {body_exit_in_task, body_cancel_in_task,
                                             body_exit_in_service, body_exit_in_critical};
    struct ff_death *death;

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        death = die_failed(bodies[i], NULL,
                           "task \"quitter\" failed: its thread ended inside the task ===\n");
        free(death);
    }
    death = die_failed(body_exit_in_help, NULL,
                       "task \"nested\" failed: its thread ended inside the task ===\n");
    free(death);
}
END_TEST

/* --- What happens besides --- */

static void say_dropped(void *arg, ff_outcome outcome)
{
    (void)arg;
    kit_say(outcome == FF_OUTCOME_FAILED ? "dropped as failed\n" : "dropped otherwise\n");
}

static void body_drop(void *fn)
{
    const struct ff_spawn_options options = {
        .size = sizeof options, .name = "owner", .drop = say_dropped};
    ff_pool *pool = kit_pool(2);

    ck_assert_int_eq(ff_spawn_with(pool, &options, *(ff_task_fn **)fn, NULL), 0);
    wait_for_the_end();
}

static void body_timer_drop(void *fn)
{
    const struct ff_timer_options options = {
        .size = sizeof options, .name = "owner", .drop = say_dropped};
    ff_pool *pool = kit_pool(2);

    ck_assert_int_eq(ff_timer_start(pool, &options, *(ff_task_fn **)fn, NULL, NULL), 0);
    wait_for_the_end();
}

START_TEST(the_drop_of_the_failed_task_runs_once)
{
    ff_task_fn *ways[] = {fail_in_words, end_thread};

    for (size_t i = 0; i < 2; i++) {
        struct ff_death *death = die_failed(body_drop, &ways[i], "task \"owner\" failed: ");

        ff_death_expect_count(death, "dropped as failed\n", 1);
        ff_death_expect_no_text(death, "dropped otherwise");
        free(death);
        death = die_failed(body_timer_drop, &ways[i], "task \"owner\" failed: ");
        ff_death_expect_count(death, "dropped as failed\n", 1);
        free(death);
    }
}
END_TEST

static int fail_when_canceled(ff_task *self, void *arg)
{
    return hold(self, arg) == FF_CANCELED ? ff_fail(self, -EPIPE, "later") : 0;
}

static void body_second(void *unused)
{
    ff_pool *pool = kit_pool(2);
    const struct ff_spawn_options options = {
        .size = sizeof options, .name = "second", .drop = say_dropped};
    sem_t held;

    (void)unused;
    sem_init(&held, 0, 0);
    ck_assert_int_eq(ff_spawn_with(pool, &options, fail_when_canceled, &held), 0);
    kit_sem_wait(&held);
    ck_assert_int_eq(ff_spawn(pool, "first", fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_second_failure_during_the_abort_is_listed_and_dropped_but_not_reported)
{
    struct ff_death *death = die_failed(body_second, NULL, "task \"first\" failed: EBADMSG");

    ff_death_expect_text(death, "also failed:\n");
    ff_death_expect_text(death, "task \"second\"");
    ff_death_expect_text(death, "EPIPE");
    ff_death_expect_count(death, "dropped as failed\n", 1);
    free(death);
}
END_TEST

static void body_all_fail(void *unused)
{
    ff_pool *pool = kit_pool(64);

    (void)unused;
    for (unsigned i = 0; i < 2000; i++)
        if (ff_spawn(pool, "crowd", fail_in_words, NULL) < 0)
            break; /* The first has failed already. */
    wait_for_the_end();
}

START_TEST(many_failures_at_once_make_one_report)
{
    struct ff_death *death = die_failed(body_all_fail, NULL, "task \"crowd\" failed: EBADMSG");

    free(death);
}
END_TEST

/* The first failure is being reported, and its hook takes its time, when main ends the process in
 * its own way. */
static sem_t hook_entered;

static void slow_hook(void *unused)
{
    struct timespec while_main_exits = {.tv_nsec = 200 * 1000 * 1000};

    (void)unused;
    sem_post(&hook_entered);
    nanosleep(&while_main_exits, NULL);
    kit_say("hook finished\n");
}

static void fail_elsewhere(void)
{
    ff_pool *pool = kit_pool(2);

    sem_init(&hook_entered, 0, 0);
    ck_assert_int_eq(ff_at_abort("slow", slow_hook, NULL, 0), 0);
    ck_assert_int_eq(ff_spawn(pool, "first", fail_in_words, NULL), 0);
    kit_sem_wait(&hook_entered);
}

static void body_exit_0(void *unused)
{
    (void)unused;
    fail_elsewhere();
    exit(0);
}

static void body_critical_second(void *unused)
{
    (void)unused;
    fail_elsewhere();
    (void)!ff_critical("second", fail_bare, NULL);
    exit(0);
}

START_TEST(exit_0_on_main_cannot_overtake_a_failure)
{
    struct ff_death *death = die_failed(body_exit_0, NULL, "task \"first\" failed: EBADMSG");

    ff_death_expect_text(death, "hook finished\n");
    free(death);
}
END_TEST

START_TEST(a_critical_failure_that_comes_second_does_not_return_to_its_caller)
{
    struct ff_death *death =
        die_failed(body_critical_second, NULL, "task \"first\" failed: EBADMSG");

    ff_death_expect_text(death, "task \"second\"");
    free(death);
}
END_TEST

static void body_shutdown_meanwhile(void *unused)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;

    (void)unused;
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_spawn(pool, "first", fail_in_words, NULL), 0);
    kit_gate_open(&gate);
    if (ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) == 0 && ff_pool_free(pool) == 0)
        exit(0);
    wait_for_the_end();
}

START_TEST(a_failure_during_a_drain_still_ends_the_process_with_1)
{
    struct ff_death *death =
        die_failed(body_shutdown_meanwhile, NULL, "task \"first\" failed: EBADMSG");

    free(death);
}
END_TEST

static int ignore_requests(ff_task *self, void *arg)
{
    (void)self;
    sem_post(arg);
    wait_for_the_end();
    return 0;
}

static void body_straggler(void *unused)
{
    ff_pool *pool = kit_pool(2);
    sem_t held;

    (void)unused;
    setenv("FAILFAST_GRACE_MS", "100", 1);
    sem_init(&held, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "stubborn", ignore_requests, &held), 0);
    kit_sem_wait(&held);
    ck_assert_int_eq(ff_spawn(pool, "first", fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_straggler_is_named_and_the_process_ends_after_the_grace)
{
    struct ff_death *death =
        die_failed(body_straggler, NULL, "task \"first\" failed: EBADMSG");

    ff_death_expect_text(death, "still running:\n");
    ff_death_expect_text(death, "task \"stubborn\"");
    ck_assert(death->ms >= 100);
    ck_assert(death->ms < 1500 * ff_test_slow());
    free(death);
}
END_TEST

static void say_hook(void *text)
{
    kit_say(text);
}

static void body_hooks(void *unused)
{
    static char first[] = "hook 1\n", second[] = "hook 2\n", third[] = "hook 3\n";

    (void)unused;
    ck_assert_int_eq(ff_at_abort("one", say_hook, first, 0), 0);
    ck_assert_int_eq(ff_at_abort("two", say_hook, second, 0), 0);
    ck_assert_int_eq(ff_at_abort("three", say_hook, third, 0), 0);
    body_drop(&(ff_task_fn *){fail_in_words});
}

START_TEST(hooks_run_newest_first_after_report_and_drop)
{
    struct ff_death *death = die_failed(body_hooks, NULL, "task \"owner\" failed: EBADMSG");
    const char *report = strstr(death->text, KIT_BANNER), *drop, *three, *two, *one;

    drop = strstr(death->text, "dropped as failed");
    one = strstr(death->text, "hook 1\n");
    two = strstr(death->text, "hook 2\n");
    three = strstr(death->text, "hook 3\n");
    ck_assert(report && drop && one && two && three);
    ck_assert(report < drop && drop < three && three < two && two < one);
    free(death);
}
END_TEST

/* What a hook may call: contract, section 10. */
static ff_pool *hooked_pool;

static void hook_calls(void *unused)
{
    char text[128];
    ff_group *group;
    int spawned = ff_spawn(hooked_pool, "late", return_0, NULL);
    int shut = ff_pool_shutdown(hooked_pool, FF_DRAIN, FF_NEVER);
    const struct ff_group_options options = {.size = sizeof options, .pool = hooked_pool};
    int waited = ff_group_new(NULL, &options, &group);

    (void)unused;
    if (waited == 0)
        waited = ff_group_wait(group);
    snprintf(text, sizeof text, "spawn %d shutdown %d wait %d\n", spawned, shut, waited);
    kit_say(text);
}

static void body_hook_calls(void *unused)
{
    (void)unused;
    hooked_pool = kit_pool(1);
    ck_assert_int_eq(ff_at_abort("calls", hook_calls, NULL, 0), 0);
    ck_assert_int_eq(ff_spawn(hooked_pool, "first", fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(calls_of_a_hook_answer_as_the_contract_says)
{
    struct ff_death *death = die_failed(body_hook_calls, NULL, "task \"first\" failed");
    char expected[128];

    snprintf(expected, sizeof expected, "spawn %d shutdown 0 wait %d\n", -ESHUTDOWN, -EDEADLK);
    ff_death_expect_text(death, expected);
    free(death);
}
END_TEST

/* Tasks see the failure as a cancellation with that reason; nothing new starts. */
static int tell_reason(ff_task *self, void *arg)
{
    int rc = hold(self, arg);

    if (ff_token_reason(ff_task_token(self)) == FF_REASON_FAILURE)
        kit_say("told: failure\n");
    return rc;
}

static int never_run(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    kit_say("ran after the failure\n");
    return 0;
}

static void body_others(void *unused)
{
    ff_pool *pool = kit_pool(2);
    struct kit_gate gate;
    sem_t held;

    (void)unused;
    sem_init(&held, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "other", tell_reason, &held), 0);
    ck_assert_int_eq(ff_spawn_service(pool, "service", tell_reason, &held), 0);
    kit_sem_wait(&held);
    kit_sem_wait(&held);
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_every(pool, "hourly", 3600 * FF_SECOND, never_run, NULL), 0);
    ck_assert_int_eq(ff_spawn(pool, "first", fail_in_words, NULL), 0);
    kit_gate_open(&gate);
    wait_for_the_end();
}

START_TEST(other_tasks_are_told_and_timers_do_not_fire)
{
    struct ff_death *death = die_failed(body_others, NULL, "task \"first\" failed: EBADMSG");

    ff_death_expect_count(death, "told: failure\n", 2);
    ff_death_expect_no_text(death, "ran after the failure");
    ff_death_expect_no_text(death, "still running");
    ff_death_expect_text(death, "other threads:\n");
    ff_death_expect_text(death, "task \"service\"");
    free(death);
}
END_TEST

/* --- Fatal signals --- */

static int crash(ff_task *self, void *arg)
{
    (void)self;
    kit_segv(arg);
    return 0;
}

static int call_abort(ff_task *self, void *arg)
{
    (void)self;
    kit_abort(arg);
    return 0;
}

static void crash_in_drop(void *arg, ff_outcome outcome)
{
    (void)outcome;
    kit_segv(arg);
}

static void crash_in_callback(void *arg)
{
    kit_segv(arg);
}

static void body_segv_in_task(void *workers)
{
    in_pool(*(unsigned *)workers, "crasher", crash, NULL);
}

static void body_abort_in_task(void *unused)
{
    (void)unused;
    in_pool(2, "crasher", call_abort, NULL);
}

static void body_segv_in_service(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_service(pool, "crasher", crash, NULL), 0);
    wait_for_the_end();
}

static void body_segv_in_timer(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_after(pool, "crasher", 1, crash, NULL), 0);
    wait_for_the_end();
}

static void body_segv_in_critical(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_critical("crasher", crash, NULL), 0);
}

static void body_segv_in_drop(void *unused)
{
    const struct ff_spawn_options options = {
        .size = sizeof options, .name = "crasher", .drop = crash_in_drop};
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_with(pool, &options, return_0, NULL), 0);
    wait_for_the_end();
}

static void body_segv_in_timer_drop(void *unused)
{
    const struct ff_timer_options options = {
        .size = sizeof options, .name = "crasher", .drop = crash_in_drop};
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_timer_start(pool, &options, return_0, NULL, NULL), 0);
    wait_for_the_end();
}

static int cancel_source(ff_task *self, void *source)
{
    (void)self;
    ff_cancel(source);
    return 0;
}

static void body_segv_in_callback(void *unused)
{
    ff_registration *registration;
    ff_source *source;

    (void)unused;
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    ck_assert_int_eq(
        ff_register(ff_source_token(source), crash_in_callback, NULL, &registration), 0);
    in_pool(1, "crasher", cancel_source, source);
}

static void expect_crash(void (*body)(void *arg), void *arg, int signal)
{
    struct ff_death *death = ff_death_run(body, arg, 8000);

    kit_expect_fault(death, signal);
    ff_death_expect_text(death, "task \"crasher\" died by SIG");
    ff_death_expect_text(death, "spawned from: ");
    free(death);
}

START_TEST(a_fatal_signal_names_the_task_and_the_process_dies_by_it)
{
    unsigned one = 1, many = 64;

    expect_crash(body_segv_in_task, &one, SIGSEGV);
    expect_crash(body_segv_in_task, &many, SIGSEGV);
    expect_crash(body_abort_in_task, NULL, SIGABRT);
    expect_crash(body_segv_in_service, NULL, SIGSEGV);
    expect_crash(body_segv_in_timer, NULL, SIGSEGV);
    expect_crash(body_segv_in_critical, NULL, SIGSEGV);
}
END_TEST

START_TEST(a_fatal_signal_in_a_drop_or_a_callback_names_the_task)
{
    expect_crash(body_segv_in_drop, NULL, SIGSEGV);
    expect_crash(body_segv_in_timer_drop, NULL, SIGSEGV);
    expect_crash(body_segv_in_callback, NULL, SIGSEGV);
}
END_TEST

static void *adopted_thread(void *arg)
{
    ck_assert_int_eq(ff_thread_adopt("io thread"), 0);
    kit_segv(arg);
    return NULL;
}

static void body_segv_adopted(void *unused)
{
    pthread_t thread;

    (void)unused;
    ck_assert_int_eq(pthread_create(&thread, NULL, adopted_thread, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_fatal_signal_on_an_adopted_thread_names_the_thread)
{
    struct ff_death *death = ff_death_run(body_segv_adopted, NULL, 8000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_text(death, "thread \"io thread\" died by SIGSEGV");
    free(death);
}
END_TEST

static volatile bool go_deeper = true; /* The compiler cannot know that it stays so. */

static int overflow(ff_task *self, void *arg)
{
    volatile char page[4096];

    page[0] = (char)(uintptr_t)arg;
    return go_deeper ? overflow(self, (void *)(uintptr_t)(page[0] + 1)) + page[0] : 0;
}

static void body_overflow(void *unused)
{
    (void)unused;
    in_pool(1, "crasher", overflow, NULL);
}

START_TEST(a_stack_overflow_of_a_worker_is_said_in_words)
{
    struct ff_death *death = ff_death_run(body_overflow, NULL, 8000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_text(death, "task \"crasher\" died by SIGSEGV: stack overflow");
    free(death);
}
END_TEST

static void body_clean(void *unused)
{
    ff_pool *pool = kit_pool(2);

    (void)unused;
    ck_assert_int_eq(ff_spawn(pool, "fine", return_0, NULL), 0);
    kit_pool_end(pool, FF_DRAIN);
    exit(0);
}

START_TEST(a_clean_end_says_nothing)
{
    struct ff_death *death = ff_death_run(body_clean, NULL, 8000);

    ff_death_expect_exit(death, 0);
    ck_assert_str_eq(death->text, "");
    free(death);
}
END_TEST

FF_TEST_MAIN("tasks", 40,
             a_failing_task_is_reported_once_with_message_and_place_and_the_process_exits_with_1,
             a_bare_return_names_task_function_and_spawn_site,
             a_failing_task_that_a_task_spawned_names_its_parent,
             canceled_without_a_request_is_a_failure,
             a_service_that_returns_while_the_pool_runs_is_a_failure,
             a_failing_service_is_reported_under_its_name, a_failing_timer_task_is_a_failure,
             a_critical_failure_on_main_ends_the_process,
             panic_ends_the_process_in_a_task_and_without_any_pool,
             a_failure_passed_up_shows_what_it_was_caused_by,
             a_group_freed_with_an_unread_failure_is_a_failure,
             a_group_freed_with_running_children_is_a_failure,
             a_thread_that_ends_inside_its_task_is_a_failure_of_the_task,
             the_drop_of_the_failed_task_runs_once,
             a_second_failure_during_the_abort_is_listed_and_dropped_but_not_reported,
             many_failures_at_once_make_one_report, exit_0_on_main_cannot_overtake_a_failure,
             a_critical_failure_that_comes_second_does_not_return_to_its_caller,
             a_failure_during_a_drain_still_ends_the_process_with_1,
             a_straggler_is_named_and_the_process_ends_after_the_grace,
             hooks_run_newest_first_after_report_and_drop,
             calls_of_a_hook_answer_as_the_contract_says,
             other_tasks_are_told_and_timers_do_not_fire,
             a_fatal_signal_names_the_task_and_the_process_dies_by_it,
             a_fatal_signal_in_a_drop_or_a_callback_names_the_task,
             a_fatal_signal_on_an_adopted_thread_names_the_thread,
             a_stack_overflow_of_a_worker_is_said_in_words, a_clean_end_says_nothing)

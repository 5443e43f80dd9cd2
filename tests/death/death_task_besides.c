/* What happens besides the failure of a task: drops, other failures, exit() on main, stragglers,
 * hooks, other tasks. */
#include "fail_kit.h"
#include "pool_kit.h"

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

static int hold(ff_task *self, void *arg)
{
    sem_t *held = arg;

    sem_post(held);
    return ff_sleep(self, FF_NEVER);
}

static int fail_in_words(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -EBADMSG, "bad record %d", 88);
}

static int fail_bare(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return -EIO;
}

static int return_0(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static int end_thread(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    pthread_exit(NULL);
}

static void say_dropped(void *arg, ff_outcome outcome)
{
    (void)arg;
    kit_say(outcome == FF_OUTCOME_FAILED ? "dropped as failed\n" : "dropped otherwise\n");
}

static void body_drop(void *fn)
{
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "owner",
                                             .drop = say_dropped};
    ff_pool *pool = kit_pool(2);

    ck_assert_int_eq(ff_spawn_with(pool, &options, *(ff_task_fn **)fn, NULL), 0);
    wait_for_the_end();
}

static void body_timer_drop(void *fn)
{
    const struct ff_timer_options options = {.size = sizeof options,
                                             .name = "owner",
                                             .drop = say_dropped};
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
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "second",
                                             .drop = say_dropped};
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
    ff_pool *pool;
    sem_t held;

    (void)unused;
    setenv("FAILFAST_GRACE_MS", "100", 1); /* Read by the first pool. */
    pool = kit_pool(2);
    sem_init(&held, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "stubborn", ignore_requests, &held), 0);
    kit_sem_wait(&held);
    ck_assert_int_eq(ff_spawn(pool, "first", fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_straggler_is_named_and_the_process_ends_after_the_grace)
{
    struct ff_death *death = die_failed(body_straggler, NULL, "task \"first\" failed: EBADMSG");

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

FF_TEST_MAIN("task_besides", 40, the_drop_of_the_failed_task_runs_once,
             a_second_failure_during_the_abort_is_listed_and_dropped_but_not_reported,
             many_failures_at_once_make_one_report, exit_0_on_main_cannot_overtake_a_failure,
             a_critical_failure_that_comes_second_does_not_return_to_its_caller,
             a_failure_during_a_drain_still_ends_the_process_with_1,
             a_straggler_is_named_and_the_process_ends_after_the_grace,
             hooks_run_newest_first_after_report_and_drop,
             calls_of_a_hook_answer_as_the_contract_says,
             other_tasks_are_told_and_timers_do_not_fire)

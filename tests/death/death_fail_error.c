/* The way down from an error status, without a scheduler. */
#include "fail_kit.h"

static void body_simple(void *unused)
{
    (void)unused;
    kit_start(&kit_ops);
    kit_fail(-EBADMSG, "bad record 7\n=== forged");
}

START_TEST(failing_reports_once_and_exits_with_code_1)
{
    struct ff_death *death = ff_death_run(body_simple, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_text(death, "task \"parse_record\" failed: EBADMSG (Bad message) ===\n");
    ff_death_expect_text(death, "message:   bad record 7?=== forged\n");
    ff_death_expect_text(death, "place:     parser.c:88 in parse_record()\n");
    ff_death_expect_text(death, "cause:     error status, code -74\n");
    ff_death_expect_text(death, "task:      \"parse_record\" (#12), ran 1.23 s\n");
    ff_death_expect_text(death, "thread:    \"main\" (tid ");
    ff_death_expect_text(death, "spawned from: ");
    ff_death_expect_text(death, "  #0  body_simple+0x");
    ff_death_expect_text(death, "death_fail_error+0x");
    ff_death_expect_count(death, "the process will exit with code 1\n", 1);
    ff_death_expect_count(death, "=== failfast: the process exits with code 1 ===\n", 1);
    ff_death_expect_no_text(death, "also failed");
    ff_death_expect_no_text(death, "still running");
    ck_assert(death->ms < 2000 * ff_test_slow());
    free(death);
}
END_TEST

static int returns_bare(void)
{
    return -EIO;
}

static void body_bare(void *unused)
{
    (void)unused;
    kit_start(&kit_ops);
    kit_task.fn = (const void *)(uintptr_t)returns_bare;
    kit_task.parent_id = 3;
    kit_fail(returns_bare(), NULL);
}

START_TEST(failing_without_a_message_names_the_function_and_the_parent)
{
    struct ff_death *death = ff_death_run(body_bare, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_text(death, "failed: EIO (Input/output error)");
    ff_death_expect_text(death, "function:  returns_bare  ");
    ff_death_expect_text(death, "spawned by: task #3\n");
    ff_death_expect_no_text(death, "message:");
    ff_death_expect_no_text(death, "traceback");
    free(death);
}
END_TEST

static void body_chain(void *unused)
{
    static ff_failure cause, failure;

    (void)unused;
    kit_start(&kit_ops);
    kit_failure_init(&cause, -ENOENT, "no cart");
    ff__name_copy(cause.task.name, sizeof cause.task.name, "load_cart");
    kit_failure_init(&failure, -ENOENT, NULL);
    failure.kind = FF__CAUSE_GROUP_UNREAD;
    failure.cause = &cause;
    ff__abort_failure(&failure, NULL, NULL);
}

START_TEST(failing_by_another_failure_shows_the_chain)
{
    struct ff_death *death = ff_death_run(body_chain, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_text(death, "failed: a group was freed with an unread failure ===");
    ff_death_expect_text(death, "caused by: task \"load_cart\" failed: ENOENT");
    ff_death_expect_text(death, "message:   no cart\n");
    free(death);
}
END_TEST

static void body_exit_code(void *unused)
{
    struct ff_failure_options options = {.size = sizeof options, .exit_code = 42};

    (void)unused;
    ck_assert_int_eq(ff_failure_configure(&options), 0);
    kit_start(&kit_ops);
    kit_fail(17, NULL);
}

START_TEST(failing_exits_with_the_code_that_was_configured)
{
    struct ff_death *death = ff_death_run(body_exit_code, NULL, 5000);

    ff_death_expect_exit(death, 42);
    ff_death_expect_text(death, "failed: status 17 ===");
    ff_death_expect_text(death, "will exit with code 42");
    free(death);
}
END_TEST

static void say_atexit(void)
{
    kit_say("atexit ran\n");
}

static bool stragglers_stay(uint64_t deadline_ns)
{
    (void)deadline_ns;
    return false;
}

static void body_atexit(void *ops)
{
    ck_assert_int_eq(atexit(say_atexit), 0);
    kit_start(ops);
    kit_fail(-EIO, NULL);
}

START_TEST(failing_runs_exit_handlers_only_when_every_thread_was_joined)
{
    struct ff__abort_ops left = {kit_nothing, kit_nothing, stragglers_stay}, all = kit_ops;
    struct ff_death *death = ff_death_run(body_atexit, &all, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_text(death, "atexit ran");
    free(death);
    death = ff_death_run(body_atexit, &left, 5000);
    ff_death_expect_exit(death, 1);
    ff_death_expect_no_text(death, "atexit ran");
    free(death);
}
END_TEST

static void body_hooks(void *unused)
{
    (void)unused;
    kit_configure(0, 100 * FF_MILLISECOND, 0);
    kit_start(&kit_ops);
    ck_assert_int_eq(ff_at_abort("oldest", kit_hook_say, "<oldest>", 0), 0);
    ck_assert_int_eq(ff_at_abort("broken", kit_segv, NULL, 0), 0);
    ck_assert_int_eq(ff_at_abort("stuck", kit_hook_hang, NULL, 0), 0);
    ck_assert_int_eq(ff_at_abort("newest", kit_hook_say, "<newest>", 0), 0);
    kit_fail(-EIO, "x");
}

START_TEST(hooks_run_newest_first_past_those_that_hang_or_fault)
{
    struct ff_death *death = ff_death_run(body_hooks, NULL, 5000);
    const char *newest = strstr(death->text, "<newest>"), *oldest = strstr(death->text, "<oldest>");

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_text(death, "at-abort hook \"stuck\" did not return within 100 ms\n");
    ff_death_expect_text(death, "at-abort hook \"broken\" ended in a fatal signal\n");
    ff_death_expect_text(death, "thread \"failfast/abort\"");
    ck_assert_ptr_nonnull(newest);
    ck_assert_ptr_nonnull(oldest);
    ck_assert(newest < oldest);
    free(death);
}
END_TEST

static void body_stuck_drop(void *unused)
{
    static ff_failure failure;

    (void)unused;
    kit_configure(0, 100 * FF_MILLISECOND, 0);
    kit_start(&kit_ops);
    ck_assert_int_eq(ff_at_abort("hook", kit_hook_say, "<hook>", 0), 0);
    kit_failure_init(&failure, -EIO, NULL);
    ff__abort_failure(&failure, kit_hook_hang, NULL);
}

START_TEST(drop_that_hangs_is_named_and_the_hooks_still_run)
{
    struct ff_death *death = ff_death_run(body_stuck_drop, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_text(death, "the drop of the failed task did not return within 100 ms\n");
    ff_death_expect_text(death, "<hook>");
    free(death);
}
END_TEST

static void fail_eighteen_times(void)
{
    ff_failure failure;

    for (int i = 0; i < 18; i++) {
        ff__failure_init(&failure, FF__CAUSE_STATUS);
        failure.code = -EPIPE;
        failure.task.id = 100 + (uint64_t)i;
        strcpy(failure.task.name, "later");
        ff__abort_failure(&failure, NULL, NULL);
    }
}

static void body_also(void *unused)
{
    static const struct ff__abort_ops ops = {fail_eighteen_times, kit_nothing, kit_all_ended};

    (void)unused;
    kit_start(&ops);
    kit_fail(-EIO, "first");
}

START_TEST(failures_after_the_first_are_listed_at_the_end)
{
    struct ff_death *death = ff_death_run(body_also, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_count(death, "also failed:\n", 1);
    ff_death_expect_count(death, "task \"later\" (#1", 16);
    ff_death_expect_text(death, "EPIPE (Broken pipe)");
    ff_death_expect_text(death, "  and 2 more\n");
    free(death);
}
END_TEST

static void *straggle(void *ready)
{
    kit_enter("pool/worker 1", "crunch", 14);
    ff__store_relaxed(&ff__self.slot->waiting, "ff_sleep");
    pthread_barrier_wait(ready);
    kit_hook_hang(NULL);
    return NULL;
}

static void body_stragglers(void *unused)
{
    static const struct ff__abort_ops ops = {kit_nothing, kit_nothing, stragglers_stay};
    static pthread_barrier_t ready;
    pthread_t thread;

    (void)unused;
    kit_start(&ops);
    pthread_barrier_init(&ready, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, straggle, &ready), 0);
    pthread_barrier_wait(&ready);
    kit_fail(-EIO, "x");
}

START_TEST(tasks_of_other_threads_are_named_before_and_after_the_grace_period)
{
    struct ff_death *death = ff_death_run(body_stragglers, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, "other threads:\n", 1);
    ff_death_expect_count(death, "still running:\n", 1);
    ff_death_expect_count(death, "\"pool/worker 1\" (tid ", 2);
    ff_death_expect_count(death, "): task \"crunch\" (#14)", 2);
    ff_death_expect_count(death, ", waits: ff_sleep\n", 2);
    free(death);
}
END_TEST

static bool wait_for_ever(uint64_t deadline_ns)
{
    (void)deadline_ns;
    kit_hook_hang(NULL);
    return true;
}

static void body_hang(void *ops)
{
    kit_configure(0, 0, 300 * FF_MILLISECOND);
    ck_assert_int_eq(atexit((void (*)(void))say_atexit), 0);
    kit_start(ops);
    kit_fail(-EIO, "x");
}

START_TEST(guardian_ends_a_process_whose_grace_period_hangs)
{
    struct ff__abort_ops ops = {kit_nothing, kit_nothing, wait_for_ever};
    struct ff_death *death = ff_death_run(body_hang, &ops, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_no_text(death, "atexit ran");
    ck_assert(death->ms >= 290);
    free(death);
}
END_TEST

static void hang(void)
{
    kit_hook_hang(NULL);
}

static void body_atexit_hang(void *unused)
{
    (void)unused;
    kit_configure(0, 0, 300 * FF_MILLISECOND);
    ck_assert_int_eq(atexit(hang), 0);
    kit_start(&kit_ops);
    kit_fail(-EIO, "x");
}

START_TEST(guardian_ends_a_process_whose_exit_handler_hangs)
{
    struct ff_death *death = ff_death_run(body_atexit_hang, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_text(death, "the process exits with code 1");
    free(death);
}
END_TEST

static bool fault_here(uint64_t deadline_ns)
{
    (void)deadline_ns;
    kit_segv(NULL);
    return true;
}

static void body_conductor_fault(void *unused)
{
    static const struct ff__abort_ops ops = {kit_nothing, kit_nothing, fault_here};

    (void)unused;
    kit_start(&ops);
    kit_fail(-EIO, "x");
}

START_TEST(fault_of_the_conductor_marks_the_report_and_ends_with_the_exit_code)
{
    struct ff_death *death = ff_death_run(body_conductor_fault, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_count(death, "while failing: SIGSEGV: address not mapped\n", 1);
    ff_death_expect_count(death, "=== failfast: the process exits with code 1 ===", 1);
    free(death);
}
END_TEST

enum { FULL, FULL_NONBLOCKING, CLOSED, NO_READER, DEV_FULL };

static void body_stderr(void *kind)
{
    int fds[2];

    switch (*(int *)kind) {
    case FULL:
        kit_stderr_full(O_WRONLY);
        break;
    case FULL_NONBLOCKING:
        kit_stderr_full(O_WRONLY | O_NONBLOCK);
        break;
    case CLOSED:
        close(STDERR_FILENO);
        break;
    case NO_READER:
        ck_assert_int_eq(pipe(fds), 0);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        break;
    default:
        dup2(open("/dev/full", O_WRONLY), STDERR_FILENO);
    }
    kit_start(&kit_ops);
    kit_fail(-EIO, "x");
}

START_TEST(failing_ends_in_time_whatever_stderr_is)
{
    for (int kind = FULL; kind <= DEV_FULL; kind++) {
        struct ff_death *death = ff_death_run(body_stderr, &kind, 5000);

        ff_death_expect_exit(death, 1);
        ck_assert(death->ms < 3000 * ff_test_slow());
        free(death);
    }
}
END_TEST

static void *fail_cancelled(void *unused)
{
    (void)unused;
    kit_enter("pool/worker 1", "cancelled by pthread", 5);
    pthread_cancel(pthread_self());
    kit_fail(-EIO, "x");
    return NULL;
}

static void body_cancelled(void *unused)
{
    pthread_t thread;

    kit_start(&kit_ops);
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_cancelled, unused), 0);
    pthread_join(thread, NULL);
}

START_TEST(failing_is_not_stopped_by_a_pending_pthread_cancel)
{
    struct ff_death *death = ff_death_run(body_cancelled, NULL, 5000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    free(death);
}
END_TEST

FF_TEST_MAIN("death_fail_error", 20, failing_reports_once_and_exits_with_code_1,
             failing_without_a_message_names_the_function_and_the_parent,
             failing_by_another_failure_shows_the_chain,
             failing_exits_with_the_code_that_was_configured,
             failing_runs_exit_handlers_only_when_every_thread_was_joined,
             hooks_run_newest_first_past_those_that_hang_or_fault,
             drop_that_hangs_is_named_and_the_hooks_still_run,
             failures_after_the_first_are_listed_at_the_end,
             tasks_of_other_threads_are_named_before_and_after_the_grace_period,
             guardian_ends_a_process_whose_grace_period_hangs,
             guardian_ends_a_process_whose_exit_handler_hangs,
             fault_of_the_conductor_marks_the_report_and_ends_with_the_exit_code,
             failing_ends_in_time_whatever_stderr_is,
             failing_is_not_stopped_by_a_pending_pthread_cancel)

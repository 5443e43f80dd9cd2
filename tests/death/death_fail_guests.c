/* Fatal signals and the other guests of the process: threads that are not the library's, handlers
 * that were there before, forked children, PID 1. */
#include "fail_kit.h"

#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void *plain_thread(void *fn)
{
    (*(void (**)(void *))fn)(NULL);
    return NULL;
}

static sigjmp_buf repaired;

static void repair(int signal)
{
    (void)signal;
    kit_say("<repaired>");
    siglongjmp(repaired, 1);
}

static void fault_and_recover(void *unused)
{
    if (sigsetjmp(repaired, 1) == 0)
        kit_segv(unused);
}

static void body_foreign_former(void *unused)
{
    void (*fn)(void *) = fault_and_recover;
    struct sigaction theirs = {.sa_handler = repair};
    pthread_t thread;

    (void)unused;
    sigaction(SIGSEGV, &theirs, NULL);
    kit_start(&kit_ops);
    ck_assert_int_eq(pthread_create(&thread, NULL, plain_thread, &fn), 0);
    pthread_join(thread, NULL);
    _exit(7);
}

START_TEST(fault_of_a_foreign_thread_goes_to_the_former_handler)
{
    struct ff_death *death = ff_death_run(body_foreign_former, NULL, 5000);

    ff_death_expect_exit(death, 7);
    ff_death_expect_text(death, "<repaired>");
    ff_death_expect_no_text(death, "failfast");
    free(death);
}
END_TEST

static void body_foreign_default(void *unused)
{
    void (*fn)(void *) = kit_segv;
    pthread_t thread;

    (void)unused;
    kit_start(&kit_ops);
    ck_assert_int_eq(pthread_create(&thread, NULL, plain_thread, &fn), 0);
    pthread_join(thread, NULL);
}

START_TEST(fault_of_a_foreign_thread_is_reported_when_nobody_else_handles_it)
{
    struct ff_death *death = ff_death_run(body_foreign_default, NULL, 5000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_text(death, "a thread that is not one of the library died by SIGSEGV");
    free(death);
}
END_TEST

static void say_former(int signal)
{
    (void)signal;
    kit_say("<former>");
}

static void body_own_former(void *unused)
{
    struct sigaction theirs = {.sa_handler = say_former};

    sigaction(SIGSEGV, &theirs, NULL);
    kit_start(&kit_ops);
    kit_segv(unused);
}

START_TEST(fault_of_a_task_is_reported_and_then_shown_to_the_former_handler)
{
    struct ff_death *death = ff_death_run(body_own_former, NULL, 5000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_count(death, "<former>", 1);
    ck_assert(strstr(death->text, KIT_BANNER) < strstr(death->text, "<former>"));
    free(death);
}
END_TEST

/* With the C library's fork, whose handlers run, and with a bare one, where none does. */
static void body_forked(void *bare)
{
    int status;
    pid_t child;

    kit_start(&kit_ops);
    child = *(bool *)bare ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    if (child == 0) {
        kit_segv(NULL);
        _exit(98);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
    kit_fail(-EIO, "of the parent");
}

START_TEST(fault_of_a_forked_child_is_silent_and_leaves_the_parent_alone)
{
    for (int bare = 0; bare < 2; bare++) {
        bool flag = bare;
        struct ff_death *death = ff_death_run(body_forked, &flag, 5000);

        ff_death_expect_exit(death, 1);
        ff_death_expect_count(death, KIT_BANNER, 1);
        ff_death_expect_text(death, "message:   of the parent");
        free(death);
    }
}
END_TEST

static void body_fork_anew(void *unused)
{
    int status;
    pid_t child;

    kit_start(&kit_ops);
    child = fork();
    if (child == 0) {
        kit_leave();
        kit_start(&kit_ops);
        kit_segv(unused);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    _exit(5);
}

START_TEST(forked_child_that_begins_anew_is_reported)
{
    struct ff_death *death = ff_death_run(body_fork_anew, NULL, 5000);

    ff_death_expect_exit(death, 5);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_count(death, "the process dies by SIGSEGV", 1);
    free(death);
}
END_TEST

static void body_without(void *unused)
{
    ck_assert_int_eq(ff__fail_ref(/* without_handlers= */ false), 0);
    ck_assert_int_eq(ff__fail_ref(/* without_handlers= */ true), 0);
    kit_enter("main", "t", 1);
    kit_segv(unused);
}

START_TEST(fault_is_left_alone_when_a_pool_wants_no_handlers)
{
    struct ff_death *death = ff_death_run(body_without, NULL, 5000);

    ff_death_expect_signal(death, SIGSEGV);
    ff_death_expect_no_text(death, "failfast");
    free(death);
}
END_TEST

static void trap(void *unused)
{
    (void)unused;
    raise(SIGTRAP);
}

static void body_in_namespace(void *fn)
{
    int status;
    pid_t child = (pid_t)syscall(SYS_clone, 0x20000000 /* CLONE_NEWPID */ | SIGCHLD, 0, 0, 0, 0);

    if (child < 0)
        _exit(77); /* Not allowed here. */
    if (child == 0) {
        kit_start(&kit_ops);
        (*(void (**)(void *))fn)(NULL);
        _exit(98);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        raise(WTERMSIG(status));
    _exit(WEXITSTATUS(status));
}

START_TEST(pid_1_dies_by_a_true_fault_and_exits_with_1_where_no_signal_can_kill)
{
    static void (*const fns[])(void *) = {kit_segv, kit_abort, trap};

    for (size_t i = 0; i < FF__ARRAY_SIZE(fns); i++) {
        void (*fn)(void *) = fns[i];
        struct ff_death *death = ff_death_run(body_in_namespace, &fn, 5000);

        if (WIFEXITED(death->status) && WEXITSTATUS(death->status) == 77) {
            free(death);
            return;
        }
        if (i == 0)
            ff_death_expect_signal(death, SIGSEGV);
        else
            ff_death_expect_exit(death, 1);
        ff_death_expect_count(death, KIT_BANNER, 1);
        free(death);
    }
}
END_TEST

FF_TEST_MAIN("death_fail_guests", 30, fault_of_a_foreign_thread_goes_to_the_former_handler,
             fault_of_a_foreign_thread_is_reported_when_nobody_else_handles_it,
             fault_of_a_task_is_reported_and_then_shown_to_the_former_handler,
             fault_of_a_forked_child_is_silent_and_leaves_the_parent_alone,
             forked_child_that_begins_anew_is_reported,
             fault_is_left_alone_when_a_pool_wants_no_handlers,
             pid_1_dies_by_a_true_fault_and_exits_with_1_where_no_signal_can_kill)

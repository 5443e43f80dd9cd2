/* tests/support/death.c itself: a death test that saw what did not happen would hide everything. */
#include "death.h"
#include "runner.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *text)
{
    size_t length = strlen(text);

    ck_assert_int_eq(write(STDERR_FILENO, text, length), (ssize_t)length);
}

static void say_and_return(void *arg)
{
    say(arg);
}

static void say_and_die(void *arg)
{
    say(arg);
    signal(SIGTERM, SIG_DFL);
    raise(SIGTERM);
}

static void close_stderr_and_hang(void *arg)
{
    say(arg);
    close(STDERR_FILENO);
    for (;;)
        pause();
}

static void say_much(void *arg)
{
    for (int i = 0; i < 100; i++)
        for (int line = 0; line < 100; line++)
            say(arg);
    _exit(3);
}

/* The grandchild keeps the pipe open for as long as the test may take. */
static void leave_a_child_behind(void *arg)
{
    if (fork() == 0) {
        alarm(20);
        for (;;)
            pause();
    }
    say(arg);
    _exit(4);
}

START_TEST(death_of_a_body_that_returns_is_exit_99)
{
    struct ff_death *death = ff_death_run(say_and_return, "one two one\n", 2000);

    ff_death_expect_exit(death, 99);
    ck_assert_str_eq(death->text, "one two one\n");
    ck_assert_uint_eq(death->length, 12);
    ck_assert_uint_eq(ff_death_count(death, "one"), 2);
    ff_death_expect_text(death, "two");
    ff_death_expect_no_text(death, "three");
    ff_death_expect_count(death, "one", 2);
    free(death);
}
END_TEST

START_TEST(death_by_a_signal_is_told_from_an_exit)
{
    struct ff_death *death = ff_death_run(say_and_die, "last words", 2000);

    ff_death_expect_signal(death, SIGTERM);
    ff_death_expect_text(death, "last words");
    free(death);
}
END_TEST

START_TEST(death_at_the_time_limit_is_a_kill_that_is_told)
{
    struct ff_death *death = ff_death_run(close_stderr_and_hang, "waiting", 50);

    ck_assert_int_eq(death->timed_out, 1);
    ck_assert(WIFSIGNALED(death->status) && WTERMSIG(death->status) == SIGKILL);
    ck_assert(death->ms >= 50);
    ff_death_expect_text(death, "waiting");
    free(death);
}
END_TEST

START_TEST(death_with_more_text_than_fits_goes_on_to_the_end)
{
    static char line[] = "0123456789012345678901234567890123456789012345678901234567890\n";
    struct ff_death *death = ff_death_run(say_much, line, 5000);

    ff_death_expect_exit(death, 3);
    ck_assert_uint_eq(death->length, FF_DEATH_TEXT_MAX - 1);
    free(death);
}
END_TEST

START_TEST(death_is_over_when_the_child_is_gone_not_its_children)
{
    struct ff_death *death = ff_death_run(leave_a_child_behind, "parent gone", 5000);

    ff_death_expect_exit(death, 4);
    ff_death_expect_text(death, "parent gone");
    free(death);
}
END_TEST

static void check_fails(const TTest *test)
{
    TCase *tcase = tcase_create("expectations");
    Suite *suite = suite_create("expectations");
    SRunner *runner;

    tcase_add_test(tcase, test);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_SILENT);
    ck_assert_int_eq(srunner_ntests_failed(runner), 1);
    srunner_free(runner);
}

START_TEST(wrong_exit)
{
    ff_death_expect_exit(ff_death_run(say_and_return, "", 2000), 98);
}
END_TEST

START_TEST(wrong_signal)
{
    ff_death_expect_signal(ff_death_run(say_and_die, "", 2000), SIGKILL);
}
END_TEST

START_TEST(killed_at_the_limit)
{
    ff_death_expect_signal(ff_death_run(close_stderr_and_hang, "", 10), SIGKILL);
}
END_TEST

START_TEST(missing_text)
{
    ff_death_expect_text(ff_death_run(say_and_return, "one", 2000), "two");
}
END_TEST

START_TEST(unwanted_text)
{
    ff_death_expect_no_text(ff_death_run(say_and_return, "one", 2000), "one");
}
END_TEST

START_TEST(wrong_count)
{
    ff_death_expect_count(ff_death_run(say_and_return, "one one", 2000), "one", 1);
}
END_TEST

START_TEST(death_expectations_fail_the_test_when_they_are_not_met)
{
    check_fails(wrong_exit);
    check_fails(wrong_signal);
    check_fails(killed_at_the_limit);
    check_fails(missing_text);
    check_fails(unwanted_text);
    check_fails(wrong_count);
}
END_TEST

FF_TEST_MAIN("death", 20, death_of_a_body_that_returns_is_exit_99,
             death_by_a_signal_is_told_from_an_exit, death_at_the_time_limit_is_a_kill_that_is_told,
             death_with_more_text_than_fits_goes_on_to_the_end,
             death_is_over_when_the_child_is_gone_not_its_children,
             death_expectations_fail_the_test_when_they_are_not_met)

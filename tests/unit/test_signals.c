/* Installing and restoring handlers; alternate stacks; signal codes in words. */
#include "runner.h"

#include "fail/abort.h"
#include "fail/signals.h"
#include "fail/words.h"
#include "sys/thread.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

static void theirs(int signal)
{
    (void)signal;
}

static struct sigaction current(int signal)
{
    struct sigaction action;

    ck_assert_int_eq(sigaction(signal, NULL, &action), 0);
    return action;
}

START_TEST(fail_ref_installs_handlers_and_the_last_unref_puts_the_former_ones_back)
{
    struct sigaction before, action = {.sa_handler = theirs};

    ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
    before = current(SIGSEGV);
    ck_assert_int_eq(ff__fail_ref(false), 0);
    ck_assert_int_eq(ff__fail_ref(false), 0);
    ck_assert_ptr_ne((void *)(uintptr_t)current(SIGBUS).sa_handler, (void *)(uintptr_t)theirs);
    ck_assert_int_ne(current(SIGSEGV).sa_flags & SA_ONSTACK, 0);
    ff__fail_unref();
    ck_assert_int_ne(current(SIGSEGV).sa_flags & SA_ONSTACK, 0);
    ff__fail_unref();
    ck_assert(current(SIGBUS).sa_handler == theirs);
    ck_assert(current(SIGSEGV).sa_handler == before.sa_handler);
    ff__fail_unref(); /* One too many, as in a forked child. */
    ck_assert_int_eq(ff__fail_ref(false), 0);
    ff__fail_unref();
}
END_TEST

START_TEST(last_unref_leaves_a_handler_alone_that_came_after_ours)
{
    struct sigaction action = {.sa_handler = theirs};

    ck_assert_int_eq(ff__fail_ref(false), 0);
    ck_assert_int_eq(sigaction(SIGFPE, &action, NULL), 0);
    ff__fail_unref();
    ck_assert(current(SIGFPE).sa_handler == theirs);
}
END_TEST

START_TEST(fail_ref_without_handlers_takes_them_out_for_everybody)
{
    struct sigaction before = current(SIGSEGV);

    ck_assert_int_eq(ff__fail_ref(false), 0);
    ck_assert_int_eq(ff__fail_ref(true), 0);
    ck_assert(current(SIGSEGV).sa_handler == before.sa_handler);
    ck_assert_int_eq(ff__fail_ref(false), 0);
    ck_assert(current(SIGSEGV).sa_handler == before.sa_handler);
    ff__fail_unref();
    ff__fail_unref();
    ff__fail_unref();
}
END_TEST

START_TEST(altstack_is_installed_once_and_removed)
{
    stack_t none = {.ss_flags = SS_DISABLE}, now;

    ck_assert_int_eq(sigaltstack(&none, NULL), 0);
    ck_assert_int_eq(ff__altstack_install(), 0);
    ck_assert_ptr_nonnull(ff__self.altstack);
    ck_assert_int_eq(sigaltstack(NULL, &now), 0);
    ck_assert_uint_ge(now.ss_size, 128 * 1024);
    memset(now.ss_sp, 1, now.ss_size); /* All of it is there. */
    ff__altstack_remove();
    ck_assert_ptr_null(ff__self.altstack);
    ck_assert_int_eq(sigaltstack(NULL, &now), 0);
    ck_assert_int_ne(now.ss_flags & SS_DISABLE, 0);
    ff__altstack_remove();
}
END_TEST

START_TEST(altstack_of_the_program_is_left_in_place)
{
    static char own[65536];
    stack_t stack = {.ss_sp = own, .ss_size = sizeof own}, now;

    ck_assert_int_eq(sigaltstack(&stack, NULL), 0);
    ck_assert_int_eq(ff__altstack_install(), 0);
    ck_assert_ptr_null(ff__self.altstack);
    ff__altstack_remove();
    ck_assert_int_eq(sigaltstack(NULL, &now), 0);
    ck_assert_ptr_eq(now.ss_sp, own);
}
END_TEST

START_TEST(signal_code_text_says_what_the_code_means)
{
    ck_assert_str_eq(ff__signal_code_text(SIGSEGV, SEGV_MAPERR), "address not mapped");
    ck_assert_str_eq(ff__signal_code_text(SIGFPE, FPE_INTDIV), "integer division by zero");
    ck_assert_str_eq(ff__signal_code_text(SIGBUS, SI_USER), "sent by kill()");
    ck_assert_str_eq(ff__signal_code_text(SIGBUS, 12345), "unknown code");
}
END_TEST

FF_TEST_MAIN("signals", 10, fail_ref_installs_handlers_and_the_last_unref_puts_the_former_ones_back,
             last_unref_leaves_a_handler_alone_that_came_after_ours,
             fail_ref_without_handlers_takes_them_out_for_everybody,
             altstack_is_installed_once_and_removed, altstack_of_the_program_is_left_in_place,
             signal_code_text_says_what_the_code_means)

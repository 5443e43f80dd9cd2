/* Registration of at-abort hooks, and the order they are given out in. */
#include "runner.h"

#include "fail/hooks.h"

#include <failfast/failure.h>

#include <errno.h>
#include <stdint.h>

static void hook_a(void *arg)
{
    (void)arg;
}

static void hook_b(void *arg)
{
    (void)arg;
}

START_TEST(at_abort_refuses_bad_arguments)
{
    ck_assert_int_eq(ff_at_abort(NULL, hook_a, NULL, 0), -EINVAL);
    ck_assert_int_eq(ff_at_abort("", hook_a, NULL, 0), -EINVAL);
    ck_assert_int_eq(ff_at_abort("x", NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(ff_at_abort("x", hook_a, NULL, 2), -EINVAL);
    ck_assert_int_eq(ff_at_abort_remove(hook_a, NULL), -ENOENT);
}
END_TEST

START_TEST(hooks_are_given_out_once_and_newest_first)
{
    struct ff__hook hook;
    int a, b;

    ck_assert_int_eq(ff_at_abort("first", hook_a, &a, 0), 0);
    ck_assert_int_eq(ff_at_abort("gone", hook_b, &a, 0), 0);
    ck_assert_int_eq(ff_at_abort("second", hook_a, &b, 0), 0);
    ck_assert_int_eq(ff_at_abort_remove(hook_b, &a), 0);
    ck_assert_int_eq(ff_at_abort_remove(hook_b, &a), -ENOENT);
    ck_assert_int_eq(ff_at_abort("third", hook_b, &b, 0), 0); /* Where "gone" was. */
    ck_assert(ff__hook_next(&hook));
    ck_assert_str_eq(hook.name, "third");
    ck_assert(hook.fn == hook_b);
    ck_assert_ptr_eq(hook.arg, &b);
    ck_assert_int_eq(ff_at_abort("too late", hook_a, NULL, 0), 0);
    ck_assert(ff__hook_next(&hook));
    ck_assert_str_eq(hook.name, "second");
    ck_assert(ff__hook_next(&hook));
    ck_assert_str_eq(hook.name, "first");
    ck_assert(!ff__hook_next(&hook));
}
END_TEST

START_TEST(hooks_of_a_signal_handler_are_the_safe_ones)
{
    struct ff__hook hook;

    ck_assert_int_eq(ff_at_abort("safe", hook_a, NULL, FF_HOOK_SIGNAL_SAFE), 0);
    ck_assert_int_eq(ff_at_abort("not", hook_b, NULL, 0), 0);
    ck_assert(ff__hook_next_from_signal(&hook));
    ck_assert_str_eq(hook.name, "safe");
    ck_assert(!ff__hook_next_from_signal(&hook));
}
END_TEST

START_TEST(at_abort_gives_enospc_when_all_places_are_taken)
{
    for (uintptr_t i = 0; i < FF_HOOKS_MAX; i++)
        ck_assert_int_eq(ff_at_abort("x", hook_a, (void *)i, 0), 0);
    ck_assert_int_eq(ff_at_abort("x", hook_b, NULL, 0), -ENOSPC);
    ck_assert_int_eq(ff_at_abort_remove(hook_a, (void *)(uintptr_t)5), 0);
    ck_assert_int_eq(ff_at_abort("x", hook_b, NULL, 0), 0);
}
END_TEST

FF_TEST_MAIN("hooks", 10, at_abort_refuses_bad_arguments, hooks_are_given_out_once_and_newest_first,
             hooks_of_a_signal_handler_are_the_safe_ones,
             at_abort_gives_enospc_when_all_places_are_taken)

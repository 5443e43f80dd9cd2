/* Failures as values, and how the process shall fail. */
#include "runner.h"

#include "fail/abort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(failure_getters_give_what_was_recorded)
{
    ff_failure cause, failure;
    void *frames[4];

    ff__failure_init(&cause, FF__CAUSE_STATUS);
    ff__failure_init(&failure, FF__CAUSE_STATUS);
    ck_assert_str_eq(ff_failure_message(&failure), "");
    ck_assert_ptr_null(ff_failure_file(&failure));
    ck_assert_ptr_null(ff_failure_cause(&failure));
    ck_assert_uint_eq(ff_failure_backtrace(&failure, NULL, 0), 0);
    failure.code = -EIO;
    failure.task.id = 5;
    strcpy(failure.task.name, "t");
    strcpy(failure.message, "m");
    failure.file = "f.c";
    failure.line = 7;
    failure.cause = &cause;
    failure.frame_count = 2;
    failure.frames[0] = &cause;
    failure.frames[1] = &failure;
    ck_assert_int_eq(ff_failure_code(&failure), -EIO);
    ck_assert_uint_eq(ff_failure_task_id(&failure), 5);
    ck_assert_str_eq(ff_failure_task(&failure), "t");
    ck_assert_str_eq(ff_failure_message(&failure), "m");
    ck_assert_str_eq(ff_failure_file(&failure), "f.c");
    ck_assert_int_eq(ff_failure_line(&failure), 7);
    ck_assert_ptr_eq(ff_failure_cause(&failure), &cause);
    frames[1] = NULL;
    ck_assert_uint_eq(ff_failure_backtrace(&failure, frames, 1), 2);
    ck_assert_ptr_eq(frames[0], &cause);
    ck_assert_ptr_null(frames[1]);
}
END_TEST

/* A leak or a use after free shows under a sanitizer; a recursion over the chain overflows. */
START_TEST(failure_unref_frees_a_long_chain_without_recursion)
{
    ff_failure *chain = NULL;

    for (int i = 0; i < 100000; i++) {
        ff_failure failure;

        ff__failure_init(&failure, FF__CAUSE_STATUS);
        failure.cause = chain;
        chain = ff__failure_clone(&failure);
        ck_assert_ptr_nonnull(chain);
    }
    ck_assert_ptr_eq(ff__failure_ref(chain), chain);
    ff__failure_unref(chain);
    ck_assert_ptr_nonnull(chain->cause);
    ff__failure_unref(chain);
    ff__failure_unref(NULL);
}
END_TEST

START_TEST(cause_text_differs_for_every_cause)
{
    for (int a = FF__CAUSE_STATUS; a <= FF__CAUSE_REQUESTED; a++)
        for (int b = a + 1; b <= FF__CAUSE_REQUESTED + 1; b++)
            ck_assert_str_ne(ff__cause_text((enum ff__cause)a), ff__cause_text((enum ff__cause)b));
}
END_TEST

START_TEST(configure_refuses_what_it_does_not_know)
{
    struct ff_failure_options options = {.size = sizeof options, .exit_code = 256};
    struct {
        struct ff_failure_options known;
        long unknown;
    } larger = {.known = {.size = sizeof larger}, .unknown = 1};

    ck_assert_int_eq(ff_failure_configure(NULL), -EINVAL);
    ck_assert_int_eq(ff_failure_configure(&options), -EINVAL);
    options.exit_code = -1;
    ck_assert_int_eq(ff_failure_configure(&options), -EINVAL);
    options.exit_code = 0;
    options.exit_on_fault = 2;
    ck_assert_int_eq(ff_failure_configure(&options), -EINVAL);
    options.size = 4;
    ck_assert_int_eq(ff_failure_configure(&options), -EINVAL);
    ck_assert_int_eq(ff_failure_configure(&larger.known), -E2BIG);
    ck_assert_int_eq(ff__fail_config().exit_code, 1);
}
END_TEST

START_TEST(configure_replaces_the_defaults)
{
    struct ff_failure_options options = {.size = sizeof options};
    struct ff__fail_config config = ff__fail_config();

    ck_assert_uint_eq(config.grace_ns, 3 * FF_SECOND);
    ck_assert_uint_eq(config.hook_ns, 1 * FF_SECOND);
    ck_assert_uint_eq(config.deadline_ns, 10 * FF_SECOND);
    ck_assert_int_eq(config.exit_code, 1);
    ck_assert(!config.exit_on_fault);
    options.grace_ns = 1;
    options.hook_ns = 2;
    options.deadline_ns = 3;
    options.exit_code = 255;
    options.exit_on_fault = 1;
    ck_assert_int_eq(ff_failure_configure(&options), 0);
    config = ff__fail_config();
    ck_assert_uint_eq(config.grace_ns, 1);
    ck_assert_uint_eq(config.hook_ns, 2);
    ck_assert_uint_eq(config.deadline_ns, 3);
    ck_assert_int_eq(config.exit_code, 255);
    ck_assert(config.exit_on_fault);
}
END_TEST

START_TEST(environment_stands_in_for_the_grace_period)
{
    struct ff_failure_options options = {.size = sizeof options, .grace_ns = 7};

    ck_assert_int_eq(setenv("FAILFAST_GRACE_MS", "250", 1), 0);
    ck_assert_int_eq(ff__fail_ref(true), 0);
    ck_assert_uint_eq(ff__fail_config().grace_ns, 250 * FF_MILLISECOND);
    ck_assert_int_eq(ff_failure_configure(&options), 0);
    ck_assert_uint_eq(ff__fail_config().grace_ns, 7);
    ff__fail_unref();
}
END_TEST

FF_TEST_MAIN("failure", 10, failure_getters_give_what_was_recorded,
             failure_unref_frees_a_long_chain_without_recursion, cause_text_differs_for_every_cause,
             configure_refuses_what_it_does_not_know, configure_replaces_the_defaults,
             environment_stands_in_for_the_grace_period)

/* Fatal signals in tasks of every kind, with the whole library: the process dies by the signal,
 * after one report that names the task. */
#include "fail_kit.h"
#include "pool_kit.h"

#include <stdio.h>

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

static int return_0(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

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
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "crasher",
                                             .drop = crash_in_drop};
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_with(pool, &options, return_0, NULL), 0);
    wait_for_the_end();
}

static void body_segv_in_timer_drop(void *unused)
{
    const struct ff_timer_options options = {.size = sizeof options,
                                             .name = "crasher",
                                             .drop = crash_in_drop};
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
    ck_assert_int_eq(ff_register(ff_source_token(source), crash_in_callback, NULL, &registration),
                     0);
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

FF_TEST_MAIN("task_fault", 40, a_fatal_signal_names_the_task_and_the_process_dies_by_it,
             a_fatal_signal_in_a_drop_or_a_callback_names_the_task,
             a_fatal_signal_on_an_adopted_thread_names_the_thread,
             a_stack_overflow_of_a_worker_is_said_in_words, a_clean_end_says_nothing)

/* Registrations, one step at a time. Their races are in stress/stress_cancel.c. */
#include "runner.h"

#include "sched/cancel.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static ff_source *source;
static ff_token *token;
static ff_registration *registrations[8];
static int calls[8], call_count;

static void setup(void)
{
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    token = ff_source_token(source);
}

static void teardown(void)
{
    ff_source_unref(source);
}

static void record(void *arg)
{
    calls[call_count++] = (int)(intptr_t)arg;
}

static void add(int number, void (*fn)(void *arg))
{
    ck_assert_int_eq(ff_register(token, fn, (void *)(intptr_t)number, &registrations[number]), 0);
}

static void end_all(void)
{
    for (int i = 0; i < 8; i++)
        ff_unregister(registrations[i]);
}

START_TEST(register_refuses_bad_arguments_and_leaves_the_result_alone)
{
    ff_registration *registration = NULL;

    setup();
    ck_assert_int_eq(ff_register(NULL, record, NULL, &registration), -EINVAL);
    ck_assert_int_eq(ff_register(token, NULL, NULL, &registration), -EINVAL);
    ck_assert_int_eq(ff_register(token, record, NULL, NULL), -EINVAL);
    ck_assert_ptr_null(registration);
    ff_unregister(NULL);
    teardown();
}
END_TEST

START_TEST(register_on_a_cancelled_token_answers_canceled_without_calling)
{
    ff_registration *registration = NULL;

    setup();
    ff_cancel(source);
    ck_assert_int_eq(ff_register(token, record, NULL, &registration), FF_CANCELED);
    ck_assert_ptr_null(registration);
    ck_assert_int_eq(call_count, 0);
    teardown();
}
END_TEST

START_TEST(callbacks_run_once_in_order_of_registration)
{
    setup();
    for (int i = 0; i < 8; i++)
        add(i, record);
    ck_assert(ff_cancel(source));
    ck_assert(!ff_cancel(source));
    end_all();
    ck_assert_int_eq(call_count, 8);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(calls[i], i);
    teardown();
}
END_TEST

START_TEST(callbacks_of_descendants_run_too_ancestors_first)
{
    struct ff_source_options options = {.size = sizeof options};
    ff_source *child, *grandchild;

    setup();
    options.parent = token;
    ck_assert_int_eq(ff_source_new(&options, &child), 0);
    options.parent = ff_source_token(child);
    ck_assert_int_eq(ff_source_new(&options, &grandchild), 0);
    token = ff_source_token(grandchild);
    add(2, record);
    token = ff_source_token(source);
    add(0, record);
    token = ff_source_token(child);
    add(1, record);
    ff_cancel(source);
    ck_assert_int_eq(call_count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(calls[i], i);
    end_all();
    ff_source_unref(grandchild);
    ff_source_unref(child);
    teardown();
}
END_TEST

static pthread_t callback_thread;
static unsigned depth_in_callback;

static void look_around(void *arg)
{
    (void)arg;
    callback_thread = pthread_self();
    depth_in_callback = ff__self.in_callback;
}

static void *cancel_main(void *arg)
{
    ff_cancel(arg);
    return NULL;
}

START_TEST(callback_runs_on_the_cancelling_thread_which_knows_it)
{
    pthread_t thread;

    setup();
    add(0, look_around);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_main, source), 0);
    pthread_join(thread, NULL);
    ck_assert(pthread_equal(callback_thread, thread));
    ck_assert_uint_eq(depth_in_callback, 1);
    ck_assert_uint_eq(ff__self.in_callback, 0);
    end_all();
    teardown();
}
END_TEST

static void use_everything(void *arg)
{
    struct ff_source_options options = {.size = sizeof options, .parent = token};
    ff_registration *registration = NULL;
    ff_source *other;

    ck_assert(!ff_cancel(source));
    ck_assert_int_eq(ff_register(token, record, NULL, &registration), FF_CANCELED);
    ck_assert_int_ge(ff_token_fd(token), 0);
    ck_assert_int_eq(ff_token_sleep_until(token, FF_NEVER), FF_CANCELED);
    ck_assert_int_eq(ff_source_new(&options, &other), 0);
    ck_assert(ff_canceled(ff_source_token(other)));
    ff_source_unref(other);
    ck_assert_int_eq(ff_source_new(NULL, &other), 0);
    ck_assert_int_eq(ff_register(ff_source_token(other), record, arg, &registration), 0);
    ck_assert(ff_cancel(other));
    ff_unregister(registration);
    ff_source_unref(other);
}

START_TEST(callback_may_use_every_call_on_its_own_and_other_tokens)
{
    setup();
    add(5, use_everything);
    ff_cancel(source);
    ck_assert_int_eq(call_count, 1);
    ck_assert_int_eq(calls[0], 5);
    end_all();
    teardown();
}
END_TEST

START_TEST(unregistered_callback_never_runs)
{
    setup();
    add(0, record);
    add(1, record);
    ff_unregister(registrations[0]);
    ff_cancel(source);
    ff_unregister(registrations[1]);
    ck_assert_int_eq(call_count, 1);
    ck_assert_int_eq(calls[0], 1);
    teardown();
}
END_TEST

static void end_self(void *arg)
{
    ff_unregister(registrations[(intptr_t)arg]); /* Waiting here would be for ever. */
    registrations[(intptr_t)arg] = NULL;
    record(arg);
}

START_TEST(unregister_from_inside_the_callback_returns_at_once)
{
    setup();
    add(0, end_self);
    add(1, record);
    add(2, end_self);
    ff_cancel(source);
    ck_assert_int_eq(call_count, 3);
    end_all();
    teardown();
}
END_TEST

static void end_next(void *arg)
{
    ff_unregister(registrations[(intptr_t)arg + 1]);
    registrations[(intptr_t)arg + 1] = NULL;
    record(arg);
}

START_TEST(unregister_of_a_later_callback_by_an_earlier_one_keeps_it_from_running)
{
    setup();
    add(0, end_next);
    add(1, record);
    add(2, record);
    ff_cancel(source);
    ck_assert_int_eq(call_count, 2);
    ck_assert_int_eq(calls[0], 0);
    ck_assert_int_eq(calls[1], 2);
    end_all();
    teardown();
}
END_TEST

static void drop_all(void *arg)
{
    ff_unregister(registrations[(intptr_t)arg]);
    ff_source_unref(source);
    record(arg);
}

START_TEST(callback_may_drop_its_registration_and_the_last_source_reference)
{
    setup();
    add(0, drop_all);
    ff_source_ref(source); /* The one that ff_cancel() uses is given up by the callback, so that */
    ff_cancel(source);     /* this one is the last. */
    ck_assert_int_eq(call_count, 1);
    ff_source_unref(source);
}
END_TEST

static _Atomic int32_t unregistering_tid;
static _Atomic uint32_t entered, unregistered, finished;

static char thread_state(int32_t tid)
{
    char path[64], line[256], state = '?';
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    file = fopen(path, "re");
    if (!file)
        return state;
    if (fgets(line, sizeof line, file))
        state = strrchr(line, ')')[2];
    fclose(file);
    return state;
}

/* Stays inside until the other thread sleeps in ff_unregister(), or has wrongly come back. */
static void wait_for_unregister(void *arg)
{
    int32_t tid;

    (void)arg;
    ff__store_release(&entered, 1);
    while ((tid = ff__load_acquire(&unregistering_tid)) == 0)
        sched_yield();
    while (thread_state(tid) != 'S' && !ff__load_acquire(&unregistered))
        sched_yield();
    for (int i = 0; i < 100 && !ff__load_acquire(&unregistered); i++)
        sched_yield();
    ff__store_release(&finished, 1);
}

/* @return non-NULL when fn had finished when ff_unregister() came back. */
static void *unregister_main(void *arg)
{
    bool had_finished;

    ff__store_release(&unregistering_tid, ff__thread_id());
    ff_unregister(arg);
    had_finished = ff__load_acquire(&finished);
    ff__store_release(&unregistered, 1);
    return had_finished ? arg : NULL;
}

START_TEST(unregister_by_another_thread_waits_until_the_callback_has_finished)
{
    pthread_t canceller, unregisterer;
    void *had_finished;

    setup();
    add(0, wait_for_unregister);
    ck_assert_int_eq(pthread_create(&canceller, NULL, cancel_main, source), 0);
    while (!ff__load_acquire(&entered))
        sched_yield();
    ck_assert_int_eq(pthread_create(&unregisterer, NULL, unregister_main, registrations[0]), 0);
    pthread_join(unregisterer, &had_finished);
    pthread_join(canceller, NULL);
    ck_assert_ptr_nonnull(had_finished);
    teardown();
}
END_TEST

START_TEST(unregister_in_a_forked_child_does_nothing)
{
    pid_t child;
    int status;

    setup();
    add(0, record);
    ff__lock(&token->lock); /* As if another thread registered at the moment of the fork. */
    child = ff_test_fork();
    if (child == 0) {
        ff_unregister(registrations[0]);
        _exit(0);
    }
    ff__unlock(&token->lock);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ff_cancel(source);
    ck_assert_int_eq(call_count, 1);
    end_all();
    teardown();
}
END_TEST

static void fork_inside(void *arg)
{
    pid_t child = ff_test_fork();

    if (child == 0)
        return; /* Back into the library, in the child. */
    *(pid_t *)arg = child;
}

START_TEST(callback_that_forks_may_return_in_the_child_too)
{
    pid_t self = getpid(), child = 0;
    int status;

    setup();
    ck_assert_int_eq(ff_register(token, fork_inside, &child, &registrations[0]), 0);
    add(1, record);
    ck_assert(ff_cancel(source));
    if (getpid() != self)
        _exit(call_count);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(call_count, 1);
    end_all();
    teardown();
}
END_TEST

FF_TEST_MAIN("callback", 10, register_refuses_bad_arguments_and_leaves_the_result_alone,
             register_on_a_cancelled_token_answers_canceled_without_calling,
             callbacks_run_once_in_order_of_registration,
             callbacks_of_descendants_run_too_ancestors_first,
             callback_runs_on_the_cancelling_thread_which_knows_it,
             callback_may_use_every_call_on_its_own_and_other_tokens,
             unregistered_callback_never_runs, unregister_from_inside_the_callback_returns_at_once,
             unregister_of_a_later_callback_by_an_earlier_one_keeps_it_from_running,
             callback_may_drop_its_registration_and_the_last_source_reference,
             unregister_by_another_thread_waits_until_the_callback_has_finished,
             unregister_in_a_forked_child_does_nothing,
             callback_that_forks_may_return_in_the_child_too)

/* sys/thread.c: start with name, stack and mask; bounded join; forks are counted. pthread_create()
 * is this file's own, so that it can be made to fail. */
#include "runner.h"

#include "base/atomic.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP, SIGABRT};
static int create_error;            /* What pthread_create() shall answer; 0: the truth. */
static sigset_t mask_during_create; /* Of the thread that calls it. */

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*main)(void *), void *arg)
{
    pthread_sigmask(SIG_SETMASK, NULL, &mask_during_create);
    if (create_error != 0)
        return create_error;
    return __real_pthread_create(ret_thread, attributes, main, arg);
}

struct seen {
    char name[16];
    sigset_t mask;
    size_t stack_size, guard_size;
    int32_t id;
};

static void *look(void *arg)
{
    struct seen *seen = arg;
    pthread_attr_t attributes;

    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    seen->id = ff__thread_id();
    ck_assert_int_eq(pthread_getattr_np(pthread_self(), &attributes), 0);
    pthread_attr_getstacksize(&attributes, &seen->stack_size);
    pthread_attr_getguardsize(&attributes, &seen->guard_size);
    pthread_attr_destroy(&attributes);
    return seen;
}

static struct seen run_one(const struct ff__thread_options *options)
{
    struct seen seen;
    pthread_t thread;

    ck_assert_int_eq(ff__thread_start(&thread, options, look, &seen), 0);
    ck_assert_int_eq(ff__thread_join_until(thread, UINT64_MAX), 0);
    return seen;
}

static bool is_fatal(int signal)
{
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        if (fatal[i] == signal)
            return true;
    return false;
}

START_TEST(thread_has_the_name_cut_to_what_the_kernel_takes)
{
    struct ff__thread_options options = {.name = "short"};

    ck_assert_str_eq(run_one(&options).name, "short");
    options.name = "a name that is far too long";
    ck_assert_str_eq(run_one(&options).name, "a name that is ");
}
END_TEST

START_TEST(thread_blocks_every_signal_but_the_fatal_ones)
{
    struct ff__thread_options options = {.name = "t"};
    struct seen seen = run_one(&options);

    for (int signal = 1; signal < SIGRTMAX; signal++) {
        if (signal == SIGKILL || signal == SIGSTOP || (signal > 31 && signal < SIGRTMIN))
            continue;
        ck_assert_int_eq(sigismember(&seen.mask, signal), !is_fatal(signal));
        /* From its first instruction on: it was born with the mask of its maker. */
        ck_assert_int_eq(sigismember(&mask_during_create, signal), !is_fatal(signal));
    }
}
END_TEST

START_TEST(thread_blocks_the_fatal_signals_too_when_asked)
{
    struct ff__thread_options options = {.name = "t", .block_all = true};
    struct seen seen = run_one(&options);

    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        ck_assert_int_eq(sigismember(&seen.mask, fatal[i]), 1);
        ck_assert_int_eq(sigismember(&mask_during_create, fatal[i]), 1);
    }
}
END_TEST

START_TEST(thread_start_leaves_the_mask_of_its_caller_as_it_was)
{
    struct ff__thread_options options = {.name = "t"};
    sigset_t before, after;

    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    run_one(&options);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < 32; signal++)
        ck_assert_int_eq(sigismember(&after, signal), signal == SIGUSR2);
}
END_TEST

START_TEST(thread_has_the_stack_it_was_given_and_a_guard)
{
    struct ff__thread_options options = {.name = "t", .stack_size = 1024 * 1024};
    struct seen seen = run_one(&options);

    ck_assert_uint_ge(seen.stack_size, 1024 * 1024);
    ck_assert_uint_lt(seen.stack_size, 2 * 1024 * 1024);
    ck_assert_uint_ge(seen.guard_size, 64 * 1024);
}
END_TEST

START_TEST(thread_has_a_number_of_its_own)
{
    struct ff__thread_options options = {.name = "t"};

    ck_assert_int_eq(ff__thread_id(), getpid());
    ck_assert_int_ne(run_one(&options).id, getpid());
}
END_TEST

START_TEST(thread_start_that_fails_says_why_and_leaves_all_as_it_was)
{
    static const struct {
        int given, expected;
    } cases[] = {{EAGAIN, -EAGAIN}, {ENOMEM, -ENOMEM}, {EINVAL, -EINVAL}, {EPERM, -EAGAIN}};
    struct ff__thread_options options = {.name = "t"};
    pthread_t thread = 0;
    sigset_t after;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        create_error = cases[i].given;
        ck_assert_int_eq(ff__thread_start(&thread, &options, look, NULL), cases[i].expected);
        ck_assert_uint_eq(thread, 0);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        ck_assert_int_eq(sigismember(&after, SIGUSR1), 0);
    }
    create_error = 0;
}
END_TEST

START_TEST(thread_start_with_a_stack_too_small_is_invalid)
{
    struct ff__thread_options options = {.name = "t", .stack_size = 1};
    pthread_t thread;

    ck_assert_int_eq(ff__thread_start(&thread, &options, look, NULL), -EINVAL);
}
END_TEST

static _Atomic uint32_t gate;

static void *wait_at_gate(void *arg)
{
    while (ff__load_seqcst(&gate) == 0)
        (void)ff__futex_wait(&gate, 0, UINT64_MAX);
    return arg;
}

START_TEST(thread_join_gives_up_at_the_deadline_and_can_be_repeated)
{
    struct ff__thread_options options = {.name = "t"};
    uint64_t deadline_ns;
    pthread_t thread;

    ck_assert_int_eq(ff__thread_start(&thread, &options, wait_at_gate, NULL), 0);
    deadline_ns = ff__clock_after(10 * 1000000);
    ck_assert_int_eq(ff__thread_join_until(thread, deadline_ns), -ETIMEDOUT);
    ck_assert_uint_ge(ff__clock_now(), deadline_ns);
    ck_assert_int_eq(ff__thread_join_until(thread, 0), -ETIMEDOUT);
    ff__store_seqcst(&gate, 1);
    ff__futex_wake(&gate, 1);
    ck_assert_int_eq(ff__thread_join_until(thread, ff__clock_after(UINT64_C(3000000000))), 0);
}
END_TEST

static void *self_is_empty(void *arg)
{
    struct ff__self empty;

    memset(&empty, 0, sizeof empty);
    *(bool *)arg = memcmp(&ff__self, &empty, sizeof empty) == 0;
    ff__self.in_callback = 1;
    return NULL;
}

START_TEST(thread_record_is_each_threads_own_and_empty_at_first)
{
    struct ff__thread_options options = {.name = "t"};
    pthread_t thread;
    bool empty = false;

    ff__self.in_hook = true;
    ck_assert_int_eq(ff__thread_start(&thread, &options, self_is_empty, &empty), 0);
    ck_assert_int_eq(ff__thread_join_until(thread, UINT64_MAX), 0);
    ck_assert(empty);
    ck_assert_uint_eq(ff__self.in_callback, 0);
    ff__self.in_hook = false;
}
END_TEST

static int order;
static int first_at, second_at;

static void first(void)
{
    first_at = ++order;
}

static void second(void)
{
    second_at = ++order;
}

static int status_of_child(pid_t pid)
{
    int status = -1;

    ck_assert_int_ge(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(fork_handlers_run_once_each_in_order_and_only_in_the_child)
{
    pid_t pid;

    ff__fork_register(first);
    ff__fork_register(second);
    ff__fork_register(first);
    pid = fork();
    if (pid == 0)
        _exit(!(first_at == 1 && second_at == 2 && order == 2 && ff__fork_generation == 1));
    ck_assert_int_eq(status_of_child(pid), 0);
    ck_assert_int_eq(order, 0);
    ck_assert_uint_eq(ff__fork_generation, 0);
}
END_TEST

START_TEST(fork_generation_counts_grandchildren)
{
    pid_t pid;

    ff__fork_register(first);
    pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            _exit(ff__fork_generation == 2 ? 0 : 1);
        _exit(status_of_child(pid) == 0 && ff__fork_generation == 1 ? 0 : 1);
    }
    ck_assert_int_eq(status_of_child(pid), 0);
}
END_TEST

FF_TEST_MAIN("thread", 4, thread_has_the_name_cut_to_what_the_kernel_takes,
             thread_blocks_every_signal_but_the_fatal_ones,
             thread_blocks_the_fatal_signals_too_when_asked,
             thread_start_leaves_the_mask_of_its_caller_as_it_was,
             thread_has_the_stack_it_was_given_and_a_guard, thread_has_a_number_of_its_own,
             thread_start_that_fails_says_why_and_leaves_all_as_it_was,
             thread_start_with_a_stack_too_small_is_invalid,
             thread_join_gives_up_at_the_deadline_and_can_be_repeated,
             thread_record_is_each_threads_own_and_empty_at_first,
             fork_handlers_run_once_each_in_order_and_only_in_the_child,
             fork_generation_counts_grandchildren)

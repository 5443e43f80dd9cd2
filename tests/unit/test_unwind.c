/* Backtraces and names. */
#include "runner.h"

#include "fail/context.h"
#include "fail/unwind.h"

#include <signal.h>
#include <stdint.h>

static void *frames[32];
static size_t frame_count;
static unsigned skipped;

__attribute__((noinline)) static void inner(void)
{
    frame_count = ff__unwind_here(frames, 32, skipped);
    __asm__ volatile("");
}

__attribute__((noinline)) static void outer(void)
{
    inner();
    __asm__ volatile("");
}

static void expect_function(const void *frame, const char *name)
{
    char found[64];
    uintptr_t offset;

    ck_assert(ff__unwind_name((uintptr_t)frame - 1, found, sizeof found, &offset));
    ck_assert_str_eq(found, name);
}

START_TEST(unwind_here_begins_with_its_caller)
{
    skipped = 0;
    outer();
    ck_assert_uint_ge(frame_count, 3);
    expect_function(frames[0], "inner");
    expect_function(frames[1], "outer");
}
END_TEST

START_TEST(unwind_here_leaves_out_the_callers_that_it_shall_skip)
{
    skipped = 1;
    outer();
    expect_function(frames[0], "outer");
}
END_TEST

START_TEST(unwind_here_keeps_to_its_capacity)
{
    void *two[3] = {NULL, NULL, NULL};

    ck_assert_uint_eq(ff__unwind_here(two, 2, 0), 2);
    ck_assert_ptr_nonnull(two[1]);
    ck_assert_ptr_null(two[2]);
    ck_assert_uint_eq(ff__unwind_here(two, 0, 0), 0);
}
END_TEST

START_TEST(unwind_name_has_none_for_what_is_no_code)
{
    char name[64];
    uintptr_t offset = 7;

    ck_assert(!ff__unwind_name(16, name, sizeof name, &offset));
    ck_assert_uint_eq(offset, 7);
}
END_TEST

static struct {
    unsigned count;
    uintptr_t pc[8];
    bool is_return[8];
} seen;

static bool visit(void *pc, bool is_return, void *limit)
{
    seen.pc[seen.count] = (uintptr_t)pc;
    seen.is_return[seen.count] = is_return;
    return ++seen.count < *(unsigned *)limit;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    static ucontext_t copy;
    unsigned limit = 4;

    (void)signal;
    (void)info;
    copy = *(ucontext_t *)context;
    ff__unwind_context(&copy, visit, &limit);
}

START_TEST(unwind_context_begins_where_the_signal_came_and_stops_when_told)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    ff__unwind_warm_up();
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    ck_assert_uint_eq(seen.count, 4);
    ck_assert(!seen.is_return[0]);
    ck_assert(seen.is_return[1]);
    ck_assert(seen.is_return[2]);
}
END_TEST

FF_TEST_MAIN("unwind", 10, unwind_here_begins_with_its_caller,
             unwind_here_leaves_out_the_callers_that_it_shall_skip,
             unwind_here_keeps_to_its_capacity, unwind_name_has_none_for_what_is_no_code,
             unwind_context_begins_where_the_signal_came_and_stops_when_told)

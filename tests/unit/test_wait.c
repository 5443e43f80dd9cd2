/* Waits that a token ends: sleep, poll, descriptor. */
#include "runner.h"

#include "sched/cancel.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static ff_source *source;
static ff_token *token;
static int pipe_fds[2];

static void setup(void)
{
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    token = ff_source_token(source);
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
}

static void teardown(void)
{
    ff_source_unref(source);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void make_ready(void)
{
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
}

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

/* A thread that waits on the token, and how its wait ended. */
struct waiter {
    pthread_t thread;
    _Atomic int32_t tid;
    bool polls;
    uint64_t deadline_ns;
    int rc;
};

static void *waiter_main(void *arg)
{
    struct waiter *waiter = arg;
    struct pollfd fd = {.fd = pipe_fds[0], .events = POLLIN};

    ff__store_release(&waiter->tid, ff__thread_id());
    if (waiter->polls)
        waiter->rc = ff_token_poll_until(token, &fd, 1, waiter->deadline_ns);
    else
        waiter->rc = ff_token_sleep_until(token, waiter->deadline_ns);
    return NULL;
}

/* Returns when the waiter is asleep, as far as one can see; nothing depends on it. */
static void waiter_start(struct waiter *waiter)
{
    int32_t tid;

    ck_assert_int_eq(pthread_create(&waiter->thread, NULL, waiter_main, waiter), 0);
    while ((tid = ff__load_acquire(&waiter->tid)) == 0 || thread_state(tid) == 'R')
        sched_yield();
}

START_TEST(sleep_ends_at_the_deadline_and_not_before)
{
    uint64_t deadline_ns;

    setup();
    deadline_ns = ff_deadline_ns(2 * FF_MILLISECOND);
    ck_assert_int_eq(ff_token_sleep_until(token, deadline_ns), 0);
    ck_assert_uint_ge(ff_now_ns(), deadline_ns);
    deadline_ns = ff_deadline_ns(2 * FF_MILLISECOND);
    ck_assert_int_eq(ff_token_sleep_until(NULL, deadline_ns), 0);
    ck_assert_uint_ge(ff_now_ns(), deadline_ns);
    ck_assert_int_eq(ff_token_sleep_until(token, 0), 0);
    ck_assert_uint_eq(ff__load_relaxed(&token->sleepers), 0);
    teardown();
}
END_TEST

START_TEST(waits_on_a_cancelled_token_end_at_once)
{
    struct pollfd fd = {.events = POLLIN, .revents = 77};

    setup();
    fd.fd = pipe_fds[0];
    ff_cancel(source);
    ck_assert_int_eq(ff_token_sleep_until(token, FF_NEVER), FF_CANCELED);
    ck_assert_int_eq(ff_token_sleep_until(token, 0), FF_CANCELED);
    make_ready();
    ck_assert_int_eq(ff_token_poll_until(token, &fd, 1, FF_NEVER), FF_CANCELED);
    ck_assert_int_eq(ff_token_poll_until(token, &fd, 1, 0), FF_CANCELED);
    ck_assert_int_eq(fd.revents, 77);
    ck_assert_int_eq(token->event_fd, -1);
    teardown();
}
END_TEST

START_TEST(sleep_and_poll_end_when_another_thread_cancels)
{
    struct waiter waiters[4] = {{.polls = false}, {.polls = true}, {.polls = true}};

    setup();
    for (int i = 0; i < 4; i++) {
        waiters[i].deadline_ns = i < 2 ? FF_NEVER : ff_deadline_ns(3600 * FF_SECOND);
        waiter_start(&waiters[i]);
    }
    ff_cancel(source);
    for (int i = 0; i < 4; i++) {
        pthread_join(waiters[i].thread, NULL);
        ck_assert_int_eq(waiters[i].rc, FF_CANCELED);
    }
    teardown();
}
END_TEST

static void cancel_in_handler(int number)
{
    (void)number;
    ff_cancel_from_signal(source);
}

static void ignore_in_handler(int number)
{
    (void)number;
}

static void expect_cancelled_by_handler_on_the_waiter(bool polls)
{
    struct sigaction action = {.sa_handler = cancel_in_handler};
    struct waiter waiter = {.polls = polls, .deadline_ns = FF_NEVER};

    setup();
    sigaction(SIGUSR1, &action, NULL);
    waiter_start(&waiter);
    pthread_kill(waiter.thread, SIGUSR1);
    pthread_join(waiter.thread, NULL);
    ck_assert_int_eq(waiter.rc, FF_CANCELED);
    teardown();
}

START_TEST(sleep_ends_when_a_signal_handler_cancels)
{
    expect_cancelled_by_handler_on_the_waiter(false);
}
END_TEST

START_TEST(poll_ends_when_a_signal_handler_cancels)
{
    expect_cancelled_by_handler_on_the_waiter(true);
}
END_TEST

static void expect_handler_does_not_end(bool polls)
{
    struct sigaction action = {.sa_handler = ignore_in_handler};
    struct waiter waiter = {.polls = polls};

    setup();
    sigaction(SIGUSR1, &action, NULL);
    waiter.deadline_ns = ff_deadline_ns(20 * FF_MILLISECOND);
    waiter_start(&waiter);
    for (int i = 0; i < 5; i++) {
        pthread_kill(waiter.thread, SIGUSR1);
        sched_yield();
    }
    pthread_join(waiter.thread, NULL);
    ck_assert_int_eq(waiter.rc, 0);
    ck_assert_uint_ge(ff_now_ns(), waiter.deadline_ns);
    teardown();
}

START_TEST(sleep_goes_on_after_a_signal_handler)
{
    expect_handler_does_not_end(false);
}
END_TEST

START_TEST(poll_goes_on_after_a_signal_handler)
{
    expect_handler_does_not_end(true);
}
END_TEST

START_TEST(poll_tells_which_descriptors_are_ready)
{
    struct pollfd fds[3] = {{.revents = 77}, {.revents = 77}, {.fd = -1, .revents = 77}};

    setup();
    fds[0] = (struct pollfd){.fd = pipe_fds[0], .events = POLLIN};
    fds[1] = (struct pollfd){.fd = pipe_fds[1], .events = POLLOUT};
    ck_assert_int_eq(ff_token_poll_until(token, fds, 3, FF_NEVER), 1);
    ck_assert_int_eq(fds[0].revents, 0);
    ck_assert_int_eq(fds[1].revents, POLLOUT);
    ck_assert_int_eq(fds[2].revents, 0);
    make_ready();
    ck_assert_int_eq(ff_token_poll_until(NULL, fds, 3, 0), 2);
    ck_assert_int_eq(fds[0].revents, POLLIN);
    teardown();
}
END_TEST

START_TEST(poll_answers_0_when_the_deadline_passes)
{
    struct pollfd fd = {.events = POLLIN, .revents = 77};
    uint64_t deadline_ns;

    setup();
    fd.fd = pipe_fds[0];
    deadline_ns = ff_deadline_ns(2 * FF_MILLISECOND);
    ck_assert_int_eq(ff_token_poll_until(token, &fd, 1, deadline_ns), 0);
    ck_assert_uint_ge(ff_now_ns(), deadline_ns);
    ck_assert_int_eq(fd.revents, 0);
    ck_assert_int_eq(ff_token_poll_until(token, NULL, 0, 0), 0);
    ck_assert_int_eq(ff_token_poll_until(NULL, NULL, 0, ff_now_ns()), 0);
    teardown();
}
END_TEST

START_TEST(poll_takes_up_to_1023_descriptors_and_refuses_more)
{
    static struct pollfd fds[1024];

    setup();
    for (int i = 0; i < 1024; i++)
        fds[i] = (struct pollfd){.fd = pipe_fds[i % 2], .events = POLLIN};
    make_ready();
    ck_assert_int_eq(ff_token_poll_until(token, fds, 1024, 0), -EINVAL);
    ck_assert_int_eq(ff_token_poll_until(token, NULL, 1, 0), -EINVAL);
    for (size_t count = 30; count <= 36; count += 2) /* On both sides of the array on the stack. */
        ck_assert_int_eq(ff_token_poll_until(token, fds, count, 0), (int)count / 2);
    ck_assert_int_eq(ff_token_poll_until(token, fds, 1023, FF_NEVER), 512);
    ck_assert_int_eq(fds[1022].revents, POLLIN);
    teardown();
}
END_TEST

static bool readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLIN;
}

START_TEST(fd_is_readable_for_ever_once_cancelled_and_not_before)
{
    int fd;

    setup();
    ck_assert_int_eq(ff_token_fd(NULL), -EINVAL);
    fd = ff_token_fd(token);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ff_token_fd(token), fd);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert(!readable(fd));
    ff_cancel(source);
    for (int i = 0; i < 3; i++)
        ck_assert(readable(fd));
    ff_cancel(source);
    ck_assert(readable(fd));
    teardown();
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(fd_made_after_the_cancellation_is_readable)
{
    setup();
    ff_cancel(source);
    ck_assert(readable(ff_token_fd(token)));
    teardown();
}
END_TEST

START_TEST(fd_follows_ancestors_deadlines_and_signal_handlers)
{
    struct ff_source_options options = {.size = sizeof options};
    ff_source *child, *timed;
    struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};

    setup();
    options.parent = token;
    ck_assert_int_eq(ff_source_new(&options, &child), 0);
    options.parent = NULL;
    options.deadline_ns = ff_deadline_ns(FF_MILLISECOND);
    ck_assert_int_eq(ff_source_new(&options, &timed), 0);
    fds[0].fd = ff_token_fd(ff_source_token(child));
    fds[1].fd = ff_token_fd(ff_source_token(timed));
    ck_assert(!readable(fds[0].fd));
    ff_cancel_from_signal(source);
    ck_assert_int_eq(poll(&fds[0], 1, -1), 1);
    ck_assert_int_eq(poll(&fds[1], 1, -1), 1);
    ff_source_unref(child);
    ff_source_unref(timed);
    teardown();
}
END_TEST

START_TEST(fd_answers_emfile_and_can_be_repeated)
{
    struct rlimit old, low;
    struct pollfd fd = {.events = POLLIN};
    int made;

    setup();
    fd.fd = pipe_fds[0];
    make_ready();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)pipe_fds[1] + 1, .rlim_max = old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((made = dup(pipe_fds[0])) >= 0) /* Those that are free below the limit. */
        ;
    ck_assert_int_eq(ff_token_fd(token), -EMFILE);
    ck_assert_int_eq(ff_token_poll_until(token, &fd, 1, FF_NEVER), -EMFILE);
    ck_assert_int_eq(ff_token_poll_until(NULL, &fd, 1, FF_NEVER), 1);
    ck_assert_int_eq(ff_token_sleep_until(token, 1), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(ff_token_poll_until(token, &fd, 1, FF_NEVER), 1);
    ck_assert(!readable(ff_token_fd(token)));
    ff_cancel(source);
    ck_assert(readable(ff_token_fd(token)));
    teardown();
}
END_TEST

FF_TEST_MAIN("wait", 10, sleep_ends_at_the_deadline_and_not_before,
             waits_on_a_cancelled_token_end_at_once, sleep_and_poll_end_when_another_thread_cancels,
             sleep_ends_when_a_signal_handler_cancels, poll_ends_when_a_signal_handler_cancels,
             sleep_goes_on_after_a_signal_handler, poll_goes_on_after_a_signal_handler,
             poll_tells_which_descriptors_are_ready, poll_answers_0_when_the_deadline_passes,
             poll_takes_up_to_1023_descriptors_and_refuses_more,
             fd_is_readable_for_ever_once_cancelled_and_not_before,
             fd_made_after_the_cancellation_is_readable,
             fd_follows_ancestors_deadlines_and_signal_handlers,
             fd_answers_emfile_and_can_be_repeated)

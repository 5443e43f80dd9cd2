/* Death tests. See death.h: a test calls it, one at a time. What is measured is true: the text is
 * all that the child and its children wrote before the child was gone. */
#include "death.h"

#include "runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_BODY_RETURNED 99

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void child_run(void (*body)(void *arg), void *arg, const int pipe_fds[2])
{
    const struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    body(arg);
    _exit(EXIT_BODY_RETURNED);
}

/* Takes what is in the pipe. What does not fit is read and dropped, so that the child goes on.
 * @return false at the end of the pipe. */
static bool pipe_read(int fd, struct ff_death *death)
{
    char buffer[4096];
    ssize_t got = read(fd, buffer, sizeof buffer);
    size_t room = sizeof death->text - 1 - death->length;

    if (got < 0)
        return errno == EINTR;
    if ((size_t)got < room)
        room = (size_t)got;
    memcpy(death->text + death->length, buffer, room);
    death->length += room;
    death->text[death->length] = '\0';
    return got > 0;
}

/* Empties the pipe after the child's end. Its own children may hold the pipe open: so no wait. */
static void pipe_drain(int fd, struct ff_death *death)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    while (poll(&ready, 1, 0) > 0 && pipe_read(fd, death))
        ;
}

static bool child_gone(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* How long to sleep at most. valgrind knows no pidfd: without one the child is looked at every
 * millisecond. */
static int poll_ms(int pid_fd, double left_ms, const struct ff_death *death)
{
    if (pid_fd < 0)
        return 1;
    return death->timed_out ? -1 : (int)left_ms + 1;
}

/* Reads until the child is gone, not until the end of the pipe. */
static void child_watch(pid_t pid, int pid_fd, int pipe_fd, double end_ms, struct ff_death *death)
{
    struct pollfd fds[2] = {{.fd = pid_fd, .events = POLLIN}, {.fd = pipe_fd, .events = POLLIN}};

    while (!child_gone(pid)) {
        double left_ms = end_ms - now_ms();

        if (left_ms <= 0 && !death->timed_out) {
            death->timed_out = 1;
            kill(pid, SIGKILL);
        }
        if (poll(fds, 2, poll_ms(pid_fd, left_ms, death)) < 0)
            ck_assert_int_eq(errno, EINTR);
        else if (fds[1].revents != 0 && !pipe_read(pipe_fd, death))
            fds[1].fd = -1; /* Closed by the child: only its end is awaited. */
    }
    pipe_drain(pipe_fd, death);
}

struct ff_death *ff_death_run(void (*body)(void *arg), void *arg, unsigned timeout_ms)
{
    struct ff_death *death = calloc(1, sizeof *death);
    double start_ms = now_ms();
    int pipe_fds[2], pid_fd;
    pid_t pid;

    ck_assert_ptr_nonnull(death);
    ck_assert_int_eq(pipe(pipe_fds), 0);
    fflush(NULL); /* Or the child would write it a second time. */
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        free(death); /* Or valgrind would find it lost in the child. */
        child_run(body, arg, pipe_fds);
    }

    close(pipe_fds[1]);
    pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    child_watch(pid, pid_fd, pipe_fds[0], start_ms + timeout_ms * ff_test_slow(), death);
    ck_assert_int_eq(waitpid(pid, &death->status, 0), pid);
    death->ms = now_ms() - start_ms;
    if (pid_fd >= 0)
        close(pid_fd);
    close(pipe_fds[0]);
    return death;
}

size_t ff_death_count(const struct ff_death *death, const char *needle)
{
    size_t count = 0, length = strlen(needle);

    for (const char *at = strstr(death->text, needle); at; at = strstr(at + length, needle))
        count++;
    return count;
}

static void mismatch(const struct ff_death *death, const char *expected, const char *detail)
{
    int status = death->status;
    const char *how = WIFSIGNALED(status) ? "signal" : "exit code";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);

    fprintf(stderr, "---- stderr of the child\n%s\n---- end\n", death->text);
    ck_abort_msg("expected %s %s; it ended with %s %d after %.1f ms%s", expected, detail, how,
                 number, death->ms, death->timed_out ? ", killed at its time limit" : "");
}

static void expect_status(const struct ff_death *death, bool as_expected, const char *what,
                          int number)
{
    char detail[32];

    snprintf(detail, sizeof detail, "%d", number);
    if (!as_expected || death->timed_out)
        mismatch(death, what, detail);
}

void ff_death_expect_exit(const struct ff_death *death, int code)
{
    expect_status(death, WIFEXITED(death->status) && WEXITSTATUS(death->status) == code,
                  "exit code", code);
}

void ff_death_expect_signal(const struct ff_death *death, int signal)
{
    expect_status(death, WIFSIGNALED(death->status) && WTERMSIG(death->status) == signal,
                  "death by signal", signal);
}

void ff_death_expect_text(const struct ff_death *death, const char *needle)
{
    if (ff_death_count(death, needle) == 0)
        mismatch(death, "this text:", needle);
}

void ff_death_expect_no_text(const struct ff_death *death, const char *needle)
{
    if (ff_death_count(death, needle) != 0)
        mismatch(death, "no text like", needle);
}

void ff_death_expect_count(const struct ff_death *death, const char *needle, size_t count)
{
    char expected[64];

    snprintf(expected, sizeof expected, "%zu times the text", count);
    if (ff_death_count(death, needle) != count)
        mismatch(death, expected, needle);
}

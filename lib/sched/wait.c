/* Waits that a token ends: sleep, poll, and the descriptor for other people's loops. Public calls,
 * for any thread. The protocol of sleepers is in cancel.c. */
#include "sched/cancel.h"
#include "sched/waiting.h"
#include "sys/clock.h"
#include "sys/futex.h"

#include <failfast/task.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define POLL_MAX 1023
#define POLL_ON_STACK 32

static int sleep_counted(ff_token *token, uint64_t deadline_ns)
{
    int rc = 0;

    ff__add_seqcst(&token->sleepers, 1);                                          /* W */
    while (rc != -ETIMEDOUT && ff__load_seqcst(&token->reason) == FF_REASON_NONE) /* C */
        rc = ff__futex_wait(&token->reason, FF_REASON_NONE, deadline_ns);         /* S */
    /* Relaxed: a count that is too high for a moment costs a needless wake. */
    ff__sub_relaxed(&token->sleepers, 1);
    return ff_canceled(token) ? FF_CANCELED : 0;
}

static void sleep_alone(uint64_t deadline_ns)
{
    _Atomic uint32_t nothing = 0;

    while (ff__futex_wait(&nothing, 0, deadline_ns) != -ETIMEDOUT)
        ;
}

int ff_token_sleep_until(ff_token *token, uint64_t deadline_ns)
{
    const char *before;
    int rc = 0;

    if (ff_canceled(token))
        return FF_CANCELED;
    before = ff__waiting_set("sleeping");
    if (token)
        rc = sleep_counted(token, deadline_ns);
    else
        sleep_alone(deadline_ns);
    ff_beat(ff_task_current()); /* Before it counts as running again. */
    ff__waiting_set(before);
    return rc;
}

/* Makes the eventfd of a token that has none; its lock is held. Whoever cancels later writes to it,
 * under the lock; what a signal handler marked may not have been walked yet, so write here too. */
static int event_fd_make(ff_token *token)
{
    int fd = eventfd(ff_canceled(token) ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return -errno;
    token->event_fd = fd;
    return fd;
}

int ff_token_fd(ff_token *token)
{
    int fd;

    if (!token)
        return -EINVAL;
    if (ff__token_foreign(token)) /* The descriptor is shared with the process that made it. */
        return -EOWNERDEAD;
    ff__lock(&token->lock);
    fd = token->event_fd;
    if (fd < 0)
        fd = event_fd_make(token);
    ff__unlock(&token->lock);
    return fd;
}

/* ppoll() until the deadline, signal handlers notwithstanding. */
static int poll_until(ff_token *token, struct pollfd *fds, size_t count, uint64_t deadline_ns)
{
    int rc;

    do {
        const uint64_t now_ns = ff__clock_now();
        const struct timespec left =
            ff__clock_timespec(deadline_ns > now_ns ? deadline_ns - now_ns : 0);

        rc = ppoll(fds, count, deadline_ns == FF_NEVER ? NULL : &left, NULL);
        if (rc < 0)
            rc = -errno;
    } while (rc == -EINTR && !ff_canceled(token));
    return ff_canceled(token) ? FF_CANCELED : rc;
}

/* copy has room for count + 1. */
static int poll_copy(ff_token *token, int event_fd, struct pollfd *fds, size_t count,
                     struct pollfd *copy, uint64_t deadline_ns)
{
    int rc;

    for (size_t i = 0; i < count; i++)
        copy[i] = (struct pollfd){.fd = fds[i].fd, .events = fds[i].events};
    copy[count] = (struct pollfd){.fd = event_fd, .events = POLLIN}; /* Negative: ignored. */
    rc = poll_until(token, copy, count + 1, deadline_ns);
    for (size_t i = 0; rc >= 0 && i < count; i++)
        fds[i].revents = copy[i].revents;
    return rc;
}

int ff_token_poll_until(ff_token *token, struct pollfd *fds, size_t count, uint64_t deadline_ns)
{
    struct pollfd on_stack[POLL_ON_STACK + 1], *copy = on_stack;
    const char *before;
    int rc, event_fd = -1;

    if (count > POLL_MAX || (count > 0 && !fds))
        return -EINVAL;
    if (ff_canceled(token))
        return FF_CANCELED;
    if (token && (event_fd = ff_token_fd(token)) < 0)
        return event_fd;
    if (count > POLL_ON_STACK) {
        copy = malloc((count + 1) * sizeof *copy);
        if (!copy)
            return -ENOMEM;
    }
    before = ff__waiting_set("polling");
    rc = poll_copy(token, event_fd, fds, count, copy, deadline_ns);
    ff_beat(ff_task_current()); /* Before it counts as running again. */
    ff__waiting_set(before);
    if (copy != on_stack)
        free(copy);
    return rc;
}

/* Threads of the library. See thread.h. Any thread may start and join; forks are counted by the one
 * atfork handler that is registered here. */
#include "sys/thread.h"

#include "base/atomic.h"
#include "base/name.h"
#include "base/panic.h"
#include "sys/clock.h"
#include "sys/lock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KERNEL_NAME_BYTES 16
#define FORK_HANDLERS_MAX 8

/* One page would be jumped over by a function with a large frame; this catches most. */
#define GUARD_BYTES ((size_t)64 * 1024)

__thread struct ff__self ff__self __attribute__((tls_model("initial-exec")));

uint32_t ff__fork_generation;

/* Guarded by fork_lock, but for the forked child, which is alone and starts with the reset. */
static struct ff__lock fork_lock = FF__LOCK_INIT;
static void (*fork_handlers[FORK_HANDLERS_MAX])(void);
/* Written after the handler it counts (release), so that a child never calls an empty place. */
static _Atomic unsigned fork_handler_count;

struct start {
    void *(*main)(void *);
    void *arg;
    char name[KERNEL_NAME_BYTES];
};

static void *thread_main(void *arg)
{
    struct start start = *(struct start *)arg;

    free(arg);
    if (start.name[0] != '\0')
        pthread_setname_np(pthread_self(), start.name); /* Cosmetic: may fail. */
    return start.main(start.arg);
}

static void mask_fill(sigset_t *mask, bool block_all)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP, SIGABRT};

    sigfillset(mask);
    for (size_t i = 0; !block_all && i < FF__ARRAY_SIZE(fatal); i++)
        sigdelset(mask, fatal[i]);
}

static int attributes_set(pthread_attr_t *attributes, size_t stack_size)
{
    int rc = pthread_attr_setguardsize(attributes, GUARD_BYTES);

    if (rc == 0 && stack_size != 0)
        rc = pthread_attr_setstacksize(attributes, stack_size);
    return -rc;
}

/* The new thread inherits the mask, so no signal can reach it before it is set. */
static int create_masked(pthread_t *ret_thread, const pthread_attr_t *attributes, bool block_all,
                         struct start *start)
{
    sigset_t mask, saved;
    int rc;

    mask_fill(&mask, block_all);
    pthread_sigmask(SIG_SETMASK, &mask, &saved);
    rc = pthread_create(ret_thread, attributes, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    return rc == 0 || rc == ENOMEM || rc == EINVAL ? -rc : -EAGAIN;
}

int ff__thread_start(pthread_t *ret_thread, const struct ff__thread_options *options,
                     void *(*main)(void *), void *arg)
{
    pthread_attr_t attributes;
    struct start *start = malloc(sizeof *start);
    pthread_t thread;
    int rc;

    if (!start)
        return -ENOMEM;
    *start = (struct start){.main = main, .arg = arg};
    if (ff__name_ok(options->name))
        ff__name_copy(start->name, sizeof start->name, options->name);

    rc = -pthread_attr_init(&attributes);
    if (rc < 0)
        goto free_start;
    rc = attributes_set(&attributes, options->stack_size);
    if (rc == 0)
        rc = create_masked(&thread, &attributes, options->block_all, start);
    pthread_attr_destroy(&attributes);
    if (rc < 0)
        goto free_start;
    *ret_thread = thread;
    return 0;

free_start:
    free(start);
    return rc;
}

/* ThreadSanitizer does not know pthread_clockjoin_np() and takes what it joined for a leak. Under
 * it the wall clock serves. */
static int join_until(pthread_t thread, uint64_t deadline_ns)
{
    struct timespec deadline = ff__clock_timespec(deadline_ns);

    if (FF__TSAN) {
        uint64_t now_ns = ff__clock_now(),
                 left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        struct timespec left = ff__clock_timespec(left_ns);

        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += left.tv_sec + (deadline.tv_nsec + left.tv_nsec) / 1000000000;
        deadline.tv_nsec = (deadline.tv_nsec + left.tv_nsec) % 1000000000;
        return pthread_timedjoin_np(thread, NULL, &deadline);
    }
    return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &deadline);
}

int ff__thread_join_until(pthread_t thread, uint64_t deadline_ns)
{
    int rc =
        deadline_ns == UINT64_MAX ? pthread_join(thread, NULL) : join_until(thread, deadline_ns);

    ff__check(rc == 0 || rc == ETIMEDOUT);
    return -rc;
}

/* AS-safe: a system call that cannot fail. */
int32_t ff__thread_id(void)
{
    return (int32_t)syscall(SYS_gettid);
}

/* Runs in the child, whose only thread this is. */
static void fork_child(void)
{
    unsigned count;

    ff__lock_init(&fork_lock); /* Another thread of the parent may have held it. */
    ff__fork_generation++;
    count = ff__load_acquire(&fork_handler_count);
    for (unsigned i = 0; i < count; i++)
        fork_handlers[i]();
}

static void fork_watch(void)
{
    ff__check(pthread_atfork(NULL, NULL, fork_child) == 0);
}

static bool fork_handler_known(void (*child)(void), unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (fork_handlers[i] == child)
            return true;
    return false;
}

void ff__fork_register(void (*child)(void))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned count;

    pthread_once(&once, fork_watch);
    ff__lock(&fork_lock);
    /* Relaxed: only holders of fork_lock write it. */
    count = ff__load_relaxed(&fork_handler_count);
    if (!fork_handler_known(child, count)) {
        ff__check(count < FORK_HANDLERS_MAX);
        fork_handlers[count] = child;
        /* Release, with the acquire in fork_child(): the handler is in its place before it counts.
         */
        ff__store_release(&fork_handler_count, count + 1);
    }
    ff__unlock(&fork_lock);
}

/* Threads of the library: how they start, and what each knows of itself. */
#ifndef FF__SYS_THREAD_H
#define FF__SYS_THREAD_H

#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff__slot;   /* fail/blackbox.h: the thread's row in the black box. */
struct ff__frame;  /* sched/types.h: the task that the thread runs. */
struct ff__worker; /* sched/types.h: the worker that the thread is. */

/* The thread's record. Owner: the thread; nobody else reads it. All NULL on threads that the
 * library does not know. */
struct ff__self {
    struct ff__slot *slot;
    struct ff__frame *frame;
    struct ff__worker *worker;
    void *altstack;       /* The mapping that ff__altstack_install() made, or NULL. */
    unsigned in_callback; /* > 0 inside a cancel callback. */
    bool in_hook;         /* Inside an at-abort hook. */
    bool in_exit;         /* Inside exit(), beyond the handlers that are younger than ours. */
    bool adopted;         /* By ff_thread_adopt(). */
};
extern __thread struct ff__self ff__self __attribute__((tls_model("initial-exec")));

struct ff__thread_options {
    const char *name;  /* For the kernel: cut to 15 bytes. */
    size_t stack_size; /* 0: the system's default. */
    bool block_all;    /* Block the fatal signals too (guardian). */
};

/* Starts a joinable thread that blocks every signal, but for SEGV BUS ILL FPE SYS TRAP ABRT unless
 * block_all. @return 0, -EAGAIN, -ENOMEM, -EINVAL. */
int ff__thread_start(pthread_t *ret_thread, const struct ff__thread_options *options,
                     void *(*main)(void *), void *arg);

/* Joins, but gives up at the deadline. @return 0 or -ETIMEDOUT. */
int ff__thread_join_until(pthread_t thread, uint64_t deadline_ns);

/* The kernel's number of the calling thread; AS-safe. */
int32_t ff__thread_id(void);

/* Counts forks from the first ff__fork_register() on: 0 in the first process, more in each forked
 * child. An object that remembers another value belongs to the parent. A plain variable: it changes
 * only in a forked child before fork() returns there, when that child has one thread. */
extern uint32_t ff__fork_generation;

/* Runs in the child after fork, in the order of registration; for globals that must start anew
 * (locks that another thread of the parent held). At most 8 handlers; the same one twice counts
 * once. Registers the atfork handler at the first call. Never fails but by panic. */
void ff__fork_register(void (*child)(void));

#endif

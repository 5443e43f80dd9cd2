/* What is known of one failure, from the task's return to the report. */
#ifndef FF__FAIL_FAILURE_H
#define FF__FAIL_FAILURE_H

#include "base/atomic.h"
#include "fail/blackbox.h"

#include <failfast/failure.h>

#include <stddef.h>
#include <stdint.h>

#define FF__MESSAGE_BYTES 256
#define FF__FRAMES_MAX 32

enum ff__cause {
    FF__CAUSE_STATUS = 1,        /* The task returned an error status. */
    FF__CAUSE_CANCELED_UNASKED,  /* FF_CANCELED without a request. */
    FF__CAUSE_SERVICE_RETURNED,  /* A service task returned 0 while the pool ran. */
    FF__CAUSE_THREAD_ENDED,      /* pthread_exit or pthread_cancel inside a task. */
    FF__CAUSE_GROUP_UNREAD,      /* A group freed with an unread failure (its cause is that one). */
    FF__CAUSE_GROUP_ABANDONED,   /* A group freed with children running. */
    FF__CAUSE_GROUP_LEFT,        /* A group that its owner never freed. */
    FF__CAUSE_GROUP_NO_MEMORY,   /* A child's failure could not be kept for the group. */
    FF__CAUSE_SHUTDOWN_DEADLINE, /* A shutdown missed its deadline. */
    FF__CAUSE_REQUESTED,         /* ff_panic(). */
};

/* The public ff_failure. Lives in a frame on the stack while the task runs; a copy on the heap when
 * a group keeps it. Written by the failing thread; read-only afterwards. */
struct ff_failure {
    _Atomic uint32_t refs; /* Heap copies only. */
    enum ff__cause kind;
    int code;
    struct ff__facts task;
    int32_t tid;
    uint64_t run_ns;      /* How long the task ran; coarse. 0: unknown. */
    const char *file;     /* Of ff_fail(); static text. NULL without. */
    const char *function; /* Likewise. */
    int line;
    unsigned frame_count;
    void *frames[FF__FRAMES_MAX];
    char message[FF__MESSAGE_BYTES];
    ff_failure *cause; /* One reference to a heap copy, or NULL. */
};

/* Everything empty but the kind. */
void ff__failure_init(ff_failure *failure, enum ff__cause kind);

/* A heap copy with one reference, which takes over the reference to the cause; NULL without memory.
 */
ff_failure *ff__failure_clone(const ff_failure *failure);
ff_failure *ff__failure_ref(ff_failure *failure);
void ff__failure_unref(
    ff_failure *failure); /* NULL does nothing. Frees the chain without recursion. */

/* The cause in words: "error status", "service task returned". AS-safe, static text. */
const char *ff__cause_text(enum ff__cause kind);

#endif

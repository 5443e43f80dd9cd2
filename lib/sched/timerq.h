/* The timer thread: one for the process, "ff-timer", alive while somebody holds a reference. It
 * sleeps on a futex until the earliest deadline, then calls fire() without holding a lock. A
 * pairing heap under one lock; adding and removing allocate nothing. It also runs what signal
 * handlers post.
 *
 * For the scheduler. Who queues a node or posts holds a reference to the thread until fire() or
 * run() has ended, or remove() has answered true. The node's memory must last as long: let the
 * queue own a reference to what embeds it, which fire() or the true answer of remove() gives back.
 *
 * In a forked child the queue is empty, without thread and without references. */
#ifndef FF__SCHED_TIMERQ_H
#define FF__SCHED_TIMERQ_H

#include "base/atomic.h"

#include <stdbool.h>
#include <stdint.h>

struct ff__timer_node {
    uint64_t deadline_ns;
    void (*fire)(struct ff__timer_node *node); /* On the timer thread; may add the node again. */
    /* Guarded by the queue's lock. The first child's prev is its parent. */
    struct ff__timer_node *child, *next, *prev;
    uint32_t fork_generation; /* Of the queue that it is in. */
    bool queued;
};

struct ff__post {
    struct ff__post *next;
    void (*run)(struct ff__post *post); /* On the timer thread. */
    _Atomic uint32_t posted;            /* 1 from post until just before run. */
};

/* @return 0, or -EAGAIN (the thread could not start). */
int ff__timerq_ref(void);
/* The last one joins the thread; called on the timer thread itself, it lets it end by itself. Not
 * for references that the parent of a forked child took. */
void ff__timerq_unref(void);

void ff__timer_node_init(struct ff__timer_node *node, void (*fire)(struct ff__timer_node *node));

/* Queues the node (which must not be queued). */
void ff__timerq_add(struct ff__timer_node *node, uint64_t deadline_ns);

/* Takes the node out. @return true when it was queued: fire() will not be called. False: it has
 * been called, or is being called right now, or the node was never queued. */
bool ff__timerq_remove(struct ff__timer_node *node);

void ff__post_init(struct ff__post *post, void (*run)(struct ff__post *post));

/* Has post->run called on the timer thread soon; a post that is already waiting is left. AS-safe.
 * @return false when it was waiting already, so that run will be called once for both. */
bool ff__timerq_post(struct ff__post *post);

#endif

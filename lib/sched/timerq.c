/* The timer thread and its pairing heap. Callers and guarantees: timerq.h.
 *
 * How the thread sleeps without losing a wake-up. Publishing is a push onto posts, an earlier node
 * in the heap, or another era.
 *
 *   timer thread                                    poster, adder, stopper
 *   K: key = wake_word          (acquire)           P: publish  (post: release; else the heap lock)
 *   L: look: take all posts     (acquire),          N: wake_word += 1               (release)
 *      then the heap under its lock                 F: futex_wake(wake_word)
 *   S: futex_wait(wake_word, key, until)
 *
 * K reads N or later: K acquires what N released, P is before L, and L finds it.
 * K reads from before N: when S compares after N, the word differs from key and S returns; when S
 * compared before N, it sleeps and F wakes it. Either way the thread goes round and looks again.
 *
 * An adder leaves N and F out unless its deadline is before sleep_until_ns, under the heap lock.
 * The thread sets that to the earliest deadline in the section in which it decides to sleep, and to
 * 0 when it takes a node, as it will look again anyway. An adder before that section is found by
 * it; one after it compares with the value by which the thread sleeps.
 *
 * posted, the flag of one post. Q: posted goes from 0 to 1 (acq_rel), then push. T: posted goes to
 * 0 (acq_rel) on the timer thread, then run. A poster whose Q finds 1 does nothing: both are
 * exchanges of one word, so T comes later and acquires what that Q released; run sees all the
 * poster did. next is read before T, since after T the post may be pushed again, or freed by run.
 *
 * Starting and stopping. The control lock guards refs and thread, and is never held while joining:
 * stopping is a new era under the heap lock, and a thread that finds another era than its own
 * leaves without touching the heap. So a thread that ends may overlap with its successor, and a
 * callback on the ending thread may take and drop references. A last reference dropped on the timer
 * thread itself detaches it, as it cannot join itself. */
#include "sched/timerq.h"

#include "base/compiler.h"
#include "base/panic.h"
#include "fail/blackbox.h"
#include "fail/signals.h"
#include "sched/thread_end.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/lock.h"
#include "sys/thread.h"

#include <failfast/base.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static struct {
    /* Guarded by control. Invariant: thread is the thread of this era while refs > 0. */
    struct ff__lock control;
    unsigned refs;
    pthread_t thread;
    bool fork_registered;

    /* Guarded by lock. */
    struct ff__lock lock;
    uint32_t era;
    struct ff__timer_node *root;
    uint64_t sleep_until_ns;

    _Atomic uint32_t wake_word;
    _Atomic(struct ff__post *) posts; /* Newest first. */
} queue;

static struct ff__timer_node *heap_meld(struct ff__timer_node *a, struct ff__timer_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline_ns < a->deadline_ns) {
        struct ff__timer_node *earlier = b;
        b = a;
        a = earlier;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Detaches node and its next sibling from their chain and melds the two. */
static struct ff__timer_node *heap_meld_pair(struct ff__timer_node *node,
                                             struct ff__timer_node **ret_rest)
{
    struct ff__timer_node *second = node->next;

    *ret_rest = second ? second->next : NULL;
    node->next = node->prev = NULL;
    if (second)
        second->next = second->prev = NULL;
    return heap_meld(node, second);
}

/* The two passes of a pairing heap over the children of a root that goes: pairs from left to right,
 * then all of them into one from right to left. */
static struct ff__timer_node *heap_merge(struct ff__timer_node *first)
{
    struct ff__timer_node *pairs = NULL, *root = NULL;

    while (first) {
        struct ff__timer_node *pair = heap_meld_pair(first, &first);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct ff__timer_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = heap_meld(root, pair);
    }
    return root;
}

static void heap_cut(struct ff__timer_node *node)
{
    if (node->prev->child == node)
        node->prev->child = node->next;
    else
        node->prev->next = node->next;
    if (node->next)
        node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

static void heap_remove(struct ff__timer_node *node)
{
    struct ff__timer_node *orphans = heap_merge(node->child);

    node->child = NULL;
    if (node == queue.root) {
        queue.root = orphans;
    } else {
        heap_cut(node);
        queue.root = heap_meld(queue.root, orphans);
    }
    node->queued = false;
}

/* AS-safe. */
static void wake_thread(void)
{
    ff__add_release(&queue.wake_word, 1); /* N */
    /* All: a thread that is ending may sleep on the word too, and must not swallow the wake. */
    ff__futex_wake(&queue.wake_word, INT_MAX); /* F */
}

void ff__timer_node_init(struct ff__timer_node *node, void (*fire)(struct ff__timer_node *node))
{
    *node = (struct ff__timer_node){.fire = fire};
}

void ff__timerq_add(struct ff__timer_node *node, uint64_t deadline_ns)
{
    bool earlier;

    node->deadline_ns = deadline_ns;
    node->fork_generation = ff__fork_generation;
    node->child = node->next = node->prev = NULL;
    ff__lock(&queue.lock);
    ff__check(!node->queued);
    node->queued = true;
    queue.root = heap_meld(queue.root, node);
    earlier = deadline_ns < queue.sleep_until_ns;
    if (earlier)
        queue.sleep_until_ns = deadline_ns;
    ff__unlock(&queue.lock);
    if (earlier)
        wake_thread();
}

bool ff__timerq_remove(struct ff__timer_node *node)
{
    bool was_queued;

    ff__lock(&queue.lock);
    was_queued = node->queued;
    if (was_queued && node->fork_generation == ff__fork_generation)
        heap_remove(node);
    node->queued = false; /* Also when its heap stayed behind in the parent process. */
    ff__unlock(&queue.lock);
    return was_queued;
}

void ff__post_init(struct ff__post *post, void (*run)(struct ff__post *post))
{
    post->next = NULL;
    post->run = run;
    atomic_init(&post->posted, 0);
}

/* AS-safe: an interrupted push of the same thread has either happened or will retry its CAS. */
bool ff__timerq_post(struct ff__post *post)
{
    if (ff__exchange_acq_rel(&post->posted, 1) == 1) /* Q */
        return false;
    post->next = ff__load_relaxed(&queue.posts); /* Stale: the CAS fails and tells the present. */
    while (!ff__cas_weak_release(&queue.posts, &post->next, post)) /* P */
        ;
    wake_thread();
    return true;
}

static struct ff__post *posts_reversed(struct ff__post *newest)
{
    struct ff__post *oldest = NULL;

    while (newest) {
        struct ff__post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void posts_run(void)
{
    struct ff__post *post, *next;

    for (post = posts_reversed(ff__exchange_acquire(&queue.posts, NULL)); post; post = next) {
        next = post->next;
        ff__exchange_acq_rel(&post->posted, 0); /* T */
        post->run(post);
    }
}

/* Takes the node that is due, or says until when to sleep. @return false when the era is over. */
static bool next_due(uint32_t era, struct ff__timer_node **ret_due, uint64_t *ret_until_ns)
{
    const uint64_t now_ns = ff__clock_now();
    struct ff__timer_node *due = NULL;
    bool current;

    ff__lock(&queue.lock);
    current = queue.era == era;
    if (current) {
        if (queue.root && queue.root->deadline_ns <= now_ns)
            due = queue.root;
        if (due)
            heap_remove(due);
        *ret_until_ns = queue.root ? queue.root->deadline_ns : UINT64_MAX;
        queue.sleep_until_ns = due ? 0 : *ret_until_ns;
    }
    ff__unlock(&queue.lock);
    *ret_due = due;
    return current;
}

static void run_era(uint32_t era)
{
    struct ff__timer_node *due;
    uint64_t until_ns;

    for (;;) {
        uint32_t key = ff__load_acquire(&queue.wake_word); /* K */

        posts_run(); /* L */
        if (!next_due(era, &due, &until_ns))
            return;
        if (due)
            due->fire(due);
        else
            (void)ff__futex_wait(&queue.wake_word, key, until_ns); /* S; looks again anyway. */
    }
}

static void *timer_main(void *arg)
{
    struct ff__slot *slot;

    (void)ff__altstack_install(); /* Without one a stack overflow here is reported less well. */
    slot = ff__slot_enter(FF__SLOT_HELPER, "ff-timer");
    ff__self.slot = slot;
    ff__thread_end_watch();
    run_era((uint32_t)(uintptr_t)arg);
    ff__thread_end_unwatch();
    ff__self.slot = NULL;
    ff__slot_leave(slot);
    ff__altstack_remove();
    return NULL;
}

/* In the forked child: no thread, no nodes, and no lock that a thread of the parent held. */
static void forked(void)
{
    ff__lock_init(&queue.control);
    ff__lock_init(&queue.lock);
    queue.refs = 0;
    queue.root = NULL;
    queue.sleep_until_ns = 0;
    queue.era++; /* The timer thread itself may have forked, and may return into its loop. */
    ff__store_relaxed(&queue.posts, NULL);
}

static uint32_t new_era(void)
{
    uint32_t era;

    ff__lock(&queue.lock);
    era = ++queue.era;
    queue.sleep_until_ns = 0;
    ff__unlock(&queue.lock);
    return era;
}

static int start(void)
{
    static const struct ff__thread_options options = {.name = "ff-timer"};
    void *era = (void *)(uintptr_t)new_era();

    if (!queue.fork_registered)
        ff__fork_register(forked);
    queue.fork_registered = true;
    return ff__thread_start(&queue.thread, &options, timer_main, era) < 0 ? -EAGAIN : 0;
}

int ff__timerq_ref(void)
{
    int rc = 0;

    ff__lock(&queue.control);
    if (queue.refs == 0)
        rc = start();
    if (rc == 0)
        queue.refs++;
    ff__unlock(&queue.control);
    return rc;
}

void ff__timerq_unref(void)
{
    pthread_t thread;
    bool last;

    ff__lock(&queue.control);
    ff__check(queue.refs > 0);
    thread = queue.thread;
    last = --queue.refs == 0;
    if (last) {
        new_era();
        wake_thread();
    }
    ff__unlock(&queue.control);
    if (!last)
        return;
    if (pthread_equal(thread, pthread_self()))
        pthread_detach(thread);
    else
        (void)ff__thread_join_until(thread, FF_NEVER);
}

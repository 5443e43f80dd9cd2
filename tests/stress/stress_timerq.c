/* The timer thread against threads that add, remove, post, start and stop it. */
#include "runner.h"

#include "base/compiler.h"
#include "sched/timerq.h"
#include "sys/clock.h"
#include "sys/futex.h"

#include <failfast/base.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define THREADS 4

struct item {
    struct ff__timer_node node;
    struct ff__post post;
    _Atomic uint32_t ran; /* Futex word. */
    unsigned owed;
};

static void tell(struct item *item)
{
    ff__add_release(&item->ran, 1);
    ff__futex_wake(&item->ran, 1);
}

static void fire(struct ff__timer_node *node)
{
    tell(ff__container_of(node, struct item, node));
}

static void run(struct ff__post *post)
{
    tell(ff__container_of(post, struct item, post));
}

static void wait_ran(struct item *item, uint32_t count)
{
    uint32_t seen;

    while ((seen = ff__load_acquire(&item->ran)) < count)
        (void)ff__futex_wait(&item->ran, seen, FF_NEVER);
}

/* main returns NULL when all was well. */
static void in_threads(void *(*main)(void *))
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, main, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
}

/* One by one, so that the thread is about to sleep each time. */
static void *post_and_wait(void *arg)
{
    struct item item = {.owed = 0};

    (void)arg;
    ff__post_init(&item.post, run);
    for (uint32_t i = 1; i <= 3000; i++) {
        if (!ff__timerq_post(&item.post))
            return arg;
        wait_ran(&item, i);
    }
    return NULL;
}

/* Kills: K after L (the key read when the posts were already looked through): the wake-up between
 * is lost and the test hangs. Kills: T after run (posted stays 1 for a moment after the poster was
 * told): a post is answered false and never run, and the test hangs. */
START_TEST(timerq_loses_no_post)
{
    ck_assert_int_eq(ff__timerq_ref(), 0);
    in_threads(post_and_wait);
    ff__timerq_unref();
}
END_TEST

static void *add_and_wait(void *arg)
{
    struct item item = {.owed = 0};
    unsigned seed = (unsigned)(uintptr_t)arg;

    ff__timer_node_init(&item.node, fire);
    for (uint32_t i = 1; i <= 2000; i++) {
        ff__timerq_add(&item.node, ff__clock_after((uint64_t)rand_r(&seed) % 20000));
        wait_ran(&item, i);
    }
    return NULL;
}

/* Kills: an adder that does not wake the thread for a node that became the earliest: the thread
 * sleeps for ever over it and the test hangs. */
START_TEST(timerq_fires_every_node_while_others_are_added)
{
    ck_assert_int_eq(ff__timerq_ref(), 0);
    in_threads(add_and_wait);
    ff__timerq_unref();
}
END_TEST

#define BATCH 32

/* Adds a batch that is due about now, removes a part of it, counts what the rest owes. */
static void *add_and_remove(void *arg)
{
    static struct item items[THREADS][BATCH];
    struct item *mine = items[(uintptr_t)arg - 1];
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < BATCH; i++)
        ff__timer_node_init(&mine[i].node, fire);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < BATCH; i++)
            ff__timerq_add(&mine[i].node, ff__clock_after((uint64_t)rand_r(&seed) % 50000));
        for (int i = 0; i < BATCH; i++)
            if (rand_r(&seed) % 2 == 0 || !ff__timerq_remove(&mine[i].node))
                mine[i].owed++;
        for (int i = 0; i < BATCH; i++)
            wait_ran(&mine[i], mine[i].owed);
    }
    for (int i = 0; i < BATCH; i++)
        if (ff__load_acquire(&mine[i].ran) != mine[i].owed)
            return arg;
    return NULL;
}

/* Kills: remove() that answers true for a node whose fire() has begun (queued cleared after fire),
 * or loses the orphans of a removed node: too much or too little is fired. */
START_TEST(timerq_fires_exactly_what_was_not_removed)
{
    ck_assert_int_eq(ff__timerq_ref(), 0);
    in_threads(add_and_remove);
    ff__timerq_unref();
}
END_TEST

static void run_unref(struct ff__post *post)
{
    ff__timerq_unref();
    run(post);
}

/* Takes a reference, has something run, gives the reference back: here, or on the thread itself. */
static void *start_and_stop(void *arg)
{
    struct item item = {.owed = 0};

    for (uint32_t i = 1; i <= 300; i++) {
        const bool there = (i + (uintptr_t)arg) % 3 == 0;

        if (ff__timerq_ref() < 0)
            return arg;
        ff__post_init(&item.post, there ? run_unref : run);
        ff__timerq_post(&item.post);
        wait_ran(&item, i);
        if (!there)
            ff__timerq_unref();
        if (i % 4 == 0)
            sched_yield();
    }
    return NULL;
}

/* Kills: a last reference on the timer thread that joins (a panic: it would wait for itself), an
 * ending thread that goes by the count of references instead of its era (two threads stay, and the
 * test hangs in a join). */
START_TEST(timerq_starts_and_stops_while_others_use_it)
{
    in_threads(start_and_stop);
}
END_TEST

FF_TEST_MAIN("stress_timerq", 20, timerq_loses_no_post,
             timerq_fires_every_node_while_others_are_added,
             timerq_fires_exactly_what_was_not_removed, timerq_starts_and_stops_while_others_use_it)

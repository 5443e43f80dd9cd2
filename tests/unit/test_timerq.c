/* The timer thread: order, removal, posts, start and end. Its races are in stress/stress_timerq.c.
 */
#include "runner.h"

#include "base/compiler.h"
#include "sched/timerq.h"
#include "sys/clock.h"
#include "sys/futex.h"
#include "sys/lock.h"

#include <failfast/base.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODES 10000

/* ThreadSanitizer ends a forked child that starts a thread; AddressSanitizer's allocator may be
 * locked for ever in a child that was forked while another thread was in it. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHILD_STARTS_THREADS false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHILD_STARTS_THREADS false
#endif
#endif
#ifndef CHILD_STARTS_THREADS
#define CHILD_STARTS_THREADS true
#endif

struct item {
    struct ff__timer_node node;
    struct ff__post post;
    uint64_t wanted_ns;
    bool removed;
    unsigned fired;
};

static struct item items[NODES];
static struct item *order[NODES]; /* As fired; written by the timer thread. */
static _Atomic uint32_t fired;    /* How many of order are there; futex word. */
static _Atomic uint32_t gate;     /* 1: the timer thread has entered hold(); 2: it may leave. */

static void record(struct item *item)
{
    item->fired++;
    order[ff__load_relaxed(&fired)] = item;
    ff__add_release(&fired, 1);
    ff__futex_wake(&fired, 1);
}

static void fire(struct ff__timer_node *node)
{
    record(ff__container_of(node, struct item, node));
}

static void run(struct ff__post *post)
{
    record(ff__container_of(post, struct item, post));
}

static void wait_word(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t seen;

    while ((seen = ff__load_acquire(word)) < value)
        (void)ff__futex_wait(word, seen, FF_NEVER);
}

static void raise_word(_Atomic uint32_t *word, uint32_t value)
{
    ff__store_release(word, value);
    ff__futex_wake(word, 1);
}

/* Keeps the timer thread busy, so that nothing else runs meanwhile. */
static void hold(struct ff__post *post)
{
    (void)post;
    raise_word(&gate, 1);
    wait_word(&gate, 2);
}

static void hold_thread(struct ff__post *post)
{
    ff__post_init(post, hold);
    ck_assert(ff__timerq_post(post));
    wait_word(&gate, 1);
}

static void release_thread(void)
{
    raise_word(&gate, 2);
}

static void items_init(void)
{
    for (int i = 0; i < NODES; i++) {
        ff__timer_node_init(&items[i].node, fire);
        ff__post_init(&items[i].post, run);
    }
}

/* The kernel's number of the timer thread, 0 when there is none. */
static int timer_thread(void)
{
    char path[64], name[32];
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    int found = 0;

    ck_assert_ptr_nonnull(tasks);
    while (!found && (entry = readdir(tasks))) {
        int tid = (int)strtol(entry->d_name, NULL, 10);
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
        file = tid > 0 ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        if (fgets(name, sizeof name, file) && strcmp(name, "ff-timer\n") == 0)
            found = tid;
        fclose(file);
    }
    closedir(tasks);
    return found;
}

/* A joined thread stays in /proc for a moment. The limit of the test ends a wait for one that
 * stays. */
static void await_no_timer_thread(void)
{
    while (timer_thread() != 0)
        sched_yield();
}

/* '?' when there is no such thread. */
static char thread_state(int tid)
{
    char path[64], line[256], state = '?';
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    file = fopen(path, "re");
    if (!file)
        return state;
    if (fgets(line, sizeof line, file))
        state = strrchr(line, ')')[2];
    fclose(file);
    return state;
}

static long voluntary_switches(int tid)
{
    static const char key[] = "voluntary_ctxt_switches:";
    char path[64], line[256];
    FILE *file;
    long count = -1;

    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, sizeof key - 1) == 0)
            count = strtol(line + sizeof key - 1, NULL, 10);
    fclose(file);
    return count;
}

static int compare_wanted(const void *a, const void *b)
{
    uint64_t x = (*(struct item *const *)a)->wanted_ns, y = (*(struct item *const *)b)->wanted_ns;

    return (x > y) - (x < y);
}

/* Queues all items with random deadlines, all in the past of the moment when the thread looks:
 * it is held meanwhile. Every step-th item is taken out again. */
static unsigned queue_random(unsigned step)
{
    uint64_t now_ns = ff__clock_now();
    unsigned left = 0, seed = 20240229;

    for (int i = 0; i < NODES; i++) {
        items[i].wanted_ns = now_ns - (uint64_t)rand_r(&seed) % FF_SECOND;
        ff__timerq_add(&items[i].node, items[i].wanted_ns);
        if (i % 7 == 3) { /* In between, so that the heap has every shape. */
            ck_assert(ff__timerq_remove(&items[i / 2].node));
            ff__timerq_add(&items[i / 2].node, items[i / 2].wanted_ns);
        }
    }
    for (unsigned i = 0; i < NODES; i++) {
        items[i].removed = step != 0 && i % step == 0;
        if (items[i].removed)
            ck_assert(ff__timerq_remove(&items[i].node));
        else
            left++;
    }
    return left;
}

static void expect_sorted(unsigned step)
{
    static struct item *sorted[NODES];
    struct ff__post post;
    unsigned left, count = 0;

    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    hold_thread(&post);
    left = queue_random(step);
    release_thread();
    wait_word(&fired, left);
    ff__timerq_unref();

    for (int i = 0; i < NODES; i++) {
        ck_assert_uint_eq(items[i].fired, items[i].removed ? 0 : 1);
        if (!items[i].removed)
            sorted[count++] = &items[i];
    }
    ck_assert_uint_eq(count, left);
    ck_assert_uint_eq(ff__load_acquire(&fired), left);
    qsort(sorted, count, sizeof *sorted, compare_wanted);
    for (unsigned i = 0; i < count; i++)
        ck_assert_uint_eq(order[i]->wanted_ns, sorted[i]->wanted_ns);
}

START_TEST(timerq_fires_10000_random_deadlines_in_order)
{
    expect_sorted(0);
}
END_TEST

START_TEST(timerq_fires_in_order_what_is_left_after_every_third_was_removed)
{
    expect_sorted(3);
}
END_TEST

START_TEST(timerq_fires_no_earlier_than_the_deadline)
{
    uint64_t deadline_ns;

    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    deadline_ns = ff__clock_after(5 * FF_MILLISECOND);
    ff__timerq_add(&items[0].node, deadline_ns);
    wait_word(&fired, 1);
    ck_assert_uint_ge(ff__clock_now(), deadline_ns);
    ff__timerq_unref();
}
END_TEST

START_TEST(timerq_fires_an_earlier_deadline_that_came_while_it_slept_for_a_later_one)
{
    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__timerq_add(&items[0].node, ff__clock_after(3600 * FF_SECOND));
    while (thread_state(timer_thread()) != 'S')
        sched_yield();
    ff__timerq_add(&items[1].node, ff__clock_after(FF_MILLISECOND));
    wait_word(&fired, 1);
    ck_assert_ptr_eq(order[0], &items[1]);
    ck_assert(ff__timerq_remove(&items[0].node));
    ff__timerq_unref();
}
END_TEST

START_TEST(timerq_thread_is_not_woken_for_later_deadlines)
{
    uint64_t far_ns = ff__clock_after(3600 * FF_SECOND);
    long before;
    int tid;

    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__timerq_add(&items[0].node, far_ns);
    ff__timerq_add(&items[1].node, ff__clock_now());
    wait_word(&fired, 1);
    tid = timer_thread();
    while (thread_state(tid) != 'S')
        sched_yield();
    before = voluntary_switches(tid);
    for (unsigned i = 2; i < NODES; i++)
        ff__timerq_add(&items[i].node, far_ns + i);
    /* It may have been seen asleep on the way to its sleep: a few, not thousands. */
    ck_assert_int_le(voluntary_switches(tid), before + 3);
    ck_assert(ff__timerq_remove(&items[0].node));
    for (unsigned i = 2; i < NODES; i++)
        ck_assert(ff__timerq_remove(&items[i].node));
    ff__timerq_unref();
}
END_TEST

START_TEST(timerq_never_fires_a_removed_node)
{
    uint64_t soon_ns = ff__clock_after(FF_MILLISECOND);

    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__timerq_add(&items[0].node, soon_ns);
    if (ff__timerq_remove(&items[0].node)) { /* Else this machine slept for a millisecond here. */
        ff__timerq_add(&items[1].node, soon_ns + 1);
        wait_word(&fired, 1);
        ck_assert_ptr_eq(order[0], &items[1]);
        ck_assert_uint_eq(items[0].fired, 0);
    }
    ff__timerq_unref();
}
END_TEST

START_TEST(timerq_remove_answers_false_for_nodes_fired_removed_or_never_queued)
{
    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__timerq_add(&items[0].node, 1);
    wait_word(&fired, 1);
    ck_assert(!ff__timerq_remove(&items[0].node));
    ff__timerq_add(&items[1].node, FF_NEVER);
    ck_assert(ff__timerq_remove(&items[1].node));
    ck_assert(!ff__timerq_remove(&items[1].node));
    ck_assert(!ff__timerq_remove(&items[2].node));
    ff__timerq_unref();
}
END_TEST

static void fire_again(struct ff__timer_node *node)
{
    struct item *item = ff__container_of(node, struct item, node);

    if (item->fired < 99)
        ff__timerq_add(node, ff__clock_now());
    record(item);
}

START_TEST(timerq_fire_may_add_its_node_again)
{
    ff__timer_node_init(&items[0].node, fire_again);
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__timerq_add(&items[0].node, 1);
    wait_word(&fired, 100);
    ck_assert(!ff__timerq_remove(&items[0].node));
    ff__timerq_unref();
    ck_assert_uint_eq(items[0].fired, 100);
}
END_TEST

START_TEST(timerq_runs_posts_in_order_and_one_that_waits_already_once)
{
    struct ff__post holder;

    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    hold_thread(&holder);
    for (int i = 0; i < 100; i++)
        ck_assert(ff__timerq_post(&items[i].post));
    for (int i = 0; i < 100; i += 10)
        ck_assert(!ff__timerq_post(&items[i].post));
    release_thread();
    wait_word(&fired, 100);
    ck_assert(ff__timerq_post(&items[5].post));
    wait_word(&fired, 101);
    ff__timerq_unref();
    for (int i = 0; i < 100; i++)
        ck_assert_ptr_eq(order[i], &items[i]);
    ck_assert_ptr_eq(order[100], &items[5]);
    ck_assert_uint_eq(ff__load_acquire(&fired), 101);
}
END_TEST

START_TEST(timerq_thread_lives_as_long_as_there_are_references)
{
    for (int i = 0; i < 20; i++) {
        await_no_timer_thread();
        ck_assert_int_eq(ff__timerq_ref(), 0);
        ck_assert_int_eq(ff__timerq_ref(), 0);
        ff__timerq_unref();
        ff__post_init(&items[i].post, run);
        ck_assert(ff__timerq_post(&items[i].post));
        wait_word(&fired, (uint32_t)i + 1);
        ck_assert_int_ne(timer_thread(), 0);
        ff__timerq_unref(); /* Joins. */
    }
}
END_TEST

static void run_unref(struct ff__post *post)
{
    ff__timerq_unref();
    run(post);
}

START_TEST(timerq_thread_ends_by_itself_when_it_drops_the_last_reference)
{
    for (uint32_t i = 0; i < 20; i++) {
        ff__post_init(&items[i].post, run_unref);
        ck_assert_int_eq(ff__timerq_ref(), 0);
        ck_assert(ff__timerq_post(&items[i].post));
        wait_word(&fired, i + 1);
        if (i % 2 == 0) /* Odd ones start the next thread while this one ends. */
            while (timer_thread() != 0)
                sched_yield();
    }
    while (timer_thread() != 0)
        sched_yield();
}
END_TEST

static void run_unref_ref(struct ff__post *post)
{
    ff__timerq_unref();
    ck_assert_int_eq(ff__timerq_ref(), 0); /* Another thread, while this one ends. */
    run(post);
}

START_TEST(timerq_starts_anew_from_the_thread_that_ends)
{
    ff__post_init(&items[0].post, run_unref_ref);
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ck_assert(ff__timerq_post(&items[0].post));
    wait_word(&fired, 1);
    ff__timer_node_init(&items[1].node, fire);
    ff__timerq_add(&items[1].node, ff__clock_after(FF_MILLISECOND));
    wait_word(&fired, 2);
    ff__timerq_unref();
    while (timer_thread() != 0)
        sched_yield();
}
END_TEST

START_TEST(timerq_ref_answers_eagain_when_no_thread_can_start_and_can_be_repeated)
{
    struct rlimit old, none;

    ck_assert(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0); /* The limit spares root. */
    prctl(PR_SET_DUMPABLE, 1); /* LeakSanitizer looks at the process at its end. */
    ck_assert_int_eq(getrlimit(RLIMIT_NPROC, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &none), 0);
    ck_assert_int_eq(ff__timerq_ref(), -EAGAIN);
    ck_assert_int_eq(ff__timerq_ref(), -EAGAIN);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &old), 0);
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__timer_node_init(&items[0].node, fire);
    ff__timerq_add(&items[0].node, 1);
    wait_word(&fired, 1);
    ff__timerq_unref();
}
END_TEST

static int child_main(void)
{
    if (!ff__timerq_remove(&items[0].node))
        return 1;
    if (!CHILD_STARTS_THREADS)
        return 0;
    if (timer_thread() != 0)
        return 4;
    if (ff__timerq_ref() < 0)
        return 2;
    ff__timerq_add(&items[1].node, 1);
    ff__timerq_add(&items[0].node, 2);
    wait_word(&fired, 2);
    ff__timerq_unref();
    await_no_timer_thread();
    return items[0].fired == 1 && items[1].fired == 1 ? 0 : 3;
}

START_TEST(timerq_starts_anew_in_a_forked_child_and_goes_on_in_the_parent)
{
    pid_t child;
    int status;

    items_init();
    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__timerq_add(&items[0].node, ff__clock_after(3600 * FF_SECOND));
    ff__timerq_add(&items[2].node, ff__clock_after(3601 * FF_SECOND));
    child = ff_test_fork();
    if (child == 0)
        _exit(child_main());
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(ff__timerq_remove(&items[0].node));
    ff__timerq_add(&items[0].node, 1);
    wait_word(&fired, 1);
    ck_assert(ff__timerq_remove(&items[2].node));
    ff__timerq_unref();
}
END_TEST

FF_TEST_MAIN("timerq", 10, timerq_fires_10000_random_deadlines_in_order,
             timerq_fires_in_order_what_is_left_after_every_third_was_removed,
             timerq_fires_no_earlier_than_the_deadline,
             timerq_fires_an_earlier_deadline_that_came_while_it_slept_for_a_later_one,
             timerq_thread_is_not_woken_for_later_deadlines, timerq_never_fires_a_removed_node,
             timerq_remove_answers_false_for_nodes_fired_removed_or_never_queued,
             timerq_fire_may_add_its_node_again,
             timerq_runs_posts_in_order_and_one_that_waits_already_once,
             timerq_thread_lives_as_long_as_there_are_references,
             timerq_thread_ends_by_itself_when_it_drops_the_last_reference,
             timerq_starts_anew_from_the_thread_that_ends,
             timerq_ref_answers_eagain_when_no_thread_can_start_and_can_be_repeated,
             timerq_starts_anew_in_a_forked_child_and_goes_on_in_the_parent)

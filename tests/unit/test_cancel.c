/* Sources and tokens: the tree, reasons, deadlines, lifetimes, signals, forks. The races are in
 * stress/stress_cancel.c, callbacks in test_callback.c, waits in test_wait.c. */
#include "runner.h"

#include "sched/cancel.h"
#include "sys/clock.h"
#include "sys/futex.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 100000

/* ThreadSanitizer ends a forked child that starts a thread. */
#if defined(__SANITIZE_THREAD__)
#define CHILD_STARTS_THREADS false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHILD_STARTS_THREADS false
#endif
#endif
#ifndef CHILD_STARTS_THREADS
#define CHILD_STARTS_THREADS true
#endif

static ff_source *source_below(ff_token *parent, uint64_t deadline_ns)
{
    const struct ff_source_options options = {.size = sizeof options,
                                              .parent = parent,
                                              .deadline_ns = deadline_ns};
    ff_source *source = NULL;

    ck_assert_int_eq(ff_source_new(&options, &source), 0);
    ck_assert_ptr_nonnull(source);
    return source;
}

static ff_source *child_of(ff_source *parent)
{
    return source_below(ff_source_token(parent), 0);
}

static ff_reason reason_of(ff_source *source)
{
    return ff_token_reason(ff_source_token(source));
}

static void wait_cancelled(ff_source *source)
{
    ck_assert_int_eq(ff_token_sleep_until(ff_source_token(source), FF_NEVER), FF_CANCELED);
}

START_TEST(source_new_refuses_bad_arguments_and_leaves_the_result_alone)
{
    struct ff_source_options options = {.size = sizeof options - 1};
    struct {
        struct ff_source_options known;
        uint64_t unknown;
    } larger = {.known = {.size = sizeof larger}, .unknown = 1};
    ff_source *source = NULL;

    ck_assert_int_eq(ff_source_new(NULL, NULL), -EINVAL);
    ck_assert_int_eq(ff_source_new(&options, &source), -EINVAL);
    options.size = 0;
    ck_assert_int_eq(ff_source_new(&options, &source), -EINVAL);
    ck_assert_int_eq(ff_source_new(&larger.known, &source), -E2BIG);
    ck_assert_ptr_null(source);
    larger.unknown = 0;
    ck_assert_int_eq(ff_source_new(&larger.known, &source), 0);
    ff_source_unref(source);
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    ck_assert_int_eq(reason_of(source), FF_REASON_NONE);
    ff_source_unref(source);
}
END_TEST

START_TEST(source_new_answers_eagain_when_no_thread_can_start)
{
    struct rlimit old, none;
    ff_source *source = NULL;

    ck_assert(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0); /* The limit spares root. */
    prctl(PR_SET_DUMPABLE, 1); /* LeakSanitizer looks at the process at its end. */
    ck_assert_int_eq(getrlimit(RLIMIT_NPROC, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &none), 0);
    ck_assert_int_eq(ff_source_new(NULL, &source), -EAGAIN);
    ck_assert_ptr_null(source);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &old), 0);
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    ff_source_unref(source);
}
END_TEST

START_TEST(null_is_never_cancelled_and_harmless)
{
    ck_assert(!ff_canceled(NULL));
    ck_assert_int_eq(ff_token_reason(NULL), FF_REASON_NONE);
    ck_assert_ptr_null(ff_source_token(NULL));
    ck_assert_ptr_null(ff_source_ref(NULL));
    ck_assert_ptr_null(ff_token_ref(NULL));
    ck_assert(!ff_cancel(NULL));
    ff_cancel_from_signal(NULL);
    ff_source_unref(NULL);
    ff_token_unref(NULL);
}
END_TEST

START_TEST(cancel_answers_true_once_and_the_first_reason_stays)
{
    ff_source *source = source_below(NULL, 0);

    ck_assert(!ff_canceled(ff_source_token(source)));
    ck_assert(ff__cancel_for(source, FF_REASON_SIBLING));
    ck_assert(!ff_cancel(source));
    ck_assert(!ff__cancel_for(source, FF_REASON_SHUTDOWN));
    ck_assert(ff_canceled(ff_source_token(source)));
    ck_assert_int_eq(reason_of(source), FF_REASON_SIBLING);
    ff_source_unref(source);
}
END_TEST

START_TEST(cancel_reaches_every_descendant_and_nobody_else)
{
    ff_source *root = source_below(NULL, 0), *middle = child_of(root), *aside = child_of(root);
    ff_source *leaves[10];

    for (int i = 0; i < 10; i++)
        leaves[i] = child_of(i < 5 ? middle : leaves[i - 5]);
    ck_assert(ff__cancel_for(middle, FF_REASON_SHUTDOWN));
    ck_assert_int_eq(reason_of(root), FF_REASON_NONE);
    ck_assert_int_eq(reason_of(aside), FF_REASON_NONE);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(reason_of(leaves[i]), FF_REASON_SHUTDOWN);
    ck_assert(ff_cancel(root));
    ck_assert_int_eq(reason_of(aside), FF_REASON_REQUESTED);
    ck_assert_int_eq(reason_of(middle), FF_REASON_SHUTDOWN);
    for (int i = 0; i < 10; i++)
        ff_source_unref(leaves[i]);
    ff_source_unref(root);
    ff_source_unref(aside);
    ff_source_unref(middle);
}
END_TEST

START_TEST(source_below_a_cancelled_parent_is_born_cancelled_for_its_reason)
{
    ff_source *parent = source_below(NULL, 0), *child, *grandchild;

    ff__cancel_for(parent, FF_REASON_SHUTDOWN);
    child = child_of(parent);
    grandchild = source_below(ff_source_token(child), ff_deadline_ns(FF_SECOND));
    ck_assert_int_eq(reason_of(child), FF_REASON_SHUTDOWN);
    ck_assert_int_eq(reason_of(grandchild), FF_REASON_SHUTDOWN);
    ck_assert(!ff_cancel(child));
    ff_source_unref(parent);
    ff_source_unref(child);
    ff_source_unref(grandchild);
}
END_TEST

START_TEST(deadline_cancels_the_source_and_its_descendants)
{
    uint64_t deadline_ns = ff_deadline_ns(3 * FF_MILLISECOND);
    ff_source *parent = source_below(NULL, deadline_ns);
    ff_source *child = source_below(ff_source_token(parent), ff_deadline_ns(3600 * FF_SECOND));

    wait_cancelled(child);
    ck_assert_uint_ge(ff_now_ns(), deadline_ns);
    ck_assert_int_eq(reason_of(parent), FF_REASON_DEADLINE);
    ck_assert_int_eq(reason_of(child), FF_REASON_DEADLINE);
    ff_source_unref(parent);
    ff_source_unref(child);
}
END_TEST

START_TEST(deadline_of_a_child_leaves_the_parent_alone)
{
    ff_source *parent = source_below(NULL, ff_deadline_ns(3600 * FF_SECOND));
    ff_source *child = source_below(ff_source_token(parent), ff_deadline_ns(FF_MILLISECOND));

    wait_cancelled(child);
    ck_assert_int_eq(reason_of(child), FF_REASON_DEADLINE);
    ck_assert_int_eq(reason_of(parent), FF_REASON_NONE);
    ff_source_unref(child);
    ff_source_unref(parent);
}
END_TEST

START_TEST(deadline_that_has_passed_cancels_at_once_and_never_means_none)
{
    ff_source *passed = source_below(NULL, 1), *never = source_below(NULL, FF_NEVER);

    ck_assert_int_eq(reason_of(passed), FF_REASON_DEADLINE);
    ck_assert_int_eq(reason_of(never), FF_REASON_NONE);
    ff_source_unref(passed);
    ff_source_unref(never);
}
END_TEST

START_TEST(deadline_is_off_after_the_source_has_ended_but_the_parent_still_counts)
{
    ff_source *parent = source_below(NULL, 0), *later;
    ff_source *ended = source_below(ff_source_token(parent), ff_deadline_ns(FF_SECOND / 20));
    ff_token *token = ff_token_ref(ff_source_token(ended));

    later = source_below(NULL, ended->token.timer.deadline_ns + 1);
    ff_source_unref(ended);
    wait_cancelled(later); /* The queue fires in order: the ended one is past. */
    ck_assert(!ff_canceled(token));
    ck_assert(ff_cancel(parent));
    ck_assert_int_eq(ff_token_reason(token), FF_REASON_REQUESTED);
    ff_token_unref(token);
    ff_source_unref(later);
    ff_source_unref(parent);
}
END_TEST

START_TEST(source_lives_until_its_last_owner_and_its_token_longer)
{
    ff_source *source = source_below(NULL, 0);
    ff_token *token = ff_token_ref(ff_source_token(source));

    ck_assert_ptr_eq(ff_source_ref(source), source);
    ff_source_unref(source);
    ck_assert(ff_cancel(source));
    ff_source_unref(source);
    ck_assert(ff_canceled(token));
    ff_token_unref(token);
}
END_TEST

struct embedding {
    char before[64];
    ff_source source;
    unsigned released;
};

static void release_embedding(ff_token *token)
{
    ff__container_of(token, struct embedding, source.token)->released++;
}

START_TEST(release_is_called_once_when_children_and_tokens_are_gone_too)
{
    struct embedding parent = {.released = 0}, child = {.released = 0};
    ff_token *token;

    ff__source_init(&parent.source, NULL, 0, release_embedding);
    ff__source_init(&child.source, ff_source_token(&parent.source), 0, release_embedding);
    token = ff_token_ref(ff_source_token(&child.source));
    ff_source_unref(&parent.source);
    ff_source_unref(&child.source);
    ck_assert_uint_eq(parent.released + child.released, 0);
    ff_token_unref(token);
    ck_assert_uint_eq(child.released, 1);
    ck_assert_uint_eq(parent.released, 1);
}
END_TEST

START_TEST(cancel_and_end_of_a_chain_of_100000_levels_do_not_recurse)
{
    ff_source *top = source_below(NULL, 0), *bottom = ff_source_ref(top);

    for (int i = 0; i < MANY; i++) {
        ff_source *next = child_of(bottom);
        ff_source_unref(bottom); /* The child keeps its token. */
        bottom = next;
    }
    ck_assert(ff_cancel(top));
    ck_assert_int_eq(reason_of(bottom), FF_REASON_REQUESTED);
    ff_source_unref(top);
    ff_source_unref(bottom); /* Ends all of them. */
}
END_TEST

START_TEST(cancel_reaches_100000_children)
{
    static ff_source *children[MANY];
    ff_source *parent = source_below(NULL, 0);

    for (int i = 0; i < MANY; i++)
        children[i] = child_of(parent);
    ck_assert(ff__cancel_for(parent, FF_REASON_FAILURE));
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(reason_of(children[i]), FF_REASON_FAILURE);
        ff_source_unref(children[i]);
    }
    ff_source_unref(parent);
}
END_TEST

static ff_source *signal_source;
static bool seen_in_handler;

static void handler(int number)
{
    (void)number;
    ff_cancel_from_signal(signal_source);
    ff_cancel_from_signal(signal_source); /* Again, while the first is on its way. */
    seen_in_handler = ff_canceled(ff_source_token(signal_source));
}

static pthread_t called_on;
static _Atomic uint32_t called;

static void callback(void *arg)
{
    (void)arg;
    called_on = pthread_self();
    ff__add_release(&called, 1);
    ff__futex_wake(&called, 1);
}

static void wait_called(void)
{
    while (ff__load_acquire(&called) == 0)
        (void)ff__futex_wait(&called, 0, FF_NEVER);
}

START_TEST(cancel_from_signal_marks_at_once_and_the_rest_follows_on_another_thread)
{
    struct sigaction action = {.sa_handler = handler};
    ff_registration *registration;
    ff_source *child;

    signal_source = source_below(NULL, 0);
    child = child_of(signal_source);
    ck_assert_int_eq(ff_register(ff_source_token(signal_source), callback, NULL, &registration), 0);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    ck_assert(seen_in_handler);
    wait_cancelled(child);
    ck_assert_int_eq(reason_of(child), FF_REASON_REQUESTED);
    wait_called();
    ck_assert(!pthread_equal(called_on, pthread_self()));
    ck_assert(!ff_cancel(signal_source));
    ff_unregister(registration);
    ck_assert_uint_eq(ff__load_acquire(&called), 1);
    ff_source_unref(child);
    ff_source_unref(signal_source);
}
END_TEST

START_TEST(cancel_walks_a_source_that_a_signal_handler_has_only_marked)
{
    ff_source *source = source_below(NULL, 0), *child = child_of(source), *born;
    ff_registration *registration;

    ck_assert_int_eq(ff_register(ff_source_token(source), callback, NULL, &registration), 0);
    ff__cancel_mark_from_signal(ff_source_token(source), FF_REASON_FAILURE);
    ck_assert_int_eq(reason_of(source), FF_REASON_FAILURE);
    ck_assert_int_eq(reason_of(child), FF_REASON_NONE);
    born = child_of(source);
    ck_assert_int_eq(reason_of(born), FF_REASON_FAILURE);
    ck_assert(!ff_cancel(source)); /* Not the first, but the one that does the rest. */
    ck_assert_int_eq(reason_of(child), FF_REASON_FAILURE);
    ck_assert_uint_eq(ff__load_acquire(&called), 1);
    ff_unregister(registration);
    ff_source_unref(born);
    ff_source_unref(child);
    ff_source_unref(source);
}
END_TEST

START_TEST(cancel_gives_descendants_the_reason_that_reached_their_branch_first)
{
    ff_source *root = source_below(NULL, 0), *middle = child_of(root), *leaf = child_of(middle);

    ff__cancel_mark_from_signal(ff_source_token(middle), FF_REASON_FAILURE);
    ck_assert(ff_cancel(root));
    ck_assert_int_eq(reason_of(root), FF_REASON_REQUESTED);
    ck_assert_int_eq(reason_of(middle), FF_REASON_FAILURE);
    ck_assert_int_eq(reason_of(leaf), FF_REASON_FAILURE);
    ff_source_unref(leaf);
    ff_source_unref(middle);
    ff_source_unref(root);
}
END_TEST

static struct embedding timed;
static ff_registration *own_registration;

static void end_source(void *arg)
{
    (void)arg;
    ff_unregister(own_registration);
    ff_source_unref(&timed.source);
}

static void release_and_tell(ff_token *token)
{
    ck_assert_int_eq(ff_token_reason(token), FF_REASON_DEADLINE);
    ff__timerq_unref(); /* The last one, on the timer thread itself. */
    callback(NULL);
}

START_TEST(source_may_end_in_its_own_callback_on_the_timer_thread)
{
    int rc;

    ck_assert_int_eq(ff__timerq_ref(), 0);
    ff__source_init(&timed.source, NULL, ff_deadline_ns(20 * FF_MILLISECOND), release_and_tell);
    rc = ff_register(ff_source_token(&timed.source), end_source, NULL, &own_registration);
    if (rc == FF_CANCELED) /* This machine slept for that long here. */
        ff_source_unref(&timed.source);
    else
        ck_assert_int_eq(rc, 0);
    wait_called();
    ck_assert(rc == FF_CANCELED || !pthread_equal(called_on, pthread_self()));
}
END_TEST

static int use_new_sources(ff_token *old)
{
    ff_source *born = source_below(old, 0);

    if (reason_of(born) != FF_REASON_NONE || !ff_cancel(born))
        return 4;
    ff_source_unref(born);
    born = source_below(old, ff_deadline_ns(FF_MILLISECOND));
    wait_cancelled(born);
    ff_source_unref(born);
    return 0;
}

static int child_main(ff_source *source, ff_source *child, ff_source *grandchild)
{
    ff_token *token = ff_source_token(source);
    ff_registration *registration = NULL;
    int rc = 0;

    if (ff_cancel(source) || ff_canceled(token))
        return 1;
    ff_cancel_from_signal(source);
    if (ff_canceled(token) || ff_token_fd(token) != -EOWNERDEAD)
        return 2;
    if (ff_register(token, callback, NULL, &registration) != 0)
        return 3;
    ff_unregister(registration);
    if (CHILD_STARTS_THREADS)
        rc = use_new_sources(token);
    ff_source_unref(grandchild);
    ff_source_unref(child);
    ff_source_unref(source);
    return rc;
}

START_TEST(forked_child_can_observe_and_free_old_sources_and_use_new_ones)
{
    ff_source *source = source_below(NULL, 0), *child = child_of(source);
    ff_source *grandchild = source_below(ff_source_token(child), ff_deadline_ns(3600 * FF_SECOND));
    pid_t pid;
    int status;

    /* As if another thread were at work in each at the moment of the fork. */
    ff__lock(&source->token.lock);
    ff__lock(&child->token.lock);
    pid = ff_test_fork();
    if (pid == 0)
        _exit(child_main(source, child, grandchild));
    ff__unlock(&child->token.lock);
    ff__unlock(&source->token.lock);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(ff_cancel(source));
    ck_assert_int_eq(reason_of(grandchild), FF_REASON_REQUESTED);
    ff_source_unref(source);
    ff_source_unref(child);
    ff_source_unref(grandchild);
}
END_TEST

FF_TEST_MAIN("cancel", 10, source_new_refuses_bad_arguments_and_leaves_the_result_alone,
             source_new_answers_eagain_when_no_thread_can_start,
             null_is_never_cancelled_and_harmless,
             cancel_answers_true_once_and_the_first_reason_stays,
             cancel_reaches_every_descendant_and_nobody_else,
             source_below_a_cancelled_parent_is_born_cancelled_for_its_reason,
             deadline_cancels_the_source_and_its_descendants,
             deadline_of_a_child_leaves_the_parent_alone,
             deadline_that_has_passed_cancels_at_once_and_never_means_none,
             deadline_is_off_after_the_source_has_ended_but_the_parent_still_counts,
             source_lives_until_its_last_owner_and_its_token_longer,
             release_is_called_once_when_children_and_tokens_are_gone_too,
             cancel_and_end_of_a_chain_of_100000_levels_do_not_recurse,
             cancel_reaches_100000_children,
             cancel_from_signal_marks_at_once_and_the_rest_follows_on_another_thread,
             cancel_walks_a_source_that_a_signal_handler_has_only_marked,
             cancel_gives_descendants_the_reason_that_reached_their_branch_first,
             source_may_end_in_its_own_callback_on_the_timer_thread,
             forked_child_can_observe_and_free_old_sources_and_use_new_ones)

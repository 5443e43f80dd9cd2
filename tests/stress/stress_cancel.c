/* Cancellation against births, ends, registrations, sleepers and other cancellations. */
#include "runner.h"

#include "sched/cancel.h"
#include "sys/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define THREADS 4

static ff_source *source_below(ff_token *parent, uint64_t deadline_ns)
{
    const struct ff_source_options options = {.size = sizeof options,
                                              .parent = parent,
                                              .deadline_ns = deadline_ns};
    ff_source *source = NULL;

    return ff_source_new(&options, &source) == 0 ? source : NULL;
}

/* A round: all threads start together, and the round is over when all have come back. */
struct round {
    ff_source *root;
    void (*body)(struct round *round, int thread);
    pthread_barrier_t barrier;
    unsigned count; /* Rounds. */
    _Atomic bool failed;
    void (*begin)(struct round *round), (*end)(struct round *round); /* By one thread. */
};

struct seat {
    struct round *round;
    int thread;
};

static void *seat_main(void *arg)
{
    struct seat *seat = arg;
    struct round *round = seat->round;

    for (unsigned i = 0; i < round->count; i++) {
        if (seat->thread == 0)
            round->begin(round);
        pthread_barrier_wait(&round->barrier);
        round->body(round, seat->thread);
        pthread_barrier_wait(&round->barrier);
        if (seat->thread == 0)
            round->end(round);
    }
    return NULL;
}

static void rounds_run(struct round *round)
{
    pthread_t threads[THREADS];
    struct seat seats[THREADS];

    pthread_barrier_init(&round->barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        seats[i] = (struct seat){.round = round, .thread = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, seat_main, &seats[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&round->barrier);
    ck_assert(!ff__load_relaxed(&round->failed));
}

static void expect(struct round *round, bool condition)
{
    if (!condition)
        ff__store_relaxed(&round->failed, true);
}

static void begin_root(struct round *round)
{
    round->root = source_below(NULL, 0);
    ck_assert_ptr_nonnull(round->root);
}

static void end_root(struct round *round)
{
    ff_source_unref(round->root);
}

#define FAMILY 200

static ff_source *family[FAMILY]; /* Each below the one at half its index. */

static void begin_family(struct round *round)
{
    begin_root(round);
    for (int i = 0; i < FAMILY; i++) {
        family[i] = source_below(ff_source_token(i == 0 ? round->root : family[i / 2]), 0);
        ck_assert_ptr_nonnull(family[i]);
    }
}

static void end_family(struct round *round)
{
    for (int i = 0; i < FAMILY; i++)
        ff_source_unref(family[i]);
    end_root(round);
}

static void cancel_and_look(struct round *round, int thread)
{
    ff_cancel(thread % 2 == 0 ? round->root : family[0]);
    for (int i = 0; i < FAMILY; i++)
        expect(round, ff_canceled(ff_source_token(family[i])));
}

/* Kills: a canceller that returns when it finds the reason set, without waiting for the walk. */
START_TEST(cancel_has_reached_everybody_for_every_canceller_that_returns)
{
    struct round round = {
        .body = cancel_and_look, .begin = begin_family, .end = end_family, .count = 500};

    rounds_run(&round);
}
END_TEST

#define BIRTHS 200

static ff_source born[THREADS][BIRTHS]; /* Not from the heap, which would keep births apart. */

static void release_nothing(ff_token *token)
{
    (void)token;
}

static void give_birth(struct round *round, int thread)
{
    ff_token *parent = ff_source_token(round->root);

    if (thread == 0)
        ff_cancel(round->root);
    for (int i = 0; thread > 0 && i < BIRTHS; i++)
        ff__source_init(&born[thread][i], parent, 0, release_nothing);
}

static void end_births(struct round *round)
{
    for (int thread = 1; thread < THREADS; thread++)
        for (int i = 0; i < BIRTHS; i++) {
            expect(round, ff_canceled(ff_source_token(&born[thread][i])));
            ff_source_unref(&born[thread][i]);
        }
    end_root(round);
}

/* Kills: a birth that reads the parent's reason before it takes the lock to link. */
START_TEST(cancel_misses_no_child_that_is_born_meanwhile)
{
    struct round round = {
        .body = give_birth, .begin = begin_root, .end = end_births, .count = 1500};

    rounds_run(&round);
}
END_TEST

#define CHILDREN 100

static ff_source *children[THREADS][CHILDREN];

static void begin_children(struct round *round)
{
    begin_root(round);
    for (int thread = 1; thread < THREADS; thread++)
        for (int i = 0; i < CHILDREN; i++) {
            children[thread][i] = source_below(ff_source_token(round->root), 0);
            ck_assert_ptr_nonnull(children[thread][i]);
        }
}

static void end_or_cancel(struct round *round, int thread)
{
    if (thread == 0)
        ff_cancel(round->root);
    for (int i = 0; thread > 0 && i < CHILDREN; i++)
        ff_source_unref(children[thread][i]);
}

/* Kills: a walk that takes its reference by a plain add: a node that was ending is ended again, and
 * is freed while it is on the work list. A crash, or a report by AddressSanitizer. */
START_TEST(children_may_end_while_they_are_walked)
{
    struct round round = {
        .body = end_or_cancel, .begin = begin_children, .end = end_root, .count = 200};

    rounds_run(&round);
}
END_TEST

#define WIDE 1000

static ff_source wide[WIDE];

static void begin_wide(void)
{
    for (int i = 0; i < WIDE; i++)
        ff__source_init(&wide[i], i == 0 ? NULL : ff_source_token(&wide[0]), 0, release_nothing);
}

static void end_wide(void)
{
    for (int i = 0; i < WIDE; i++)
        ff_source_unref(&wide[i]);
}

/* Thread 0 keeps the walk lock busy, so that a fire() stands before it; the others end their source
 * meanwhile, or when they see it cancelled. */
static void end_at_deadline(struct round *round, int thread)
{
    unsigned seed = (unsigned)thread;

    for (int i = 0; thread == 0 && i < 20; i++) {
        begin_wide();
        ff_cancel(&wide[0]);
        end_wide();
    }
    for (int i = 0; thread > 0 && i < 50; i++) {
        const uint64_t end_ns = ff_deadline_ns(10000 + (uint64_t)rand_r(&seed) % 50000);
        ff_source *source = source_below(ff_source_token(round->root), ff_deadline_ns(10000));

        expect(round, source != NULL);
        while (i % 4 == 0 ? !ff_canceled(ff_source_token(source)) : ff_now_ns() < end_ns)
            sched_yield();
        ff_source_unref(source);
    }
}

/* Kills: a deadline whose queue owns no reference: fire() on freed memory, a report by
 * AddressSanitizer. */
START_TEST(sources_may_end_while_their_deadline_fires)
{
    struct round round = {
        .body = end_at_deadline, .begin = begin_root, .end = end_root, .count = 15};

    rounds_run(&round);
}
END_TEST

static _Atomic uint32_t called[THREADS];
static ff_registration *registered[THREADS];

static void count_call(void *arg)
{
    ff__add_relaxed((_Atomic uint32_t *)arg, 1); /* Relaxed: read after a barrier. */
}

/* Registers again and again on a token with next to no callbacks, until it is cancelled. Keeps the
 * last registration when it could be made. */
static void register_until_cancelled(struct round *round, int thread)
{
    ff_token *token = ff_source_token(round->root);

    registered[thread] = NULL;
    for (int i = 0; ff_register(token, count_call, &called[thread], &registered[thread]) == 0;
         i++) {
        if (thread == 0 && i == 20)
            ff_cancel(round->root);
        if (ff_canceled(token))
            return;
        ff_unregister(registered[thread]);
        registered[thread] = NULL;
        ff__store_relaxed(&called[thread], 0); /* It may just have been called. */
    }
}

static void end_registrations(struct round *round)
{
    for (int thread = 0; thread < THREADS; thread++) {
        expect(round, !registered[thread] || ff__load_relaxed(&called[thread]) == 1);
        ff_unregister(registered[thread]);
        ff__store_relaxed(&called[thread], 0);
    }
    end_root(round);
}

/* Kills: a registration that checks the reason before it takes the lock to link: it succeeds, and
 * is never called. */
START_TEST(cancel_calls_the_callback_of_every_registration_that_succeeded)
{
    struct round round = {.body = register_until_cancelled,
                          .begin = begin_root,
                          .end = end_registrations,
                          .count = 400};

    rounds_run(&round);
}
END_TEST

#define REGISTRATIONS 16

static void touch(void *arg)
{
    unsigned *alive = arg;

    for (int i = 0; i < 50; i++)
        (*(volatile unsigned *)alive)++;
    (*alive)++;
}

static void register_and_unregister(struct round *round, int thread)
{
    ff_registration *registrations[REGISTRATIONS];
    unsigned *alive[REGISTRATIONS];
    int count = 0;

    if (thread == 0) {
        ff_cancel(round->root);
        return;
    }
    while (count < REGISTRATIONS) {
        alive[count] = calloc(1, sizeof **alive);
        if (ff_register(ff_source_token(round->root), touch, alive[count], &registrations[count]) <
            0)
            break;
        count++;
    }
    if (count < REGISTRATIONS)
        free(alive[count]);
    for (int i = 0; i < count; i++) {
        ff_unregister(registrations[i]);
        expect(round, *alive[i] == 0 || *alive[i] == 51); /* Not run, or run to its end. */
        free(alive[i]);
    }
}

/* Kills: ff_unregister() that does not wait for the runner: a half-counted or freed argument. */
START_TEST(unregister_returns_only_when_the_callback_has_ended_or_never_runs)
{
    struct round round = {
        .body = register_and_unregister, .begin = begin_root, .end = end_root, .count = 1500};

    rounds_run(&round);
}
END_TEST

#define NAPS 20000

static ff_source naps[NAPS];
static _Atomic uint32_t nap_now; /* Both threads go for the nap of this number at once. */

static void *nap_main(void *arg)
{
    for (uint32_t i = 0; i < NAPS; i++) {
        ff__store_release(&nap_now, i + 1);
        if (ff_token_sleep_until(ff_source_token(&naps[i]), FF_NEVER) != FF_CANCELED)
            return arg;
    }
    return NULL;
}

/* Kills: R before M in mark() (the sleepers are read before the reason is set): a sleeper that came
 * between is not woken, and the test hangs. */
START_TEST(cancel_wakes_every_sleeper)
{
    unsigned seed = 1;
    pthread_t thread;
    void *failed;

    for (int i = 0; i < NAPS; i++)
        ff__source_init(&naps[i], NULL, 0, release_nothing);
    ck_assert_int_eq(pthread_create(&thread, NULL, nap_main, naps), 0);
    for (uint32_t i = 0; i < NAPS; i++) {
        for (int spins = 0; ff__load_acquire(&nap_now) != i + 1; spins++)
            if (spins > 1000)
                sched_yield();
        for (int pause = rand_r(&seed) % 8; pause > 0; pause--)
            ff__cpu_pause();
        ff_cancel(&naps[i]);
    }
    pthread_join(thread, &failed);
    ck_assert_ptr_null(failed);
    for (int i = 0; i < NAPS; i++)
        ff_source_unref(&naps[i]);
}
END_TEST

static void post_or_cancel(struct round *round, int thread)
{
    ff_token *child = ff_source_token(family[FAMILY - 1]);

    if (thread < 2)
        ff_cancel_from_signal(round->root);
    else if (thread == 2)
        ff_cancel(family[2]); /* No ancestor of that child. */
    expect(round, ff_token_sleep_until(child, FF_NEVER) == FF_CANCELED);
}

/* Kills: a walk that goes by reason instead of walked (a source that was marked only is never
 * walked), a post that owns no reference: a hang, or a report by AddressSanitizer. */
START_TEST(cancel_from_signal_reaches_the_whole_tree_whoever_else_cancels)
{
    struct round round = {
        .body = post_or_cancel, .begin = begin_family, .end = end_family, .count = 300};

    rounds_run(&round);
}
END_TEST

static void ref_and_unref(struct round *round, int thread)
{
    ff_source *mine = round->root; /* begin_owners() took one for each. */
    ff_token *token = ff_token_ref(ff_source_token(mine));

    for (int i = 0; i < 2000; i++) {
        ff_source_unref(ff_source_ref(mine));
        ff_token_unref(ff_token_ref(token));
    }
    ff_source_unref(mine);
    (void)thread;
    expect(round, !ff_canceled(token));
    ff_token_unref(token);
}

static void begin_owners(struct round *round)
{
    begin_root(round);
    for (int i = 1; i < THREADS; i++)
        ff_source_ref(round->root);
}

static void end_nothing(struct round *round)
{
    round->root = NULL;
}

/* Kills: counts that are loaded and stored instead of added: freed too early or never, a report by
 * AddressSanitizer or LeakSanitizer. */
START_TEST(references_are_counted_exactly)
{
    struct round round = {
        .body = ref_and_unref, .begin = begin_owners, .end = end_nothing, .count = 40};

    rounds_run(&round);
}
END_TEST

FF_TEST_MAIN("stress_cancel", 30, cancel_has_reached_everybody_for_every_canceller_that_returns,
             cancel_misses_no_child_that_is_born_meanwhile, children_may_end_while_they_are_walked,
             sources_may_end_while_their_deadline_fires,
             cancel_calls_the_callback_of_every_registration_that_succeeded,
             unregister_returns_only_when_the_callback_has_ended_or_never_runs,
             cancel_wakes_every_sleeper,
             cancel_from_signal_reaches_the_whole_tree_whoever_else_cancels,
             references_are_counted_exactly)

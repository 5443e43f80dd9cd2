/* Cancellation against births, ends, registrations, sleepers and other cancellations. */
#include "runner.h"

#include "sched/cancel.h"

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

#define BIRTHS 40

static ff_source *born[THREADS][BIRTHS];

static void give_birth(struct round *round, int thread)
{
    ff_token *parent = ff_source_token(round->root);

    for (int i = 0; thread > 0 && i < BIRTHS; i++) {
        born[thread][i] = source_below(parent, 0);
        expect(round, born[thread][i] != NULL);
        if (i % 2 == 0) /* Deeper, every other time. */
            parent = ff_source_token(born[thread][i]);
    }
    if (thread == 0) {
        for (int i = 0; i < 20; i++)
            sched_yield();
        ff_cancel(round->root);
    }
}

static void end_births(struct round *round)
{
    for (int thread = 1; thread < THREADS; thread++)
        for (int i = 0; i < BIRTHS; i++) {
            expect(round, ff_canceled(ff_source_token(born[thread][i])));
            ff_source_unref(born[thread][i]);
        }
    end_root(round);
}

/* Kills: a birth that reads the parent's reason before it takes the lock to link. */
START_TEST(cancel_misses_no_child_that_is_born_meanwhile)
{
    struct round round = {.body = give_birth, .begin = begin_root, .end = end_births, .count = 400};

    rounds_run(&round);
}
END_TEST

/* Children come and go, with deadlines about now, while the root is cancelled by hand, too. */
static void come_and_go(struct round *round, int thread)
{
    for (int i = 0; i < 30; i++) {
        ff_source *child = source_below(ff_source_token(round->root),
                                        i % 3 == 0 ? ff_deadline_ns((uint64_t)i * 1000) : 0);
        ff_source *grandchild = source_below(ff_source_token(child), 0);
        ff_token *token = ff_token_ref(ff_source_token(grandchild));

        ff_source_unref(child);
        if (thread == 0 && i == 15)
            ff_cancel(round->root);
        ff_source_unref(grandchild);
        ff_token_unref(token);
    }
}

/* Kills: a walk that takes its reference by a plain add (a node is freed twice, or while it is on
 * the work list), a deadline whose queue owns no reference (fire() on freed memory): a crash, and a
 * report by AddressSanitizer. */
START_TEST(nodes_may_end_while_they_are_walked_or_their_deadline_fires)
{
    struct round round = {.body = come_and_go, .begin = begin_root, .end = end_root, .count = 150};

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

/* Kills: ff_unregister() that does not wait for the runner (a half-counted or freed argument), a
 * finish() that touches the registration after the lock (freed memory), a registration checked
 * before the lock (never called, and left on the list: freed memory). */
START_TEST(unregister_returns_only_when_the_callback_has_ended_or_never_runs)
{
    struct round round = {
        .body = register_and_unregister, .begin = begin_root, .end = end_root, .count = 1500};

    rounds_run(&round);
}
END_TEST

static void sleep_or_cancel(struct round *round, int thread)
{
    if (thread == 0)
        ff_cancel(round->root);
    else
        expect(round, ff_token_sleep_until(ff_source_token(round->root), FF_NEVER) == FF_CANCELED);
}

/* Kills: R before M in mark() (the sleepers read before the reason is set): a sleeper that counted
 * itself between is not woken, and the test hangs. */
START_TEST(cancel_wakes_every_sleeper)
{
    struct round round = {
        .body = sleep_or_cancel, .begin = begin_root, .end = end_root, .count = 3000};

    rounds_run(&round);
}
END_TEST

static void post_or_cancel(struct round *round, int thread)
{
    ff_token *child = ff_source_token(family[FAMILY - 1]);

    if (thread < 2)
        ff_cancel_from_signal(round->root);
    else if (thread == 2)
        ff_cancel(family[0]);
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
             cancel_misses_no_child_that_is_born_meanwhile,
             nodes_may_end_while_they_are_walked_or_their_deadline_fires,
             unregister_returns_only_when_the_callback_has_ended_or_never_runs,
             cancel_wakes_every_sleeper,
             cancel_from_signal_reaches_the_whole_tree_whoever_else_cancels,
             references_are_counted_exactly)

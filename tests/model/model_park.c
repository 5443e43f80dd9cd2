/* The park, exhaustively: bringers with one task each against workers, over store buffers. Letters
 * as in lib/sync/park.h. Each bringer has a queue of its own that holds 0 or 1, so that a worker's
 * look at "every queue" takes several steps. */
#include "runner.h"

#include "explore.h"

#include <string.h>

#define WORKERS_MAX 3
#define QUEUES_MAX 2

/* Shared variables. The list of sleepers is a number in base 4, the newest as the lowest digit;
 * worker w is the digit w + 1. It is read and written under the lock only. */
enum { QUEUE, STOP = QUEUE + QUEUES_MAX, IDLE, SEARCHING, LOCK, LIST, TOKEN };

enum mutant {
    RIGHT,
    A_IS_A_PLAIN_STORE,
    R_BEFORE_A,
    NO_C,
    C_BEFORE_W,
    SEARCHING_SUBTRACTED_AFTER_C,
    NO_BATON,
    BATON_LOOKS_BEFORE_L,
    N_WITHOUT_R_AGAIN,
    N_DOES_NOT_COUNT,
    B_LEAVES_THE_TOKEN,
    WAKE_ALL_WAKES_ONE,
    WAKE_ALL_BEFORE_STOP,
};
static enum mutant mutant;
static unsigned workers, bringers;
static bool stopper;    /* The last thread is no bringer: it stops the workers. */
static bool tasks_meet; /* A task ends only when every task has begun. */

struct local {
    uint8_t pc, after; /* after: where to go when the notify is done. */
    uint8_t queue;     /* The next one to look at. */
    bool searching, woken, last, saw;
};

struct state {
    struct memory memory;
    struct local local[MEMORY_THREADS];
    uint8_t begun;     /* Tasks that were taken. */
    uint8_t in_flight; /* Wake-ups given by N and not yet at L or W. */
};

enum {
    /* Worker. */
    SCAN,
    FOUND_L,
    FOUND_LOOK,
    RUN,
    W_LOCK,
    W,
    W_LATE,
    C_STOP,
    C,
    B_LOCK,
    B,
    Z,
    END_L,
    ENDED,
    /* Notify, for bringers and workers. */
    R,
    N_LOCK,
    N,
    N_TOKEN,
    /* Bringer, stopper. */
    BRING_A,
    BRING_LATE_A,
    STOP_A,
    STOP_LOCK,
    STOP_WAKE,
};

static enum step_result next(struct local *l, int pc)
{
    l->pc = (uint8_t)pc;
    l->queue = 0;
    return STEP_TAKEN;
}

/* ---- Notify ------------------------------------------------------------------------------- */

static bool lock_take(struct memory *m, unsigned thread)
{
    if (!memory_fenced(m, thread) || m->value[LOCK])
        return false;
    m->value[LOCK] = 1;
    return true;
}

/* The newest sleeper off the list and counted over, in one step: all of it is under the lock. */
static unsigned sleeper_take(struct state *s)
{
    int8_t *value = s->memory.value;
    unsigned worker = (unsigned)value[LIST] % 4 - 1;

    value[LIST] /= 4;
    value[IDLE]--;
    if (mutant != N_DOES_NOT_COUNT)
        value[SEARCHING]++;
    s->local[worker].woken = true;
    s->in_flight++;
    return worker;
}

static bool wake_due(const struct memory *m)
{
    return m->value[IDLE] > 0 && m->value[SEARCHING] == 0;
}

/* local.saw says whether N took somebody off the list; queue holds whom, until the token is given.
 */
static enum step_result notify_step(struct state *s, struct local *l, unsigned thread)
{
    struct memory *m = &s->memory;

    switch (l->pc) {
    case R:
        return next(l, wake_due(m) ? N_LOCK : l->after);
    case N_LOCK:
        return lock_take(m, thread) ? next(l, N) : STEP_BLOCKED;
    case N:
        m->value[LOCK] = 0;
        if (!(mutant == N_WITHOUT_R_AGAIN ? m->value[IDLE] > 0 : wake_due(m)))
            return next(l, l->after);
        l->pc = N_TOKEN;
        l->queue = (uint8_t)sleeper_take(s);
        return STEP_TAKEN;
    default:
        m->value[TOKEN + l->queue] = 1;
        return next(l, l->after);
    }
}

/* ---- Worker -------------------------------------------------------------------------------- */

/* L, or the part of W that is like it. */
static void search_ends(struct state *s, struct local *l)
{
    s->memory.value[SEARCHING]--;
    l->searching = false;
    if (l->woken)
        s->in_flight--;
    l->woken = false;
}

static enum step_result scan_step(struct state *s, struct local *l)
{
    int8_t *queue = &s->memory.value[QUEUE + l->queue];

    if (*queue) {
        *queue = 0;
        s->begun++;
        return next(l, l->searching ? FOUND_L : RUN);
    }
    if (++l->queue < QUEUES_MAX)
        return STEP_TAKEN;
    if (l->searching)
        return next(l, mutant == C_BEFORE_W ? C_STOP : W_LOCK);
    l->searching = true;
    s->memory.value[SEARCHING]++;
    return next(l, SCAN);
}

/* With the baton's look at the queues, of which one is looked at in each step. */
static enum step_result found_step(struct state *s, struct local *l)
{
    if (l->pc == FOUND_L) {
        bool looks_first = mutant == BATON_LOOKS_BEFORE_L && l->queue < QUEUES_MAX;

        if (looks_first) {
            l->saw |= s->memory.value[QUEUE + l->queue++] != 0;
            return STEP_TAKEN;
        }
        l->last = s->memory.value[SEARCHING] == 1 && s->memory.value[IDLE] > 0;
        search_ends(s, l);
        l->after = RUN;
        if (mutant == BATON_LOOKS_BEFORE_L)
            return next(l, l->last && l->saw ? R : RUN);
        return next(l, l->last && mutant != NO_BATON ? FOUND_LOOK : RUN);
    }
    if (s->memory.value[QUEUE + l->queue])
        return next(l, R);
    return ++l->queue < QUEUES_MAX ? STEP_TAKEN : next(l, RUN);
}

static enum step_result run_step(struct state *s, struct local *l)
{
    if (tasks_meet && s->begun < bringers)
        return STEP_BLOCKED;
    l->saw = l->last = false;
    return next(l, s->memory.value[STOP] ? END_L : SCAN);
}

static enum step_result w_step(struct state *s, struct local *l, unsigned thread)
{
    struct memory *m = &s->memory;

    if (l->pc == W_LOCK)
        return lock_take(m, thread) ? next(l, W) : STEP_BLOCKED;
    m->value[LIST] = (int8_t)(m->value[LIST] * 4 + (int)thread + 1);
    m->value[IDLE]++;
    m->value[LOCK] = 0;
    if (mutant != SEARCHING_SUBTRACTED_AFTER_C)
        search_ends(s, l);
    return next(l, mutant == NO_C || mutant == C_BEFORE_W ? Z : C_STOP);
}

/* C found nothing: to sleep. */
static enum step_result c_sleep(struct local *l)
{
    switch (mutant) {
    case C_BEFORE_W:
        return next(l, W_LOCK);
    case SEARCHING_SUBTRACTED_AFTER_C:
        return next(l, W_LATE);
    default:
        return next(l, Z);
    }
}

static enum step_result c_step(struct state *s, struct local *l)
{
    int found = mutant == C_BEFORE_W ? SCAN : B_LOCK;

    if (mutant == SEARCHING_SUBTRACTED_AFTER_C && l->pc == W_LATE) {
        if (l->searching)
            search_ends(s, l);
        return next(l, Z);
    }
    if (l->pc == C_STOP)
        return next(l, s->memory.value[STOP] ? found : C);
    if (s->memory.value[QUEUE + l->queue])
        return next(l, found);
    return ++l->queue < QUEUES_MAX ? STEP_TAKEN : c_sleep(l);
}

static int list_without(int list, int digit)
{
    if (list == 0)
        return 0;
    if (list % 4 == digit)
        return list / 4;
    return list_without(list / 4, digit) * 4 + list % 4;
}

static int after_sleep(const struct state *s)
{
    return s->memory.value[STOP] ? END_L : SCAN;
}

static enum step_result b_step(struct state *s, struct local *l, unsigned thread)
{
    struct memory *m = &s->memory;
    int list = m->value[LIST];

    if (l->pc == B_LOCK)
        return lock_take(m, thread) ? next(l, B) : STEP_BLOCKED;
    m->value[LOCK] = 0;
    m->value[LIST] = (int8_t)list_without(list, (int)thread + 1);
    if (list != m->value[LIST]) {
        m->value[IDLE]--;
        m->value[SEARCHING]++;
        l->searching = true;
        return next(l, after_sleep(s));
    }
    if (mutant != B_LEAVES_THE_TOKEN)
        return next(l, Z);
    l->searching = true;
    return next(l, after_sleep(s));
}

static enum step_result z_step(struct state *s, struct local *l, unsigned thread)
{
    if (!s->memory.value[TOKEN + thread])
        return STEP_BLOCKED;
    s->memory.value[TOKEN + thread] = 0;
    l->searching = true;
    return next(l, after_sleep(s));
}

static enum step_result worker_step(struct state *s, struct local *l, unsigned thread)
{
    switch (l->pc) {
    case SCAN:
        return scan_step(s, l);
    case FOUND_L:
    case FOUND_LOOK:
        return found_step(s, l);
    case RUN:
        return run_step(s, l);
    case W_LOCK:
    case W:
        return w_step(s, l, thread);
    case C_STOP:
    case C:
    case W_LATE:
        return c_step(s, l);
    case B_LOCK:
    case B:
        return b_step(s, l, thread);
    case Z:
        return z_step(s, l, thread);
    case END_L:
        if (l->searching)
            search_ends(s, l);
        return next(l, ENDED);
    case ENDED:
        return STEP_BLOCKED;
    default:
        return notify_step(s, l, thread);
    }
}

/* ---- Bringer and stopper -------------------------------------------------------------------- */

static enum step_result bring_a(struct state *s, struct local *l, unsigned thread)
{
    unsigned queue = QUEUE + thread - workers;

    if (mutant == A_IS_A_PLAIN_STORE) {
        if (!memory_store(&s->memory, thread, queue, 1))
            return STEP_BLOCKED;
    } else {
        s->memory.value[queue] = 1;
    }
    l->after = ENDED;
    return next(l, l->pc == BRING_LATE_A ? ENDED : R);
}

/* wake_all holds the lock over the whole of it; each token is a step. */
static enum step_result stop_wake(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;

    if (m->value[LIST] == 0 || (mutant == WAKE_ALL_WAKES_ONE && l->saw)) {
        m->value[LOCK] = 0;
        return next(l, mutant == WAKE_ALL_BEFORE_STOP ? STOP_A : ENDED);
    }
    m->value[TOKEN + sleeper_take(s)] = 1;
    l->saw = true;
    return STEP_TAKEN;
}

static enum step_result bringer_step(struct state *s, struct local *l, unsigned thread)
{
    switch (l->pc) {
    case BRING_A:
        if (mutant != R_BEFORE_A)
            return bring_a(s, l, thread);
        l->after = BRING_LATE_A;
        return next(l, R);
    case BRING_LATE_A:
        return bring_a(s, l, thread);
    case STOP_A:
        s->memory.value[STOP] = 1;
        return next(l, mutant == WAKE_ALL_BEFORE_STOP ? ENDED : STOP_LOCK);
    case STOP_LOCK:
        return lock_take(&s->memory, thread) ? next(l, STOP_WAKE) : STEP_BLOCKED;
    case STOP_WAKE:
        return stop_wake(s, l);
    case ENDED:
        return STEP_BLOCKED;
    default:
        return notify_step(s, l, thread);
    }
}

static enum step_result step(void *state, unsigned thread)
{
    struct state *s = state;
    struct local *l = &s->local[thread];

    return thread < workers ? worker_step(s, l, thread) : bringer_step(s, l, thread);
}

/* ---- Properties ----------------------------------------------------------------------------- */

static const char *bad_end(const struct state *s)
{
    const int8_t *value = s->memory.value;
    unsigned asleep = 0, ended = 0;

    for (unsigned w = 0; w < workers; w++) {
        asleep += s->local[w].pc == Z;
        ended += s->local[w].pc == ENDED;
    }
    if (stopper)
        return ended == workers && value[IDLE] == 0 && value[SEARCHING] == 0 ? NULL
                                                                             : "a worker sleeps on";
    if (s->begun < bringers)
        return "a task waits, and nobody comes";
    if (asleep != workers || value[IDLE] != (int)workers || value[SEARCHING] != 0)
        return "the counts are wrong when all sleep";
    return NULL;
}

static const char *bad(const void *state, bool stuck)
{
    const struct state *s = state;

    if (s->memory.value[SEARCHING] < 0 || s->memory.value[IDLE] < 0)
        return "a count fell below zero";
    if (s->in_flight > 1 && !stopper)
        return "two wake-ups are in flight";
    for (unsigned w = 0; w < workers; w++)
        if (s->memory.value[TOKEN + w] && s->local[w].pc < W_LOCK)
            return "a token is left over";
    return stuck ? bad_end(s) : NULL;
}

static struct exploration run(enum mutant which, unsigned worker_count, unsigned bringer_count,
                              bool with_stopper)
{
    struct model model = {sizeof(struct state), worker_count + bringer_count + with_stopper, step,
                          bad};
    struct state initial;

    memset(&initial, 0, sizeof initial);
    for (unsigned i = 0; i < bringer_count; i++)
        initial.local[worker_count + i].pc = BRING_A;
    if (with_stopper)
        initial.local[worker_count + bringer_count].pc =
            which == WAKE_ALL_BEFORE_STOP ? STOP_LOCK : STOP_A;
    mutant = which;
    workers = worker_count;
    bringers = bringer_count;
    stopper = with_stopper;
    return explore(&model, &initial);
}

static void expect_right(unsigned worker_count, unsigned bringer_count, bool with_stopper)
{
    struct exploration result = run(RIGHT, worker_count, bringer_count, with_stopper);

    ck_assert_msg(!result.bad, "%s", result.bad);
    ck_assert_uint_gt(result.states, 200);
}

static void expect_found(const char *what, enum mutant which, unsigned worker_count,
                         unsigned bringer_count, bool with_stopper)
{
    ck_assert_pstr_eq(run(which, worker_count, bringer_count, with_stopper).bad, what);
}

START_TEST(park_model_loses_no_task)
{
    expect_right(1, 2, false);
    expect_right(2, 1, false);
    expect_right(2, 2, false);
    expect_right(3, 1, false);
}
END_TEST

START_TEST(park_model_wakes_a_worker_for_each_of_a_burst_of_long_tasks)
{
    tasks_meet = true;
    expect_right(2, 2, false);
}
END_TEST

START_TEST(park_model_ends_every_worker_when_it_stops)
{
    expect_right(3, 0, true);
    expect_right(2, 1, true);
}
END_TEST

static const char waits[] = "a task waits, and nobody comes";

START_TEST(park_model_finds_that_a_is_a_plain_store)
{
    expect_found(waits, A_IS_A_PLAIN_STORE, 1, 1, false);
}
END_TEST

START_TEST(park_model_finds_that_the_bringer_reads_the_state_before_it_brings)
{
    expect_found(waits, R_BEFORE_A, 1, 1, false);
}
END_TEST

START_TEST(park_model_finds_that_the_worker_does_not_look_again)
{
    expect_found(waits, NO_C, 1, 1, false);
}
END_TEST

START_TEST(park_model_finds_that_the_worker_looks_before_it_announces_sleep)
{
    expect_found(waits, C_BEFORE_W, 1, 1, false);
}
END_TEST

START_TEST(park_model_finds_that_searching_is_subtracted_after_the_look)
{
    expect_found(waits, SEARCHING_SUBTRACTED_AFTER_C, 1, 1, false);
}
END_TEST

START_TEST(park_model_finds_that_the_baton_is_dropped)
{
    tasks_meet = true;
    expect_found(waits, NO_BATON, 2, 2, false);
}
END_TEST

START_TEST(park_model_finds_that_the_baton_looks_before_it_stops_searching)
{
    tasks_meet = true;
    expect_found(waits, BATON_LOOKS_BEFORE_L, 2, 2, false);
}
END_TEST

START_TEST(park_model_finds_that_a_waker_does_not_read_the_state_again_under_the_lock)
{
    expect_found("two wake-ups are in flight", N_WITHOUT_R_AGAIN, 2, 2, false);
}
END_TEST

START_TEST(park_model_finds_that_a_woken_worker_is_not_counted)
{
    expect_found("a count fell below zero", N_DOES_NOT_COUNT, 1, 1, false);
}
END_TEST

START_TEST(park_model_finds_that_a_worker_that_does_not_sleep_leaves_its_token)
{
    expect_found("a token is left over", B_LEAVES_THE_TOKEN, 1, 1, false);
}
END_TEST

START_TEST(park_model_finds_that_wake_all_wakes_one)
{
    expect_found("a worker sleeps on", WAKE_ALL_WAKES_ONE, 2, 0, true);
}
END_TEST

START_TEST(park_model_finds_that_wake_all_comes_before_its_reason)
{
    expect_found("a worker sleeps on", WAKE_ALL_BEFORE_STOP, 2, 0, true);
}
END_TEST

FF_TEST_MAIN("model_park", 30, park_model_loses_no_task,
             park_model_wakes_a_worker_for_each_of_a_burst_of_long_tasks,
             park_model_ends_every_worker_when_it_stops, park_model_finds_that_a_is_a_plain_store,
             park_model_finds_that_the_bringer_reads_the_state_before_it_brings,
             park_model_finds_that_the_worker_does_not_look_again,
             park_model_finds_that_the_worker_looks_before_it_announces_sleep,
             park_model_finds_that_searching_is_subtracted_after_the_look,
             park_model_finds_that_the_baton_is_dropped,
             park_model_finds_that_the_baton_looks_before_it_stops_searching,
             park_model_finds_that_a_waker_does_not_read_the_state_again_under_the_lock,
             park_model_finds_that_a_woken_worker_is_not_counted,
             park_model_finds_that_a_worker_that_does_not_sleep_leaves_its_token,
             park_model_finds_that_wake_all_wakes_one,
             park_model_finds_that_wake_all_comes_before_its_reason)

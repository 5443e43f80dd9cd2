/* One shard of the injector, exhaustively: a producer, a consumer that takes one node at a time,
 * and an observer. Letters as in lib/sync/injector.c. A list of nodes is a number in base 4, the
 * head as the lowest digit; the nodes are 1, 2, 3. */
#include "runner.h"

#include "explore.h"

#include <string.h>

/* Shared variables. */
enum { INCOMING, LOCK, OUTGOING };

enum mutant {
    RIGHT,
    PUSH_WITHOUT_CAS,
    TAKE_WITHOUT_LOCK,
    TAKE_DOES_NOT_TURN_ROUND,
    X_ALSO_WHEN_OUTGOING_IS_LEFT,
    K_BEFORE_I,
    J_BEFORE_I,
    K_BEFORE_J,
    NO_J,
    NO_K,
};
static enum mutant mutant;

enum { PRODUCER, CONSUMER, OBSERVER, CONSUMER_2, THREADS };
#define NODES 3
#define PUSHED_BEFORE 1 /* Node 1 is inside when the run begins. */
#define TAKES 3

struct local {
    uint8_t pc, done;
    int8_t list;
};

struct state {
    struct memory memory;
    struct local local[THREADS];
    uint8_t inside;  /* Bit of a node: pushed and not handed out. */
    uint8_t watched; /* Inside since the observer began. */
    uint8_t taken[NODES + 1];
    uint8_t last_taken;
    bool wrong_order, wrong_answer;
};

static enum step_result next(struct local *local, int pc)
{
    local->pc = (uint8_t)pc;
    return STEP_TAKEN;
}

static enum step_result operation_done(struct local *local)
{
    local->done++;
    local->list = 0;
    return next(local, 0);
}

static int list_reverse(int list)
{
    int reversed = 0;

    for (; list; list /= 4)
        reversed = reversed * 4 + list % 4;
    return reversed;
}

static enum step_result producer_step(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;
    int node = PUSHED_BEFORE + 1 + l->done;

    if (node > NODES)
        return STEP_BLOCKED;
    if (l->pc == 0) {
        l->list = (int8_t)memory_load(m, PRODUCER, INCOMING);
        return next(l, 1);
    }
    if (mutant != PUSH_WITHOUT_CAS && m->value[INCOMING] != l->list)
        return next(l, 0);
    m->value[INCOMING] = (int8_t)(l->list * 4 + node); /* A. */
    s->inside |= (uint8_t)(1 << node);
    return operation_done(l);
}

static void node_out(struct state *s, int node)
{
    s->taken[node]++;
    s->inside &= (uint8_t) ~(1 << node);
    s->watched &= s->inside;
    if (node < s->last_taken)
        s->wrong_order = true;
    s->last_taken = (uint8_t)node;
}

/* Under the lock: what is left of the list is in hand between X and O. */
static enum step_result take_x(struct state *s, struct local *l, unsigned thread)
{
    struct memory *m = &s->memory;
    int outgoing = memory_load(m, thread, OUTGOING);

    if (outgoing && mutant != X_ALSO_WHEN_OUTGOING_IS_LEFT) {
        l->list = (int8_t)outgoing;
        return next(l, 2);
    }
    if (!memory_fenced(m, thread))
        return STEP_BLOCKED;
    l->list = m->value[INCOMING];
    m->value[INCOMING] = 0; /* X. */
    if (mutant != TAKE_DOES_NOT_TURN_ROUND)
        l->list = (int8_t)list_reverse(l->list);
    return next(l, 2);
}

static enum step_result take_step(struct state *s, struct local *l, unsigned thread)
{
    struct memory *m = &s->memory;

    switch (l->pc) {
    case 0:
        if (mutant == TAKE_WITHOUT_LOCK)
            return next(l, 1);
        if (m->value[LOCK])
            return operation_done(l); /* Busy: passed over. */
        if (!memory_fenced(m, thread))
            return STEP_BLOCKED;
        m->value[LOCK] = 1;
        return next(l, 1);
    case 1:
        return take_x(s, l, thread);
    case 2:
        if (!memory_store(m, thread, OUTGOING, l->list / 4)) /* O. */
            return STEP_BLOCKED;
        if (l->list % 4)
            node_out(s, l->list % 4); /* Handed out: its consumer is awake and will run it. */
        return next(l, 3);
    default:
        if (!memory_fenced(m, thread))
            return STEP_BLOCKED;
        m->value[LOCK] = 0; /* Y. */
        return operation_done(l);
    }
}

/* The variables that the observer reads, in its order; LOCK twice stands for "not read". */
static const uint8_t *observer_order(void)
{
    static const uint8_t right[3] = {INCOMING, LOCK, OUTGOING};
    static const uint8_t k_first[3] = {OUTGOING, INCOMING, LOCK};
    static const uint8_t j_first[3] = {LOCK, INCOMING, OUTGOING};
    static const uint8_t k_then_j[3] = {INCOMING, OUTGOING, LOCK};
    static const uint8_t no_j[3] = {INCOMING, OUTGOING, OUTGOING};
    static const uint8_t no_k[3] = {INCOMING, LOCK, LOCK};

    switch (mutant) {
    case K_BEFORE_I:
        return k_first;
    case J_BEFORE_I:
        return j_first;
    case K_BEFORE_J:
        return k_then_j;
    case NO_J:
        return no_j;
    case NO_K:
        return no_k;
    default:
        return right;
    }
}

static enum step_result observer_step(struct state *s, struct local *l)
{
    if (l->done == 1)
        return STEP_BLOCKED;
    if (l->pc == 0) {
        s->watched = s->inside;
        return next(l, 1);
    }
    if (memory_load(&s->memory, OBSERVER, observer_order()[l->pc - 1])) {
        s->watched = 0;
        return operation_done(l); /* "Maybe." */
    }
    if (l->pc < 3)
        return next(l, l->pc + 1);
    if (s->watched) /* "Empty", and a node was inside all the time. */
        s->wrong_answer = true;
    return operation_done(l);
}

static enum step_result step(void *state, unsigned thread)
{
    struct state *s = state;
    struct local *l = &s->local[thread];

    if (thread == PRODUCER)
        return producer_step(s, l);
    if (thread == OBSERVER)
        return observer_step(s, l);
    return l->done == TAKES ? STEP_BLOCKED : take_step(s, l, thread);
}

static bool list_has(int list, int node)
{
    for (; list; list /= 4)
        if (list % 4 == node)
            return true;
    return false;
}

static const char *bad(const void *state, bool stuck)
{
    const struct state *s = state;
    const int8_t *value = s->memory.value;

    if (s->wrong_answer)
        return "the observer said empty beside a node";
    if (s->wrong_order)
        return "the nodes came out of order";
    for (int node = 1; node <= NODES; node++) {
        if (s->taken[node] > 1)
            return "a node came out twice";
        if (stuck &&
            s->taken[node] + list_has(value[INCOMING], node) + list_has(value[OUTGOING], node) != 1)
            return "a node is lost, or came out and is still inside";
    }
    return NULL;
}

static struct exploration run(enum mutant which)
{
    struct model model = {sizeof(struct state), THREADS, step, bad};
    struct state initial;

    memset(&initial, 0, sizeof initial);
    initial.memory.value[INCOMING] = 1;
    initial.inside = 1 << 1;
    mutant = which;
    return explore(&model, &initial);
}

START_TEST(injector_model_holds)
{
    struct exploration result = run(RIGHT);

    ck_assert_msg(!result.bad, "%s", result.bad);
    ck_assert_uint_gt(result.states, 1000);
}
END_TEST

static void expect_found(enum mutant which, const char *what)
{
    ck_assert_pstr_eq(run(which).bad, what);
}

START_TEST(injector_model_finds_that_push_stores_without_a_cas)
{
    ck_assert_ptr_nonnull(run(PUSH_WITHOUT_CAS).bad);
}
END_TEST

START_TEST(injector_model_finds_that_take_goes_without_the_lock)
{
    ck_assert_ptr_nonnull(run(TAKE_WITHOUT_LOCK).bad);
}
END_TEST

START_TEST(injector_model_finds_that_take_does_not_turn_the_list_round)
{
    expect_found(TAKE_DOES_NOT_TURN_ROUND, "the nodes came out of order");
}
END_TEST

START_TEST(injector_model_finds_that_take_forgets_what_was_left_outgoing)
{
    ck_assert_ptr_nonnull(run(X_ALSO_WHEN_OUTGOING_IS_LEFT).bad);
}
END_TEST

START_TEST(injector_model_finds_that_the_observer_reads_out_of_order)
{
    expect_found(K_BEFORE_I, "the observer said empty beside a node");
    expect_found(J_BEFORE_I, "the observer said empty beside a node");
    expect_found(K_BEFORE_J, "the observer said empty beside a node");
}
END_TEST

START_TEST(injector_model_finds_that_the_observer_leaves_out_the_lock_or_outgoing)
{
    expect_found(NO_J, "the observer said empty beside a node");
    expect_found(NO_K, "the observer said empty beside a node");
}
END_TEST

FF_TEST_MAIN("model_injector", 30, injector_model_holds,
             injector_model_finds_that_push_stores_without_a_cas,
             injector_model_finds_that_take_goes_without_the_lock,
             injector_model_finds_that_take_does_not_turn_the_list_round,
             injector_model_finds_that_take_forgets_what_was_left_outgoing,
             injector_model_finds_that_the_observer_reads_out_of_order,
             injector_model_finds_that_the_observer_leaves_out_the_lock_or_outgoing)

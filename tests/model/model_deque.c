/* The deque, exhaustively: an owner with a short script against thieves, over store buffers, on an
 * array of two slots that may grow to four. Letters as in lib/sync/deque.c. */
#include "runner.h"

#include "explore.h"

#include <string.h>

/* Shared variables. */
enum { TOP, BOTTOM, ARRAY, SLOTS, BIG_SLOTS = SLOTS + 2, VARS = BIG_SLOTS + 4 };

enum mutant {
    RIGHT,
    D_IS_A_PLAIN_STORE,
    H_BEFORE_D,
    LAST_ITEM_WITHOUT_CAS,
    U_BEFORE_T,
    STEAL_WITHOUT_CAS,
    ROOM_FOR_ONE_TOO_MANY,
    ARRAY_BEFORE_COPY,
};
static enum mutant mutant;
static const char *script; /* The owner's: '+' push, '-' pop. */
static unsigned steals;    /* Tries of each thief. */

#define OWNER 0
#define ITEMS_MAX 7

struct local {
    uint8_t pc, done; /* done: steps of the script, or tries. */
    int8_t top, bottom, array, item, copied;
};

struct state {
    struct memory memory;
    struct local local[3];
    uint8_t pushed;
    uint8_t taken[ITEMS_MAX + 1]; /* How often item i came out. */
};

static unsigned slot_of(int array, int index)
{
    return array ? BIG_SLOTS + (unsigned)index % 4 : SLOTS + (unsigned)index % 2;
}

static int capacity_of(int array)
{
    return array ? 4 : 2;
}

static enum step_result next(struct local *local, uint8_t pc)
{
    local->pc = pc;
    return STEP_TAKEN;
}

/* The operation is over: back to nothing but the count of them. */
static enum step_result operation_done(struct local *local)
{
    uint8_t done = local->done;

    memset(local, 0, sizeof *local);
    local->done = (uint8_t)(done + 1);
    return STEP_TAKEN;
}

static void item_out(struct state *s, int item)
{
    s->taken[item]++;
}

enum { START, PUSH_SLOT, PUSH_P, GROW_ARRAY, GROW_COPY, POP_H, POP_SLOT, POP_LAST, POP_RESTORE };

static bool store_bottom_seqcst(struct memory *m, int value)
{
    if (!memory_fenced(m, OWNER))
        return false;
    m->value[BOTTOM] = (int8_t)value;
    return true;
}

static enum step_result push_start(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;
    int room;

    l->bottom = (int8_t)memory_load(m, OWNER, BOTTOM);
    l->array = (int8_t)memory_load(m, OWNER, ARRAY);
    l->top = (int8_t)memory_load(m, OWNER, TOP); /* G. */
    room = capacity_of(l->array) + (mutant == ROOM_FOR_ONE_TOO_MANY ? 1 : 0);
    if (l->bottom - l->top < room)
        return next(l, PUSH_SLOT);
    l->copied = l->top;
    return next(l, mutant == ARRAY_BEFORE_COPY ? GROW_ARRAY : GROW_COPY);
}

static enum step_result push_grow(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;

    if (l->pc == GROW_COPY && l->copied < l->bottom) {
        int item = memory_load(m, OWNER, slot_of(0, l->copied));

        if (!memory_store(m, OWNER, slot_of(1, l->copied), item))
            return STEP_BLOCKED;
        l->copied++;
        return STEP_TAKEN;
    }
    if (l->pc == GROW_COPY && mutant == ARRAY_BEFORE_COPY)
        return next(l, PUSH_SLOT);
    if (!memory_store(m, OWNER, ARRAY, 1))
        return STEP_BLOCKED;
    l->array = 1;
    return next(l, mutant == ARRAY_BEFORE_COPY ? GROW_COPY : PUSH_SLOT);
}

static enum step_result push_step(struct state *s, struct local *l)
{
    switch (l->pc) {
    case START:
        return push_start(s, l);
    case PUSH_SLOT:
        if (!memory_store(&s->memory, OWNER, slot_of(l->array, l->bottom), s->pushed + 1))
            return STEP_BLOCKED;
        s->pushed++;
        return next(l, PUSH_P);
    case PUSH_P:
        if (!store_bottom_seqcst(&s->memory, l->bottom + 1))
            return STEP_BLOCKED;
        return operation_done(l);
    default:
        return push_grow(s, l);
    }
}

static bool pop_d(struct state *s, struct local *l)
{
    if (mutant == D_IS_A_PLAIN_STORE)
        return memory_store(&s->memory, OWNER, BOTTOM, l->bottom);
    return store_bottom_seqcst(&s->memory, l->bottom);
}

static enum step_result pop_start(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;

    l->bottom = (int8_t)(memory_load(m, OWNER, BOTTOM) - 1);
    l->array = (int8_t)memory_load(m, OWNER, ARRAY);
    if (memory_load(m, OWNER, TOP) > l->bottom)
        return operation_done(l);
    if (mutant == H_BEFORE_D)
        l->top = (int8_t)memory_load(m, OWNER, TOP);
    else if (!pop_d(s, l))
        return STEP_BLOCKED;
    return next(l, POP_H);
}

static enum step_result pop_last(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;

    if (mutant != LAST_ITEM_WITHOUT_CAS) {
        if (!memory_fenced(m, OWNER))
            return STEP_BLOCKED;
        if (m->value[TOP] != l->top)
            l->item = 0;
    }
    if (l->item) {
        m->value[TOP] = (int8_t)(l->top + 1); /* L. */
        item_out(s, l->item);
    }
    return next(l, POP_RESTORE);
}

static enum step_result pop_step(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;

    switch (l->pc) {
    case START:
        return pop_start(s, l);
    case POP_H:
        if (mutant != H_BEFORE_D)
            l->top = (int8_t)memory_load(m, OWNER, TOP);
        else if (!pop_d(s, l))
            return STEP_BLOCKED;
        return next(l, l->top <= l->bottom ? POP_SLOT : POP_RESTORE);
    case POP_SLOT:
        l->item = (int8_t)memory_load(m, OWNER, slot_of(l->array, l->bottom));
        if (l->top == l->bottom)
            return next(l, POP_LAST);
        item_out(s, l->item);
        return operation_done(l);
    case POP_LAST:
        return pop_last(s, l);
    default:
        if (!memory_store(m, OWNER, BOTTOM, l->bottom + 1))
            return STEP_BLOCKED;
        return operation_done(l);
    }
}

enum { STEAL_SECOND = 1, STEAL_ARRAY, STEAL_SLOT, STEAL_V };

static enum step_result steal_v(struct state *s, struct local *l)
{
    struct memory *m = &s->memory;

    if (m->value[TOP] == l->top || mutant == STEAL_WITHOUT_CAS) {
        m->value[TOP] = (int8_t)(l->top + 1);
        item_out(s, l->item);
    }
    return operation_done(l);
}

static enum step_result steal_step(struct state *s, struct local *l, unsigned thread)
{
    struct memory *m = &s->memory;
    bool top_now = (l->pc == START) != (mutant == U_BEFORE_T);

    switch (l->pc) {
    case START:
    case STEAL_SECOND:
        if (top_now)
            l->top = (int8_t)memory_load(m, thread, TOP); /* T. */
        else
            l->bottom = (int8_t)memory_load(m, thread, BOTTOM); /* U. */
        if (l->pc == START)
            return next(l, STEAL_SECOND);
        return l->top < l->bottom ? next(l, STEAL_ARRAY) : operation_done(l);
    case STEAL_ARRAY:
        l->array = (int8_t)memory_load(m, thread, ARRAY);
        return next(l, STEAL_SLOT);
    case STEAL_SLOT:
        l->item = (int8_t)memory_load(m, thread, slot_of(l->array, l->top));
        return next(l, STEAL_V);
    default:
        return steal_v(s, l);
    }
}

static enum step_result step(void *state, unsigned thread)
{
    struct state *s = state;
    struct local *l = &s->local[thread];

    if (thread != OWNER)
        return l->done == steals ? STEP_BLOCKED : steal_step(s, l, thread);
    if (script[l->done] == '\0')
        return STEP_BLOCKED;
    return script[l->done] == '+' ? push_step(s, l) : pop_step(s, l);
}

static bool item_left(const struct state *s, int item)
{
    const int8_t *value = s->memory.value;

    for (int i = value[TOP]; i < value[BOTTOM]; i++)
        if (value[slot_of(value[ARRAY], i)] == item)
            return true;
    return false;
}

static const char *bad(const void *state, bool stuck)
{
    const struct state *s = state;

    if (s->taken[0] > 0)
        return "an empty slot was taken for an item";
    for (int item = 1; item <= s->pushed; item++) {
        if (s->taken[item] > 1)
            return "an item came out twice";
        if (stuck && s->taken[item] + item_left(s, item) != 1)
            return "an item is lost, or came out and is still inside";
    }
    return NULL;
}

static struct exploration run(enum mutant which, const char *owner, unsigned threads,
                              unsigned tries)
{
    struct model model = {sizeof(struct state), threads, step, bad};
    struct state initial;

    memset(&initial, 0, sizeof initial);
    mutant = which;
    script = owner;
    steals = tries;
    return explore(&model, &initial);
}

static void expect_right(const char *owner, unsigned threads, unsigned tries)
{
    struct exploration result = run(RIGHT, owner, threads, tries);

    ck_assert_msg(!result.bad, "%s: %s", owner, result.bad);
    ck_assert_uint_gt(result.states, 100);
}

static void expect_found(enum mutant which, const char *owner, unsigned threads, unsigned tries)
{
    ck_assert_msg(run(which, owner, threads, tries).bad, "mutant %d lives", (int)which);
}

START_TEST(deque_model_holds_against_one_thief)
{
    expect_right("+-+-+-", 2, 3);
    expect_right("++--+-", 2, 3);
    expect_right("++-+--+-", 2, 4);
}
END_TEST

START_TEST(deque_model_holds_against_two_thieves)
{
    expect_right("+-+-", 3, 2);
    expect_right("++--+-", 3, 2);
}
END_TEST

START_TEST(deque_model_holds_while_the_array_grows)
{
    expect_right("+++--", 2, 3);
    expect_right("++-++-", 3, 2);
}
END_TEST

START_TEST(deque_model_finds_that_pop_lowers_bottom_with_a_plain_store)
{
    expect_found(D_IS_A_PLAIN_STORE, "++--", 2, 2);
}
END_TEST

START_TEST(deque_model_finds_that_pop_reads_top_before_it_lowers_bottom)
{
    expect_found(H_BEFORE_D, "++--", 2, 2);
}
END_TEST

START_TEST(deque_model_finds_that_pop_takes_the_last_item_without_a_cas)
{
    expect_found(LAST_ITEM_WITHOUT_CAS, "+-", 2, 1);
}
END_TEST

START_TEST(deque_model_finds_that_steal_reads_bottom_before_top)
{
    expect_found(U_BEFORE_T, "++--", 2, 1);
}
END_TEST

START_TEST(deque_model_finds_that_steal_takes_without_a_cas)
{
    expect_found(STEAL_WITHOUT_CAS, "+", 3, 1);
}
END_TEST

START_TEST(deque_model_finds_that_push_overwrites_a_slot_that_is_not_free)
{
    expect_found(ROOM_FOR_ONE_TOO_MANY, "+++", 2, 1);
}
END_TEST

START_TEST(deque_model_finds_that_growth_publishes_the_array_before_it_copies)
{
    expect_found(ARRAY_BEFORE_COPY, "+++", 2, 1);
}
END_TEST

FF_TEST_MAIN("model_deque", 30, deque_model_holds_against_one_thief,
             deque_model_holds_against_two_thieves, deque_model_holds_while_the_array_grows,
             deque_model_finds_that_pop_lowers_bottom_with_a_plain_store,
             deque_model_finds_that_pop_reads_top_before_it_lowers_bottom,
             deque_model_finds_that_pop_takes_the_last_item_without_a_cas,
             deque_model_finds_that_steal_reads_bottom_before_top,
             deque_model_finds_that_steal_takes_without_a_cas,
             deque_model_finds_that_push_overwrites_a_slot_that_is_not_free,
             deque_model_finds_that_growth_publishes_the_array_before_it_copies)

/* The event word of lib/service/service.c, exhaustively: two sleepers (caller and watcher) and two
 * threads that change something (signal handlers, the pool). Letters as in that file. A sleeper is
 * done when it has seen both changes; a run that ends with a sleeper asleep has lost a wake-up. */
#include "runner.h"

#include "explore.h"

#include <string.h>

#define SLEEPERS 2
#define CHANGERS 2

enum { WORD, CHANGES };

enum mutant {
    RIGHT,
    C_BEFORE_K,
    N_BEFORE_X,
    NO_N,
    NO_F,
    F_WAKES_ONE,
};
static enum mutant mutant;

/* K, C, S, and X, N, F, are each thread's first three steps in order; mutants change the order. */
struct local {
    uint8_t pc;
    int8_t key;
    bool saw, asleep, done;
};

struct state {
    struct memory memory;
    struct local local[SLEEPERS + CHANGERS];
};

/* S compares and queues in one step, as the kernel does under its lock. */
static enum step_result sleeper_step(struct state *s, struct local *l)
{
    bool looks = (l->pc == 1) != (mutant == C_BEFORE_K);

    if (l->done || l->asleep)
        return STEP_BLOCKED;
    if (l->pc == 2) {
        l->pc = 0;
        l->done = l->saw;
        l->asleep = !l->saw && s->memory.value[WORD] == l->key;
        return STEP_TAKEN;
    }
    if (looks)
        l->saw = s->memory.value[CHANGES] == CHANGERS;
    else
        l->key = s->memory.value[WORD];
    l->pc++;
    return STEP_TAKEN;
}

static void wake(struct state *s)
{
    for (unsigned i = 0; i < SLEEPERS && mutant != NO_F; i++) {
        bool woken = s->local[i].asleep;

        s->local[i].asleep = false;
        if (woken && mutant == F_WAKES_ONE)
            return;
    }
}

/* X and N are read-modify-writes. */
static enum step_result changer_step(struct state *s, struct local *l)
{
    bool changes = (l->pc == 0) != (mutant == N_BEFORE_X);

    if (l->done)
        return STEP_BLOCKED;
    if (l->pc == 2) {
        wake(s);
        l->done = true;
        return STEP_TAKEN;
    }
    if (changes)
        s->memory.value[CHANGES]++;
    else if (mutant != NO_N)
        s->memory.value[WORD]++;
    l->pc++;
    return STEP_TAKEN;
}

static enum step_result step(void *state, unsigned thread)
{
    struct state *s = state;

    return thread < SLEEPERS ? sleeper_step(s, &s->local[thread])
                             : changer_step(s, &s->local[thread]);
}

static const char *bad(const void *state, bool stuck)
{
    const struct state *s = state;

    for (unsigned i = 0; stuck && i < SLEEPERS; i++)
        if (!s->local[i].done)
            return "a sleeper was not told of a change";
    return NULL;
}

static struct exploration explore_mutant(enum mutant chosen)
{
    static const struct model model = {.state_bytes = sizeof(struct state),
                                       .threads = SLEEPERS + CHANGERS,
                                       .step = step,
                                       .bad = bad};
    struct state initial;

    mutant = chosen;
    memset(&initial, 0, sizeof initial);
    return explore(&model, &initial);
}

START_TEST(service_event_reaches_every_sleeper_in_every_interleaving)
{
    struct exploration all = explore_mutant(RIGHT);

    ck_assert_msg(!all.bad, "%s", all.bad);
    ck_assert_uint_gt(all.states, 100);
}
END_TEST

START_TEST(service_event_is_lost_by_every_mutant_of_the_protocol)
{
    for (enum mutant m = C_BEFORE_K; m <= F_WAKES_ONE; m++)
        ck_assert_msg(explore_mutant(m).bad != NULL, "mutant %d is as good", (int)m);
}
END_TEST

FF_TEST_MAIN("model_service", 20, service_event_reaches_every_sleeper_in_every_interleaving,
             service_event_is_lost_by_every_mutant_of_the_protocol)

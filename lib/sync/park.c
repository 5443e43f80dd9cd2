/* The park. The header has the outline with its letters; README.md has the proof by cases.
 *
 * Invariants, whenever the lock is free:
 *   idle part of state == length of sleepers
 *   a parker is on sleepers, or its token was given or is about to be, or its worker is awake
 *   token == 1 implies that the parker is not on sleepers, and only its worker takes the token away
 *   searching part of state == workers that search + wake-ups on their way
 */
#include "sync/park.h"

#include "sys/futex.h"

#define IDLE_ONE (UINT64_C(1) << 32)
#define SEARCHING_ONE UINT64_C(1)

static uint32_t state_idle(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static uint32_t state_searching(uint64_t state)
{
    return (uint32_t)state;
}

void ff__park_init(struct ff__park *park)
{
    atomic_init(&park->state, 0);
    ff__lock_init(&park->lock);
    ff__list_init(&park->sleepers);
}

void ff__parker_init(struct ff__parker *parker)
{
    atomic_init(&parker->token, 0);
    ff__list_init(&parker->node);
    parker->searching = false;
}

/* Takes the newest sleeper off the list; the caller holds the lock, and counts. */
static struct ff__parker *sleeper_pop(struct ff__park *park)
{
    struct ff__parker *parker = ff__list_first(&park->sleepers, struct ff__parker, node);

    ff__list_remove(&parker->node);
    return parker;
}

/* Wakes the worker of a parker that was taken off the list and counted as a searcher. From the
 * store on the parker may be gone; the futex call only uses its address, and a wake-up at an
 * address that is something else by then is spurious, which every waiter endures. */
static void token_give(struct ff__parker *parker)
{
    _Atomic uint32_t *token = &parker->token;

    ff__store_release(token, 1); /* With the acquire in token_take(). */
    ff__futex_wake(token, 1);
}

static void token_take(struct ff__parker *parker)
{
    while (ff__load_acquire(&parker->token) == 0) /* With the release in token_give(). */
        ff__futex_wait(&parker->token, 0, UINT64_MAX);
    /* Relaxed: nobody else writes it until this worker is on the list again, under the lock. */
    ff__store_relaxed(&parker->token, 0);
    parker->searching = true; /* Whoever took it off the list has counted it. */
}

/* N's count: one sleeper becomes the one searcher, if that is still due. The caller holds the lock,
 * so that idle stands still; searchers come and go without it, hence the CAS. */
static bool wake_claim(struct ff__park *park)
{
    for (;;) {
        uint64_t state = ff__load_seqcst(&park->state); /* R again. */

        if (state_idle(state) == 0 || state_searching(state) != 0)
            return false;
        if (ff__cas_seqcst(&park->state, &state, state - IDLE_ONE + SEARCHING_ONE)) /* N. */
            return true;
    }
}

void ff__park_wake_slow(struct ff__park *park)
{
    struct ff__parker *parker = NULL;

    ff__lock(&park->lock);
    if (wake_claim(park))
        parker = sleeper_pop(park);
    ff__unlock(&park->lock);
    if (parker)
        token_give(parker);
}

void ff__park_search(struct ff__park *park, struct ff__parker *parker)
{
    if (parker->searching)
        return;
    parker->searching = true;
    ff__add_seqcst(&park->state, SEARCHING_ONE); /* With R: from here on bringers rely on it. */
}

bool ff__park_found(struct ff__park *park, struct ff__parker *parker)
{
    uint64_t before;

    if (!parker->searching)
        return false;
    parker->searching = false;
    before = ff__sub_seqcst(&park->state, SEARCHING_ONE); /* L, with R: see README.md. */
    return state_searching(before) == 1 && state_idle(before) != 0;
}

void ff__park_prepare(struct ff__park *park, struct ff__parker *parker)
{
    uint64_t delta = IDLE_ONE - (parker->searching ? SEARCHING_ONE : 0);

    parker->searching = false;
    ff__lock(&park->lock);
    ff__list_push_front(&park->sleepers, &parker->node);
    ff__add_seqcst(&park->state, delta); /* W (and L when it was the last searcher), with R. */
    ff__unlock(&park->lock);
}

void ff__park_cancel(struct ff__park *park, struct ff__parker *parker)
{
    bool listed;

    ff__lock(&park->lock);
    listed = !ff__list_empty(&parker->node);
    if (listed) {
        ff__list_remove(&parker->node);
        ff__add_seqcst(&park->state, SEARCHING_ONE - IDLE_ONE); /* B, with R. */
        parker->searching = true;
    }
    ff__unlock(&park->lock);
    if (!listed)
        token_take(parker);
}

void ff__park_sleep(struct ff__park *park, struct ff__parker *parker)
{
    (void)park;
    token_take(parker);
}

void ff__park_wake_all(struct ff__park *park)
{
    uint64_t idle;

    ff__lock(&park->lock);
    /* Relaxed: idle changes only under the lock. The count goes first, for a worker that has its
     * token may stop being a searcher at once. */
    idle = state_idle(ff__load_relaxed(&park->state));
    ff__add_seqcst(&park->state, idle * (SEARCHING_ONE - IDLE_ONE)); /* N for each, with R. */
    /* Under the lock, so that nobody who parks again meanwhile takes another's wake-up. */
    while (!ff__list_empty(&park->sleepers))
        token_give(sleeper_pop(park));
    ff__unlock(&park->lock);
}

unsigned ff__park_idle(struct ff__park *park)
{
    return state_idle(ff__load_relaxed(&park->state)); /* Relaxed: the header says "stale". */
}

/* The deque under thieves: every item comes out exactly once. */
#include "runner.h"

#include "sync/deque.h"

#include <pthread.h>

#define THIEVES 2
#define ITEMS 1000000

struct item {
    int payload; /* Plain: ThreadSanitizer sees whether push publishes it. */
    _Atomic int taken;
};

static struct ff__deque deque;
static struct item items[ITEMS];
static int item_count = ITEMS;
static _Atomic bool owner_done;
static pthread_barrier_t start; /* The thieves are there when the owner begins. */

/* Check tells its parent of every ck_assert(), by a system call: too slow for a loop that races. */
static void expect(bool right, const char *what)
{
    if (!right)
        ck_abort_msg("%s", what);
}

static void item_taken(struct item *item)
{
    expect(item->payload == (int)(item - items), "an item came out unwritten");
    expect(ff__add_relaxed(&item->taken, 1) == 0, "an item came out twice");
}

static void *thief_main(void *unused)
{
    pthread_barrier_wait(&start);
    for (;;) {
        bool done = ff__load_acquire(&owner_done);
        bool lost = false;
        struct item *item = ff__deque_steal(&deque, &lost);

        if (item)
            item_taken(item);
        else if (done && !lost && !ff__deque_maybe_nonempty(&deque))
            return unused;
    }
}

/* The owner's whole work, next to the thieves; then each item must have been taken once. */
static void with_thieves(void (*owner)(void), size_t capacity_log2)
{
    pthread_t thieves[THIEVES];

    ck_assert_int_eq(ff__deque_init(&deque, capacity_log2), 0);
    ff__store_relaxed(&owner_done, false);
    for (int i = 0; i < item_count; i++)
        ff__store_relaxed(&items[i].taken, 0);
    ck_assert_int_eq(pthread_barrier_init(&start, NULL, THIEVES + 1), 0);
    for (int i = 0; i < THIEVES; i++)
        ck_assert_int_eq(pthread_create(&thieves[i], NULL, thief_main, NULL), 0);
    pthread_barrier_wait(&start);
    owner();
    ff__store_release(&owner_done, true);
    for (int i = 0; i < THIEVES; i++)
        ck_assert_int_eq(pthread_join(thieves[i], NULL), 0);
    for (int i = 0; i < item_count; i++)
        expect(ff__load_relaxed(&items[i].taken) == 1, "an item is lost");
    ff__deque_done(&deque);
    pthread_barrier_destroy(&start);
}

static void push(int i)
{
    items[i].payload = i;
    expect(ff__deque_push(&deque, &items[i]) == 0, "no memory");
}

static void owner_fights_for_the_last(void)
{
    for (int i = 0; i < item_count;) {
        struct item *item;

        for (int run = i % 3; run >= 0 && i < item_count; run--)
            push(i++);
        while ((item = ff__deque_pop(&deque)))
            item_taken(item);
    }
}

/* Mutants: pop takes the last item without the CAS (L), or reads top only before it lowers bottom
 * (H before D): items come out twice. Push with a relaxed store
 * (P): a data race on the payload, under ThreadSanitizer. */
START_TEST(deque_gives_each_item_once_when_owner_and_thieves_fight_for_the_last)
{
    with_thieves(owner_fights_for_the_last, 4);
}
END_TEST

static void owner_only_pushes(void)
{
    for (int i = 0; i < item_count; i++)
        push(i);
}

/* Mutants: growth frees the old array at once (AddressSanitizer), or happens one item too late. */
START_TEST(deque_gives_each_item_once_while_it_grows_from_one_slot)
{
    item_count = 2000;
    for (int round = 0; round < 300; round++)
        with_thieves(owner_only_pushes, 0);
}
END_TEST

static void owner_pushes_runs_and_pops_half(void)
{
    for (int i = 0; i < item_count;) {
        void *run[16];
        size_t count = 0;
        struct item *item;

        while (count < 16 && i < item_count) {
            items[i].payload = i;
            run[count++] = &items[i++];
        }
        expect(ff__deque_push_many(&deque, run, count) == 0, "no memory");
        for (size_t half = count / 2; half > 0 && (item = ff__deque_pop(&deque)); half--)
            item_taken(item);
    }
}

/* Mutants: pop lowers bottom with a relaxed store (D): items come out twice. */
START_TEST(deque_gives_each_item_once_when_runs_are_pushed_and_half_is_popped)
{
    with_thieves(owner_pushes_runs_and_pops_half, 3);
}
END_TEST

FF_TEST_MAIN("stress_deque", 10,
             deque_gives_each_item_once_when_owner_and_thieves_fight_for_the_last,
             deque_gives_each_item_once_while_it_grows_from_one_slot,
             deque_gives_each_item_once_when_runs_are_pushed_and_half_is_popped)

/* The injector under producers and consumers: every node comes out once, each producer's in order.
 */
#include "runner.h"

#include "sync/injector.h"

#include <pthread.h>
#include <sched.h>

#define PRODUCERS 3
#define CONSUMERS 2
#define NODES 100000
#define BATCH 64

struct item {
    struct ff__injector_node node;
    int producer, number; /* Plain: ThreadSanitizer sees whether push publishes them. */
    _Atomic int taken;
};

static struct ff__injector injector;
static struct item items[PRODUCERS][NODES];
static _Atomic int producers_left;

/* Check tells its parent of every ck_assert(), by a system call: too slow for a loop that races. */
static void expect(bool right, const char *what)
{
    if (!right)
        ck_abort_msg("%s", what);
}

static void *producer_main(void *arg)
{
    struct item *mine = arg;
    unsigned shard = ff__injector_my_shard();

    for (int i = 0; i < NODES; i++) {
        mine[i].producer = (int)((mine - items[0]) / NODES);
        mine[i].number = i;
        ff__injector_push(&injector, shard, &mine[i].node);
    }
    ff__sub_release(&producers_left, 1);
    return NULL;
}

static void batch_check(struct ff__injector_node **nodes, size_t count, int *last)
{
    for (size_t i = 0; i < count; i++) {
        struct item *item = ff__container_of(nodes[i], struct item, node);

        expect(ff__add_relaxed(&item->taken, 1) == 0, "a node came out twice");
        expect(item->number > last[item->producer], "a producer's nodes came out of order");
        last[item->producer] = item->number;
    }
}

static void *consumer_main(void *unused)
{
    int last[PRODUCERS];
    struct ff__injector_node *nodes[BATCH];

    for (int i = 0; i < PRODUCERS; i++)
        last[i] = -1;
    for (unsigned start = 0;; start++) {
        bool done = ff__load_acquire(&producers_left) == 0;
        bool busy = false;
        size_t count = ff__injector_take(&injector, start, nodes, 1 + start % BATCH, &busy);

        batch_check(nodes, count, last);
        if (count == 0 && busy)
            sched_yield();
        else if (count == 0 && done && !ff__injector_maybe_nonempty(&injector))
            return unused;
    }
}

/* Mutants: take does not turn the list round: the order breaks. O drops what is left: nodes are
 * lost. A relaxed: a data race, under ThreadSanitizer. */
START_TEST(injector_gives_each_node_once_and_each_producers_nodes_in_order)
{
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];

    ff__injector_init(&injector);
    ff__store_relaxed(&producers_left, PRODUCERS);
    for (int i = 0; i < CONSUMERS; i++)
        ck_assert_int_eq(pthread_create(&consumers[i], NULL, consumer_main, NULL), 0);
    for (int i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_create(&producers[i], NULL, producer_main, items[i]), 0);
    for (int i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_join(producers[i], NULL), 0);
    for (int i = 0; i < CONSUMERS; i++)
        ck_assert_int_eq(pthread_join(consumers[i], NULL), 0);
    for (int p = 0; p < PRODUCERS; p++)
        for (int i = 0; i < NODES; i++)
            expect(ff__load_relaxed(&items[p][i].taken) == 1, "a node is lost");
}
END_TEST

#define RUN 16

static _Atomic bool stop_observer;
static _Atomic unsigned epoch; /* Odd: the same node is inside from its begin to its end. */

static void *observer_main(void *unused)
{
    while (!ff__load_acquire(&stop_observer)) {
        unsigned before = ff__load_seqcst(&epoch);
        bool nonempty = ff__injector_maybe_nonempty(&injector);

        if (before % 2 == 1 && ff__load_seqcst(&epoch) == before)
            expect(nonempty, "it seemed empty beside a node");
    }
    return unused;
}

static void expect_take(size_t capacity, size_t count)
{
    struct ff__injector_node *nodes[RUN];
    bool busy = false;

    expect(ff__injector_take(&injector, 0, nodes, capacity, &busy) == count, "a node is lost");
}

/* A run is pushed, and moved to outgoing when its first node is taken; the observer must not hear
 * "empty" meanwhile. Mutants: maybe_nonempty does not count a held lock (no J); take goes without
 * the lock. */
START_TEST(injector_never_seems_empty_while_a_node_travels_from_incoming_to_outgoing)
{
    pthread_t observer;

    ff__injector_init(&injector);
    ck_assert_int_eq(pthread_create(&observer, NULL, observer_main, NULL), 0);
    for (int i = 0; i < NODES; i++) {
        for (int j = 0; j < RUN; j++)
            ff__injector_push(&injector, 0, &items[0][j].node);
        ff__add_seqcst(&epoch, 1);
        expect_take(1, 1);
        ff__add_seqcst(&epoch, 1);
        expect_take(RUN, RUN - 1);
    }
    ff__store_release(&stop_observer, true);
    ck_assert_int_eq(pthread_join(observer, NULL), 0);
}
END_TEST

FF_TEST_MAIN("stress_injector", 10, injector_gives_each_node_once_and_each_producers_nodes_in_order,
             injector_never_seems_empty_while_a_node_travels_from_incoming_to_outgoing)

/* The injector. The header says what it is; README.md has the proof. The letters, for one shard:
 *
 *   producer                                consumer, under the shard's lock
 *   A: CAS incoming, head to node  (sc)     X: if outgoing is empty: exchange incoming, NULL (sc)
 *                                              turn it round
 *   observer                                O: store outgoing = what is left
 *   I: load incoming               (sc)     Y: unlock (release)
 *   J: load the lock               (acquire)
 *   K: load outgoing               (sc)
 */
#include "sync/injector.h"

void ff__injector_init(struct ff__injector *injector)
{
    for (size_t i = 0; i < FF__INJECTOR_SHARDS; i++) {
        struct ff__injector_shard *shard = &injector->shards[i];

        atomic_init(&shard->incoming, NULL);
        atomic_init(&shard->outgoing, NULL);
        ff__lock_init(&shard->lock);
    }
}

void ff__injector_push(struct ff__injector *injector, unsigned shard,
                       struct ff__injector_node *node)
{
    _Atomic(struct ff__injector_node *) *incoming =
        &injector->shards[shard % FF__INJECTOR_SHARDS].incoming;
    /* Relaxed: a stale head makes the CAS fail, which reads it anew. The nodes below are never
     * looked into, and a head that came back (A-B-A) is the head all the same. */
    struct ff__injector_node *head = ff__load_relaxed(incoming);

    do
        node->next = head;
    while (!ff__cas_weak_seqcst(incoming, &head, node)); /* A, with X and, as park's A, with R. */
}

unsigned ff__injector_my_shard(void)
{
    static _Atomic unsigned dealt;
    static __thread unsigned mine_plus_1;

    if (ff__unlikely(mine_plus_1 == 0)) /* Relaxed: only that each number is dealt out in turn. */
        mine_plus_1 = ff__add_relaxed(&dealt, 1) % FF__INJECTOR_SHARDS + 1;
    return mine_plus_1 - 1;
}

static struct ff__injector_node *nodes_reverse(struct ff__injector_node *node)
{
    struct ff__injector_node *reversed = NULL;

    while (node) {
        struct ff__injector_node *next = node->next;

        node->next = reversed;
        reversed = node;
        node = next;
    }
    return reversed;
}

/* The caller holds the shard's lock. */
static size_t shard_take(struct ff__injector_shard *shard, struct ff__injector_node **ret_nodes,
                         size_t capacity)
{
    struct ff__injector_node *node = ff__load_relaxed(&shard->outgoing); /* Relaxed: by the lock. */
    size_t count = 0;

    if (!node)
        node = nodes_reverse(ff__exchange_seqcst(&shard->incoming, NULL)); /* X, with A and I. */
    while (node && count < capacity) {
        ret_nodes[count++] = node;
        node = node->next;
    }
    ff__store_relaxed(&shard->outgoing, node); /* O. Relaxed: Y publishes it, to J and the next. */
    return count;
}

/* Relaxed: a hint for the search. A stale answer costs the search a look at the lock, or lets it
 * pass over a shard that filled just now; the bringer's wake-up and park's C are for those. */
static bool shard_seems_empty(struct ff__injector_shard *shard)
{
    return !ff__load_relaxed(&shard->incoming) && ff__load_relaxed(&shard->lock.state) == 0 &&
           !ff__load_relaxed(&shard->outgoing);
}

size_t ff__injector_take(struct ff__injector *injector, unsigned start,
                         struct ff__injector_node **ret_nodes, size_t capacity, bool *ret_busy)
{
    for (unsigned i = 0; i < FF__INJECTOR_SHARDS; i++) {
        struct ff__injector_shard *shard = &injector->shards[(start + i) % FF__INJECTOR_SHARDS];
        size_t count;

        if (shard_seems_empty(shard))
            continue;
        if (!ff__lock_try(&shard->lock)) {
            *ret_busy = true;
            continue;
        }
        count = shard_take(shard, ret_nodes, capacity);
        ff__unlock(&shard->lock); /* Y, with J. */
        if (count > 0)
            return count;
    }
    return 0;
}

/* In this order. A node that was pushed before I is gone from incoming only by an X before I; X
 * holds the lock, so J finds it held, or sees Y and then K sees O, or what came after O. */
static bool shard_maybe_nonempty(struct ff__injector_shard *shard)
{
    return ff__load_seqcst(&shard->incoming) ||         /* I, with A and X; park's C. */
           ff__load_acquire(&shard->lock.state) != 0 || /* J, with Y. */
           ff__load_seqcst(&shard->outgoing);           /* K, with O. */
}

bool ff__injector_maybe_nonempty(struct ff__injector *injector)
{
    for (size_t i = 0; i < FF__INJECTOR_SHARDS; i++)
        if (shard_maybe_nonempty(&injector->shards[i]))
            return true;
    return false;
}

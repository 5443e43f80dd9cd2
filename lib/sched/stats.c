/* Counters and lists of a pool, read while it runs. */
#include "base/name.h"
#include "sched/types.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <failfast/stats.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* finished before spawned, so that pending is never negative. */
static void sum_tasks(ff_pool *pool, struct ff_pool_stats *stats)
{
    for (unsigned i = 0; i < pool->worker_count; i++)
        stats->finished += ff__load_acquire(&pool->workers[i].finished);
    for (unsigned i = 0; i < FF__INJECTOR_SHARDS; i++)
        stats->spawned -= ff__load_acquire(&pool->shards[i].undone);
    for (unsigned i = 0; i < FF__INJECTOR_SHARDS; i++)
        stats->spawned += ff__load_acquire(&pool->shards[i].spawned);
    for (unsigned i = 0; i < pool->worker_count; i++)
        stats->spawned += ff__load_acquire(&pool->workers[i].spawned);
    stats->pending = stats->spawned - stats->finished;
}

int ff_pool_stats_read(ff_pool *pool, struct ff_pool_stats *ret_stats)
{
    struct ff_pool_stats stats = {.size = sizeof stats};

    if (!pool || !ret_stats || ret_stats->size < sizeof stats)
        return -EINVAL;
    if (pool->fork_generation != ff__fork_generation)
        return -EOWNERDEAD;
    stats.size = ret_stats->size;
    sum_tasks(pool, &stats);
    ff__lock(&pool->lock);
    stats.services = pool->service_count;
    stats.timers = pool->timer_count;
    ff__unlock(&pool->lock);
    stats.workers = pool->worker_count;
    stats.parked = ff__park_idle(&pool->park);
    memset(ret_stats, 0, stats.size); /* Counters that only later versions know are 0. */
    memcpy(ret_stats, &stats, sizeof stats);
    return 0;
}

struct straggler_list {
    struct ff_straggler *entries;
    size_t capacity, count;
    uint64_t now_ns;
};

/* Keeps the list sorted, longest first; beyond the capacity the youngest falls off. */
static void insert(struct straggler_list *list, const struct ff_straggler *straggler)
{
    size_t used = list->count < list->capacity ? list->count : list->capacity;
    size_t at = used;

    list->count++;
    while (at > 0 && list->entries[at - 1].age_ns < straggler->age_ns)
        at--;
    if (at >= list->capacity)
        return;
    if (used == list->capacity)
        used--;
    memmove(&list->entries[at + 1], &list->entries[at], (used - at) * sizeof *list->entries);
    list->entries[at] = *straggler;
}

static void add_row(struct straggler_list *list, const struct ff__slot *slot)
{
    struct ff_straggler straggler;
    struct ff__facts facts;
    uint64_t since_ns;

    if (!slot || !ff__slot_copy_task(slot, &facts))
        return;
    since_ns = ff__load_relaxed(&slot->since_ns);
    memcpy(straggler.name, facts.name, sizeof straggler.name);
    straggler.id = facts.id;
    straggler.age_ns = list->now_ns > since_ns ? list->now_ns - since_ns : 0;
    straggler.tid = ff__load_relaxed(&slot->tid);
    insert(list, &straggler);
}

size_t ff_pool_stragglers(ff_pool *pool, struct ff_straggler *ret_stragglers, size_t capacity)
{
    struct straggler_list list = {ret_stragglers, ret_stragglers ? capacity : 0, 0,
                                  ff__clock_coarse()};

    /* A pool that stops is quiescent, and its rows of the black box may be others' soon. */
    if (!pool || pool->fork_generation != ff__fork_generation || ff__load_acquire(&pool->stop))
        return 0;
    for (unsigned i = 0; i < pool->worker_count; i++)
        add_row(&list, pool->workers[i].slot);
    ff__lock(&pool->lock);
    ff__list_each (node, &pool->services)
        add_row(&list, ff__load_acquire(&ff__container_of(node, struct ff__service, link)->slot));
    ff__unlock(&pool->lock);
    return list.count;
}

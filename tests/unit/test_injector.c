/* The injector, without races: order, batches, shards, busy shards. Its races are in
 * stress/stress_injector.c, its protocol in model/model_injector.c. */
#include "runner.h"

#include "sync/injector.h"

#include <pthread.h>

static struct ff__injector injector;
static struct ff__injector_node nodes[200];
static struct ff__injector_node *got[200];

static void push_run(unsigned shard, int first, int count)
{
    for (int i = 0; i < count; i++)
        ff__injector_push(&injector, shard, &nodes[first + i]);
}

static void expect_run(unsigned start, size_t capacity, int first, int count)
{
    bool busy = false;

    ck_assert_uint_eq(ff__injector_take(&injector, start, got, capacity, &busy), (size_t)count);
    for (int i = 0; i < count; i++)
        ck_assert_ptr_eq(got[i], &nodes[first + i]);
    ck_assert(!busy);
}

START_TEST(injector_hands_out_oldest_first_in_batches)
{
    ff__injector_init(&injector);
    push_run(3, 0, 100);
    expect_run(3, 64, 0, 64);
    expect_run(3, 64, 64, 36);
    expect_run(3, 64, 0, 0);
}
END_TEST

START_TEST(injector_keeps_the_order_when_pushes_follow_a_partial_take)
{
    ff__injector_init(&injector);
    push_run(0, 0, 10);
    expect_run(0, 4, 0, 4);
    push_run(0, 10, 10);
    expect_run(0, 64, 4, 6);
    expect_run(0, 64, 10, 10);
}
END_TEST

START_TEST(injector_finds_the_one_filled_shard_from_every_start)
{
    ff__injector_init(&injector);
    for (unsigned start = 0; start < 2 * FF__INJECTOR_SHARDS; start++) {
        push_run(5, (int)start, 1);
        expect_run(start, 8, (int)start, 1);
    }
}
END_TEST

START_TEST(injector_takes_any_number_as_a_shard)
{
    ff__injector_init(&injector);
    push_run(5 + 7 * FF__INJECTOR_SHARDS, 0, 1);
    push_run(5, 1, 1);
    expect_run(5 + 3 * FF__INJECTOR_SHARDS, 8, 0, 2);
}
END_TEST

START_TEST(injector_take_hands_out_nodes_of_one_shard_only)
{
    ff__injector_init(&injector);
    push_run(1, 0, 3);
    push_run(2, 10, 3);
    expect_run(1, 64, 0, 3);
    expect_run(1, 64, 10, 3);
}
END_TEST

START_TEST(injector_passes_over_a_busy_shard_and_says_so)
{
    bool busy = false;

    ff__injector_init(&injector);
    push_run(1, 0, 3);
    push_run(2, 10, 3);
    ff__lock(&injector.shards[1].lock);
    ck_assert_uint_eq(ff__injector_take(&injector, 1, got, 8, &busy), 3);
    ck_assert_ptr_eq(got[0], &nodes[10]);
    ck_assert(busy);
    ff__unlock(&injector.shards[1].lock);
    expect_run(1, 8, 0, 3);
}
END_TEST

START_TEST(injector_counts_a_held_lock_as_nonempty_for_the_holder_may_hold_the_list)
{
    bool busy = false;

    ff__injector_init(&injector);
    ck_assert(!ff__injector_maybe_nonempty(&injector));
    ff__lock(&injector.shards[9].lock);
    ck_assert(ff__injector_maybe_nonempty(&injector));
    ck_assert_uint_eq(ff__injector_take(&injector, 0, got, 8, &busy), 0);
    ck_assert(busy);
    ff__unlock(&injector.shards[9].lock);
    ck_assert(!ff__injector_maybe_nonempty(&injector));
}
END_TEST

START_TEST(injector_says_nonempty_for_incoming_and_for_outgoing_nodes)
{
    ff__injector_init(&injector);
    push_run(15, 0, 2);
    ck_assert(ff__injector_maybe_nonempty(&injector));
    expect_run(0, 1, 0, 1);
    ck_assert(ff__injector_maybe_nonempty(&injector));
    expect_run(0, 1, 1, 1);
    ck_assert(!ff__injector_maybe_nonempty(&injector));
}
END_TEST

static void *shard_of_thread(void *ret_shard)
{
    unsigned *shard = ret_shard;

    *shard = ff__injector_my_shard();
    ck_assert_uint_eq(ff__injector_my_shard(), *shard);
    return NULL;
}

START_TEST(injector_deals_a_shard_to_each_thread_in_turn)
{
    unsigned mine = ff__injector_my_shard();

    for (unsigned i = 1; i <= 2 * FF__INJECTOR_SHARDS; i++) {
        pthread_t thread;
        unsigned shard;

        ck_assert_int_eq(pthread_create(&thread, NULL, shard_of_thread, &shard), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_uint_eq(shard, (mine + i) % FF__INJECTOR_SHARDS);
    }
    ck_assert_uint_eq(ff__injector_my_shard(), mine);
}
END_TEST

FF_TEST_MAIN("injector", 10, injector_hands_out_oldest_first_in_batches,
             injector_keeps_the_order_when_pushes_follow_a_partial_take,
             injector_finds_the_one_filled_shard_from_every_start,
             injector_takes_any_number_as_a_shard, injector_take_hands_out_nodes_of_one_shard_only,
             injector_passes_over_a_busy_shard_and_says_so,
             injector_counts_a_held_lock_as_nonempty_for_the_holder_may_hold_the_list,
             injector_says_nonempty_for_incoming_and_for_outgoing_nodes,
             injector_deals_a_shard_to_each_thread_in_turn)

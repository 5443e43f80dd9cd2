/* The deque, from one thread: order, growth, bounds, no memory. Its races are in
 * stress/stress_deque.c, its protocol in model/model_deque.c. */
#include "runner.h"

#include <stdlib.h>

/* The deque's own malloc, so that it can be made to fail. */
static unsigned mallocs_left = 1000;
static void *malloc_limited(size_t size)
{
    if (mallocs_left == 0)
        return NULL;
    mallocs_left--;
    return malloc(size);
}

#define malloc malloc_limited
#include "sync/deque.c"
#undef malloc

static int items[1000];

static void pushed(struct ff__deque *deque, int first, int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(ff__deque_push(deque, &items[first + i]), 0);
}

START_TEST(deque_pops_newest_first)
{
    struct ff__deque deque;

    ck_assert_int_eq(ff__deque_init(&deque, 4), 0);
    ck_assert_ptr_null(ff__deque_pop(&deque));
    pushed(&deque, 0, 10);
    for (int i = 9; i >= 0; i--)
        ck_assert_ptr_eq(ff__deque_pop(&deque), &items[i]);
    ck_assert_ptr_null(ff__deque_pop(&deque));
    ff__deque_done(&deque);
}
END_TEST

START_TEST(deque_steals_oldest_first)
{
    struct ff__deque deque;
    bool lost = false;

    ck_assert_int_eq(ff__deque_init(&deque, 4), 0);
    ck_assert_ptr_null(ff__deque_steal(&deque, &lost));
    pushed(&deque, 0, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_eq(ff__deque_steal(&deque, &lost), &items[i]);
    ck_assert_ptr_null(ff__deque_steal(&deque, &lost));
    ck_assert(!lost);
    ff__deque_done(&deque);
}
END_TEST

START_TEST(deque_keeps_every_item_when_it_grows_round_the_end_of_its_array)
{
    struct ff__deque deque;
    bool lost = false;

    ck_assert_int_eq(ff__deque_init(&deque, 2), 0);
    pushed(&deque, 0, 3);
    ck_assert_ptr_eq(ff__deque_steal(&deque, &lost), &items[0]);
    ck_assert_ptr_eq(ff__deque_steal(&deque, &lost), &items[1]);
    pushed(&deque, 3, 997);
    for (int i = 2; i < 500; i++)
        ck_assert_ptr_eq(ff__deque_steal(&deque, &lost), &items[i]);
    for (int i = 999; i >= 500; i--)
        ck_assert_ptr_eq(ff__deque_pop(&deque), &items[i]);
    ck_assert_ptr_null(ff__deque_pop(&deque));
    ff__deque_done(&deque);
}
END_TEST

START_TEST(deque_reuses_its_array_when_thieves_made_room)
{
    struct ff__deque deque;
    bool lost = false;

    ck_assert_int_eq(ff__deque_init(&deque, 2), 0);
    mallocs_left = 0; /* Growth would fail. */
    pushed(&deque, 0, 4);
    for (int i = 4; i < 1000; i++) {
        ck_assert_ptr_eq(ff__deque_steal(&deque, &lost), &items[i - 4]);
        pushed(&deque, i, 1);
    }
    ff__deque_done(&deque);
}
END_TEST

START_TEST(deque_pushes_many_in_order_and_grows_once_for_them)
{
    struct ff__deque deque;
    void *many[100];
    bool lost = false;

    for (int i = 0; i < 100; i++)
        many[i] = &items[i];
    ck_assert_int_eq(ff__deque_init(&deque, 0), 0);
    mallocs_left = 1;
    ck_assert_int_eq(ff__deque_push_many(&deque, many, 100), 0);
    ck_assert_int_eq(ff__deque_push_many(&deque, many, 0), 0);
    ck_assert_ptr_eq(ff__deque_pop(&deque), &items[99]);
    ck_assert_ptr_eq(ff__deque_steal(&deque, &lost), &items[0]);
    ck_assert_ptr_eq(ff__deque_pop(&deque), &items[98]);
    ff__deque_done(&deque);
}
END_TEST

START_TEST(deque_push_without_memory_fails_and_changes_nothing)
{
    struct ff__deque deque;
    void *many[5] = {&items[10], &items[11], &items[12], &items[13], &items[14]};

    ck_assert_int_eq(ff__deque_init(&deque, 3), 0);
    pushed(&deque, 0, 8);
    mallocs_left = 0;
    ck_assert_int_eq(ff__deque_push(&deque, &items[8]), -ENOMEM);
    ck_assert_int_eq(ff__deque_push_many(&deque, many, 5), -ENOMEM);
    for (int i = 7; i >= 0; i--)
        ck_assert_ptr_eq(ff__deque_pop(&deque), &items[i]);
    ck_assert_ptr_null(ff__deque_pop(&deque));
    pushed(&deque, 0, 8); /* What fits needs no memory. */
    ff__deque_done(&deque);
}
END_TEST

START_TEST(deque_init_fails_without_memory_and_beyond_its_bound)
{
    struct ff__deque deque;

    ck_assert_int_eq(ff__deque_init(&deque, CAPACITY_LOG2_MAX + 1), -ENOMEM);
    ck_assert_int_eq(ff__deque_init(&deque, SIZE_MAX), -ENOMEM);
    mallocs_left = 0;
    ck_assert_int_eq(ff__deque_init(&deque, 4), -ENOMEM);
}
END_TEST

START_TEST(deque_says_nonempty_exactly_while_it_holds_items)
{
    struct ff__deque deque;
    bool lost = false;

    ck_assert_int_eq(ff__deque_init(&deque, 1), 0);
    ck_assert(!ff__deque_maybe_nonempty(&deque));
    pushed(&deque, 0, 3);
    ck_assert(ff__deque_maybe_nonempty(&deque));
    ck_assert_ptr_nonnull(ff__deque_pop(&deque));
    ck_assert_ptr_nonnull(ff__deque_steal(&deque, &lost));
    ck_assert(ff__deque_maybe_nonempty(&deque));
    ck_assert_ptr_nonnull(ff__deque_pop(&deque));
    ck_assert(!ff__deque_maybe_nonempty(&deque));
    ck_assert_ptr_null(ff__deque_pop(&deque));
    ck_assert(!ff__deque_maybe_nonempty(&deque));
    ff__deque_done(&deque);
}
END_TEST

FF_TEST_MAIN("deque", 10, deque_pops_newest_first, deque_steals_oldest_first,
             deque_keeps_every_item_when_it_grows_round_the_end_of_its_array,
             deque_reuses_its_array_when_thieves_made_room,
             deque_pushes_many_in_order_and_grows_once_for_them,
             deque_push_without_memory_fails_and_changes_nothing,
             deque_init_fails_without_memory_and_beyond_its_bound,
             deque_says_nonempty_exactly_while_it_holds_items)

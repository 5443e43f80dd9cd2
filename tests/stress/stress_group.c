/* Group children that can be reached twice, through a queue and through their group: each runs
 * once, and its block is freed once. */
#include "pool_kit.h"

#include <pthread.h>

#define CHILDREN 32
#define ROUNDS 10000
#define OWNERS 3

struct round {
    _Atomic unsigned ran[CHILDREN], dropped[CHILDREN];
};

struct child {
    struct round *round;
    unsigned number;
};

static int run_child(ff_task *self, void *arg)
{
    struct child *child = arg;

    (void)self;
    ff__add_relaxed(&child->round->ran[child->number], 1);
    return 0;
}

static void drop_child(void *arg, ff_outcome outcome)
{
    struct child *child = arg;

    ff__add_relaxed(&child->round->dropped[child->number], outcome == FF_OUTCOME_OK);
}

static int one_round(ff_pool *pool, ff_group *group)
{
    struct round round;
    int rc = 0;

    memset(&round, 0, sizeof round);
    for (unsigned i = 0; i < CHILDREN && rc == 0; i++) {
        struct child child = {&round, i};
        const struct ff_spawn_options options = {.size = sizeof options,
                                                 .name = "child",
                                                 .drop = drop_child,
                                                 .group = group,
                                                 .inline_arg_size = sizeof child};

        rc = ff_spawn_with(pool, &options, run_child, &child);
    }
    if (rc == 0)
        rc = ff_group_wait(group);
    for (unsigned i = 0; i < CHILDREN && rc == 0; i++)
        if (round.ran[i] != 1 || round.dropped[i] != 1)
            rc = -EPROTO;
    return rc;
}

static int own_rounds(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < ROUNDS && rc == 0; i++)
        rc = one_round(ff_task_pool(self), group);
    ff_group_free(group);
    return rc;
}

/* Kills: claim() as a load and a store instead of one exchange (a child runs twice);
 * ff__group_let_go() that frees at every call (a block is used after it was freed: the rounds lose
 * children or crash). */
START_TEST(every_child_runs_once_whether_a_helper_or_a_queue_gets_it_first)
{
    ff_pool *pool = kit_pool(4);
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    ff_group *group;

    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    for (unsigned i = 0; i < OWNERS; i++)
        ck_assert_int_eq(ff_group_spawn(group, "owner", own_rounds, NULL), 0);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static void *own_rounds_outside(void *arg)
{
    const struct ff_group_options options = {.size = sizeof options, .pool = arg};
    ff_group *group;
    int rc = ff_group_new(NULL, &options, &group);

    for (unsigned i = 0; i < ROUNDS / 16 && rc == 0; i++)
        rc = one_round(arg, group);
    ff_group_free(group);
    return rc == 0 ? NULL : arg;
}

/* Kills: changed() without the futex wake (a waiter sleeps for ever). */
START_TEST(waiters_outside_are_woken_every_time)
{
    ff_pool *pool = kit_pool(2);
    pthread_t threads[OWNERS];

    for (unsigned i = 0; i < OWNERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, own_rounds_outside, pool), 0);
    for (unsigned i = 0; i < OWNERS; i++) {
        void *trouble;

        pthread_join(threads[i], &trouble);
        ck_assert_ptr_null(trouble);
    }
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

FF_TEST_MAIN("stress_group", 60, every_child_runs_once_whether_a_helper_or_a_queue_gets_it_first,
             waiters_outside_are_woken_every_time)

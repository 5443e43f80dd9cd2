/* Groups that nobody frees. A task that returns before its groups, and a pool that is freed before
 * those of its threads outside, would lose what fails in them: the process says so and ends. */
#include "fail_kit.h"
#include "pool_kit.h"

#include <stdio.h>

#define LOST "task \"owner\" failed: a group was left behind ===\n"
#define LOST_1 "the task returned without freeing its groups: 1\n"

static struct ff_death *die_failed(void (*body)(void *arg), void *arg, const char *verdict)
{
    struct ff_death *death = ff_death_run(body, arg, 8000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_text(death, verdict);
    ck_assert(death->ms < 3000 * ff_test_slow());
    return death;
}

static void wait_for_the_end(void)
{
    for (;;)
        pause();
}

static int fail_in_words(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -EBADMSG, "bad record %d", 88);
}

/* How a task treats its groups. */
struct habits {
    ff_pool *pool;    /* For ff_critical(), which has none. */
    unsigned made;    /* Groups, */
    unsigned freed;   /* of which so many are freed, the newest first. */
    bool child_fails; /* A child of the first group has failed when the task returns. */
    int result;       /* What the task returns. */
};

static int await_failure(ff_group *group)
{
    int rc = ff_group_spawn(group, "lost", fail_in_words, NULL);

    while (rc == 0 && ff_group_failure_count(group) == 0)
        ; /* It runs on another worker. */
    return rc;
}

static int use_groups(ff_task *self, void *arg)
{
    const struct habits *habits = arg;
    const struct ff_group_options options = {.size = sizeof options, .pool = habits->pool};
    ff_group *groups[4];
    int rc = 0;

    for (unsigned i = 0; i < habits->made; i++)
        if (ff_group_new(self, &options, &groups[i]) < 0)
            return -EPROTO;
    if (habits->child_fails)
        rc = await_failure(groups[0]);
    for (unsigned i = 0; i < habits->freed; i++)
        ff_group_free(groups[habits->made - 1 - i]);
    if (rc < 0)
        return rc;
    return habits->result < 0 ? ff_fail(self, habits->result, "of its own") : 0;
}

static void body_task(void *habits)
{
    ff_pool *pool = kit_pool(2);

    ck_assert_int_eq(ff_spawn(pool, "owner", use_groups, habits), 0);
    wait_for_the_end();
}

START_TEST(a_task_that_returns_before_its_group_is_freed_is_a_failure)
{
    struct habits habits = {.made = 1};
    struct ff_death *death = die_failed(body_task, &habits, LOST);

    ff_death_expect_text(death, LOST_1);
    ff_death_expect_text(death, "spawned from: body_task+0x");
    free(death);
}
END_TEST

START_TEST(a_failed_child_of_a_group_that_is_not_freed_cannot_stay_unseen)
{
    struct habits habits = {.made = 1, .child_fails = true};
    struct ff_death *death = die_failed(body_task, &habits, LOST);

    ff_death_expect_text(death, LOST_1);
    free(death);
}
END_TEST

START_TEST(only_groups_that_are_not_freed_count)
{
    struct habits habits = {.made = 4, .freed = 2};
    struct ff_death *death = die_failed(body_task, &habits, LOST);

    ff_death_expect_text(death, "the task returned without freeing its groups: 2\n");
    free(death);
}
END_TEST

START_TEST(the_own_failure_of_a_task_that_nobody_owns_comes_before_its_groups)
{
    struct habits habits = {.made = 1, .child_fails = true, .result = -ENOSPC};
    struct ff_death *death = die_failed(body_task, &habits, "task \"owner\" failed: ENOSPC");

    ff_death_expect_text(death, "message:   of its own\n");
    free(death);
}
END_TEST

/* The owner of a failure that is told would not hear of one that is lost. */
static int own_owner(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "owner", use_groups, arg);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

/* One worker for the wait, one for the owner, one for its child. */
static void body_inner(void *habits)
{
    ff_pool *pool = kit_pool(3);

    ck_assert_int_eq(ff_spawn(pool, "outer", own_owner, habits), 0);
    wait_for_the_end();
}

START_TEST(a_child_of_a_group_that_leaves_a_group_behind_is_a_failure_of_the_process)
{
    struct habits kinds[] = {
        {.made = 1},
        {.made = 1, .child_fails = true},
        {.made = 1, .result = -ENOSPC},
    };

    for (size_t i = 0; i < FF__ARRAY_SIZE(kinds); i++) {
        struct ff_death *death = die_failed(body_inner, &kinds[i], LOST);

        ff_death_expect_text(death, LOST_1);
        free(death);
    }
}
END_TEST

static void body_service(void *habits)
{
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "owner",
                                             .flags = FF_MAY_FINISH};
    ff_pool *pool = kit_pool(1);

    ck_assert_int_eq(ff_spawn_service_with(pool, &options, use_groups, habits), 0);
    wait_for_the_end();
}

static void body_timer(void *habits)
{
    ff_pool *pool = kit_pool(1);

    ck_assert_int_eq(ff_every(pool, "owner", FF_MILLISECOND, use_groups, habits), 0);
    wait_for_the_end();
}

static void body_critical(void *arg)
{
    struct habits *habits = arg;

    habits->pool = kit_pool(1);
    ck_assert_int_eq(ff_critical("owner", use_groups, habits), 0);
}

START_TEST(every_kind_of_task_answers_for_its_groups)
{
    static void (*const bodies[])(void *) = {body_service, body_timer, body_critical};

    for (size_t i = 0; i < FF__ARRAY_SIZE(bodies); i++) {
        struct habits habits = {.made = 1};
        struct ff_death *death = die_failed(bodies[i], &habits, LOST);

        ff_death_expect_text(death, LOST_1);
        free(death);
    }
}
END_TEST

/* --- Groups made outside tasks --- */

static void body_pool(void *arg)
{
    struct habits *habits = arg;
    ff_pool *pool = kit_pool(1);

    habits->pool = pool;
    (void)use_groups(NULL, habits);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_pool_free(pool), 0);
    kit_say("freed\n");
    _exit(0);
}

START_TEST(a_pool_freed_before_its_groups_is_a_failure)
{
    struct habits habits = {.made = 3, .freed = 1};
    struct ff_death *death = die_failed(body_pool, &habits, "a group was left beh");

    ff_death_expect_text(death, "pool \"pool\" was freed before its groups: 2\n");
    ff_death_expect_no_text(death, "freed\n=");
    free(death);
}
END_TEST

START_TEST(a_pool_whose_groups_are_freed_ends_in_peace)
{
    struct habits habits = {.made = 3, .freed = 3};
    struct ff_death *death = ff_death_run(body_pool, &habits, 8000);

    ff_death_expect_exit(death, 0);
    ff_death_expect_count(death, KIT_BANNER, 0);
    ff_death_expect_text(death, "freed\n");
    free(death);
}
END_TEST

/* Freed by the child of another group, while the owner waits for it: counted down all the same. */
static int free_for_another(ff_task *self, void *arg)
{
    (void)self;
    ff_group_free(arg);
    return 0;
}

static int let_free(ff_task *self, void *arg)
{
    ff_group *freed, *group;
    int rc = ff_group_new(self, NULL, &freed);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = ff_group_new(self, NULL, &group);
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "frees", free_for_another, freed);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static void body_in_order(void *arg)
{
    static struct habits habits = {.made = 4, .freed = 4};
    ff_pool *pool = kit_pool(2);

    (void)arg;
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(ff_spawn(pool, "owner", use_groups, &habits), 0);
        ck_assert_int_eq(ff_spawn(pool, "outer", own_owner, &habits), 0);
        ck_assert_int_eq(ff_spawn(pool, "lets free", let_free, NULL), 0);
    }
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    ck_assert_int_eq(ff_pool_free(pool), 0);
    _exit(0);
}

START_TEST(tasks_that_free_their_groups_are_no_failures_whoever_frees_them)
{
    struct ff_death *death = ff_death_run(body_in_order, NULL, 8000);

    ff_death_expect_exit(death, 0);
    ff_death_expect_count(death, KIT_BANNER, 0);
    free(death);
}
END_TEST

FF_TEST_MAIN("groups", 40, a_task_that_returns_before_its_group_is_freed_is_a_failure,
             a_failed_child_of_a_group_that_is_not_freed_cannot_stay_unseen,
             only_groups_that_are_not_freed_count,
             the_own_failure_of_a_task_that_nobody_owns_comes_before_its_groups,
             a_child_of_a_group_that_leaves_a_group_behind_is_a_failure_of_the_process,
             every_kind_of_task_answers_for_its_groups, a_pool_freed_before_its_groups_is_a_failure,
             a_pool_whose_groups_are_freed_ends_in_peace,
             tasks_that_free_their_groups_are_no_failures_whoever_frees_them)

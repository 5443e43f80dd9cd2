/* Groups with a parent of their own: cancelled by it, and still by their task's token and by their
 * pool. */
#include "pool_kit.h"

#include <pthread.h>

/* A task that owns a group below parent, whose child sleeps until it is cancelled. */
struct owned {
    ff_token *parent;
    sem_t asleep;
    int waited;
    bool owner_canceled;
};

static void owned_init(struct owned *owned, ff_source *parent)
{
    *owned = (struct owned){.parent = ff_source_token(parent), .waited = 1};
    sem_init(&owned->asleep, 0, 0);
}

static int sleep_for_ever(ff_task *self, void *arg)
{
    sem_post(arg);
    return ff_sleep(self, FF_NEVER);
}

static int own_group(ff_task *self, void *arg)
{
    struct owned *owned = arg;
    const struct ff_group_options options = {.size = sizeof options, .parent = owned->parent};
    ff_group *group;
    int rc = ff_group_new(self, &options, &group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "sleeps", sleep_for_ever, &owned->asleep);
    if (rc == 0)
        owned->waited = ff_group_wait(group);
    owned->owner_canceled = ff_task_canceled(self);
    ff_group_free(group);
    return rc;
}

START_TEST(the_parent_cancels_the_group_and_not_its_task)
{
    ff_pool *pool = kit_pool(1);
    struct owned owned;
    ff_source *source;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    owned_init(&owned, source);
    ck_assert_int_eq(ff_spawn(pool, "owner", own_group, &owned), 0);
    kit_sem_wait(&owned.asleep);
    ff_cancel(source);
    kit_pool_end(pool, FF_DRAIN);
    ff_source_unref(source);
    ck_assert_int_eq(owned.waited, FF_CANCELED);
    ck_assert(!owned.owner_canceled);
}
END_TEST

START_TEST(the_pool_cancels_a_group_that_has_a_parent)
{
    ff_pool *pool = kit_pool(1);
    struct owned owned;
    ff_source *source;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    owned_init(&owned, source);
    ck_assert_int_eq(ff_spawn(pool, "owner", own_group, &owned), 0);
    kit_sem_wait(&owned.asleep);
    kit_pool_end(pool, FF_CANCEL);
    ck_assert(!ff_canceled(ff_source_token(source)));
    ff_source_unref(source);
    ck_assert_int_eq(owned.waited, FF_CANCELED);
}
END_TEST

START_TEST(the_token_of_its_task_cancels_a_group_that_has_a_parent)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    struct owned owned;
    ff_source *source;
    ff_group *outer;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    owned_init(&owned, source);
    ck_assert_int_eq(ff_group_new(NULL, &options, &outer), 0);
    ck_assert_int_eq(ff_group_spawn(outer, "owner", own_group, &owned), 0);
    kit_sem_wait(&owned.asleep);
    ff_group_cancel(outer);
    ck_assert_int_eq(ff_group_wait(outer), 0);
    ff_group_free(outer);
    ck_assert_int_eq(owned.waited, FF_CANCELED);
    ck_assert(owned.owner_canceled);
    ck_assert(!ff_canceled(ff_source_token(source)));
    ff_source_unref(source);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(the_pool_cancels_a_group_from_outside_that_has_a_parent)
{
    ff_pool *pool = kit_pool(1);
    struct ff_group_options options = {.size = sizeof options, .pool = pool};
    ff_source *source;
    ff_group *group;
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    options.parent = ff_source_token(source);
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_int_eq(ff_group_spawn(group, "sleeps", sleep_for_ever, &asleep), 0);
    kit_sem_wait(&asleep);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_CANCEL, FF_NEVER), 0);
    ck_assert_int_eq(ff_group_wait(group), FF_CANCELED);
    ff_group_free(group);
    ck_assert_int_eq(ff_pool_free(pool), 0);
    ff_cancel(source); /* The group is gone: nobody is called. */
    ff_source_unref(source);
}
END_TEST

START_TEST(a_group_below_a_cancelled_parent_is_born_cancelled)
{
    ff_pool *pool = kit_pool(1);
    struct ff_group_options options = {.size = sizeof options, .pool = pool};
    struct kit_probe probe;
    ff_source *source;
    ff_group *group;

    kit_probe_init(&probe, 0);
    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    ff_cancel(source);
    options.parent = ff_source_token(source);
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert(ff_canceled(ff_group_token(group)));
    ck_assert_int_eq(kit_probe_spawn(pool, group, &probe), FF_CANCELED);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ff_group_free(group);
    ff_source_unref(source);
    kit_pool_end(pool, FF_DRAIN);
    kit_probe_expect(&probe, 0, 0, 0);
}
END_TEST

static void *cancel_source(void *source)
{
    ff_cancel(source);
    return NULL;
}

START_TEST(a_group_may_be_freed_while_its_parent_is_being_cancelled)
{
    ff_pool *pool = kit_pool(1);

    for (unsigned round = 0; round < 100; round++) {
        struct ff_group_options options = {.size = sizeof options, .pool = pool};
        ff_source *source;
        ff_group *group;
        pthread_t thread;

        ck_assert_int_eq(ff_source_new(NULL, &source), 0);
        options.parent = ff_source_token(source);
        ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_source, source), 0);
        if (round % 2)
            while (!ff_canceled(options.parent))
                ;
        ff_group_free(group);
        pthread_join(thread, NULL);
        ff_source_unref(source);
    }
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

FF_TEST_MAIN("group_parent", 10, the_parent_cancels_the_group_and_not_its_task,
             the_pool_cancels_a_group_that_has_a_parent,
             the_token_of_its_task_cancels_a_group_that_has_a_parent,
             the_pool_cancels_a_group_from_outside_that_has_a_parent,
             a_group_below_a_cancelled_parent_is_born_cancelled,
             a_group_may_be_freed_while_its_parent_is_being_cancelled)

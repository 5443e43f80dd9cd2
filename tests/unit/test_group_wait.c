/* Waiting for a group: who may, who is woken, who is helped, what it leaves behind. */
#include "pool_kit.h"

#include "sched/types.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static ff_group *group_on(ff_pool *pool)
{
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    ff_group *group = NULL;

    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_ptr_nonnull(group);
    return group;
}

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

/* Runs fn(arg) as a task of a pool of so many workers, to its end. */
static void in_task(unsigned workers, ff_task_fn *fn, void *arg)
{
    ff_pool *pool = kit_pool(workers);
    ff_group *group = group_on(pool);

    ck_assert_int_eq(ff_group_spawn(group, "owner", fn, arg), 0);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}

static int sleep_for_ever(ff_task *self, void *arg)
{
    sem_t *asleep = arg;

    sem_post(asleep);
    return ff_sleep(self, FF_NEVER);
}

/* Who waits for a group of which it is a part. */
struct self_wait {
    ff_group *group;
    int child, grandchild;
};

static int grandchild_waits(ff_task *self, void *arg)
{
    struct self_wait *wait = arg;

    (void)self;
    wait->grandchild = ff_group_wait(wait->group);
    return 0;
}

static int child_waits(ff_task *self, void *arg)
{
    struct self_wait *wait = arg;
    ff_group *inner;
    int rc = ff_group_new(self, NULL, &inner);

    if (rc < 0)
        return rc;
    wait->child = ff_group_wait(wait->group);
    rc = ff_group_spawn(inner, "grandchild", grandchild_waits, wait);
    if (rc == 0)
        rc = ff_group_wait(inner);
    ff_group_free(inner);
    return rc;
}

START_TEST(a_descendant_that_waits_for_the_group_gets_edeadlk)
{
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        ff_pool *pool = kit_pool(workers);
        struct self_wait wait = {group_on(pool), 0, 0};

        ck_assert_int_eq(ff_group_spawn(wait.group, "child", child_waits, &wait), 0);
        ck_assert_int_eq(ff_group_wait(wait.group), 0);
        ck_assert_int_eq(wait.child, -EDEADLK);
        ck_assert_int_eq(wait.grandchild, -EDEADLK);
        ff_group_free(wait.group);
        kit_pool_end(pool, FF_DRAIN);
    }
}
END_TEST

static void wait_in_callback(void *arg)
{
    struct self_wait *wait = arg;

    wait->child = ff_group_wait(wait->group);
}

START_TEST(waiting_in_a_cancel_callback_answers_edeadlk)
{
    ff_pool *pool = kit_pool(1);
    struct self_wait wait = {group_on(pool), 0, 0};
    ff_registration *registration;
    ff_source *source;

    ck_assert_int_eq(ff_source_new(NULL, &source), 0);
    ck_assert_int_eq(ff_register(ff_source_token(source), wait_in_callback, &wait, &registration),
                     0);
    ff_cancel(source);
    ck_assert_int_eq(wait.child, -EDEADLK);
    ff_unregister(registration);
    ff_source_unref(source);
    ff_group_free(wait.group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

/* The owner sleeps in its wait, and the other worker is held by its child, when one more child
 * comes: only the sleeper can run it. */
struct nursery {
    ff_group *group;
    struct kit_gate gate;
    sem_t taken, late_ran;
    bool child_spawns;
};

static int run_late(ff_task *self, void *arg)
{
    (void)self;
    sem_post(arg);
    return 0;
}

static int hold_the_other_worker(ff_task *self, void *arg)
{
    struct nursery *nursery = arg;
    int rc = 0;

    sem_post(&nursery->taken);
    if (nursery->child_spawns) {
        rc = ff_group_spawn(nursery->group, "late", run_late, &nursery->late_ran);
        if (rc == 0)
            kit_sem_wait(&nursery->late_ran);
        return rc;
    }
    return kit_gate_task(self, &nursery->gate);
}

static int own_a_nursery(ff_task *self, void *arg)
{
    struct nursery *nursery = arg;
    int rc = ff_group_new(self, NULL, &nursery->group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(nursery->group, "child", hold_the_other_worker, nursery);
    /* Until the other worker has taken the child, or the wait would run it here. */
    if (rc == 0) {
        kit_sem_wait(&nursery->taken);
        rc = ff_group_wait(nursery->group);
    }
    ff_group_free(nursery->group);
    return rc;
}

static void nursery_init(struct nursery *nursery, bool child_spawns)
{
    nursery->child_spawns = child_spawns;
    kit_gate_init(&nursery->gate);
    sem_init(&nursery->taken, 0, 0);
    sem_init(&nursery->late_ran, 0, 0);
}

START_TEST(a_sleeping_waiter_runs_a_child_that_comes_from_another_thread)
{
    ff_pool *pool = kit_pool(2);
    struct nursery nursery;

    nursery_init(&nursery, /* child_spawns= */ false);
    ck_assert_int_eq(ff_spawn(pool, "owner", own_a_nursery, &nursery), 0);
    kit_sem_wait(&nursery.gate.entered);
    ck_assert_int_eq(ff_group_spawn(nursery.group, "late", run_late, &nursery.late_ran), 0);
    kit_sem_wait(&nursery.late_ran);
    kit_gate_open(&nursery.gate);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_sleeping_waiter_runs_a_child_that_its_child_spawns)
{
    ff_pool *pool = kit_pool(2);
    struct nursery nursery;

    nursery_init(&nursery, /* child_spawns= */ true);
    ck_assert_int_eq(ff_spawn(pool, "owner", own_a_nursery, &nursery), 0);
    kit_pool_end(pool, FF_DRAIN); /* The drain lets the children in. */
}
END_TEST

#define ROUNDS 100000

/* What the process has in memory. */
static size_t resident_bytes(void)
{
    unsigned long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static int spawn_and_wait_often(ff_task *self, void *arg)
{
    size_t *ret_grown = arg, before = 0;
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    for (unsigned i = 0; rc == 0 && i < ROUNDS; i++) {
        rc = ff_group_spawn(group, "round", do_nothing, NULL);
        if (rc == 0)
            rc = ff_group_wait(group);
        if (i == ROUNDS / 100)
            before = resident_bytes();
    }
    *ret_grown = resident_bytes() - before;
    ff_group_free(group);
    return rc;
}

START_TEST(a_task_that_spawns_and_waits_for_ever_does_not_grow)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);
    size_t grown = SIZE_MAX;

    ck_assert_int_eq(ff_group_spawn(group, "owner", spawn_and_wait_often, &grown), 0);
    ck_assert_int_eq(ff_group_wait(group), 0);
    ck_assert_uint_lt(grown, 2 * 1024 * 1024); /* A block of each round would be 19 MB. */
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

/* The wait of a task that is cancelled goes on until the children have ended. */
static int wait_though_canceled(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "sleeper", sleep_for_ever, arg);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

START_TEST(a_cancelled_owner_waits_and_its_children_are_cancelled_with_it)
{
    ff_pool *pool = kit_pool(2);
    sem_t asleep;

    sem_init(&asleep, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "owner", wait_though_canceled, &asleep), 0);
    kit_sem_wait(&asleep);
    kit_pool_end(pool, FF_CANCEL);
}
END_TEST

static int name_of_group(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    strcpy(arg, group->name);
    ff_group_free(group);
    return 0;
}

START_TEST(a_group_is_named_by_its_options_or_its_task)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .name = "mine", .pool = pool};
    char name[FF_NAME_MAX + 1] = "";
    ff_group *group;

    in_task(1, name_of_group, name);
    ck_assert_str_eq(name, "owner");
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    ck_assert_str_eq(group->name, "mine");
    ff_group_free(group);
    group = group_on(pool);
    ck_assert_str_eq(group->name, "group");
    ff_group_free(group);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

START_TEST(a_token_outlives_its_group_and_its_pool)
{
    ff_pool *pool = kit_pool(1);
    ff_group *group = group_on(pool);
    ff_token *token = ff_token_ref(ff_group_token(group));

    ff_group_free(group);
    kit_pool_end(pool, FF_CANCEL);
    ck_assert_int_eq(ff_token_reason(token), FF_REASON_SHUTDOWN);
    ff_token_unref(token);
}
END_TEST

/* A task that makes groups one after the other; another thread spawns into them. Its worker runs
 * the children from the group, so that their entries stay behind in the queue. */
struct fed {
    ff_group *group;
    sem_t made, fed;
    bool last;
    int rc;
};

static int be_fed(ff_task *self, void *arg)
{
    struct fed *fed = arg;

    for (bool last = false; !last && fed->rc == 0;) {
        if (ff_group_new(self, NULL, &fed->group) < 0)
            return -EPROTO;
        sem_post(&fed->made);
        kit_sem_wait(&fed->fed);
        last = fed->last;
        fed->rc = ff_group_wait(fed->group);
        ff_group_free(fed->group);
    }
    return 0;
}

static unsigned feed(struct fed *fed, unsigned limit, _Atomic unsigned *ran)
{
    unsigned count = 0;
    int rc = 0;

    kit_sem_wait(&fed->made);
    while (count < limit && (rc = ff_group_spawn(fed->group, "child", kit_count_task, ran)) == 0)
        count++;
    ck_assert_int_eq(rc, count < limit ? -EAGAIN : 0);
    fed->last = rc != 0;
    sem_post(&fed->fed);
    return count;
}

static unsigned fill_queue(ff_pool *pool, _Atomic unsigned *ran)
{
    unsigned count = 0;

    while (ff_spawn(pool, "fills", kit_count_task, ran) == 0)
        count++;
    return count;
}

START_TEST(entries_whose_children_have_run_hold_their_place_until_they_leave_the_queue)
{
    enum { LIMIT = 40, FIRST = 25 };
    ff_pool *pool = kit_pool_bounded(1, LIMIT);
    const struct ff_spawn_options gate_options = {.size = sizeof gate_options, .name = "gate"};
    struct fed fed = {.rc = 0};
    _Atomic unsigned ran = 0;
    struct kit_gate gate;

    kit_gate_init(&gate);
    sem_init(&fed.made, 0, 0);
    sem_init(&fed.fed, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "is fed", be_fed, &fed), 0);
    ck_assert_uint_eq(feed(&fed, FIRST, &ran), FIRST);
    ck_assert_uint_eq(feed(&fed, 2 * LIMIT, &ran), LIMIT - FIRST);
    /* Behind all those entries: when it runs, they have left. */
    ck_assert_int_eq(ff_spawn_wait(pool, &gate_options, kit_gate_task, &gate, NULL, FF_NEVER), 0);
    kit_sem_wait(&gate.entered);
    ck_assert_uint_eq(ran, LIMIT);
    ck_assert_uint_eq(fill_queue(pool, &ran), LIMIT);
    kit_gate_open(&gate);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_uint_eq(ran, 2 * LIMIT);
    ck_assert_int_eq(fed.rc, 0);
}
END_TEST

FF_TEST_MAIN("group_wait", 20, a_descendant_that_waits_for_the_group_gets_edeadlk,
             waiting_in_a_cancel_callback_answers_edeadlk,
             a_sleeping_waiter_runs_a_child_that_comes_from_another_thread,
             a_sleeping_waiter_runs_a_child_that_its_child_spawns,
             a_task_that_spawns_and_waits_for_ever_does_not_grow,
             a_cancelled_owner_waits_and_its_children_are_cancelled_with_it,
             a_group_is_named_by_its_options_or_its_task, a_token_outlives_its_group_and_its_pool,
             entries_whose_children_have_run_hold_their_place_until_they_leave_the_queue)

/* Threads of the program itself: ff_critical() and ff_thread_adopt(), when all goes well. How they
 * die is in death/death_tasks.c. */
#include "pool_kit.h"

#include "fail/blackbox.h"
#include "sys/thread.h"

#include <pthread.h>

struct seen {
    ff_task *current;
    ff_pool *pool;
    ff_token *token;
    char name[FF_NAME_MAX + 1], slot[FF_NAME_MAX + 1];
    int nested, group_without_pool;
    bool self_is_current;
};

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static int look(ff_task *self, void *arg)
{
    struct seen *seen = arg;
    ff_group *group;

    seen->self_is_current = ff_task_current() == self;
    seen->pool = ff_task_pool(self);
    seen->token = ff_task_token(self);
    strcpy(seen->name, ff_task_name(self));
    strcpy(seen->slot, ff__self.slot->name);
    seen->nested = ff_critical("nested", do_nothing, NULL);
    seen->group_without_pool = ff_group_new(self, NULL, &group);
    return 0;
}

START_TEST(critical_runs_fn_on_the_calling_thread_as_a_named_task)
{
    struct seen seen = {.nested = 1};
    unsigned threads = kit_threads();

    ck_assert_int_eq(ff_critical("start-up", look, &seen), 0);
    ck_assert(seen.self_is_current);
    ck_assert_ptr_null(seen.pool);
    ck_assert_ptr_null(seen.token);
    ck_assert_str_eq(seen.name, "start-up");
    ck_assert_int_eq(seen.nested, 0);
    ck_assert_int_eq(seen.group_without_pool, -EINVAL);
    ck_assert_ptr_null(ff_task_current());
    ck_assert_ptr_null(ff__self.slot); /* The thread is the program's again. */
    kit_expect_threads(threads);
}
END_TEST

START_TEST(critical_and_adopt_refuse_bad_arguments)
{
    ck_assert_int_eq(ff_critical(NULL, do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_critical("", do_nothing, NULL), -EINVAL);
    ck_assert_int_eq(ff_critical("x", NULL, NULL), -EINVAL);
    ck_assert_int_eq(ff_thread_adopt(NULL), -EINVAL);
    ck_assert_int_eq(ff_thread_adopt(""), -EINVAL);
    ck_assert_ptr_null(ff__self.slot);
}
END_TEST

/* A critical task has no pool, but may use one. */
static int fan_out(ff_task *self, void *arg)
{
    const struct ff_group_options options = {.size = sizeof options, .pool = arg};
    _Atomic unsigned count = 0;
    ff_group *group;
    int rc = ff_group_new(self, &options, &group);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < 20 && rc == 0; i++)
        rc = ff_group_spawn(group, "part", kit_count_task, &count);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return count == 20 ? rc : -EPROTO;
}

START_TEST(a_critical_task_may_use_the_groups_of_a_pool)
{
    ff_pool *pool = kit_pool(2);

    ck_assert_int_eq(ff_critical("fan", fan_out, pool), 0);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

static int critical_inside(ff_task *self, void *arg)
{
    struct seen seen = {.nested = 1};
    int rc = ff_critical("inside", look, &seen);

    strcpy(arg, seen.name);
    return rc < 0 || ff_task_current() != self ? -EPROTO : seen.nested;
}

START_TEST(a_task_of_a_pool_may_call_critical)
{
    ff_pool *pool = kit_pool(1);
    char name[FF_NAME_MAX + 1] = "";

    ck_assert_int_eq(ff_spawn(pool, "outside", critical_inside, name), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_str_eq(name, "inside");
}
END_TEST

static void *adopt_twice(void *arg)
{
    struct seen *seen = arg;

    seen->nested = ff_thread_adopt("first name");
    if (seen->nested == 0)
        seen->nested = ff_thread_adopt("second name");
    strcpy(seen->slot, ff__self.slot ? ff__self.slot->name : "none");
    seen->group_without_pool = ff_critical("in it", do_nothing, NULL);
    strcpy(seen->name, ff__self.slot ? ff__self.slot->name : "none");
    return NULL;
}

/* Of adopted threads; the library's own come and go as they like. */
static unsigned rows(void)
{
    struct ff__slot *slot;
    size_t cursor = 0;
    unsigned count = 0;

    while ((slot = ff__slot_next(&cursor)))
        count += slot->kind == FF__SLOT_ADOPTED;
    return count;
}

START_TEST(an_adopted_thread_can_be_renamed_and_is_let_go_at_its_end)
{
    ff_pool *pool = kit_pool(1); /* Keeps the black box in use. */
    unsigned before = rows(), threads = kit_threads();
    struct seen seen = {.nested = 1};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, adopt_twice, &seen), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen.nested, 0);
    ck_assert_str_eq(seen.slot, "second name");
    ck_assert_int_eq(seen.group_without_pool, 0);
    ck_assert_str_eq(seen.name, "second name"); /* ff_critical() left it adopted. */
    ck_assert_uint_eq(rows(), before);
    kit_pool_end(pool, FF_DRAIN);
    kit_expect_threads(threads - 3); /* Worker, timer thread and guardian. */
}
END_TEST

static int adopt_inside(ff_task *self, void *arg)
{
    (void)self;
    *(int *)arg = ff_thread_adopt("mine");
    return 0;
}

START_TEST(a_thread_of_the_library_cannot_be_adopted)
{
    ff_pool *pool = kit_pool(1);
    int rc = 0;

    ck_assert_int_eq(ff_spawn(pool, "adopts", adopt_inside, &rc), 0);
    kit_pool_end(pool, FF_DRAIN);
    ck_assert_int_eq(rc, -EBUSY);
}
END_TEST

static void *adopt_in_critical(void *arg)
{
    struct seen *seen = arg;

    if (ff_critical("adopts", adopt_inside, &seen->nested) != 0)
        return arg;
    strcpy(seen->slot, ff__self.slot ? ff__self.slot->name : "none");
    if (ff_critical("in it", do_nothing, NULL) != 0)
        return arg;
    strcpy(seen->name, ff__self.slot ? ff__self.slot->name : "none");
    return NULL;
}

START_TEST(a_thread_adopted_inside_ff_critical_stays_adopted_until_its_end)
{
    ff_pool *pool = kit_pool(1); /* Keeps the black box in use. */
    unsigned before = rows();
    struct seen seen = {.nested = 1};
    pthread_t thread;
    void *failed;

    ck_assert_int_eq(pthread_create(&thread, NULL, adopt_in_critical, &seen), 0);
    pthread_join(thread, &failed);
    ck_assert_ptr_null(failed);
    ck_assert_int_eq(seen.nested, 0);
    ck_assert_str_eq(seen.slot, "mine");
    ck_assert_str_eq(seen.name, "mine");
    ck_assert_uint_eq(rows(), before);
    kit_pool_end(pool, FF_DRAIN);
}
END_TEST

FF_TEST_MAIN("critical", 10, critical_runs_fn_on_the_calling_thread_as_a_named_task,
             critical_and_adopt_refuse_bad_arguments, a_critical_task_may_use_the_groups_of_a_pool,
             a_task_of_a_pool_may_call_critical,
             an_adopted_thread_can_be_renamed_and_is_let_go_at_its_end,
             a_thread_of_the_library_cannot_be_adopted,
             a_thread_adopted_inside_ff_critical_stays_adopted_until_its_end)

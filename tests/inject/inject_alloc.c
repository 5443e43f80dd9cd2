/* Memory that is refused: the n-th allocation inside each library call fails, for every n. Each
 * call answers -ENOMEM or -EAGAIN with nothing left behind, and works the next time. */
#include "inject_kit.h"

#include "death.h"

#include <stdlib.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
/* The library's mmap() is mmap64() where the build asks for large files. */
void *__real_mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t size)
{
    return inject_refuses() ? (errno = ENOMEM, NULL) : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return inject_refuses() ? (errno = ENOMEM, NULL) : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return inject_refuses() ? (errno = ENOMEM, NULL) : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (!inject_refuses())
        return __real_mmap64(address, length, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    return __wrap_mmap64(address, length, protection, flags, fd, offset);
}

static void begin(void)
{
    kit_probe_init(&inject_probe, 0);
    inject_pool = kit_pool(1);
}

static void end(void)
{
    kit_pool_end(inject_pool, FF_DRAIN);
}

START_TEST(pool_new_survives_every_refused_allocation)
{
    static const struct inject_case pool = {"ff_pool_new", inject_call_pool_new,
                                            inject_undo_pool_new};

    /* At least: pool, workers, three deques, black box, three alternate stacks. */
    ck_assert_int_ge(inject_each(&pool), 5);
}
END_TEST

START_TEST(spawn_survives_every_refused_allocation)
{
    static const struct inject_case spawn = {"ff_spawn_with", inject_call_spawn, inject_undo_spawn};

    begin();
    ck_assert_int_ge(inject_each(&spawn), 1);
    end();
}
END_TEST

START_TEST(groups_survive_every_refused_allocation)
{
    static const struct inject_case make = {"ff_group_new", inject_call_group_new,
                                            inject_undo_group_new};
    static const struct inject_case spawn = {"spawn into a group", inject_call_group_spawn,
                                             inject_undo_group_spawn};

    begin();
    ck_assert_int_ge(inject_each(&make), 1);
    ck_assert_int_eq(inject_call_group_new(), 0);
    ck_assert_int_ge(inject_each(&spawn), 1);
    ff_group_free(inject_group);
    end();
}
END_TEST

START_TEST(timers_survive_every_refused_allocation)
{
    static const struct inject_case timer = {"ff_timer_start", inject_call_timer,
                                             inject_undo_timer};

    begin();
    ck_assert_int_ge(inject_each(&timer), 1);
    end();
}
END_TEST

START_TEST(cancellation_survives_every_refused_allocation)
{
    static const struct inject_case source = {"ff_source_new", inject_call_source,
                                              inject_undo_source};
    static const struct inject_case registration = {"ff_register", inject_call_register,
                                                    inject_undo_register};

    ck_assert_int_ge(inject_each(&source), 1);
    ck_assert_int_eq(inject_call_source(), 0);
    ck_assert_int_ge(inject_each(&registration), 1);
    ff_source_unref(inject_source);
}
END_TEST

START_TEST(services_survive_every_refused_allocation)
{
    static const struct inject_case service = {"ff_spawn_service_with", inject_call_service,
                                               inject_undo_spawn};

    begin();
    ck_assert_int_ge(inject_each(&service), 2); /* Service and task. */
    end();
}
END_TEST

START_TEST(critical_survives_every_refused_allocation)
{
    static const struct inject_case critical = {"ff_critical", inject_call_critical,
                                                inject_undo_nothing};

    /* Its task, and its alternate stack, unless a sanitizer gave the thread one. */
    ck_assert_int_ge(inject_each(&critical), 1);
}
END_TEST

/* A deque that cannot grow lets the rest go to the injector: nothing is lost. */
static int spawn_without_memory(ff_task *self, void *arg)
{
    _Atomic unsigned *count = arg;
    int rc = 0;

    for (unsigned i = 0; i < 2000 && rc == 0; i++) {
        inject_arm(1);
        rc = ff_spawn(ff_task_pool(self), "child", kit_count_task, count);
        inject_disarm();
        if (rc == -ENOMEM) /* A new chunk of task memory. */
            rc = ff_spawn(ff_task_pool(self), "child", kit_count_task, count);
    }
    return rc;
}

START_TEST(a_deque_that_cannot_grow_loses_nothing)
{
    struct ff_group_options options = {.size = sizeof options};
    _Atomic unsigned count = 0;
    ff_group *group;
    int spawned, waited;

    inject_pool = options.pool = kit_pool(1);
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    /* No assertion in between: those allocate, too. */
    spawned = ff_group_spawn(group, "spawner", spawn_without_memory, &count);
    waited = ff_group_wait(group);
    ck_assert_int_eq(spawned, 0);
    ck_assert_int_eq(waited, 0);
    ff_group_free(group);
    end();
    ck_assert_uint_eq(count, 2000);
}
END_TEST

static int fail_without_memory(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    inject_arm(1); /* The copy that the group would keep. */
    return -EIO;
}

static void body_failure_without_memory(void *unused)
{
    ff_pool *pool = kit_pool(1);
    const struct ff_group_options options = {.size = sizeof options, .pool = pool};
    ff_group *group;

    (void)unused;
    ck_assert_int_eq(ff_group_new(NULL, &options, &group), 0);
    if (ff_group_spawn(group, "loser", fail_without_memory, NULL) == 0)
        (void)!ff_group_wait(group); /* No assertion before it: those allocate, too. */
}

START_TEST(a_failure_that_its_group_cannot_keep_ends_the_process)
{
    struct ff_death *death = ff_death_run(body_failure_without_memory, NULL, 8000);

    ff_death_expect_exit(death, 1);
    ff_death_expect_text(death, "task \"loser\" failed: no memory to keep a failure for its group");
    free(death);
}
END_TEST

FF_TEST_MAIN("inject_alloc", 20, pool_new_survives_every_refused_allocation,
             spawn_survives_every_refused_allocation, groups_survive_every_refused_allocation,
             timers_survive_every_refused_allocation,
             cancellation_survives_every_refused_allocation,
             services_survive_every_refused_allocation, critical_survives_every_refused_allocation,
             a_deque_that_cannot_grow_loses_nothing,
             a_failure_that_its_group_cannot_keep_ends_the_process)

/* fork(): what belongs to the parent answers -EOWNERDEAD in the child and can be freed there; the
 * child makes pools of its own; no lock that another thread of the parent held can hang it. */
#include "pool_kit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* AddressSanitizer's allocator may be locked for ever in the child of a process with threads. */
#if defined(__SANITIZE_ADDRESS__)
#define CHILD_MAY_ALLOCATE false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHILD_MAY_ALLOCATE false
#endif
#endif
#ifndef CHILD_MAY_ALLOCATE
#define CHILD_MAY_ALLOCATE true
#endif

/* What the parent hands down. */
struct heirloom {
    ff_pool *pool;
    ff_group *group;
    ff_timer *timer;
};

#define EXPECT(condition)               \
    do {                                \
        if (!(condition))               \
            _exit(__LINE__ % 200 + 20); \
    } while (0)

static int do_nothing(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static void expect_child(pid_t pid)
{
    const uint64_t end_ns = ff_deadline_ns((uint64_t)(8 * ff_test_slow()) * FF_SECOND);
    int status;
    pid_t ended;

    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && ff_now_ns() < end_ns)
        usleep(200);
    if (ended == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        ck_abort_msg("the child hangs");
    }
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void use_old_objects(const struct heirloom *old)
{
    const struct ff_spawn_options options = {.size = sizeof options, .name = "x"};
    const struct ff_group_options group_options = {.size = sizeof group_options, .pool = old->pool};
    const struct ff_timer_options timer_options = {.size = sizeof timer_options,
                                                   .name = "x",
                                                   .delay_ns = 1};
    struct ff_pool_stats stats = {.size = sizeof stats};
    ff_group *group;

    EXPECT(ff_spawn(old->pool, "x", do_nothing, NULL) == -EOWNERDEAD);
    EXPECT(ff_spawnf(old->pool, do_nothing, NULL, "x") == -EOWNERDEAD);
    EXPECT(ff_spawn_with(old->pool, &options, do_nothing, NULL) == -EOWNERDEAD);
    EXPECT(ff_spawn_wait(old->pool, &options, do_nothing, NULL, NULL, FF_NEVER) == -EOWNERDEAD);
    EXPECT(ff_spawn_service(old->pool, "x", do_nothing, NULL) == -EOWNERDEAD);
    EXPECT(ff_spawn_service_with(old->pool, &options, do_nothing, NULL) == -EOWNERDEAD);
    EXPECT(ff_every(old->pool, "x", 1, do_nothing, NULL) == -EOWNERDEAD);
    EXPECT(ff_after(old->pool, "x", 1, do_nothing, NULL) == -EOWNERDEAD);
    EXPECT(ff_timer_start(old->pool, &timer_options, do_nothing, NULL, NULL) == -EOWNERDEAD);
    EXPECT(ff_group_new(NULL, &group_options, &group) == -EOWNERDEAD);
    EXPECT(ff_group_spawn(old->group, "x", do_nothing, NULL) == -EOWNERDEAD);
    EXPECT(ff_group_wait(old->group) == -EOWNERDEAD);
    EXPECT(ff_pool_shutdown(old->pool, FF_CANCEL, FF_NEVER) == -EOWNERDEAD);
    EXPECT(ff_pool_stats_read(old->pool, &stats) == -EOWNERDEAD);
    EXPECT(ff_pool_stragglers(old->pool, NULL, 0) == 0);
    EXPECT(!ff_canceled(ff_pool_token(old->pool)));
    EXPECT(ff_group_failure_count(old->group) == 0);
    EXPECT(ff_group_failure(old->group, 0) == NULL);
    ff_timer_cancel(old->timer);
    ff_group_cancel(old->group);
}

static void free_old_objects(const struct heirloom *old)
{
    ff_timer_unref(old->timer);
    ff_group_free(old->group);
    EXPECT(ff_pool_free(old->pool) == 0);
}

static void work_anew(void)
{
    const struct ff_pool_options options = {.size = sizeof options, .workers = 2};
    _Atomic unsigned count = 0;
    ff_pool *pool;

    if (KIT_TSAN) /* It ends a forked child that starts a thread. */
        return;
    EXPECT(ff_pool_new(&options, &pool) == 0);
    for (unsigned i = 0; i < 50; i++)
        EXPECT(ff_spawn(pool, "new", kit_count_task, &count) == 0);
    EXPECT(ff_after(pool, "timer", 1000, kit_count_task, &count) == 0);
    while (ff__load_relaxed(&count) < 51)
        usleep(100);
    EXPECT(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) == 0);
    EXPECT(ff_pool_free(pool) == 0);
}

static struct heirloom heirloom_new(unsigned workers)
{
    struct heirloom old = {.pool = kit_pool(workers)};
    const struct ff_group_options options = {.size = sizeof options, .pool = old.pool};
    const struct ff_timer_options hourly = {.size = sizeof hourly,
                                            .name = "hourly",
                                            .period_ns = 3600 * FF_SECOND};

    ck_assert_int_eq(ff_group_new(NULL, &options, &old.group), 0);
    ck_assert_int_eq(ff_timer_start(old.pool, &hourly, do_nothing, NULL, &old.timer), 0);
    return old;
}

static void heirloom_end(struct heirloom *old)
{
    ff_timer_unref(old->timer);
    ff_group_free(old->group);
    kit_pool_end(old->pool, FF_DRAIN);
}

START_TEST(old_objects_answer_eownerdead_and_can_be_freed_and_new_ones_work)
{
    struct heirloom old = heirloom_new(2);
    pid_t pid = fork();

    if (pid == 0) {
        use_old_objects(&old);
        free_old_objects(&old);
        work_anew();
        _exit(0);
    }
    expect_child(pid);
    heirloom_end(&old);
}
END_TEST

START_TEST(the_parents_pool_goes_on_after_a_fork)
{
    struct heirloom old = heirloom_new(2);
    _Atomic unsigned count = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(ff_group_spawn(old.group, "on", kit_count_task, &count), 0);
    ck_assert_int_eq(ff_group_wait(old.group), 0);
    ck_assert_uint_eq(count, 100);
    expect_child(pid);
    heirloom_end(&old);
}
END_TEST

/* The child of a task: its only thread was a worker. */
static int fork_inside(ff_task *self, void *arg)
{
    struct heirloom *old = arg;
    pid_t pid;

    (void)self;
    pid = fork();
    if (pid == 0) {
        EXPECT(ff_spawn(old->pool, "x", do_nothing, NULL) == -EOWNERDEAD);
        work_anew();
        _exit(0);
    }
    expect_child(pid);
    return 0;
}

START_TEST(a_task_may_fork)
{
    struct heirloom old = heirloom_new(1);

    ck_assert_int_eq(ff_group_spawn(old.group, "forks", fork_inside, &old), 0);
    ck_assert_int_eq(ff_group_wait(old.group), 0);
    heirloom_end(&old);
}
END_TEST

static int fail_now(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -EIO, "in the child");
}

START_TEST(the_child_of_an_adopted_thread_can_fail_properly)
{
    int status;
    pid_t pid;

    ck_assert_int_eq(ff_thread_adopt("main"), 0);
    pid = fork();
    if (pid == 0) {
        close(STDERR_FILENO);
        if (KIT_TSAN)
            _exit(1);
        (void)!ff_critical("in the child", fail_now, NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 1);
}
END_TEST

/* Threads that keep every lock of the library busy while main forks. */
struct busy {
    struct heirloom *old;
    _Atomic bool stop;
};

static void *keep_busy(void *arg)
{
    struct busy *busy = arg;
    const struct ff_spawn_options service = {.size = sizeof service,
                                             .name = "short",
                                             .flags = FF_MAY_FINISH};
    const struct ff_group_options options = {.size = sizeof options, .pool = busy->old->pool};

    for (unsigned round = 0; !ff__load_relaxed(&busy->stop); round++) {
        ff_group *group;
        ff_source *source;

        if (ff_group_new(NULL, &options, &group) < 0 || ff_source_new(NULL, &source) < 0)
            return busy;
        for (unsigned i = 0; i < 50; i++)
            if (ff_group_spawn(group, "busy", do_nothing, NULL) < 0)
                return busy;
        if (ff_after(busy->old->pool, "timer", 1000, do_nothing, NULL) < 0 ||
            (round % 16 == 0 &&
             ff_spawn_service_with(busy->old->pool, &service, do_nothing, NULL) < 0))
            return busy;
        (void)ff_pool_stragglers(busy->old->pool, NULL, 0);
        for (unsigned i = 0; i < 500; i++)
            (void)ff_group_failure_count(busy->old->group);
        ff_cancel(source);
        ff_source_unref(source);
        if (ff_group_wait(group) != 0)
            return busy;
        ff_group_free(group);
    }
    return NULL;
}

START_TEST(a_child_of_a_busy_parent_never_hangs)
{
    enum { FORKS = 60, THREADS = 2 };
    struct heirloom old = heirloom_new(2);
    struct busy busy = {&old, false};
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_busy, &busy), 0);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            use_old_objects(&old);
            if (CHILD_MAY_ALLOCATE) {
                free_old_objects(&old);
                if (i % 4 == 0)
                    work_anew();
            }
            _exit(0);
        }
        expect_child(pid);
    }
    ff__store_relaxed(&busy.stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        void *trouble;

        pthread_join(threads[i], &trouble);
        ck_assert_ptr_null(trouble);
    }
    heirloom_end(&old);
}
END_TEST

FF_TEST_MAIN("fork", 20, old_objects_answer_eownerdead_and_can_be_freed_and_new_ones_work,
             the_parents_pool_goes_on_after_a_fork, a_task_may_fork,
             the_child_of_an_adopted_thread_can_fail_properly, a_child_of_a_busy_parent_never_hangs)

/* Ends in unusual places: a thread that ends in a callback or a drop, a task that forks and returns
 * in both processes, a pool that is used in an exit handler or that finds no key left. */
#include "fail_kit.h"
#include "pool_kit.h"

#include "sched/beat.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

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

static int return_0(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

/* --- Threads that end --- */

static void end_thread(void *unused)
{
    (void)unused;
    pthread_exit(NULL);
}

static void body_callback_exit(void *unused)
{
    struct ff_source_options options = {.size = sizeof options};
    ff_registration *registration;
    ff_source *source;

    (void)unused;
    (void)kit_pool(1);
    options.deadline_ns = ff_deadline_ns(20 * FF_MILLISECOND);
    ck_assert_int_eq(ff_source_new(&options, &source), 0);
    ck_assert_int_eq(ff_register(ff_source_token(source), end_thread, NULL, &registration), 0);
    wait_for_the_end();
}

START_TEST(a_deadline_callback_that_ends_the_timer_thread_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_callback_exit, NULL,
                   "task \"ff-timer\" failed: its thread ended inside the task ===\n");

    free(death);
}
END_TEST

/* Would end its thread, and the next one, for ever. */
static void drop_and_end_thread(void *arg, ff_outcome outcome)
{
    (void)arg;
    (void)outcome;
    kit_say("dropped\n");
    pthread_exit(NULL);
}

static const struct ff_spawn_options ending_drop = {
    .size = sizeof ending_drop,
    .name = "owner",
    .drop = drop_and_end_thread,
    .flags = 0,
};

static void body_drop_exit(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_spawn_with(kit_pool(1), &ending_drop, return_0, NULL), 0);
    wait_for_the_end();
}

static void body_service_drop_exit(void *unused)
{
    struct ff_spawn_options options = ending_drop;

    (void)unused;
    options.flags = FF_MAY_FINISH;
    ck_assert_int_eq(ff_spawn_service_with(kit_pool(1), &options, return_0, NULL), 0);
    wait_for_the_end();
}

static void body_timer_drop_exit(void *unused)
{
    const struct ff_timer_options options = {.size = sizeof options,
                                             .name = "owner",
                                             .drop = drop_and_end_thread};

    (void)unused;
    ck_assert_int_eq(ff_timer_start(kit_pool(1), &options, return_0, NULL, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_drop_that_ends_its_thread_is_a_failure_and_is_not_called_again)
{
    static void (*const bodies[])(void *) = {body_drop_exit, body_service_drop_exit,
                                             body_timer_drop_exit};

    for (size_t i = 0; i < FF__ARRAY_SIZE(bodies); i++) {
        struct ff_death *death =
            die_failed(bodies[i], NULL,
                       "task \"owner\" failed: its thread ended inside the task ===\n");

        ff_death_expect_count(death, "dropped\n", 1);
        free(death);
    }
}
END_TEST

/* --- What a row says --- */

static sem_t child_runs;

static int never_end(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    sem_post(&child_runs);
    wait_for_the_end();
    return 0;
}

static int help_child(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "busy child", never_end, NULL);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static int fail_beside_child(ff_task *self, void *arg)
{
    (void)arg;
    kit_sem_wait(&child_runs);
    return ff_fail(self, -EIO, "beside it");
}

static void body_helping(void *unused)
{
    ff_pool *pool;

    (void)unused;
    setenv("FAILFAST_GRACE_MS", "50", 1); /* Read by the first pool. */
    pool = kit_pool(1);
    sem_init(&child_runs, 0, 0);
    ck_assert_int_eq(ff_spawn(pool, "helper", help_child, NULL), 0);
    ck_assert_int_eq(ff_spawn_service(pool, "fails", fail_beside_child, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_worker_that_helps_its_group_is_not_said_to_wait)
{
    struct ff_death *death = die_failed(body_helping, NULL, "task \"fails\" failed: EIO");

    ff_death_expect_text(death, "other threads:\n");
    ff_death_expect_count(death, "task \"busy child\"", 2); /* Still running, too. */
    ff_death_expect_no_text(death, "waits");
    free(death);
}
END_TEST

/* --- Tasks that fork, and return in the child too --- */

/* Shared with the children. */
static struct shared {
    pid_t parent;
    _Atomic unsigned in_parent, in_child;
    _Atomic pid_t child;
} * shared;

static void shared_new(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    shared->parent = getpid();
}

static int count_where(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    ff__add_relaxed(getpid() == shared->parent ? &shared->in_parent : &shared->in_child, 1);
    return 0;
}

static int fork_and_return(ff_task *self, void *arg)
{
    pid_t child = fork();

    (void)self;
    (void)arg;
    if (child > 0)
        ff__store_relaxed(&shared->child, child);
    return child < 0 ? -errno : 0;
}

/* Both processes come here. @return in the parent, when the child has ended. */
static void expect_child_gone(void)
{
    const uint64_t end_ns = ff_deadline_ns(2 * (uint64_t)ff_test_slow() * FF_SECOND);
    pid_t child = ff__load_relaxed(&shared->child), ended = 0;

    ck_assert_int_gt(child, 0);
    while (ended == 0 && ff_now_ns() < end_ns)
        ended = waitpid(child, NULL, WNOHANG);
    if (ended == 0)
        kill(child, SIGKILL);
    kit_say(ended == child ? "the child has ended\n" : "the child hangs\n");
}

static void body_task_forks(void *unused)
{
    ff_pool *pool = kit_pool(1);
    struct kit_gate gate;
    char text[64];

    (void)unused;
    shared_new();
    kit_gate_close(&gate, pool);
    ck_assert_int_eq(ff_spawn(pool, "forks", fork_and_return, NULL), 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(ff_spawn(pool, "queued", count_where, NULL), 0);
    kit_gate_open(&gate);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    expect_child_gone();
    snprintf(text, sizeof text, "ran %u here, %u there\n", ff__load_relaxed(&shared->in_parent),
             ff__load_relaxed(&shared->in_child));
    kit_say(text);
    _exit(0);
}

START_TEST(a_task_that_forks_and_returns_in_the_child_leaves_the_queue_to_the_parent)
{
    struct ff_death *death = ff_death_run(body_task_forks, NULL, 8000);

    ff_death_expect_exit(death, 0);
    ff_death_expect_text(death, "the child has ended\n");
    ff_death_expect_text(death, "ran 5 here, 0 there\n");
    ff_death_expect_count(death, KIT_BANNER, 0);
    free(death);
}
END_TEST

/* With the pool's lock held, as any thread of the parent may hold it at the moment of a fork. */
static struct kit_gate forking;

static void hold_lock_while_it_forks(void *unused)
{
    (void)unused;
    sem_post(&forking.entered);
    kit_sem_wait(&forking.leave);
}

static int serve_and_fork(ff_task *self, void *arg)
{
    int rc;

    kit_sem_wait(&forking.entered);
    rc = fork_and_return(self, arg);
    sem_post(&forking.leave); /* In the child nobody hears it. */
    return rc;
}

static void body_service_forks(void *unused)
{
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "forks",
                                             .flags = FF_MAY_FINISH};
    ff_pool *pool = kit_pool(1);

    (void)unused;
    shared_new();
    kit_gate_init(&forking);
    ff__pool_on_shutdown(pool, hold_lock_while_it_forks, NULL);
    ck_assert_int_eq(ff_spawn_service_with(pool, &options, serve_and_fork, NULL), 0);
    ck_assert_int_eq(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER), 0);
    expect_child_gone();
    _exit(0);
}

START_TEST(a_service_that_forks_and_returns_in_the_child_ends_there)
{
    struct ff_death *death = ff_death_run(body_service_forks, NULL, 8000);

    ff_death_expect_exit(death, 0);
    ff_death_expect_text(death, "the child has ended\n");
    ff_death_expect_count(death, KIT_BANNER, 0);
    free(death);
}
END_TEST

/* --- Before the first pool, and after the last --- */

static ff_pool *left_pool;

static void use_left_pool(void)
{
    int spawned = ff_spawn(left_pool, "late", return_0, NULL);
    int shut = ff_pool_shutdown(left_pool, FF_DRAIN, FF_NEVER);
    char text[64];

    snprintf(text, sizeof text, "spawn %d shutdown %d\n", spawned, shut);
    kit_say(text);
}

static void body_exit_handler(void *unused)
{
    (void)unused;
    ck_assert_int_eq(atexit(use_left_pool), 0); /* Older than the library's own: it runs later. */
    left_pool = kit_pool(1);
    exit(0);
}

START_TEST(an_exit_handler_older_than_the_first_pool_can_neither_spawn_nor_wait)
{
    struct ff_death *death = ff_death_run(body_exit_handler, NULL, 8000);
    char expected[64];

    snprintf(expected, sizeof expected, "spawn %d shutdown %d\n", -ESHUTDOWN, -EDEADLK);
    ff_death_expect_exit(death, 0);
    ff_death_expect_text(death, expected);
    free(death);
}
END_TEST

static void body_no_key(void *unused)
{
    ff_pool *pool = NULL;
    pthread_key_t key;
    char text[128];
    int made, adopted, critical;

    (void)unused;
    while (pthread_key_create(&key, NULL) == 0)
        ;
    made = ff_pool_new(NULL, &pool);
    adopted = ff_thread_adopt("main");
    critical = ff_critical("start-up", return_0, NULL);
    snprintf(text, sizeof text, "pool %d %s adopt %d critical %d\n", made, pool ? "set" : "left",
             adopted, critical);
    kit_say(text);
}

START_TEST(a_process_without_a_thread_specific_key_left_gets_eagain)
{
    struct ff_death *death = ff_death_run(body_no_key, NULL, 8000);
    char expected[128];

    snprintf(expected, sizeof expected, "pool %d left adopt %d critical %d\n", -EAGAIN, -EAGAIN,
             -EAGAIN);
    ff_death_expect_exit(death, 99); /* The body returned. */
    ff_death_expect_text(death, expected);
    free(death);
}
END_TEST

FF_TEST_MAIN("ends", 40, a_deadline_callback_that_ends_the_timer_thread_is_a_failure,
             a_drop_that_ends_its_thread_is_a_failure_and_is_not_called_again,
             a_worker_that_helps_its_group_is_not_said_to_wait,
             a_task_that_forks_and_returns_in_the_child_leaves_the_queue_to_the_parent,
             a_service_that_forks_and_returns_in_the_child_ends_there,
             an_exit_handler_older_than_the_first_pool_can_neither_spawn_nor_wait,
             a_process_without_a_thread_specific_key_left_gets_eagain)

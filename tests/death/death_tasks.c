/* How tasks take the process down: every way a task, a service, a timer, a group, a callback or a
 * drop can die, with the whole library. Each test looks at the wait status, the number of reports,
 * their words, and the time. */
#include "fail_kit.h"
#include "pool_kit.h"

#include <stdio.h>

/* A death within the library's own means: one report, long before any deadline. */
static struct ff_death *die(void (*body)(void *arg), void *arg)
{
    struct ff_death *death = ff_death_run(body, arg, 8000);

    ff_death_expect_count(death, KIT_BANNER, 1);
    ck_assert(death->ms < 3000 * ff_test_slow());
    return death;
}

/* By an error status: exit code 1, and who failed, how. */
static struct ff_death *die_failed(void (*body)(void *arg), void *arg, const char *verdict)
{
    struct ff_death *death = die(body, arg);

    ff_death_expect_exit(death, 1);
    ff_death_expect_text(death, verdict);
    ff_death_expect_count(death, "=== failfast: the process exits with code 1 ===", 1);
    return death;
}

static void wait_for_the_end(void)
{
    for (;;)
        pause();
}

/* Spawns fn in a pool of so many workers, and waits. */
static void in_pool(unsigned workers, const char *name, ff_task_fn *fn, void *arg)
{
    ff_pool *pool = kit_pool(workers);

    ck_assert_int_eq(ff_spawn(pool, name, fn, arg), 0);
    wait_for_the_end();
}

static int hold(ff_task *self, void *arg)
{
    sem_t *held = arg;

    sem_post(held);
    return ff_sleep(self, FF_NEVER);
}

/* --- Error status --- */

static int fail_in_words(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -EBADMSG, "bad record %d", 88);
}

static void body_fail(void *workers)
{
    in_pool(*(unsigned *)workers, "parse", fail_in_words, NULL);
}

START_TEST(a_failing_task_is_reported_once_with_message_and_place_and_the_process_exits_with_1)
{
    for (unsigned workers = 1; workers <= 64; workers += 63) {
        struct ff_death *death =
            die_failed(body_fail, &workers, "task \"parse\" failed: EBADMSG (Bad message) ===\n");

        ff_death_expect_text(death, "message:   bad record 88\n");
        ff_death_expect_text(death, "death_tasks.c:");
        ff_death_expect_text(death, " in fail_in_words()\n");
        ff_death_expect_text(death, "cause:     error status, code -74\n");
        ff_death_expect_text(death, "  #0  fail_in_words+0x");
        ff_death_expect_text(death, "spawned from: in_pool+0x");
        ff_death_expect_no_text(death, "still running");
        free(death);
    }
}
END_TEST

static int fail_bare(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return -EIO;
}

static void body_bare(void *unused)
{
    (void)unused;
    in_pool(1, "bare", fail_bare, NULL);
}

START_TEST(a_bare_return_names_task_function_and_spawn_site)
{
    struct ff_death *death =
        die_failed(body_bare, NULL, "task \"bare\" failed: EIO (Input/output error)");

    ff_death_expect_text(death, "function:  fail_bare  ");
    ff_death_expect_text(death, "spawned from: in_pool+0x");
    ff_death_expect_no_text(death, "message:");
    free(death);
}
END_TEST

static int spawn_bare(ff_task *self, void *arg)
{
    int rc = ff_spawn(ff_task_pool(self), "grandchild", fail_bare, NULL);

    *(volatile int *)arg = rc; /* No tail call, which would hide the place of the spawn. */
    return rc;
}

static void body_child(void *unused)
{
    (void)unused;
    in_pool(2, "parent", spawn_bare, &(int){0});
}

START_TEST(a_failing_task_that_a_task_spawned_names_its_parent)
{
    struct ff_death *death = die_failed(body_child, NULL, "task \"grandchild\" failed: EIO");

    ff_death_expect_text(death, "spawned by: task #");
    ff_death_expect_text(death, "spawned from: spawn_bare+0x");
    free(death);
}
END_TEST

static int cancel_unasked(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return FF_CANCELED;
}

static void body_unasked(void *unused)
{
    (void)unused;
    in_pool(1, "liar", cancel_unasked, NULL);
}

START_TEST(canceled_without_a_request_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_unasked, NULL, "task \"liar\" failed: cancelled without a request ===\n");

    free(death);
}
END_TEST

static int return_0(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static void body_service_returned(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_service(pool, "loop", return_0, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_service_that_returns_while_the_pool_runs_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_service_returned, NULL, "task \"loop\" failed: service task returned");

    free(death);
}
END_TEST

static void body_service_failed(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_service(pool, "processor", fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_failing_service_is_reported_under_its_name)
{
    struct ff_death *death =
        die_failed(body_service_failed, NULL, "task \"processor\" failed: EBADMSG");

    ff_death_expect_text(death, "thread:    \"processor\" (tid ");
    free(death);
}
END_TEST

static void body_timer_failed(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_every(pool, "health", FF_MILLISECOND, fail_in_words, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_failing_timer_task_is_a_failure)
{
    struct ff_death *death = die_failed(body_timer_failed, NULL, "task \"health\" failed: EBADMSG");

    ff_death_expect_text(death, "spawned from: body_timer_failed+0x");
    free(death);
}
END_TEST

static void body_critical(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_critical("start-up", fail_in_words, NULL), 0);
}

START_TEST(a_critical_failure_on_main_ends_the_process)
{
    struct ff_death *death = die_failed(body_critical, NULL, "task \"start-up\" failed: EBADMSG");

    free(death);
}
END_TEST

static int panic_in_task(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    ff_panic("cannot go on: %s", "no disk");
}

static void body_panic_in_task(void *unused)
{
    (void)unused;
    in_pool(1, "panics", panic_in_task, NULL);
}

static void body_panic_alone(void *unused)
{
    (void)unused;
    ff_panic("cannot go on: %s", "no disk");
}

START_TEST(panic_ends_the_process_in_a_task_and_without_any_pool)
{
    struct ff_death *death =
        die_failed(body_panic_in_task, NULL, "task \"panics\" failed by request");

    ff_death_expect_text(death, "message:   cannot go on: no disk\n");
    ff_death_expect_text(death, " in panic_in_task()\n");
    free(death);
    death = die_failed(body_panic_alone, NULL, "the process failed by request");
    ff_death_expect_text(death, "message:   cannot go on: no disk\n");
    free(death);
}
END_TEST

/* --- Groups --- */

static int pass_up(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "load_cart", arg ? pass_up : fail_in_words, NULL);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static void body_chain(void *unused)
{
    static int twice;

    (void)unused;
    in_pool(1, "handle_request", pass_up, &twice);
}

START_TEST(a_failure_passed_up_shows_what_it_was_caused_by)
{
    struct ff_death *death =
        die_failed(body_chain, NULL, "task \"handle_request\" failed: EBADMSG");

    ff_death_expect_count(death, "caused by: task \"load_cart\" failed: EBADMSG", 2);
    ff_death_expect_count(death, "message:   bad record 88\n", 1);
    free(death);
}
END_TEST

static int free_unread(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "lost", fail_in_words, NULL);
    while (rc == 0 && ff_group_failure_count(group) == 0)
        ; /* It runs on the other worker. */
    ff_group_cancel(group);
    while (!ff_canceled(ff_group_token(group)))
        ;
    rc = ff_sleep(self, 50 * FF_MILLISECOND); /* Its end comes right after its failure. */
    ff_group_free(group);
    return rc;
}

static void body_unread(void *unused)
{
    (void)unused;
    in_pool(2, "careless", free_unread, NULL);
}

START_TEST(a_group_freed_with_an_unread_failure_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_unread, NULL,
                   "task \"careless\" failed: a group was freed with an unread failure ===\n");

    ff_death_expect_text(death, "caused by: task \"lost\" failed: EBADMSG");
    ff_death_expect_text(death, "message:   bad record 88\n");
    free(death);
}
END_TEST

static int free_abandoned(ff_task *self, void *arg)
{
    ff_group *group;
    sem_t held;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    sem_init(&held, 0, 0);
    rc = ff_group_spawn(group, "child", hold, &held);
    kit_sem_wait(&held);
    ff_group_free(group);
    return rc;
}

static void body_abandoned(void *unused)
{
    (void)unused;
    in_pool(2, "careless", free_abandoned, NULL);
}

START_TEST(a_group_freed_with_running_children_is_a_failure)
{
    struct ff_death *death =
        die_failed(body_abandoned, NULL,
                   "task \"careless\" failed: a group was freed with children running ===\n");

    ff_death_expect_text(death, "group \"careless\" was freed with 1 unfinished children");
    free(death);
}
END_TEST

/* --- Threads that end inside a task --- */

static int end_thread(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    pthread_exit(NULL);
}

static int end_thread_in_help(ff_task *self, void *arg)
{
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "nested", end_thread, NULL);
    if (rc == 0)
        rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static int cancel_thread(ff_task *self, void *arg)
{
    (void)arg;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return ff_sleep(self, 0);
}

static void body_exit_in_task(void *unused)
{
    (void)unused;
    in_pool(1, "quitter", end_thread, NULL);
}

static void body_exit_in_help(void *unused)
{
    (void)unused;
    in_pool(1, "outer", end_thread_in_help, NULL);
}

static void body_cancel_in_task(void *unused)
{
    (void)unused;
    in_pool(4, "quitter", cancel_thread, NULL);
}

static void body_exit_in_service(void *unused)
{
    ff_pool *pool = kit_pool(1);

    (void)unused;
    ck_assert_int_eq(ff_spawn_service(pool, "quitter", end_thread, NULL), 0);
    wait_for_the_end();
}

static void *critical_thread(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_critical("quitter", end_thread, NULL), 0);
    return NULL;
}

static void body_exit_in_critical(void *unused)
{
    pthread_t thread;

    (void)unused;
    ck_assert_int_eq(pthread_create(&thread, NULL, critical_thread, NULL), 0);
    wait_for_the_end();
}

START_TEST(a_thread_that_ends_inside_its_task_is_a_failure_of_the_task)
{
    static void (*const bodies[])(void *) = {body_exit_in_task, body_cancel_in_task,
                                             body_exit_in_service, body_exit_in_critical};
    struct ff_death *death;

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        death = die_failed(bodies[i], NULL,
                           "task \"quitter\" failed: its thread ended inside the task ===\n");
        free(death);
    }
    death = die_failed(body_exit_in_help, NULL,
                       "task \"nested\" failed: its thread ended inside the task ===\n");
    free(death);
}
END_TEST

FF_TEST_MAIN("tasks", 40,
             a_failing_task_is_reported_once_with_message_and_place_and_the_process_exits_with_1,
             a_bare_return_names_task_function_and_spawn_site,
             a_failing_task_that_a_task_spawned_names_its_parent,
             canceled_without_a_request_is_a_failure,
             a_service_that_returns_while_the_pool_runs_is_a_failure,
             a_failing_service_is_reported_under_its_name, a_failing_timer_task_is_a_failure,
             a_critical_failure_on_main_ends_the_process,
             panic_ends_the_process_in_a_task_and_without_any_pool,
             a_failure_passed_up_shows_what_it_was_caused_by,
             a_group_freed_with_an_unread_failure_is_a_failure,
             a_group_freed_with_running_children_is_a_failure,
             a_thread_that_ends_inside_its_task_is_a_failure_of_the_task)

/* The watchdog ping and the liveness file: given while every service task beats, and only then.
 *
 * "Given" is awaited without a limit of its own. "Not given" is a silence much longer than the
 * period; a slow machine can only make it longer, so these tests are never wrong by being late. */
#include "service_kit.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define PERIOD_NS (10 * FF_MILLISECOND)
#define BEAT_NS (50 * FF_MILLISECOND)
#define SILENCE_MS 300

/* Signs that may still come after the last beat: BEAT_NS / PERIOD_NS, and far more to be safe on a
 * slow machine, where the reader may find a backlog. Without an end of the signs it is never met.
 */
#define SIGNS_MAX 200

enum { SLEEP, HANG, BEAT };
static atomic_int behaviour = SLEEP;

/* Does what behaviour says. */
static int obedient_loop(ff_task *self, void *arg)
{
    (void)arg;
    while (!ff_task_canceled(self)) {
        switch (atomic_load(&behaviour)) {
        case SLEEP:
            if (ff_sleep(self, FF_MILLISECOND) < 0)
                return FF_CANCELED;
            break;
        case BEAT:
            ff_beat(self);
            usleep(100);
            break;
        default: /* Alive for the kernel, dead for its users. */
            usleep(100);
        }
    }
    return FF_CANCELED;
}

/* Drops signs until none came for SILENCE_MS. */
static void silence_await(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char buffer[4096];
    int signs = 0;

    while (poll(&ready, 1, SILENCE_MS) > 0) {
        require(read(fd, buffer, sizeof buffer) > 0);
        require(++signs < SIGNS_MAX);
    }
}

static void watchdog_set(const char *pid)
{
    char usec[32];

    snprintf(usec, sizeof usec, "%d", (int)(2 * PERIOD_NS / FF_MICROSECOND));
    require(setenv("WATCHDOG_USEC", usec, 1) == 0);
    if (pid)
        require(setenv("WATCHDOG_PID", pid, 1) == 0);
}

static void run_with(ff_task_fn *driver, const char *liveness_path)
{
    struct ff_service_options options = {.size = sizeof options,
                                         .beat_ns = BEAT_NS,
                                         .liveness_path = liveness_path};
    ff_pool *pool = pool_with(1);

    require(ff_spawn_service(pool, "steady", sleep_loop, NULL) == 0);
    require(ff_spawn_service(pool, "obedient", obedient_loop, NULL) == 0);
    require(ff_spawn(pool, "driver", driver, NULL) == 0);
    run_and_exit(pool, &options);
}

/* ---- The watchdog. */

static int watchdog_driver(ff_task *self, void *arg)
{
    (void)self, (void)arg;
    manager_expect("READY=1");
    for (int i = 0; i < 3; i++)
        manager_expect("WATCHDOG=1");
    atomic_store(&behaviour, HANG); /* One of two service tasks. */
    silence_await(manager_fd);
    atomic_store(&behaviour, BEAT);
    for (int i = 0; i < 3; i++)
        manager_expect("WATCHDOG=1");
    atomic_store(&behaviour, HANG);
    silence_await(manager_fd);
    atomic_store(&behaviour, SLEEP);
    manager_expect("WATCHDOG=1");
    signal_self(SIGTERM);
    return 0;
}

static void body_watchdog(void *arg)
{
    char pid[32];

    (void)arg;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    manager_open();
    watchdog_set(pid);
    run_with(watchdog_driver, NULL);
}

START_TEST(service_pings_the_watchdog_only_while_every_service_task_beats)
{
    free(expect_exit(body_watchdog, NULL, 0));
}
END_TEST

static int no_watchdog_driver(ff_task *self, void *arg)
{
    (void)self, (void)arg;
    manager_expect("READY=1");
    require(manager_quiet(SILENCE_MS));
    signal_self(SIGTERM);
    manager_expect("STOPPING=1");
    return 0;
}

static void body_other_process(void *arg)
{
    (void)arg;
    manager_open();
    watchdog_set("1"); /* Not we, who have a parent. */
    run_with(no_watchdog_driver, NULL);
}

START_TEST(service_leaves_the_watchdog_of_another_process_alone)
{
    struct ff_death *death = expect_exit(body_other_process, NULL, 0);

    ff_death_expect_no_text(death, "WATCHDOG");
    free(death);
}
END_TEST

static void body_malformed(void *arg)
{
    const char *const *variable = arg; /* Its name and value. */

    manager_open();
    watchdog_set(NULL);
    require(setenv(variable[0], variable[1], 1) == 0);
    run_with(no_watchdog_driver, NULL);
}

static void expect_ignored(const char *name, const char *value)
{
    const char *variable[] = {name, value};
    struct ff_death *death = expect_exit(body_malformed, variable, 0);

    ff_death_expect_text(death, name);
    ff_death_expect_count(death, "\n", 1);
    free(death);
}

START_TEST(service_says_a_malformed_watchdog_variable_in_one_line_and_pings_nobody)
{
    expect_ignored("WATCHDOG_USEC", "20ms");
    expect_ignored("WATCHDOG_USEC", "0");
    expect_ignored("WATCHDOG_USEC", "99999999999999999999");
    expect_ignored("WATCHDOG_PID", "-1");
    expect_ignored("WATCHDOG_PID", "self");
}
END_TEST

/* ---- The liveness file. */

static char directory[] = "/tmp/death_heartbeat.XXXXXX";
static char file[sizeof directory + 8];
static int watch_fd;

static int touch_driver(ff_task *self, void *arg)
{
    char buffer[4096];

    (void)self, (void)arg;
    for (int i = 0; i < 3; i++)
        require(read(watch_fd, buffer, sizeof buffer) > 0);
    atomic_store(&behaviour, HANG);
    silence_await(watch_fd);
    require(unlink(file) == 0); /* Somebody cleans up. */
    atomic_store(&behaviour, SLEEP);
    while (access(file, F_OK) < 0)
        require(read(watch_fd, buffer, sizeof buffer) > 0);
    signal_self(SIGTERM);
    return 0;
}

/* Without a manager: the file needs none. */
static void body_liveness(void *arg)
{
    (void)arg;
    unsetenv("NOTIFY_SOCKET");
    run_with(touch_driver, file);
}

START_TEST(service_touches_the_liveness_file_only_while_every_service_task_beats)
{
    struct stat before, after;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/alive", directory);
    watch_fd = inotify_init1(IN_CLOEXEC);
    ck_assert_int_ge(watch_fd, 0);
    ck_assert_int_ge(inotify_add_watch(watch_fd, directory, IN_ATTRIB | IN_CREATE), 0);
    ck_assert_int_eq(stat(directory, &before), 0);
    free(expect_exit(body_liveness, NULL, 0));
    ck_assert_int_eq(stat(file, &after), 0);
    ck_assert_int_eq(after.st_size, 0);
    ck_assert_int_ge(after.st_mtime, before.st_mtime);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

static void body_existing(void *arg)
{
    struct ff_service_options options = {.size = sizeof options, .liveness_path = file};
    ff_pool *pool = pool_with(1);

    (void)arg;
    unsetenv("NOTIFY_SOCKET");
    require(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) == 0);
    run_and_exit(pool, &options);
}

START_TEST(service_touches_an_old_liveness_file_at_the_start_and_keeps_what_is_in_it)
{
    struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    struct stat after;
    int fd;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/alive", directory);
    fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "text", 4), 4);
    ck_assert_int_eq(futimens(fd, long_ago), 0);
    close(fd);
    free(expect_exit(body_existing, NULL, 0));
    ck_assert_int_eq(stat(file, &after), 0);
    ck_assert_int_gt(after.st_mtime, 1);
    ck_assert_int_eq(after.st_size, 4);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

FF_TEST_MAIN("heartbeat", 60, service_pings_the_watchdog_only_while_every_service_task_beats,
             service_leaves_the_watchdog_of_another_process_alone,
             service_says_a_malformed_watchdog_variable_in_one_line_and_pings_nobody,
             service_touches_the_liveness_file_only_while_every_service_task_beats,
             service_touches_an_old_liveness_file_at_the_start_and_keeps_what_is_in_it)

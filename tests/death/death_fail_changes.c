/* Failures in a process that has changed since the first pool: another library was loaded, handlers
 * were installed over the library's, the first thread has ended, the process is a fork. */
#include "hostile_kit.h"

#include <dlfcn.h>
#include <sched.h>
#include <sys/prctl.h>

/* --- A library loaded since --- */

static int crash_in_late_library(ff_task *self, void *arg)
{
    void *library = dlopen(FF_TEST_LATE_MODULE, RTLD_NOW);
    void (*crash)(void);

    (void)self;
    (void)arg;
    ck_assert_ptr_nonnull(library);
    crash = (void (*)(void))(uintptr_t)dlsym(library, "late_crash");
    crash();
    return 0;
}

static void body_late_library(void *unused)
{
    (void)unused;
    kit_spawn_victim(crash_in_late_library, NULL);
    kit_wait_for_the_end();
}

START_TEST(fault_in_a_library_loaded_since_is_no_call_through_a_bad_pointer)
{
    struct ff_death *death = ff_death_run(body_late_library, NULL, 5000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_count(death, "CRITICAL", 1);
    ff_death_expect_text(death, "task \"victim\" died by SIGSEGV: address not mapped ===");
    ff_death_expect_text(death, "#0  late_module");
    free(death);
}
END_TEST

/* --- The first thread has ended --- */

/* The kernel shows the maps of the first thread there: none once it has ended. */
static void await_end_of_main(void)
{
    ssize_t got = 1;
    char byte;

    while (got > 0) {
        int fd = open("/proc/self/maps", O_RDONLY);

        ck_assert_int_ge(fd, 0);
        got = read(fd, &byte, 1);
        close(fd);
        sched_yield();
    }
}

static int crash_without_main(ff_task *self, void *arg)
{
    (void)self;
    await_end_of_main();
    kit_segv(arg);
    return 0;
}

static void body_main_gone(void *unused)
{
    (void)unused;
    kit_spawn_victim(crash_without_main, NULL);
    pthread_exit(NULL);
}

START_TEST(frames_have_module_names_when_the_first_thread_has_ended)
{
    struct ff_death *death = ff_death_run(body_main_gone, NULL, 5000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_count(death, "CRITICAL", 1);
    ff_death_expect_text(death, "task \"victim\" died by SIGSEGV: address not mapped ===");
    ff_death_expect_text(death, "#0  death_fail_changes+0x");
    free(death);
}
END_TEST

/* --- Handlers of the program --- */

static void say_and_die(int signal)
{
    static const struct sigaction by_default = {.sa_handler = SIG_DFL};

    kit_say("<own handler>");
    sigaction(signal, &by_default, NULL);
}

static void install_own(void)
{
    struct sigaction own = {.sa_handler = say_and_die};

    ck_assert_int_eq(sigaction(SIGSEGV, &own, NULL), 0);
}

static void body_own_and_second_pool(void *unused)
{
    (void)unused;
    (void)kit_pool(1);
    install_own();
    kit_spawn_victim(kit_crash_task, NULL);
    kit_wait_for_the_end();
}

static void body_own_and_critical(void *unused)
{
    (void)kit_pool(1);
    install_own();
    ck_assert_int_eq(ff_critical("fine", kit_fine_task, NULL), 0);
    kit_segv(unused);
}

static void body_own_and_crash_in_critical(void *unused)
{
    (void)unused;
    (void)kit_pool(1);
    install_own();
    ck_assert_int_eq(ff_critical("victim", kit_crash_task, NULL), 0);
}

START_TEST(handler_installed_after_the_first_pool_is_kept_and_called)
{
    static void (*const bodies[])(void *) = {body_own_and_second_pool, body_own_and_critical,
                                             body_own_and_crash_in_critical};

    for (size_t i = 0; i < FF__ARRAY_SIZE(bodies); i++) {
        struct ff_death *death = ff_death_run(bodies[i], NULL, 5000);

        ff_death_expect_signal(death, SIGSEGV);
        ff_death_expect_count(death, "<own handler>", 1);
        ff_death_expect_count(death, "CRITICAL", 0);
        ck_assert(death->ms < 3000 * ff_test_slow());
        free(death);
    }
}
END_TEST

static struct sigaction before_chain;

static void chain(int signal, siginfo_t *info, void *ucontext)
{
    ck_assert((before_chain.sa_flags & SA_SIGINFO) != 0);
    kit_say("<chain>");
    before_chain.sa_sigaction(signal, info, ucontext);
}

/* The program's handler passes on to the library's, and lies below it from the second pool on. */
static ff_pool *chain_both_ways(void)
{
    struct sigaction theirs = {.sa_sigaction = chain, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    ff_pool *first = kit_pool(1);

    ck_assert_int_eq(sigaction(SIGSEGV, &theirs, &before_chain), 0);
    kit_pool_end(first, FF_DRAIN);
    return kit_pool(1);
}

static void body_chain_in_task(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_spawn(chain_both_ways(), "victim", kit_crash_task, NULL), 0);
    kit_wait_for_the_end();
}

static void body_chain_in_foreign_thread(void *unused)
{
    (void)chain_both_ways();
    kit_segv(unused);
}

START_TEST(two_handlers_that_pass_on_to_each_other_make_one_report_and_die)
{
    static void (*const bodies[])(void *) = {body_chain_in_task, body_chain_in_foreign_thread};

    for (size_t i = 0; i < FF__ARRAY_SIZE(bodies); i++) {
        struct ff_death *death = ff_death_run(bodies[i], NULL, 6000);

        kit_expect_fault(death, SIGSEGV);
        ff_death_expect_count(death, "CRITICAL", 1);
        ff_death_expect_count(death, "<chain>", 1);
        free(death);
    }
}
END_TEST

/* --- A fork --- */

/* Runs fn in a child that does not outlive this process, and ends as it did. */
static void in_fork(void (*fn)(void))
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fn();
        _exit(98);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

static void adopt_and_crash(void)
{
    ck_assert_int_eq(ff_thread_adopt("child main"), 0);
    kit_segv(NULL);
}

static void body_fork_adopted(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_thread_adopt("parent main"), 0);
    in_fork(adopt_and_crash);
}

START_TEST(fault_of_a_thread_adopted_again_in_a_forked_child_is_reported)
{
    struct ff_death *death = ff_death_run(body_fork_adopted, NULL, 5000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_count(death, "CRITICAL", 1);
    ff_death_expect_text(death, "thread \"child main\" died by SIGSEGV");
    free(death);
}
END_TEST

static void hang_at_exit(void)
{
    kit_hook_hang(NULL);
}

static void fail_in_critical(void)
{
    ck_assert_int_eq(atexit(hang_at_exit), 0);
    ck_assert_int_eq(ff_critical("victim", kit_failing_task, NULL), 0);
}

static void crash_in_critical(void)
{
    ck_assert_int_eq(ff_critical("victim", kit_crash_task, NULL), 0);
}

static void body_fork_critical(void *fn)
{
    kit_configure(0, 0, 500 * FF_MILLISECOND);
    ck_assert_int_eq(ff_thread_adopt("parent main"), 0);
    in_fork(*(void (**)(void))fn);
}

static struct ff_death *die_in_forked_critical(void (*fn)(void))
{
    return ff_death_run(body_fork_critical, &fn, 5000);
}

START_TEST(critical_call_of_a_forked_child_has_a_report_and_a_guardian)
{
    struct ff_death *death = die_in_forked_critical(fail_in_critical);

    ff_death_expect_exit(death, 1);
    ff_death_expect_count(death, "CRITICAL", 1);
    ff_death_expect_text(death, "task \"victim\" failed: EIO");
    ck_assert(death->ms < 2500 * ff_test_slow());
    free(death);
}
END_TEST

START_TEST(fault_in_a_critical_call_of_a_forked_child_is_reported)
{
    struct ff_death *death = die_in_forked_critical(crash_in_critical);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_count(death, "CRITICAL", 1);
    ff_death_expect_text(death, "task \"victim\" died by SIGSEGV");
    free(death);
}
END_TEST

FF_TEST_MAIN("fail_changes", 30, fault_in_a_library_loaded_since_is_no_call_through_a_bad_pointer,
             frames_have_module_names_when_the_first_thread_has_ended,
             handler_installed_after_the_first_pool_is_kept_and_called,
             two_handlers_that_pass_on_to_each_other_make_one_report_and_die,
             fault_of_a_thread_adopted_again_in_a_forked_child_is_reported,
             critical_call_of_a_forked_child_has_a_report_and_a_guardian,
             fault_in_a_critical_call_of_a_forked_child_is_reported)

/* The way down from a fatal signal, without a scheduler. */
#include "fail_kit.h"

#include <stdint.h>
#include <sys/mman.h>

/* Runs fn(arg) on a thread with a row and a task, as a worker would. */
struct on_worker {
    void (*fn)(void *arg);
    void *arg;
};

static void *worker_main(void *arg)
{
    const struct on_worker *job = arg;

    kit_enter("pool/worker 3", "crunch", 7);
    job->fn(job->arg);
    kit_leave();
    return NULL;
}

static void run_on_worker(void (*fn)(void *arg), void *arg)
{
    struct on_worker job = {fn, arg};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, worker_main, &job), 0);
    pthread_join(thread, NULL);
}

static void body_on_worker(void *fn)
{
    kit_start(&kit_ops);
    run_on_worker(*(void (**)(void *))fn, NULL);
}

static struct ff_death *die_on_worker(void (*fn)(void *arg))
{
    return ff_death_run(body_on_worker, &fn, 7000);
}

static void do_divide(void *unused)
{
    (void)unused;
#if defined(__x86_64__)
    static volatile int zero;
    volatile int one = 1;

    __asm__ volatile("cltd; idivl %1" : : "a"(one), "m"(zero) : "edx", "cc");
#endif
    raise(SIGFPE); /* Where a division by zero is no fault. */
}

static void do_illegal(void *unused)
{
    (void)unused;
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile("udf #0");
#endif
}

static void do_bus(void *unused)
{
    char path[] = "/tmp/failfast-bus-XXXXXX";
    int fd = mkstemp(path);
    volatile char *map;

    (void)unused;
    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    map = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    ck_assert_ptr_ne((void *)(uintptr_t)map, MAP_FAILED);
    (void)map[4096];
}

static void do_trap(void *unused)
{
    (void)unused;
    raise(SIGTRAP);
}

static void do_sys(void *unused)
{
    (void)unused;
    raise(SIGSYS);
}

static void do_null_call(void *unused)
{
    static void (*volatile nobody)(void);

    (void)unused;
    nobody();
    kit_nothing(); /* No tail call: this frame is to be seen. */
}

static void do_wild_call(void *unused)
{
    static char data[16] = "not code";
    void (*volatile wild)(void) = (void (*)(void))(uintptr_t)data;

    (void)unused;
    wild();
    kit_nothing();
}

static int recurse(const volatile char *above)
{
    volatile char frame[1000];

    frame[0] = *above;
    return frame[0] == 2 ? 0 : recurse(frame) + frame[0];
}

static void do_overflow(void *unused)
{
    volatile char c = 1;

    (void)unused;
    (void)recurse(&c);
}

static const struct way {
    void (*fn)(void *arg);
    int signal;
    const char *text;
} ways[] = {
    {kit_segv, SIGSEGV, "died by SIGSEGV: address not mapped ===\n"},
    {kit_abort, SIGABRT, "died by SIGABRT: abort()"},
    {do_divide, SIGFPE, "died by SIGFPE: "},
    {do_illegal, SIGILL, "died by SIGILL: illegal "},
    {do_bus, SIGBUS, "died by SIGBUS: no memory behind the address"},
    {do_trap, SIGTRAP, "died by SIGTRAP: sent to the thread"},
    {do_sys, SIGSYS, "died by SIGSYS: sent to the thread"},
    {do_null_call, SIGSEGV, "died by SIGSEGV: call through a NULL or bad pointer"},
    {do_wild_call, SIGSEGV, "died by SIGSEGV: call through a NULL or bad pointer"},
    {do_overflow, SIGSEGV, "died by SIGSEGV: stack overflow ==="},
};

START_TEST(fault_of_a_task_names_it_and_ends_by_the_signal)
{
    for (size_t i = 0; i < FF__ARRAY_SIZE(ways); i++) {
        struct ff_death *death = die_on_worker(ways[i].fn);

        kit_expect_fault(death, ways[i].signal);
        ff_death_expect_text(death, ways[i].text);
        ff_death_expect_text(death, "CRITICAL: task \"crunch\" died by ");
        ff_death_expect_text(death, "task:      \"crunch\" (#7)");
        ff_death_expect_text(death, "thread:    \"pool/worker 3\" (tid ");
        ff_death_expect_text(death, "other threads:\n  \"main\" (tid ");
        ff_death_expect_text(death, "registers: pc 0x");
        ff_death_expect_text(death, "\n  #0  ");
        ff_death_expect_text(death, "\n  #2  ");
        ff_death_expect_text(death, "death_fail_signal+0x");
        free(death);
    }
}
END_TEST

static void body_overflow_main(void *unused)
{
    kit_start(&kit_ops);
    do_overflow(unused);
}

START_TEST(stack_overflow_of_the_main_thread_is_said_in_words)
{
    struct ff_death *death = ff_death_run(body_overflow_main, NULL, 7000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_text(death, "task \"parse_record\" died by SIGSEGV: stack overflow ===");
    ff_death_expect_text(death, " frames left out)\n");
    free(death);
}
END_TEST

static void body_killed(void *unused)
{
    pid_t child, self = getpid();

    (void)unused;
    kit_start(&kit_ops);
    child = fork();
    if (child == 0) {
        kill(self, SIGSEGV);
        _exit(0);
    }
    kit_hook_hang(NULL);
}

START_TEST(signal_sent_by_another_process_names_the_sender)
{
    struct ff_death *death = ff_death_run(body_killed, NULL, 5000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_text(death, "code 0 (sent by kill()), sent by pid ");
    free(death);
}
END_TEST

static void body_signal_hooks(void *unused)
{
    (void)unused;
    ck_assert_int_eq(ff_at_abort("oldest", kit_hook_say, "<safe>", FF_HOOK_SIGNAL_SAFE), 0);
    ck_assert_int_eq(ff_at_abort("not safe", kit_hook_say, "<not safe>", 0), 0);
    ck_assert_int_eq(ff_at_abort("broken", kit_segv, NULL, FF_HOOK_SIGNAL_SAFE), 0);
    kit_start(&kit_ops);
    kit_abort(NULL);
}

START_TEST(signal_safe_hooks_run_after_a_fault_past_one_that_faults)
{
    struct ff_death *death = ff_death_run(body_signal_hooks, NULL, 5000);

    kit_expect_fault(death, SIGABRT);
    ff_death_expect_count(death, "<safe>", 1);
    ff_death_expect_no_text(death, "<not safe>");
    ff_death_expect_count(death, "(SIGSEGV in an at-abort hook)", 1);
    free(death);
}
END_TEST

static void body_hanging_hook(void *unused)
{
    (void)unused;
    kit_configure(0, 0, 300 * FF_MILLISECOND);
    ck_assert_int_eq(ff_at_abort("hang", kit_hook_hang, NULL, FF_HOOK_SIGNAL_SAFE), 0);
    kit_start(&kit_ops);
    kit_abort(NULL);
}

START_TEST(guardian_ends_a_hanging_handler_by_the_signal)
{
    struct ff_death *death = ff_death_run(body_hanging_hook, NULL, 5000);

    ff_death_expect_signal(death, SIGABRT);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ck_assert(death->ms >= 290);
    free(death);
}
END_TEST

#if defined(__x86_64__)
static void smash_sp(void *unused)
{
    (void)unused;
    __asm__ volatile("mov $0x1000, %%rsp; mov $0x2000, %%rbp; movl $1, (%%rsp)" ::: "memory");
}

static void smash_fp(void *unused)
{
    (void)unused;
    __asm__ volatile("mov $0xffff800000000000, %%rbp; movl $1, 8" ::: "memory");
}

static void smash_code_pointer(void *unused)
{
    /* A return to nowhere, above it garbage. */
    (void)unused;
    __asm__ volatile("sub $256, %%rsp; movq $0x1234, (%%rsp); movq $0x77, 8(%%rsp); ret" ::
                         : "memory");
}

static void (*const smashes[])(void *) = {smash_sp, smash_fp, smash_code_pointer};
#else
static void (*const smashes[])(void *) = {kit_segv};
#endif

START_TEST(fault_with_smashed_registers_is_reported_once)
{

    for (size_t i = 0; i < FF__ARRAY_SIZE(smashes); i++) {
        struct ff_death *death = die_on_worker(smashes[i]);

        kit_expect_fault(death, SIGSEGV);
        ff_death_expect_text(death, "task \"crunch\" died by SIGSEGV");
        ff_death_expect_text(death, "other threads:\n");
        free(death);
    }
}
END_TEST

static void fault_in_mark(void)
{
    kit_segv(NULL);
}

static void body_nested(void *unused)
{
    static const struct ff__abort_ops ops = {kit_nothing, fault_in_mark, kit_all_ended};

    kit_start(&ops);
    kit_abort(unused);
}

START_TEST(fault_inside_the_report_ends_only_the_stage_it_came_in)
{
    struct ff_death *death = ff_death_run(body_nested, NULL, 5000);

    kit_expect_fault(death, SIGABRT);
    ff_death_expect_count(death, "(SIGSEGV while reporting: this part is cut short)", 1);
    free(death);
}
END_TEST

static void body_exit_on_fault(void *unused)
{
    struct ff_failure_options options = {.size = sizeof options,
                                         .exit_code = 9,
                                         .exit_on_fault = 1};

    ck_assert_int_eq(ff_failure_configure(&options), 0);
    kit_start(&kit_ops);
    kit_segv(unused);
}

START_TEST(fault_ends_with_the_exit_code_when_configured)
{
    struct ff_death *death = ff_death_run(body_exit_on_fault, NULL, 5000);

    ff_death_expect_exit(death, 9);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ff_death_expect_text(death, "the process exits with code 9");
    free(death);
}
END_TEST

static pthread_barrier_t together;

static void fault_together(void *unused)
{
    pthread_barrier_wait(&together);
    kit_segv(unused);
}

static void wait_for_others(void *unused)
{
    struct timespec pause = {0, 1000000};

    /* A hook: until the other three threads have failed too, or the guardian ends this. */
    (void)unused;
    while (ff__also_count() < 3)
        nanosleep(&pause, NULL);
}

static void body_many(void *unused)
{
    static struct on_worker job = {fault_together, NULL};
    pthread_t threads[4];

    (void)unused;
    ck_assert_int_eq(ff_at_abort("wait", wait_for_others, NULL, FF_HOOK_SIGNAL_SAFE), 0);
    pthread_barrier_init(&together, NULL, 4);
    kit_start(&kit_ops);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, worker_main, &job), 0);
    kit_hook_hang(NULL);
}

START_TEST(faults_of_several_threads_make_one_report_that_lists_them)
{
    struct ff_death *death = ff_death_run(body_many, NULL, 5000);

    kit_expect_fault(death, SIGSEGV);
    ff_death_expect_count(death, "also failed:\n", 1);
    ff_death_expect_count(death, "  task \"crunch\" (#7), thread \"pool/worker 3\"", 3);
    free(death);
}
END_TEST

static void body_full_pipe(void *unused)
{
    kit_stderr_full(O_WRONLY);
    kit_start(&kit_ops);
    kit_segv(unused);
}

START_TEST(fault_ends_in_time_when_stderr_is_a_full_pipe)
{
    struct ff_death *death = ff_death_run(body_full_pipe, NULL, 5000);

    ff_death_expect_signal(death, SIGSEGV);
    ck_assert(death->ms < 2000 * ff_test_slow());
    free(death);
}
END_TEST

FF_TEST_MAIN("death_fail_signal", 30, fault_of_a_task_names_it_and_ends_by_the_signal,
             stack_overflow_of_the_main_thread_is_said_in_words,
             signal_sent_by_another_process_names_the_sender,
             signal_safe_hooks_run_after_a_fault_past_one_that_faults,
             guardian_ends_a_hanging_handler_by_the_signal,
             fault_with_smashed_registers_is_reported_once,
             fault_inside_the_report_ends_only_the_stage_it_came_in,
             fault_ends_with_the_exit_code_when_configured,
             faults_of_several_threads_make_one_report_that_lists_them,
             fault_ends_in_time_when_stderr_is_a_full_pipe)

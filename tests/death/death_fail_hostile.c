/* Failures where little works any more: system calls are refused, the loader's lock is held, TLS is
 * smashed, descriptors are other files, an exit handler crashes. One report, and an end in time. */
#include "hostile_kit.h"

#include "fail/raw.h"
#include "fail/supervisor.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

/* More than any report here has; much less than a handler writes that is entered for ever. */
#define REPORT_BYTES 16384

/* A termination log has 4096 bytes at most. */
#define LOG_CAPACITY 4200

static void expect_one_report(const struct ff_death *death)
{
    ff_death_expect_count(death, "CRITICAL", 1);
    ck_assert_uint_lt(death->length, REPORT_BYTES);
}

/* --- Refused system calls --- */

static const char no_seccomp[] = "no seccomp filter is permitted here";

/* From now on these two calls have this end in every thread. */
static void refuse(long first, long second, uint32_t action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)first, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)second, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {FF__ARRAY_SIZE(code), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        _exit(KIT_SKIPPED);
}

struct refusal {
    void (*damage)(void *unused);
    long first, second; /* System calls. */
    uint32_t action;
    const char *log; /* May be NULL. */
};

static sem_t refused;

static int damage_when_refused(ff_task *self, void *arg)
{
    const struct refusal *refusal = arg;

    (void)self;
    kit_sem_wait(&refused);
    refusal->damage(NULL);
    return 0;
}

static void body_refused(void *arg)
{
    const struct refusal *refusal = arg;

    ck_assert_int_eq(sem_init(&refused, 0, 0), 0);
    if (refusal->log)
        ff__supervisor_set_log(refusal->log);
    kit_spawn_victim(damage_when_refused, arg);
    refuse(refusal->first, refusal->second, refusal->action);
    sem_post(&refused);
    kit_wait_for_the_end();
}

/* @return NULL when it cannot run here. */
static struct ff_death *die_refused(struct refusal refusal)
{
    struct ff_death *death = ff_death_run(body_refused, &refusal, 6000);

    if (!kit_skipped(death, no_seccomp)) {
        ck_assert(death->ms < 3000 * ff_test_slow());
        return death;
    }
    free(death);
    return NULL;
}

#define ANSWER_EPERM (SECCOMP_RET_ERRNO | EPERM)

START_TEST(refused_sigaction_ends_the_process_with_1_after_one_report)
{
    static void (*const damages[])(void *) = {kit_segv, kit_abort};
    static const char *const names[] = {"died by SIGSEGV", "died by SIGABRT"};

    for (size_t i = 0; i < FF__ARRAY_SIZE(damages); i++) {
        struct ff_death *death = die_refused(
            (struct refusal){damages[i], SYS_rt_sigaction, SYS_rt_sigaction, ANSWER_EPERM, NULL});

        if (!death)
            return;
        ff_death_expect_exit(death, 1);
        expect_one_report(death);
        ff_death_expect_text(death, "task \"victim\" ");
        ff_death_expect_text(death, names[i]);
        ff_death_expect_no_text(death, "cut short"); /* The handler was entered once. */
        free(death);
    }
}
END_TEST

START_TEST(refused_getpid_and_gettid_leave_one_report_and_death_by_the_signal)
{
    struct ff_death *death =
        die_refused((struct refusal){kit_segv, SYS_getpid, SYS_gettid, ANSWER_EPERM, NULL});

    if (!death)
        return;
    ff_death_expect_signal(death, SIGSEGV);
    expect_one_report(death);
    free(death);
}
END_TEST

/* The trap comes while the verdict is on its way to stderr; the log has it in any case. */
START_TEST(poll_that_traps_leaves_death_by_the_first_signal)
{
    char path[] = "/tmp/failfast-log-XXXXXX", log[LOG_CAPACITY];
    struct ff_death *death;

    kit_file_make(path, "");
    death = die_refused((struct refusal){kit_segv, SYS_ppoll, SYS_ppoll, SECCOMP_RET_TRAP, path});
    kit_file_take(path, log, sizeof log);
    if (!death)
        return;
    ff_death_expect_signal(death, SIGSEGV);
    ff_death_expect_count(death, KIT_BANNER, 1);
    ck_assert_uint_lt(death->length, REPORT_BYTES);
    ff_death_expect_count(death, "=== failfast: the process dies by SIGSEGV ===\n", 1);
    ck_assert_ptr_nonnull(strstr(log, KIT_BANNER "task \"victim\" died by SIGSEGV"));
    free(death);
}
END_TEST

/* --- The loader's lock --- */

static sem_t loader_held;

static int hold_for_ever(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info;
    (void)size;
    (void)unused;
    sem_post(&loader_held);
    kit_wait_for_the_end();
    return 0;
}

static void *loader_thread(void *unused)
{
    dl_iterate_phdr(hold_for_ever, NULL);
    return unused;
}

/* A victim that does this while another thread holds the loader's lock. */
static void with_loader_held(ff_task_fn *fn)
{
    ff_pool *pool = kit_pool(1);
    pthread_t thread;

    ck_assert_int_eq(sem_init(&loader_held, 0, 0), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, loader_thread, NULL), 0);
    kit_sem_wait(&loader_held);
    ck_assert_int_eq(ff_spawn(pool, "victim", fn, NULL), 0);
    kit_wait_for_the_end();
}

static int fail_and_go_on(ff_task *self, void *arg)
{
    int rc = ff_fail(self, -EIO, "the disk is on fire");

    (void)arg;
    kit_say("<returned>");
    return rc;
}

static void body_fail_with_loader_held(void *unused)
{
    (void)unused;
    kit_configure(0, 0, 700 * FF_MILLISECOND);
    with_loader_held(fail_and_go_on);
}

START_TEST(ff_fail_returns_and_the_process_ends_in_time_when_the_loader_is_held)
{
    struct ff_death *death;

    /* Before glibc 2.35 nothing can walk without that lock. */
    if (!dlsym(RTLD_DEFAULT, "_dl_find_object")) {
        fprintf(stderr, "skipped: this C library has no _dl_find_object\n");
        return;
    }
    death = ff_death_run(body_fail_with_loader_held, NULL, 5000);
    ff_death_expect_exit(death, 1);
    expect_one_report(death);
    ff_death_expect_count(death, "<returned>", 1);
    ff_death_expect_text(death, "task \"victim\" failed: EIO");
    ck_assert(death->ms < 2500 * ff_test_slow());
    free(death);
}
END_TEST

static void body_fault_with_loader_held(void *log)
{
    ff__supervisor_set_log(log);
    with_loader_held(kit_crash_task);
}

START_TEST(fault_whose_walk_hangs_is_told_to_the_log_and_ends_by_the_signal_within_5_s)
{
    char path[] = "/tmp/failfast-log-XXXXXX", log[LOG_CAPACITY];
    struct ff_death *death;

    kit_file_make(path, "");
    death = ff_death_run(body_fault_with_loader_held, path, 8000);
    kit_file_take(path, log, sizeof log);
    ff_death_expect_signal(death, SIGSEGV);
    expect_one_report(death);
    ck_assert(death->ms < 5000 * ff_test_slow());
    ck_assert_ptr_nonnull(strstr(log, KIT_BANNER "task \"victim\" died by SIGSEGV"));
    free(death);
}
END_TEST

/* --- Descriptors that are other files by now --- */

#if defined(__x86_64__)
/* Calls fn(arg). Without unwind information: a walk has to look whether the memory that it guesses
 * by is there. */
int hostile_call(int (*fn)(void *arg), void *arg);
__asm__(".pushsection .text\n"
        ".globl hostile_call\n"
        ".hidden hostile_call\n"
        ".type hostile_call, @function\n"
        "hostile_call:\n"
        "    push %rbp\n"
        "    mov %rsp, %rbp\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    call *%rax\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size hostile_call, . - hostile_call\n"
        ".popsection\n");
#else
static int hostile_call(int (*fn)(void *arg), void *arg)
{
    return fn(arg);
}
#endif

#define FIRST_FD 3
#define LAST_FD 63

static const char data[] = "first line\nsecond line\n";

static int fail_here(void *self)
{
    return ff_fail(self, -EIO, "the disk is on fire");
}

static sem_t asserted;

/* As a daemon does that closes all it does not know, and then opens its own. No thread may be in a
 * ck_assert meanwhile: each writes to a descriptor of Check's, which is one of these. */
static int fail_among_other_files(ff_task *self, void *path)
{
    bool moved = false;
    int rc;

    kit_sem_wait(&asserted);
    for (int fd = FIRST_FD; fd <= LAST_FD; fd++)
        close(fd);
    for (int fd = FIRST_FD; fd <= LAST_FD; fd++)
        if (open(path, O_RDWR) != fd)
            _exit(98);
    rc = hostile_call(fail_here, self);
    for (int fd = FIRST_FD; fd <= LAST_FD; fd++)
        moved |= lseek(fd, 0, SEEK_CUR) != 0;
    if (moved && write(STDERR_FILENO, "<moved>", 7) != 7)
        _exit(98);
    return rc;
}

static void body_other_files(void *path)
{
    ck_assert_int_eq(sem_init(&asserted, 0, 0), 0);
    kit_spawn_victim(fail_among_other_files, path);
    sem_post(&asserted);
    kit_wait_for_the_end();
}

START_TEST(ff_fail_leaves_files_alone_that_were_opened_after_everything_was_closed)
{
    char path[] = "/tmp/failfast-data-XXXXXX", after[256];
    struct ff_death *death;

    kit_file_make(path, data);
    death = ff_death_run(body_other_files, path, 5000);
    kit_file_take(path, after, sizeof after);
    ff_death_expect_exit(death, 1);
    expect_one_report(death);
    ff_death_expect_no_text(death, "<moved>");
    ck_assert_str_eq(after, data);
    ck_assert(death->ms < 3000 * ff_test_slow());
    free(death);
}
END_TEST

/* --- Smashed thread-local memory --- */

#if defined(__x86_64__)
#include <asm/prctl.h>

static int smash_tls(ff_task *self, void *base)
{
    (void)self;
    ff__raw(SYS_arch_prctl, ARCH_SET_FS, FF__RAW_PTR(base), 0, 0, 0);
    kit_segv(NULL);
    return 0;
}

static void body_smashed_tls(void *base)
{
    kit_spawn_victim(smash_tls, base);
    kit_wait_for_the_end();
}

/* The walk may meet the damage with signals blocked: then there is no last line. */
START_TEST(fault_with_smashed_tls_names_the_task_and_dies_by_the_signal)
{
    static char zeros[65536];
    char *const bases[] = {NULL, (char *)4096, zeros + sizeof zeros / 2};

    if (KIT_SANITIZED) {
        fprintf(stderr, "skipped: sanitizers keep their own data in TLS\n");
        return;
    }
    for (size_t i = 0; i < FF__ARRAY_SIZE(bases); i++) {
        struct ff_death *death = ff_death_run(body_smashed_tls, bases[i], 5000);

        ff_death_expect_signal(death, SIGSEGV);
        expect_one_report(death);
        ff_death_expect_text(death, "task \"victim\" died by SIGSEGV");
        ck_assert(death->ms < 3000 * ff_test_slow());
        free(death);
    }
}
END_TEST
#else
START_TEST(fault_with_smashed_tls_names_the_task_and_dies_by_the_signal)
{
    fprintf(stderr, "skipped: only on x86-64 can a program smash its own TLS pointer so\n");
}
END_TEST
#endif

/* --- After the failure --- */

static void crash_at_exit(void)
{
    kit_segv(NULL);
}

static void body_exit_crash(void *unused)
{
    (void)unused;
    ck_assert_int_eq(atexit(crash_at_exit), 0);
    kit_spawn_victim(kit_failing_task, NULL);
    kit_wait_for_the_end();
}

START_TEST(last_line_comes_once_when_an_exit_handler_crashes_after_a_failure)
{
    struct ff_death *death = ff_death_run(body_exit_crash, NULL, 5000);

    ff_death_expect_exit(death, 1);
    expect_one_report(death);
    ff_death_expect_count(death, "while failing: SIGSEGV", 1);
    ff_death_expect_count(death, "=== failfast: the process ", 1);
    ck_assert(death->ms < 3000 * ff_test_slow());
    free(death);
}
END_TEST

FF_TEST_MAIN("fail_hostile", 30, refused_sigaction_ends_the_process_with_1_after_one_report,
             refused_getpid_and_gettid_leave_one_report_and_death_by_the_signal,
             poll_that_traps_leaves_death_by_the_first_signal,
             ff_fail_returns_and_the_process_ends_in_time_when_the_loader_is_held,
             fault_whose_walk_hangs_is_told_to_the_log_and_ends_by_the_signal_within_5_s,
             ff_fail_leaves_files_alone_that_were_opened_after_everything_was_closed,
             fault_with_smashed_tls_names_the_task_and_dies_by_the_signal,
             last_line_comes_once_when_an_exit_handler_crashes_after_a_failure)

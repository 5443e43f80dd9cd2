/* ff_service_run() and its surroundings: handlers, forked children, calls that are refused. */
#include "service_kit.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bool handler_is(int signal, void (*handler)(int))
{
    struct sigaction action;

    require(sigaction(signal, NULL, &action) == 0);
    return action.sa_handler == handler;
}

/* ---- Forked children. */

static int fork_task(ff_task *self, void *arg)
{
    int status;
    pid_t pid;

    (void)self, (void)arg;
    manager_expect("READY=1");
    pid = fork();
    if (pid == 0) {
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        raise(SIGTERM);
        _exit(96);
    }
    require(waitpid(pid, &status, 0) == pid);
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    require(manager_quiet(0)); /* It was the child's signal, not ours. */
    signal_self(SIGTERM);
    return 0;
}

static void body_fork(void *arg)
{
    ff_pool *pool;

    (void)arg;
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "fork", fork_task, NULL) == 0);
    run_and_exit(pool, NULL);
}

START_TEST(service_leaves_the_signals_of_a_forked_child_as_they_were_before)
{
    if (!CHILDREN_NOT_FOLLOWED)
        free(expect_exit(body_fork, NULL, 0));
}
END_TEST

static int fork_and_run_task(ff_task *self, void *arg)
{
    static int signal = SIGTERM;
    int status;
    pid_t pid;

    (void)arg;
    manager_expect("READY=1");
    pid = fork();
    if (pid == 0) {
        ff_pool *parents = ff_task_pool(self);

        require(ff_service_run(parents, NULL) == -EOWNERDEAD);
        _exit(0);
    }
    require(waitpid(pid, &status, 0) == pid);
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    signal_self(signal);
    return 0;
}

static void body_owner(void *arg)
{
    ff_pool *pool;

    (void)arg;
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "fork_and_run", fork_and_run_task, NULL) == 0);
    run_and_exit(pool, NULL);
}

START_TEST(service_refuses_the_pool_of_the_forking_process)
{
    free(expect_exit(body_owner, NULL, 0));
}
END_TEST

static void *fork_thread(void *unused)
{
    static int signal = SIGTERM;
    int status;
    pid_t pid;

    manager_expect("READY=1");
    pid = fork();
    if (pid == 0) {
        live_once(&signal); /* With a pool and a manager of its own. */
        require(handler_is(SIGTERM, SIG_DFL));
        _exit(0);
    }
    require(waitpid(pid, &status, 0) == pid);
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    signal_self(SIGTERM);
    return unused;
}

static void body_fork_run(void *arg)
{
    pthread_t thread;

    (void)arg;
    manager_open();
    require(pthread_create(&thread, NULL, fork_thread, NULL) == 0);
    require(ff_service_run(pool_with(1), NULL) == 0);
    require(pthread_join(thread, NULL) == 0);
    exit(0);
}

START_TEST(service_runs_in_a_child_that_was_forked_while_it_ran)
{
    if (!CHILDREN_NOT_FOLLOWED)
        free(expect_exit(body_fork_run, NULL, 0));
}
END_TEST

/* ---- Calls that are refused, and calls after one another. */

static void on_term(int signal)
{
    (void)signal;
}

static void body_handlers(void *arg)
{
    static int signal = SIGTERM;
    ff_pool *pool;

    (void)arg;
    manager_open();
    require(sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL) == 0);
    require(sigaction(SIGINT, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        pool = pool_with(1);
        require(ff_spawn(pool, "stop", stop_task, &signal) == 0);
        require(ff_service_run(pool, NULL) == 0);
        require(handler_is(SIGTERM, on_term));
        require(handler_is(SIGINT, SIG_IGN));
    }
    exit(0);
}

START_TEST(service_runs_again_and_puts_the_handlers_back)
{
    free(expect_exit(body_handlers, NULL, 0));
}
END_TEST

/* Put in place while the service runs: it is somebody's and stays. */
static int take_over_task(ff_task *self, void *arg)
{
    (void)self, (void)arg;
    manager_expect("READY=1");
    require(sigaction(SIGINT, &(struct sigaction){.sa_handler = on_term}, NULL) == 0);
    signal_self(SIGTERM);
    return 0;
}

static void body_take_over(void *arg)
{
    ff_pool *pool;

    (void)arg;
    manager_open();
    pool = pool_with(1);
    require(ff_spawn(pool, "take_over", take_over_task, NULL) == 0);
    require(ff_service_run(pool, NULL) == 0);
    require(handler_is(SIGTERM, SIG_DFL));
    require(handler_is(SIGINT, on_term));
    exit(0);
}

START_TEST(service_leaves_a_handler_that_somebody_put_in_place_meanwhile)
{
    free(expect_exit(body_take_over, NULL, 0));
}
END_TEST

static int refused_task(ff_task *self, void *arg)
{
    int *ret_rc = arg;

    *ret_rc = ff_service_run(ff_task_pool(self), NULL);
    return 0;
}

static void body_refuse(void *arg)
{
    struct {
        struct ff_service_options known;
        uint64_t unknown;
    } larger = {.known = {.size = sizeof larger}, .unknown = 1};
    struct ff_service_options small = {.size = sizeof small - 1};
    struct ff_service_options nowhere = {.size = sizeof nowhere, .liveness_path = "/nonexistent/x"};
    struct ff_service_options directory = {.size = sizeof directory, .liveness_path = "/"};
    ff_pool *pool = pool_with(1);
    int rc = 1;

    (void)arg;
    require(ff_service_run(NULL, NULL) == -EINVAL);
    require(ff_service_run(pool, &small) == -EINVAL);
    require(ff_service_run(pool, &larger.known) == -E2BIG);
    require(ff_service_run(pool, &nowhere) == -ENOENT);
    require(ff_service_run(pool, &directory) == -EISDIR);
    require(handler_is(SIGTERM, SIG_DFL) && handler_is(SIGINT, SIG_DFL));

    /* The pool is still the caller's, and works. */
    require(ff_spawn(pool, "refused", refused_task, &rc) == 0);
    require(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) == 0);
    require(rc == -EDEADLK);
    require(ff_pool_free(pool) == 0);
    exit(0);
}

START_TEST(service_refuses_bad_input_and_leaves_the_pool_alone)
{
    free(expect_exit(body_refuse, NULL, 0));
}
END_TEST

struct second {
    ff_pool *pool;
    int rc;
};

static void *run_second(void *arg)
{
    struct second *second = arg;

    manager_expect("READY=1");
    second->rc = ff_service_run(second->pool, NULL);
    signal_self(SIGTERM);
    return NULL;
}

static void body_busy(void *arg)
{
    struct second second = {.pool = pool_with(1)};
    pthread_t thread;

    (void)arg;
    manager_open();
    require(pthread_create(&thread, NULL, run_second, &second) == 0);
    require(ff_service_run(pool_with(1), NULL) == 0);
    require(pthread_join(thread, NULL) == 0);
    require(second.rc == -EBUSY);
    require(ff_pool_shutdown(second.pool, FF_DRAIN, FF_NEVER) == 0);
    require(ff_pool_free(second.pool) == 0);
    exit(0);
}

START_TEST(service_refuses_a_second_call_while_one_runs)
{
    free(expect_exit(body_busy, NULL, 0));
}
END_TEST

/* From now on the calling thread cannot start threads. The kernel refuses: no function is replaced,
 * so this works with every sanitizer. */
static void threads_forbid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};

    require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    require(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void body_no_thread(void *arg)
{
    char path[] = "/tmp/death_service.XXXXXX";
    struct ff_service_options options = {.size = sizeof options, .liveness_path = path};
    ff_pool *pool = pool_with(1);

    (void)arg;
    require(mkdtemp(path) && rmdir(path) == 0); /* A name that nobody has. */
    threads_forbid();
    require(ff_service_run(pool, &options) == -EAGAIN);
    require(access(path, F_OK) < 0);
    require(handler_is(SIGTERM, SIG_DFL) && handler_is(SIGINT, SIG_DFL));
    require(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) == 0);
    require(ff_pool_free(pool) == 0);
    _exit(0); /* Exit handlers of sanitizers would want threads. */
}

START_TEST(service_answers_eagain_when_its_thread_cannot_start)
{
    free(expect_exit(body_no_thread, NULL, 0));
}
END_TEST

FF_TEST_MAIN("service_calls", 60, service_leaves_the_signals_of_a_forked_child_as_they_were_before,
             service_refuses_the_pool_of_the_forking_process,
             service_runs_in_a_child_that_was_forked_while_it_ran,
             service_runs_again_and_puts_the_handlers_back,
             service_leaves_a_handler_that_somebody_put_in_place_meanwhile,
             service_refuses_bad_input_and_leaves_the_pool_alone,
             service_refuses_a_second_call_while_one_runs,
             service_answers_eagain_when_its_thread_cannot_start)

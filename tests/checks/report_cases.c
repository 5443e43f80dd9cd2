/* Ways to fail, one for each argument, for report_format.py: together their reports hold every kind
 * of line that docs/report-format.md explains. Written against the public headers, as a program of
 * a user is. Nothing here sleeps to be right: whoever must come later waits for a cancellation or a
 * semaphore. */
#include <failfast.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOPS 19

static ff_pool *pool;
static sem_t ready;

/* Every result counts here: a case that cannot be set up must not look like one that worked. */
static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "set-up failed: %d\n", rc);
        _exit(99);
    }
}

static void start_pool(void)
{
    const struct ff_pool_options options = {.size = sizeof options, .name = "demo", .workers = 2};

    must(sem_init(&ready, 0, 0));
    must(ff_pool_new(&options, &pool));
}

static int end_pool(void)
{
    must(ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER));
    return ff_pool_free(pool);
}

/* For cases with loops, which a shutdown would cancel: the failure alone ends the process. */
static int await_failure(void)
{
    while (pause() < 0)
        ;
    return 0;
}

static void configure(uint64_t grace_ns, uint64_t hook_ns, unsigned exit_on_fault)
{
    const struct ff_failure_options options = {.size = sizeof options,
                                               .grace_ns = grace_ns,
                                               .hook_ns = hook_ns,
                                               .exit_on_fault = exit_on_fault};

    must(ff_failure_configure(&options));
}

static int run_one(const char *name, ff_task_fn *fn)
{
    start_pool();
    must(ff_spawn(pool, name, fn, NULL));
    return end_pool();
}

static int parse_record(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -EBADMSG, "record %d of %s is broken", 7, "orders");
}

/* A loop that the failure of another task ends. */
static int follow_stream(ff_task *self, void *arg)
{
    (void)arg;
    sem_post(&ready);
    return ff_sleep(self, FF_NEVER);
}

static int case_error(void)
{
    start_pool();
    must(ff_spawn_service(pool, "follow_stream", follow_stream, NULL));
    sem_wait(&ready);
    must(ff_spawn(pool, "parse_record", parse_record, NULL));
    return await_failure();
}

static int returns_status(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 17;
}

static int spawns_status(ff_task *self, void *arg)
{
    (void)arg;
    must(ff_spawn(ff_task_pool(self), "child", returns_status, NULL));
    return 0;
}

static int case_parent(void)
{
    start_pool();
    must(ff_spawn(pool, "parent", spawns_status, NULL));
    return await_failure(); /* No shutdown, which would refuse the child. */
}

static int load_cart(ff_task *self, void *arg)
{
    (void)arg;
    return ff_fail(self, -ENOENT, "no cart");
}

static int handle_request(ff_task *self, void *arg)
{
    ff_group *group;
    int rc;

    (void)arg;
    must(ff_group_new(self, NULL, &group));
    must(ff_group_spawn(group, "load_cart", load_cart, NULL));
    rc = ff_group_wait(group);
    ff_group_free(group);
    return rc;
}

static int case_chain(void)
{
    return run_one("handle_request", handle_request);
}

static int case_panic(void)
{
    start_pool();
    ff_panic("table %d is inconsistent", 3);
}

static int panic(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    ff_panic("table %d is inconsistent", 4);
}

static int case_task_panic(void)
{
    return run_one("check_table", panic);
}

static int hang(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    sem_post(&ready);
    while (pause() < 0)
        ;
    return 0;
}

static int case_straggler(void)
{
    configure(50 * FF_MILLISECOND, 0, 0);
    start_pool();
    must(ff_spawn(pool, "crunch", hang, NULL));
    sem_wait(&ready);
    must(ff_spawn(pool, "parse_record", parse_record, NULL));
    return end_pool();
}

static int fail_late(ff_task *self, void *arg)
{
    (void)arg;
    sem_post(&ready);
    if (ff_sleep(self, FF_NEVER) != FF_CANCELED)
        return 0;
    return ff_fail(self, -EPIPE, "the peer has gone");
}

/* More than the list of later failures keeps. */
static int case_also(void)
{
    start_pool();
    for (int i = 0; i < LOOPS; i++)
        must(ff_spawn_service(pool, "follow_peer", fail_late, NULL));
    for (int i = 0; i < LOOPS; i++)
        sem_wait(&ready);
    must(ff_spawn(pool, "parse_record", parse_record, NULL));
    return await_failure();
}

static void write_to(int *place)
{
    *(volatile int *)place = 1;
}

static void fault_hook(void *unused)
{
    static int *volatile nowhere;

    (void)unused;
    write_to(nowhere);
}

static void hang_hook(void *unused)
{
    (void)unused;
    for (;;)
        pause();
}

static int case_hooks(void)
{
    configure(0, 50 * FF_MILLISECOND, 0);
    must(ff_at_abort("flush metrics", hang_hook, NULL, 0));
    must(ff_at_abort("save state", fault_hook, NULL, 0));
    return run_one("parse_record", parse_record);
}

static void fault_at_exit(void)
{
    fault_hook(NULL);
}

static void hang_drop(void *arg, ff_outcome outcome)
{
    (void)outcome;
    hang_hook(arg);
}

static int case_drop(void)
{
    const struct ff_spawn_options options = {.size = sizeof options,
                                             .name = "parse_record",
                                             .drop = hang_drop};

    configure(50 * FF_MILLISECOND, 50 * FF_MILLISECOND, 0);
    start_pool();
    must(ff_spawn_with(pool, &options, parse_record, NULL));
    return end_pool();
}

static int case_callback(void)
{
    ff_registration *registration;

    configure(50 * FF_MILLISECOND, 50 * FF_MILLISECOND, 0);
    start_pool();
    must(ff_register(ff_pool_token(pool), hang_hook, NULL, &registration));
    must(ff_spawn(pool, "parse_record", parse_record, NULL));
    return await_failure();
}

static int case_conductor(void)
{
    must(-atexit(fault_at_exit));
    return run_one("parse_record", parse_record);
}

static int write_wild(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    fault_hook(NULL);
    return 0;
}

static int case_segv(void)
{
    must(ff_at_abort("mark the file", fault_hook, NULL, FF_HOOK_SIGNAL_SAFE));
    start_pool();
    must(ff_spawn_service(pool, "follow_stream", follow_stream, NULL));
    sem_wait(&ready);
    must(ff_spawn(pool, "write_wild", write_wild, NULL));
    return await_failure();
}

static int case_segv_exit(void)
{
    configure(0, 0, 1);
    return run_one("write_wild", write_wild);
}

/* Never ends; the volatiles keep the compiler from seeing that, and from making a loop of it. */
__attribute__((noinline)) static int descend(int depth)
{
    static volatile int limit = -1;
    volatile char here[256];

    here[0] = (char)depth;
    return depth == limit ? 0 : descend(depth + 1) + here[0];
}

static int recurse(ff_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return descend(0);
}

static int case_overflow(void)
{
    return run_one("walk_tree", recurse);
}

static int call_nothing(ff_task *self, void *arg)
{
    static void (*volatile nothing)(void);

    (void)self;
    (void)arg;
    nothing();
    return 0;
}

static int case_bad_call(void)
{
    return run_one("call_handler", call_nothing);
}

static void *abort_main(void *unused)
{
    abort();
    return unused;
}

static int case_foreign(void)
{
    pthread_t thread;

    start_pool();
    must(-pthread_create(&thread, NULL, abort_main, NULL));
    return pthread_join(thread, NULL);
}

static int case_adopted(void)
{
    start_pool();
    must(ff_thread_adopt("main"));
    return raise(SIGTRAP);
}

/* A task and a thread of the program fault while the process fails already: they are held, and
 * listed. Both have the grace period for it. */
static int fault_late(ff_task *self, void *arg)
{
    sem_wait(&ready);
    return write_wild(self, arg);
}

static void *fault_late_main(void *unused)
{
    sem_wait(&ready);
    fault_hook(unused);
    return NULL;
}

static void let_fault(void *unused)
{
    (void)unused;
    sem_post(&ready);
    sem_post(&ready);
}

static int case_also_fault(void)
{
    pthread_t thread;

    configure(500 * FF_MILLISECOND, 0, 0);
    must(ff_at_abort("let fault", let_fault, NULL, 0));
    start_pool();
    must(-pthread_create(&thread, NULL, fault_late_main, NULL));
    must(ff_spawn(pool, "late", fault_late, NULL));
    must(ff_spawn(pool, "parse_record", parse_record, NULL));
    return await_failure();
}

static int ignore_cancel(ff_task *self, void *arg)
{
    (void)arg;
    must(ff_pool_shutdown(ff_task_pool(self), FF_DRAIN, 0) == -EDEADLK ? 0 : -1);
    return hang(NULL, NULL);
}

static int case_service(void)
{
    const struct ff_service_options options = {.size = sizeof options,
                                               .grace_ns = 10 * FF_MILLISECOND};

    configure(10 * FF_MILLISECOND, 0, 0);
    start_pool();
    must(ff_spawn(pool, "crunch", ignore_cancel, NULL));
    return ff_service_run(pool, &options);
}

/* More than the list of other threads shows. */
static int case_crowd(void)
{
    start_pool();
    for (int i = 0; i < 70; i++)
        must(ff_spawn_service(pool, "follow_stream", follow_stream, NULL));
    for (int i = 0; i < 70; i++)
        sem_wait(&ready);
    must(ff_spawn(pool, "parse_record", parse_record, NULL));
    return await_failure();
}

static const struct {
    const char *name;
    int (*run)(void);
} cases[] = {
    {"error", case_error},         {"parent", case_parent},         {"chain", case_chain},
    {"panic", case_panic},         {"task_panic", case_task_panic}, {"drop", case_drop},
    {"callback", case_callback},   {"straggler", case_straggler},   {"also", case_also},
    {"hooks", case_hooks},         {"conductor", case_conductor},   {"segv", case_segv},
    {"segv_exit", case_segv_exit}, {"overflow", case_overflow},     {"bad_call", case_bad_call},
    {"foreign", case_foreign},     {"adopted", case_adopted},       {"also_fault", case_also_fault},
    {"service", case_service},     {"crowd", case_crowd},
};

/* Without an argument: the names of the cases. No case returns. */
int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc < 2)
            puts(cases[i].name);
        else if (strcmp(argv[1], cases[i].name) == 0)
            return cases[i].run() == 0 ? 90 : 91;
    }
    return argc < 2 ? 0 : 98;
}

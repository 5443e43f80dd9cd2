/* The program of one peer: each bench/peers/ file defines the interface below for its pool and then
 * includes this header, once and last. So the loops of the workloads and the peer's calls are
 * compiled as one unit, and no peer pays for an indirect call that another one does not.
 *
 * A peer defines
 *   PEER_NAME               "glib"
 *   peer_fn                 the type of a task function, in the form that this pool calls directly
 *   PEER_TASK(name, arg)    the head of a task's definition; a body in braces follows. The first
 *                           member of *arg is always the task's own peer_fn *.
 *   peer_version()          the version of the library in use
 *   peer_cannot(run)        NULL, or why this peer has no honest way to do that
 *   peer_start(workers)     make a pool of so many workers
 *   peer_as_producer(body, arg)   call body(arg) on this thread, which may then use peer_submit()
 *   peer_submit(fn, arg)    hand over a task from a producer
 *   peer_drain()            what a producer owes its pool when it has nothing left to submit
 *   peer_stop()             end the pool: no task runs after it
 * and where it has them
 *   PEER_HAS_SPAWN          peer_root(fn, arg): start one task from the main thread, which is no
 *                           producer; peer_spawn(fn, arg): start a task from inside a task
 *   PEER_HAS_FORK_JOIN      peer_fib(n): fork-join Fibonacci without cut-off, on all workers
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include "harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a task of the workloads gets. */
struct bench_job {
    peer_fn *fn;
    uint64_t runs; /* In verify mode: how often this job has run. */
};

/* The jobs of a batch. In verify mode each task has one of its own; when measuring they share one
 * that nobody writes, so that the memory of the tasks is not what is measured. */
struct bench_jobs {
    struct bench_job *job;
    uint64_t stride;
    uint64_t count;
};

PEER_TASK(bench_empty_task, arg)
{
    (void)arg;
    bench_count_one();
}

PEER_TASK(bench_marking_task, arg)
{
    __atomic_fetch_add(&((struct bench_job *)arg)->runs, 1, __ATOMIC_RELAXED);
    bench_count_one();
}

static struct bench_jobs bench_jobs_new(const struct bench_run *run)
{
    struct bench_jobs jobs;

    jobs.count = run->verify ? run->n : 1;
    jobs.stride = run->verify ? 1 : 0;
    jobs.job = (struct bench_job *)bench_alloc(jobs.count, sizeof(*jobs.job));
    for (uint64_t i = 0; i < jobs.count; i++)
        jobs.job[i].fn = run->verify ? bench_marking_task : bench_empty_task;
    return jobs;
}

static inline struct bench_job *bench_job_at(const struct bench_jobs *jobs, uint64_t index)
{
    return &jobs->job[index * jobs->stride];
}

/* After the pool has stopped: in verify mode every job has run exactly once. */
static void bench_jobs_done(struct bench_jobs *jobs)
{
    for (uint64_t i = 0; i < jobs->count && jobs->stride != 0; i++) {
        if (jobs->job[i].runs != 1)
            bench_die("task %" PRIu64 " ran %" PRIu64 " times", i, jobs->job[i].runs);
    }
    free(jobs->job);
}

#include "workloads/w1_fork_join.h"
#include "workloads/w2_outside.h"
#include "workloads/w3_spawn.h"
#include "workloads/w4_chain.h"
#include "workloads/w5_wake.h"
#include "workloads/w7_idle.h"
#include "workloads/w8_queue.h"

/* A workload and its sizes: the usual one, --quick, --verify. run() gives the number of tasks that
 * must have been counted when the pool has stopped. */
struct bench_workload {
    const char *name;
    uint64_t (*run)(const struct bench_run *run);
    uint64_t sizes[3];
};

static const struct bench_workload bench_workloads[] = {
    {"W1", w1_run, {30, 24, 12}},
    {"W2.P1", w2_run_one, {1000000, 500000, 999}},
    {"W2.P2", w2_run_two, {1000000, 500000, 999}},
    {"W2.P8", w2_run_eight, {1000000, 500000, 999}},
    {"W3", w3_run, {1000000, 500000, 999}},
    {"W4", w4_run, {500000, 200000, 999}},
    {"W5", w5_run, {1000, 200, 10}},
    {"W7", w7_run, {3000, 500, 30}},
    {"W8", w8_run, {1000000, 200000, 999}},
};

#define BENCH_WORKLOAD_COUNT (sizeof(bench_workloads) / sizeof(bench_workloads[0]))

__attribute__((noreturn)) static void bench_usage(void)
{
    fputs("usage: bench-" PEER_NAME " [--quick | --verify] WORKLOAD WORKERS [N]\n"
          "       bench-" PEER_NAME " --version\n"
          "workloads:",
          stderr);
    for (size_t i = 0; i < BENCH_WORKLOAD_COUNT; i++)
        fprintf(stderr, " %s", bench_workloads[i].name);
    fputc('\n', stderr);
    exit(2);
}

static uint64_t bench_parse_number(const char *text, uint64_t max)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max)
        bench_usage();
    return value;
}

static const struct bench_workload *bench_find_workload(const char *name)
{
    for (size_t i = 0; i < BENCH_WORKLOAD_COUNT; i++) {
        if (strcmp(name, bench_workloads[i].name) == 0)
            return &bench_workloads[i];
    }
    bench_usage();
}

/* Measure, and check once more when nothing can run any longer: a task that ran twice may have been
 * late. */
static void bench_execute(const struct bench_workload *workload, const struct bench_run *run)
{
    const char *reason = peer_cannot(run);

    if (reason != NULL) {
        bench_print_cannot(run, reason);
        return;
    }
    uint64_t expected = workload->run(run);
    uint64_t counted = bench_count_sum();

    if (counted != expected)
        bench_die("%s %s: %" PRIu64 " tasks ran where %" PRIu64 " were submitted", run->peer,
                  run->workload, counted, expected);
}

int main(int argc, char **argv)
{
    struct bench_run run;
    int size = 0;

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", PEER_NAME, peer_version());
        return 0;
    }
    if (argc > 1 && argv[1][0] == '-') {
        size = strcmp(argv[1], "--quick") == 0 ? 1 : strcmp(argv[1], "--verify") == 0 ? 2 : -1;
        argv++;
        argc--;
    }
    if (argc < 3 || argc > 4 || size < 0)
        bench_usage();

    const struct bench_workload *workload = bench_find_workload(argv[1]);

    run.peer = PEER_NAME;
    run.workload = workload->name;
    run.workers = (unsigned)bench_parse_number(argv[2], 1024);
    run.n = argc == 4 ? bench_parse_number(argv[3], 100000000) : workload->sizes[size];
    run.verify = size == 2;
    bench_execute(workload, &run);
    return 0;
}

#endif

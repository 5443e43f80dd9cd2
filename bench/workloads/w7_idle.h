/* W7, idle: a pool that has run 1000 tasks and then has nothing to do for N milliseconds, the main
 * thread asleep.
 *
 * Values: the CPU time that the whole process used meanwhile, and its context switches. A process
 * that only sleeps switches once or twice. */
#ifndef BENCH_W7_IDLE_H
#define BENCH_W7_IDLE_H

#include <sys/resource.h>

#define W7_WARM_UP 1000
#define W7_SETTLE_NS 100000000u

static void w7_warm_up(void *arg)
{
    struct bench_job *job = (struct bench_job *)arg;

    for (int i = 0; i < W7_WARM_UP; i++)
        peer_submit(bench_empty_task, job);
    peer_drain();
    bench_wait_count(W7_WARM_UP);
}

static uint64_t w7_switches(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        bench_die("getrusage failed");
    return (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw;
}

static uint64_t w7_run(const struct bench_run *run)
{
    struct bench_job job;

    job.fn = bench_empty_task;
    job.runs = 0;
    peer_start(run->workers);
    peer_as_producer(w7_warm_up, &job);
    bench_sleep_ns(W7_SETTLE_NS);

    uint64_t start_switches = w7_switches();
    uint64_t start_cpu_ns = bench_cpu_ns();

    bench_sleep_ns(run->n * 1000000u);
    uint64_t used_ns = bench_cpu_ns() - start_cpu_ns;
    uint64_t switches = w7_switches() - start_switches;

    peer_stop();
    bench_print(run, "cpu", (double)used_ns / 1e6, "ms");
    bench_print(run, "switches", (double)switches, "switches");
    return W7_WARM_UP;
}

#endif

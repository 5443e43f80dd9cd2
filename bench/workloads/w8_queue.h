/* W8, a long queue: every worker is held by a task that waits at a gate, while one producer submits
 * N empty tasks; then the gate opens. Nothing is warm: that is the point.
 *
 * Values: resident memory per queued task, nanoseconds per submission, and nanoseconds per task
 * from the opening until all have run. */
#ifndef BENCH_W8_QUEUE_H
#define BENCH_W8_QUEUE_H

#include <semaphore.h>

struct w8_gate {
    peer_fn *fn; /* First, as in every argument of a task. */
    sem_t reached;
    sem_t open;
};

struct w8 {
    const struct bench_run *run;
    struct bench_jobs jobs;
    struct w8_gate gate;
    uint64_t expected;
    int64_t queued_bytes;
    uint64_t submit_ns;
    uint64_t drain_ns;
};

static void w8_sem_wait(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        ;
}

PEER_TASK(w8_hold, arg)
{
    struct w8_gate *gate = (struct w8_gate *)arg;

    sem_post(&gate->reached);
    w8_sem_wait(&gate->open);
    bench_count_one();
}

static void w8_hold_workers(struct w8 *w8)
{
    for (unsigned i = 0; i < w8->run->workers; i++)
        peer_submit(w8_hold, &w8->gate);
    for (unsigned i = 0; i < w8->run->workers; i++)
        w8_sem_wait(&w8->gate.reached);
}

static void w8_produce(void *arg)
{
    struct w8 *w8 = (struct w8 *)arg;
    peer_fn *fn = w8->jobs.job->fn;

    w8_hold_workers(w8);
    uint64_t start_bytes = bench_resident_bytes();
    uint64_t start_ns = bench_now_ns();

    for (uint64_t i = 0, n = w8->run->n; i < n; i++)
        peer_submit(fn, bench_job_at(&w8->jobs, i));
    uint64_t queued_ns = bench_now_ns();
    uint64_t queued_bytes = bench_resident_bytes();

    if (bench_count_sum() != 0)
        bench_die("a task ran while every worker was held");
    uint64_t open_ns = bench_now_ns();

    for (unsigned i = 0; i < w8->run->workers; i++)
        sem_post(&w8->gate.open);
    bench_wait_count(w8->expected);
    w8->drain_ns = bench_now_ns() - open_ns;
    w8->submit_ns = queued_ns - start_ns;
    w8->queued_bytes = (int64_t)(queued_bytes - start_bytes);
    peer_drain();
}

static uint64_t w8_run(const struct bench_run *run)
{
    struct w8 w8;
    double n = (double)run->n;

    w8.run = run;
    w8.jobs = bench_jobs_new(run);
    w8.expected = run->n + run->workers;
    w8.gate.fn = w8_hold;
    bench_must(sem_init(&w8.gate.reached, 0, 0), "sem_init");
    bench_must(sem_init(&w8.gate.open, 0, 0), "sem_init");
    peer_start(run->workers);
    peer_as_producer(w8_produce, &w8);
    peer_stop();
    bench_jobs_done(&w8.jobs);
    bench_print(run, "bytes", (double)w8.queued_bytes / n, "B/task");
    bench_print(run, "submit", (double)w8.submit_ns / n, "ns/task");
    bench_print(run, "drain", (double)w8.drain_ns / n, "ns/task");
    return w8.expected;
}

#endif
